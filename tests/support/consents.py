"""Consents as a client sends them."""

from __future__ import annotations

from copy import deepcopy

from tests.access.scenes import ME, RECORD_ID

SCOPE = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy",
        }
    ]
}


def code(kind: str):
    return {"coding": [{"system": "urn:dmp:consent", "code": kind}]}


def body(kind: str = "authorisation", provision: str = "permit", **changes):
    who = {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": ME}}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": SCOPE,
        "category": [code(kind)],
        "patient": {"reference": f"Patient/{RECORD_ID}"},
        "provision": {"type": provision, "code": [code(kind)], "actor": [{"reference": who}]},
        **changes,
    }


def without_actor(told):
    told = deepcopy(told)
    del told["provision"]["actor"]
    return told
