"""FHIR envelopes: searchsets with their pages, parameters of an operation, outcomes that warn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from dmp.edge.fhir_search import CURSOR, Used
from dmp.usecases.prepare_upload import UploadForm


def searchset(
    fhir_url: str,
    kind: str,
    asked: Used,
    resources: Sequence[Mapping[str, Any]],
    *,
    total: int | None,
    next_cursor: str | None = None,
    outcome: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A Bundle of matches of one `kind` of resource; `asked` are the parameters that were used,
    in the self link too. `total` is left out where counting all pages would ask too much."""
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
        **({} if total is None else {"total": total}),
        "link": links(f"{fhir_url}/{kind}", asked, next_cursor),
    }
    # FHIR forbids empty arrays.
    return bundle | ({"entry": entries} if entries else {})


def history_bundle(
    url: str,
    asked: Used,
    entries: Sequence[Mapping[str, Any]],
    *,
    total: int | None = None,
    next_cursor: str | None = None,
) -> dict[str, Any]:
    """A Bundle of the versions of one resource, newest first; each entry has its `request` and
    `response` [FHIR R4, http.html#history]. `total` counts all versions, `asked` are the
    parameters that were used."""
    told: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "history",
        "total": total,
        "link": links(url, asked, next_cursor),
    }
    return told | ({"entry": list(entries)} if entries else {})


def links(url: str, asked: Used, next_cursor: str | None = None) -> list[dict[str, str]]:
    """The link of a page to itself, and to the one after it."""
    found = [{"relation": "self", "url": _link(url, asked)}]
    if next_cursor:
        rest = [(name, value) for name, value in asked if name != CURSOR]
        found.append({"relation": "next", "url": _link(url, [*rest, (CURSOR, next_cursor)])})
    return found


def warning(code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome that goes along with an answer."""
    details = {"coding": [{"system": "urn:dmp:warning", "code": code}], "text": text}
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "informational", "details": details}],
    }


def parameters(resource: Mapping[str, Any], form: UploadForm | None) -> dict[str, Any]:
    """The answer of `$upload`: the resource, and while its bytes are awaited the form's address
    and one `field` per form field."""
    told: list[dict[str, Any]] = [{"name": "documentReference", "resource": resource}]
    if form is not None:
        told.append({"name": "url", "valueUri": form.url})
        told += (
            {
                "name": "field",
                "part": [
                    {"name": "name", "valueString": name},
                    {"name": "value", "valueString": value},
                ],
            }
            for name, value in form.fields.items()
        )
    return {"resourceType": "Parameters", "parameter": told}


def _link(url: str, asked: Used) -> str:
    return f"{url}?{urlencode(asked)}" if asked else url
