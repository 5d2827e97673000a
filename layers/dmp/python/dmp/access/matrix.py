"""The habilitation matrix: which profession reads which type of document.

Data of the policies layer: `matrix.csv` has a row for each type, then one for each class (a type
that no row names is treated by its class), then one for everything else. A cell says `read` or
`none`, with `!` when a public source says so; the others are assumed.
[arrêté du 26 octobre 2023, annexe]
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from types import MappingProxyType

OTHER = "*"
"""The code of the row for whatever no other row names."""

_BEFORE_CELLS = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether a profession reads a type, and whether a public source says so."""

    reads: bool
    sourced: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the matrix: `kind` is `type`, `class` or `other`; `class_code` that of a type;
    `cells` by profession (code of table G15)."""

    kind: str
    code: str
    class_code: str
    label: str
    cells: Mapping[str, Cell]


_EMPTY = Row("other", OTHER, "", "", MappingProxyType({}))


@dataclass(frozen=True)
class Matrix:
    """The rows of one version, as they stand in `matrix.csv`."""

    version: str
    rows: tuple[Row, ...]

    @cached_property
    def types(self) -> Mapping[str, Row]:
        return {row.code: row for row in self.rows if row.kind == "type"}

    @cached_property
    def classes(self) -> Mapping[str, Row]:
        return {row.code: row for row in self.rows if row.kind == "class"}

    @cached_property
    def other(self) -> Row:
        return next((row for row in self.rows if row.kind == "other"), _EMPTY)

    @property
    def professions(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.rows[0].cells) if self.rows else ()

    def row(self, type_code: str, class_code: str | None = None) -> Row:
        """The row that decides on a type: its own, its class's, or the last one."""
        return self.types.get(type_code) or self.classes.get(class_code or "") or self.other

    def opens(self, profession: str, type_code: str, class_code: str | None) -> bool:
        """Whether a profession reads a type; one that the matrix does not know reads nothing."""
        cell = self.row(type_code, class_code).cells.get(profession)
        return cell is not None and cell.reads

    def sourced(self, profession: str, type_code: str, class_code: str | None = None) -> bool:
        """Whether a public source says what the profession may do with the type."""
        cell = self.row(type_code, class_code).cells.get(profession)
        return cell is not None and cell.sourced


def load_matrix() -> Matrix:
    """The matrix in force."""
    data = files("dmp_policies")
    version = json.loads(data.joinpath("matrix.json").read_text("utf-8"))["version"]
    return parse_matrix(data.joinpath("matrix.csv").read_text("utf-8"), version)


def parse_matrix(text: str, version: str) -> Matrix:
    """The matrix in the text of `matrix.csv`."""
    reader = csv.DictReader(io.StringIO(text), delimiter=";")
    professions = list(reader.fieldnames or ())[_BEFORE_CELLS:]
    return Matrix(
        version,
        tuple(
            Row(
                row["row"],
                row["code"],
                row["class"],
                row["label"],
                {one: _cell(row[one]) for one in professions},
            )
            for row in reader
        ),
    )


def _cell(text: str) -> Cell:
    return Cell(reads=text.rstrip("!") == "read", sourced=text.endswith("!"))
