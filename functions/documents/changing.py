"""Changing a document by JSON Patch: what a patch makes of the resource that the caller sees.

Only `/status`, `/securityLabel` and the isArchived extension change. A label, or an archive state,
whose meaning stays keeps the writing that it had: what changes no meaning changes nothing.
Source: PDSm 3.1, flow 03 (update of a document's metadata).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dmp.domain.access import Answer
from dmp.domain.amendments import AT, LABELS, Amendment, meaning
from dmp.domain.documents import Document, DocumentStatus
from dmp.domain.errors import Fault, Invalid
from dmp.edge.fhir_documents import ARCHIVED, MOST, kept, resource_of
from dmp.edge.http import faults_of
from dmp.edge.json_patch import Patch
from dmp.usecases.change_document import Rewrite
from functions.documents.messages import Concept, Extensions, Labels, archived, visibilities

_ALLOWED = ("/status", "/securityLabel", "/extension")
_STATUSES = {status.value: status for status in DocumentStatus}
_BY_URL = re.compile(
    r"/extension\[url\s*[:=]\s*['\"“”‘’](?P<url>[^'\"“”‘’]+)['\"“”‘’]\](?P<rest>(/.*)?)"
)
"""How PDSm's own examples point to an extension; no JSON Pointer [RFC 6901]."""

_labels = TypeAdapter(Labels)
_extensions = TypeAdapter(Extensions)


def rewriting(told: Any, fhir_url: str) -> Rewrite:
    """What a patch makes of a document; Malformed for a body that is no patch."""
    Patch.of(_pointed(told, None))

    def rewrite(document: Document, answer: Answer) -> Amendment:
        hidden = answer.hidden_from_others
        before = resource_of(document, fhir_url, hidden_from_others=hidden)
        patch = Patch.of(_pointed(told, before))
        return _amendment(document, before, patch.on(before, allowed=_ALLOWED, kept=_others))

    return rewrite


def _amendment(
    document: Document, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Amendment:
    status = after.get("status")
    if not isinstance(status, str) or status not in _STATUSES:
        raise Invalid(Fault(f"{AT}.status", "unknown-code", ", ".join(_STATUSES)))
    said = after.get("securityLabel", [])
    labels = _read(_labels, said, LABELS)
    if any(not label.pairs for label in labels):
        raise Invalid(Fault(LABELS, "unknown-code", "a label has a code"))
    codes = visibilities(labels)
    extensions = after.get("extension", [])
    aside = archived(_read(_extensions, extensions, f"{AT}.extension"))
    result = dict(after)
    if meaning(codes) == meaning(document.visibility):
        codes = document.visibility
        _put(result, "securityLabel", before.get("securityLabel"))
    else:
        _put(result, "securityLabel", _merged(before.get("securityLabel", []), said, labels))
    if aside is document.archived:
        _put(result, "extension", before.get("extension"))
    resource = kept(result)
    if json.loads(resource) == json.loads(kept(before)):
        resource = document.resource
    if len(resource.encode("utf-8")) > MOST:
        raise Invalid(Fault(AT, "too-large", "256 KiB at most, the attachment left out"))
    return Amendment(_STATUSES[status], codes, aside, resource)


def _read(adapter: TypeAdapter[Any], told: Any, at: str) -> Any:
    try:
        return adapter.validate_python(told)
    except ValidationError as error:
        raise Invalid(*faults_of(error, at)) from None


def _merged(before: Any, said: list[Any], labels: list[Concept]) -> list[Any]:
    """The labels as they were said; one that means what one meant before keeps its writing."""
    written = {
        visibilities([label]): one
        for one, label in zip(before, _labels.validate_python(before), strict=True)
        if label.pairs
    }
    return [
        written.get(visibilities([label]), one) for one, label in zip(said, labels, strict=True)
    ]


def _put(resource: dict[str, Any], name: str, value: Any) -> None:
    """FHIR forbids empty lists."""
    if value:
        resource[name] = value
    else:
        resource.pop(name, None)


def _others(resource: Mapping[str, Any]) -> Any:
    """The extensions that do not change, in whatever a patch made of them."""
    held = resource.get("extension", [])
    if not isinstance(held, list):
        return held
    return [one for one in held if not (isinstance(one, dict) and one.get("url") == ARCHIVED)]


def _pointed(told: Any, resource: Mapping[str, Any] | None) -> Any:
    """A patch with PDSm's way of naming an extension as pointers into this resource."""
    if not isinstance(told, list):
        return told
    return [
        _operation(one, resource)
        if isinstance(one, dict) and isinstance(one.get("path"), str)
        else one
        for one in told
    ]


def _operation(operation: dict[str, Any], resource: Mapping[str, Any] | None) -> dict[str, Any]:
    found = _BY_URL.fullmatch(operation["path"])
    if found is None:
        return operation
    extensions = (resource or {}).get("extension", [])
    urls = [one.get("url") for one in extensions]
    if found["url"] in urls:
        place = urls.index(found["url"])
        return {**operation, "path": f"/extension/{place}{found['rest']}"}
    wanted = operation.get("op") in {"add", "replace"} and found["rest"] == "/valueBoolean"
    if resource is None or not wanted:
        return {**operation, "path": f"/extension/-{found['rest']}"}
    one = {"url": found["url"], "valueBoolean": operation.get("value")}
    if not extensions:
        return {"op": "add", "path": "/extension", "value": [one]}
    return {"op": "add", "path": "/extension/-", "value": one}
