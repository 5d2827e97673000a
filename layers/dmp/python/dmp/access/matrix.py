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
from importlib.resources import files

Cells = Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Matrix:
    """`types`, `classes` and `other` say, by profession, who reads."""

    version: str
    types: Mapping[str, Cells]
    classes: Mapping[str, Cells]
    other: Cells

    def opens(self, profession: str, type_code: str, class_code: str | None) -> bool:
        """Whether a profession reads a type; one that the matrix does not know reads nothing."""
        row = self.types.get(type_code) or self.classes.get(class_code or "") or self.other
        return row.get(profession, False)


def load_matrix() -> Matrix:
    """The matrix in force."""
    data = files("dmp_policies")
    version = json.loads(data.joinpath("matrix.json").read_text("utf-8"))["version"]
    return parse_matrix(data.joinpath("matrix.csv").read_text("utf-8"), version)


def parse_matrix(text: str, version: str) -> Matrix:
    """The matrix in the text of `matrix.csv`."""
    reader = csv.DictReader(io.StringIO(text), delimiter=";")
    professions = list(reader.fieldnames or ())[4:]
    rows: dict[str, dict[str, Cells]] = {"type": {}, "class": {}, "other": {}}
    for row in reader:
        rows[row["row"]][row["code"]] = {
            profession: row[profession].rstrip("!") == "read" for profession in professions
        }
    return Matrix(version, rows["type"], rows["class"], rows["other"]["*"])
