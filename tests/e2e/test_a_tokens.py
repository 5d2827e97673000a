"""Who is let in."""

from __future__ import annotations

import base64
import json

import pytest

from tests.e2e.client import Dmp, rpps

PROTECTED = ["/enrolment/records/00000000000000000000000000", "/fhir/DocumentReference"]


def assert_refused(answer, path):
    assert answer.status_code == 401, answer.text
    if path.startswith("/fhir"):
        assert answer.headers["content-type"].startswith("application/fhir+json")
        assert answer.json()["resourceType"] == "OperationOutcome"
    else:
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["status"] == 401
        assert answer.json()["type"] == "urn:dmp:problem/unauthorised"


@pytest.mark.parametrize("path", PROTECTED)
def test_without_a_token_nobody_enters(dmp: Dmp, path):
    assert_refused(dmp.get(path), path)


@pytest.mark.parametrize("path", PROTECTED)
def test_an_expired_token_opens_nothing(dmp: Dmp, path):
    expired = dmp.token(
        "professional", "--rpps", rpps(2), "--profession", "10", "--expires-in", "-120"
    )
    assert_refused(dmp.get(path, expired), path)


@pytest.mark.parametrize("path", PROTECTED)
def test_a_token_meant_for_another_service_opens_nothing(dmp: Dmp, path):
    other = dmp.token(
        "professional", "--rpps", rpps(2), "--profession", "10", "--audience", "another-service"
    )
    assert_refused(dmp.get(path, other), path)


def rewritten(token: str, header: dict | None = None, **claims: object) -> str:
    """The token with other claims (and header) under the old signature."""
    parts = token.split(".")
    for place, changes in ((0, header or {}), (1, claims)):
        padded = parts[place] + "=" * (-len(parts[place]) % 4)
        told = json.loads(base64.urlsafe_b64decode(padded)) | changes
        parts[place] = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
    return ".".join(parts)


@pytest.mark.parametrize("path", PROTECTED)
def test_a_changed_profession_breaks_the_token(dmp: Dmp, path):
    changed = rewritten(dmp.doctor(), SubjectRole=["21^1.2.250.1.213.1.1.5.5"])
    assert_refused(dmp.get(path, changed), path)


@pytest.mark.parametrize("path", PROTECTED)
def test_a_token_without_signature_opens_nothing(dmp: Dmp, path):
    unsigned = rewritten(dmp.doctor(), {"alg": "none"}).rsplit(".", 1)[0] + "."
    assert_refused(dmp.get(path, unsigned), path)


@pytest.mark.parametrize("nonsense", ["x", "a.b.c", "ey.ey.ey", "é"])
def test_nonsense_is_no_token(dmp: Dmp, nonsense):
    answer = dmp.get(
        "/fhir/DocumentReference", headers={"Authorization": f"Bearer {nonsense}".encode()}
    )
    assert_refused(answer, "/fhir/DocumentReference")


@pytest.mark.parametrize("path", ["/health", "/fhir/metadata", "/openapi.json"])
def test_public_pages_need_no_token(dmp: Dmp, path):
    assert dmp.get(path).status_code == 200


def test_an_unknown_path_is_not_found_in_its_form(dmp: Dmp):
    answer = dmp.get("/fhir/Nothing", dmp.doctor())
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert dmp.get("/nothing", dmp.doctor()).status_code == 404
