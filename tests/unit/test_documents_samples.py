"""The files that a real partner sends are answered precisely.

Ours have the traps of the public PDSm samples: an INS with a wrong key under a real register, and
no custodian. The samples themselves are read where `DMP_SAMPLES` (or a `shared/samples` folder
beside the project) has them.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dmp.domain.errors import Invalid
from functions.documents.messages import sent
from tests.support.documents import reference

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("DMP_SAMPLES", ROOT.parent / "shared/samples")) / "fhir-pdsm4dmp"
NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
REAL, FOR_TESTS = "urn:oid:1.2.250.1.213.1.4.8", "urn:oid:1.2.250.1.213.1.4.10"
WRONG = "123456789012345"
BARE = b'<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'

needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the public samples are not here")


def simplified():
    """An ITI-105 publication with the two traps."""
    body = reference(
        f"Patient?identifier={REAL}|{WRONG}",
        BARE,
        "application/xml",
        custodian=None,
        category=None,
        securityLabel=None,
        context=None,
    )
    body["content"][0] = {
        "attachment": {
            "contentType": "application/xml",
            "data": base64.b64encode(BARE).decode(),
            "title": "CR",
        }
    }
    return body


def faults(told, *, lenient: bool = False) -> set[tuple[str, str]]:
    try:
        sent(told, now=NOW, lenient=lenient, holder=False)
    except Invalid as refusal:
        return {(fault.path, fault.code) for fault in refusal.faults}
    return set()


def for_tests(told):
    return json.loads(
        json.dumps(told).replace(f"{REAL}|", f"{FOR_TESTS}|").replace(f'"{REAL}"', f'"{FOR_TESTS}"')
    )


KEY = ("DocumentReference.subject", "matricule-key")
CUSTODIAN = ("DocumentReference.custodian", "required")


def test_strict_mode_names_the_wrong_key_and_the_missing_custodian():
    assert faults(simplified()) == {KEY, CUSTODIAN}
    assert faults(simplified(), lenient=True) == {KEY, CUSTODIAN}, "a real register stays strict"


def test_lenient_mode_takes_it_under_the_test_register_and_warns_of_both():
    assert faults(for_tests(simplified())) == {KEY, CUSTODIAN}
    told = sent(for_tests(simplified()), now=NOW, lenient=True, holder=False)
    assert {(one.path, one.code) for one in told.submission.warnings} == {KEY, CUSTODIAN}
    assert told.data == BARE


def test_of_a_lot_every_document_s_faults_are_named():
    told = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": {"resourceType": "List"}}, {"resource": simplified()}],
    }
    assert faults(told) == {
        ("resourceType", "resource-type"),
        ("Bundle.entry[1].resource.subject", "matricule-key"),
        ("Bundle.entry[1].resource.custodian", "required"),
    }


@pytest.mark.parametrize(
    "told",
    [
        {"resourceType": "Bundle", "entry": "x"},
        {
            "resourceType": "Bundle",
            "entry": [1, {"resource": 2}, {"resource": {"resourceType": 3}}],
        },
        {"resourceType": "DocumentReference", "contained": 5, "subject": {"reference": "#x"}},
        {
            "resourceType": "DocumentReference",
            "contained": [{"id": "x", "identifier": 7}],
            "subject": {"reference": "#x"},
            "author": [{"reference": "#x"}],
            "custodian": 4,
        },
        {"resourceType": "DocumentReference", "content": [{"attachment": []}], "relatesTo": {}},
        {"resourceType": ["DocumentReference"]},
        {},
    ],
)
def test_what_has_the_wrong_shape_is_refused_and_never_breaks(told):
    assert faults(told)


def test_no_fault_repeats_an_identity_that_was_sent():
    with pytest.raises(Invalid) as refusal:
        sent(simplified(), now=NOW, lenient=False, holder=False)
    assert all(WRONG not in fault.detail for fault in refusal.value.faults)


@needs_samples
def test_the_public_simplified_publication_is_answered_precisely():
    (path,) = SAMPLES.glob("*iti105*.json")
    told = json.loads(path.read_text("utf-8"))
    assert faults(told) == {KEY, CUSTODIAN}
    assert faults(for_tests(told), lenient=True) == set()


@needs_samples
@pytest.mark.parametrize("pattern", ["*iti65*", "*remplacement*"])
def test_the_public_lots_are_answered_precisely(pattern):
    (path,) = SAMPLES.glob(pattern)
    found = faults(json.loads(path.read_text("utf-8")))
    assert ("Bundle.entry[1].resource.subject", "matricule-key") in found
    assert ("Bundle.entry[1].resource.custodian", "required") in found


@needs_samples
def test_the_public_document_reference_is_answered_precisely():
    told = json.loads((SAMPLES / "DocumentReference-doc-x-id.json").read_text("utf-8"))
    assert {
        KEY,
        CUSTODIAN,
        ("DocumentReference.status", "literal-error"),
        ("DocumentReference.content[0].attachment.data", "required"),
    } <= faults(told)
