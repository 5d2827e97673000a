"""The list of emergencies as a sheet: CSV with `;`, as French spreadsheets open it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from chalice.app import Response

from dmp.domain.emergencies import Episode
from dmp.edge.http import PRIVATE
from functions.operations.messages import Row, row_of

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_answer(episodes: Sequence[Episode], following: str | None) -> Response:
    """One line per episode under a line of names; `following` is the next page's address."""
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/csv; charset=utf-8; header=present",
        "Content-Disposition": 'attachment; filename="emergencies.csv"',
        **PRIVATE,
    }
    if following:
        headers["Link"] = f'<{following}>; rel="next"'
    return Response(sheet(episodes), headers, 200)


def sheet(episodes: Sequence[Episode]) -> str:
    """The text of the sheet."""
    names = [field.alias or name for name, field in Row.model_fields.items()]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(names)
    for episode in episodes:
        told = row_of(episode).model_dump(mode="json", by_alias=True)
        writer.writerow([cell(told[name]) for name in names])
    return text.getvalue()


def cell(value: str | int | None) -> str:
    """A value that no spreadsheet takes for a formula [OWASP, CSV injection]."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
