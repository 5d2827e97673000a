"""FHIR envelopes: searchsets with their pages, parameters of an operation, outcomes that warn."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from dmp.domain.ids import split_document_id

Query = Sequence[tuple[str, str]]


def searchset(
    url: str,
    asked: Query,
    resources: Sequence[Mapping[str, Any]],
    *,
    total: int,
    fhir_url: str,
    next_cursor: str | None = None,
    outcome: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A Bundle of matches; `asked` are the parameters that were used, in the self link too."""
    links = [{"relation": "self", "url": _link(url, asked)}]
    if next_cursor:
        rest = [(name, value) for name, value in asked if name != "cursor"]
        links.append({"relation": "next", "url": _link(url, [*rest, ("cursor", next_cursor)])})
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{fhir_url}/{one['resourceType']}/{one['id']}",
            "resource": one,
            "search": {"mode": "match"},
        }
        for one in resources
    ]
    if outcome is not None:
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": total,
        "link": links,
    }
    return bundle | ({"entry": entries} if entries else {})


def warning(code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome that goes along with an answer."""
    details = {"coding": [{"system": "urn:dmp:warning", "code": code}], "text": text}
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "informational", "details": details}],
    }


def parameters(resource: Mapping[str, Any], url: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `$upload`: the resource, the form's address, one `field` per form field."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "documentReference", "resource": resource},
            {"name": "url", "valueUri": url},
            *(
                {
                    "name": "field",
                    "part": [
                        {"name": "name", "valueString": name},
                        {"name": "value", "valueString": value},
                    ],
                }
                for name, value in fields.items()
            ),
        ],
    }


def cursor_of(last_id: str, total: int) -> str:
    """Where the next page begins: opaque to callers, and good for one record only."""
    return urlsafe_b64encode(f"{last_id}~{total}".encode()).decode("ascii").rstrip("=")


def read_cursor(cursor: str) -> tuple[str, int] | None:
    """The id and the total of `cursor_of`; None for what it cannot have made."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (Base64Error, ValueError):
        return None
    last_id, _, total = text.partition("~")
    if split_document_id(last_id) is None or not re.fullmatch(r"[0-9]{1,12}", total):
        return None
    return last_id, int(total)


def _link(url: str, asked: Query) -> str:
    return f"{url}?{urlencode(asked)}" if asked else url
