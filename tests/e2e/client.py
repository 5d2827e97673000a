"""A partner's view of the service: requests, tokens, a mailbox. Nothing of the inside."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx

from dmp.domain.identity import luhn
from infra.local import inbox, tokens
from infra.local.stack import Stack
from tests.support.people import Someone, opening, somebody

PHARMACIST, DOCTOR, NURSE = "21", "10", "60"
FINESS = "750000018"


def rpps(rank: int) -> str:
    """A well-formed RPPS number of the test range."""
    body = f"10{rank:08d}"
    return next(body + key for key in "0123456789" if luhn(body + key))


class Dmp:
    """The API as its users see it."""

    def __init__(self, stack: Stack, http: httpx.Client) -> None:
        self.stack = stack
        self.http = http
        self._tokens: dict[tuple[str, ...], str] = {}

    # -- who calls -----------------------------------------------------------------------------

    def token(self, *arguments: str) -> str:
        """The token that `dmp token …` prints, asked for once."""
        if arguments not in self._tokens:
            self._tokens[arguments] = tokens.issue(self.stack.content, arguments)
        return self._tokens[arguments]

    def professional(self, rank: int, profession: str = DOCTOR, *more: str) -> str:
        return self.token(
            "professional",
            "--rpps",
            rpps(rank),
            "--profession",
            profession,
            "--structure",
            FINESS,
            *more,
        )

    def pharmacist(self) -> str:
        return self.professional(1, PHARMACIST)

    def doctor(self, rank: int = 2) -> str:
        return self.professional(rank)

    def agent(self, role: str = "enrolment") -> str:
        return self.token("agent", "--role", role, "--caisse", "751")

    def holder(self, someone: Someone) -> str:
        return self.token(
            "patient",
            "--ins",
            someone.matricule,
            "--oid",
            someone.oid,
            "--traits",
            json.dumps(someone.claims),
        )

    # -- what they do --------------------------------------------------------------------------

    def call(
        self, method: str, path: str, bearer: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {**more.pop("headers", {})}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if "json" in more and path.startswith("/fhir"):
            headers.setdefault("Content-Type", "application/fhir+json")
        return self.http.request(method, path, headers=headers, **more)

    def get(self, path: str, bearer: str | None = None, **more: Any) -> httpx.Response:
        return self.call("GET", path, bearer, **more)

    def post(self, path: str, bearer: str | None = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, bearer, **more)

    def open(
        self, someone: Someone | None = None, bearer: str | None = None, **changes: Any
    ) -> str:
        """Open a record (somebody new's by default) and return its id."""
        someone = someone or somebody()
        answer = self.post(
            "/enrolment/records", bearer or self.pharmacist(), json=opening(someone, **changes)
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["recordId"])

    def consent(
        self, bearer: str, record: str, kind: str, rank: int, provision: str = "permit"
    ) -> httpx.Response:
        body = consent_of(record, kind, rank, provision)
        return self.post("/fhir/Consent", bearer, json=body)

    def mail(self, to: str) -> list[dict[str, Any]]:
        """What `dmp inbox --to … --json` prints."""
        return inbox.messages(self.stack.content, to)

    def logs(self) -> str:
        """Everything that any function, gateway or workflow of the stack wrote."""
        logs = self.stack.client("logs")
        lines = []
        for groups in logs.get_paginator("describe_log_groups").paginate():
            for group in groups["logGroups"]:
                pages = logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group["logGroupName"]
                )
                lines += [event["message"] for page in pages for event in page["events"]]
        return "\n".join(lines)


def consent_of(record: str, kind: str, rank: int, provision: str = "permit") -> dict[str, Any]:
    """A Consent about one professional, as a client of the service writes it."""
    code = {"coding": [{"system": "urn:dmp:consent", "code": kind}]}
    terms = "http://terminology.hl7.org/CodeSystem/"
    role = {"coding": [{"system": f"{terms}v3-ParticipationType", "code": "IRCP"}]}
    professional = {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps(rank)}"}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{terms}consentscope", "code": "patient-privacy"}]},
        "category": [code],
        "patient": {"reference": f"Patient/{record}"},
        "dateTime": datetime.now(UTC).isoformat(),
        "policyRule": {"coding": [{"system": f"{terms}v3-ActCode", "code": "OPTIN"}]},
        "provision": {
            "type": provision,
            "code": [code],
            "actor": [{"role": role, "reference": {"identifier": professional}}],
        },
    }


def reference(
    record: str, data: bytes, *, rank: int = 2, media_type: str = "application/pdf", **changes: Any
) -> dict[str, Any]:
    """A DocumentReference as a doctor's software sends it, complete under PDSm."""
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    return {
        "resourceType": "DocumentReference",
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "author",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps(rank)}"}],
            },
            {
                "resourceType": "Organization",
                "id": "custodian",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{FINESS}"}],
            },
        ],
        "masterIdentifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:oid:2.25.{uuid.uuid4().int}",
        },
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "category": [
            {
                "coding": [
                    {
                        "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/"
                        "TRE-A03-ClasseDocument",
                        "code": "10",
                    }
                ]
            }
        ],
        "subject": {"reference": f"Patient/{record}"},
        "date": now,
        "author": [{"reference": "#author"}],
        "custodian": {"reference": "#custodian"},
        "securityLabel": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                        "code": "N",
                    }
                ]
            }
        ],
        "content": [
            {
                "attachment": {
                    "contentType": media_type,
                    "language": "fr-FR",
                    "data": base64.b64encode(data).decode(),
                    "title": "Compte rendu de consultation",
                    "creation": now,
                },
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                },
            }
        ],
        "context": {
            "facilityType": {"coding": [{"system": "urn:oid:1.2.250.1.71.4.2.4", "code": "SA07"}]},
            "practiceSetting": {
                "coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.9", "code": "AMBULATOIRE"}]
            },
            "period": {"start": now},
        },
        **changes,
    }


def announced(record: str, data: bytes, **more: Any) -> dict[str, Any]:
    """The same for `$upload`: size and hash in the place of the bytes."""
    resource = reference(record, data, **more)
    attachment = resource["content"][0]["attachment"]
    del attachment["data"]
    attachment["size"] = len(data)
    attachment["hash"] = base64.b64encode(
        hashlib.sha1(data, usedforsecurity=False).digest()
    ).decode()
    return resource


def upload(
    dmp: Dmp, record: str, data: bytes, resource: dict[str, Any] | None = None
) -> tuple[str, httpx.Response]:
    """Announce, then post the form: the document's id and the storage's answer."""
    told = dmp.post(
        "/fhir/DocumentReference/$upload", dmp.doctor(), json=resource or announced(record, data)
    )
    assert told.status_code == 201, told.text
    parameters = told.json()["parameter"]
    named = {p["name"]: p for p in parameters if p["name"] != "field"}
    assert named["documentReference"]["resource"]["docStatus"] == "preliminary"
    fields = {}
    for parameter in parameters:
        if parameter["name"] == "field":
            part = {p["name"]: p.get("valueString") for p in parameter["part"]}
            fields[part["name"]] = part["value"]
    url = (
        named["url"].get("valueUrl") or named["url"].get("valueUri") or named["url"]["valueString"]
    )
    sent = httpx.post(url, data=fields, files={"file": ("file", data)}, timeout=60)
    return named["documentReference"]["resource"]["id"], sent


def pdf(text: str = "Compte rendu") -> bytes:
    """A small, whole PDF of one page."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources"
            b" << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return bytes(out)
