"""A document as a FHIR DocumentReference (R4, profile PDSm), on its way in and on its way out.

What was sent is kept and comes back element by element; the server sets `id`, `meta.versionId`,
`meta.lastUpdated`, `status`, `docStatus` and the attachment's `url`, `size` and `hash`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dmp.domain.documents import Document, Stage
from dmp.domain.errors import Fault

MOST = 256 * 1024
"""Bytes of a resource without its attachment: an item of the table holds 400 KB."""

REJECTION = "urn:dmp:rejection"
HIDDEN = "urn:dmp:hidden-from-others"
WARNING = "urn:dmp:warning"
ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"

_OURS = ("id", "docStatus")
_META_OURS = ("versionId", "lastUpdated")
_ATTACHMENT_OURS = ("data", "url", "size", "hash")
_EXTENSIONS_OURS = frozenset({REJECTION, HIDDEN, WARNING})


def kept(sent: Mapping[str, Any]) -> str:
    """What is kept of a resource as it was sent: everything but bytes and the server's elements.

    `sent` has the shape that `functions.documents.messages` checked. ValueError for numbers that
    JSON does not know.
    """
    resource = {name: value for name, value in sent.items() if name not in _OURS}
    if isinstance(sent.get("meta"), dict):
        resource["meta"] = {n: v for n, v in sent["meta"].items() if n not in _META_OURS}
        if not resource["meta"]:
            del resource["meta"]
    if isinstance(sent.get("extension"), list):
        resource["extension"] = [one for one in sent["extension"] if not _ours(one)]
        if not resource["extension"]:
            del resource["extension"]
    content = sent["content"][0]
    attachment = {
        name: value for name, value in content["attachment"].items() if name not in _ATTACHMENT_OURS
    }
    resource["content"] = [{**content, "attachment": attachment}]
    return json.dumps(resource, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _ours(extension: Any) -> bool:
    return isinstance(extension, dict) and extension.get("url") in _EXTENSIONS_OURS


def resource_of(
    document: Document,
    fhir_url: str,
    *,
    hidden_from_others: bool = False,
    warnings: Sequence[Fault] = (),
) -> dict[str, Any]:
    """The resource of a document; `fhir_url` is the base of our addresses."""
    told: dict[str, Any] = json.loads(document.resource)
    meta = {
        "versionId": str(document.version),
        "lastUpdated": instant(document.updated_at or document.submitted_at),
        **told.pop("meta", {}),
    }
    resource = {
        "resourceType": told.pop("resourceType"),
        "id": document.id,
        "meta": meta,
        **told,
        "status": document.status.value,
        "docStatus": document.stage.value,
    }
    attachment = dict(told["content"][0]["attachment"])
    if document.stage is not Stage.REJECTED:
        attachment["url"] = f"{fhir_url}/Binary/{document.id}"
    attachment |= {"size": document.content.size, "hash": document.content.sha1}
    resource["content"] = [{**told["content"][0], "attachment": attachment}]
    extensions = [*told.get("extension", ()), *_extensions(document, warnings)]
    if hidden_from_others:
        extensions.append({"url": HIDDEN, "valueBoolean": True})
    if extensions:
        resource["extension"] = extensions
    return resource


def _extensions(document: Document, warnings: Sequence[Fault]) -> list[dict[str, Any]]:
    told = []
    if document.rejection is not None:
        code, _, text = document.rejection.partition(":")
        told.append(_coded(REJECTION, code, text))
    told.extend(_coded(WARNING, one.code, f"{one.path}: {one.detail}") for one in warnings)
    return told


def _coded(url: str, code: str, text: str) -> dict[str, Any]:
    return {
        "url": url,
        "extension": [
            {"url": "code", "valueCode": code},
            {"url": "text", "valueString": text},
        ],
    }


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
