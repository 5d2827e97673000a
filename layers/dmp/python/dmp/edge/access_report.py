"""The access report: AuditEvents in one signed file that can be checked without the service.

A Bundle of type collection. `Bundle.signature` holds a detached JSON Web Signature (ES256) over the
canonical JSON of the Bundle without its `signature`: members in the order of their names, no
blanks, UTF-8 (RFC 8785; FHIR's http://hl7.org/fhir/canonicalization/json). `data` is base64 of the
compact form, as FHIR wants it; the key of its `kid` is published in `/.well-known/jwks.json`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dmp.domain import jws
from dmp.domain.ids import new_ulid
from dmp.edge.catalogue import messages
from dmp.edge.fhir_audit import resource, service
from dmp.usecases.read_traces import Entry

TYP = "dmp-access-report"
"""The `typ` of the signature's header: nothing else that the service signs has it."""

Json = dict[str, Any]
_PURPOSE = {
    "system": "urn:iso-astm:E1762-95:2013",
    "code": "1.2.840.10065.1.12.1.14",
    "display": "Source Signature",
}
_MEDIA = "application/fhir+json"


def report(
    entries: Sequence[Entry],
    links: Sequence[Mapping[str, str]],
    base: str,
    language: str,
    now: datetime,
) -> Json:
    """The report before it is signed; `links` are `self`, and `next` when there is more."""
    found = [resource(entry, base, language) for entry in entries]
    told: Json = {
        "resourceType": "Bundle",
        "id": new_ulid(now),
        "language": language,
        "type": "collection",
        "timestamp": _instant(now),
        "link": list(links),
    }
    if found:  # FHIR forbids empty arrays
        told["entry"] = [
            {"fullUrl": f"{base}/AuditEvent/{one['id']}", "resource": one} for one in found
        ]
    return told


def signed(bundle: Json, signer: jws.Signer, base: str, now: datetime) -> Json:
    """The report with its signature."""
    token = jws.detached(canonical(bundle), signer, TYP)
    return bundle | {
        "signature": {
            "type": [_PURPOSE],
            "when": _instant(now),
            "who": service(base, messages("traces", bundle["language"])["service"]),
            "targetFormat": _MEDIA,
            "sigFormat": "application/jose",
            "data": base64.b64encode(token.encode("ascii")).decode("ascii"),
        }
    }


def holds(bundle: Mapping[str, Any], verify: jws.Verify) -> bool:
    """Whether a report is as the service signed it, by a key that is known."""
    rest = {name: value for name, value in bundle.items() if name != "signature"}
    try:
        token = base64.b64decode(bundle["signature"]["data"], validate=True).decode("ascii")
        return jws.holds(token, canonical(rest), TYP, verify)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return False


def canonical(value: Any) -> bytes:
    """The one form of a JSON value that holds texts, whole numbers and booleans (RFC 8785)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def weight(entry: Entry, base: str, language: str) -> int:
    """How many bytes an entry adds to a report."""
    return len(canonical(resource(entry, base, language)))


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
