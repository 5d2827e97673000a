"""Where nomenclatures are read from: today, the built-in set of the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from dmp.domain.nomenclatures import Kind, Tables, read_table


@cache
def built_in() -> Tables:
    """The package's own tables, read once."""
    folder = files("dmp.nomenclatures")
    return Tables(
        {
            kind: read_table((folder / f"{kind.value}.csv").read_text("utf-8").splitlines())
            for kind in Kind
        }
    )
