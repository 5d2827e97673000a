"""Consent in FHIR's form: what is understood, what is refused, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from dmp.domain.consents import (
    ABOUT_A_PROFESSIONAL,
    Change,
    Consent,
    Decision,
    Kind,
    Proof,
    ProofKind,
    Turn,
    consent_id,
    split_consent_id,
)
from dmp.domain.errors import Invalid, Malformed, NotAllowed
from dmp.edge import fhir_consent
from dmp.edge.fhir_search import cursor_of
from dmp.edge.json_patch import Patch
from dmp.usecases.change_consent import Asked
from dmp.usecases.grant_access import Wish
from dmp.usecases.read_consents import ConsentPage, ConsentQuestion, HistoryPage
from tests.access.scenes import ME, NOW, RECORD_ID, professional
from tests.support.consents import body, code, without_actor

LATER = NOW + timedelta(days=3)


def faults(told) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        fhir_consent.wish_of(told)
    return {one.path: one.code for one in refused.value.faults}


def test_an_authorisation_and_a_block_are_understood():
    assert fhir_consent.wish_of(body()) == Wish(RECORD_ID, Kind.AUTHORISATION, ME)
    assert fhir_consent.wish_of(body("block", "deny")) == Wish(RECORD_ID, Kind.BLOCK, ME)


@pytest.mark.parametrize(
    ("kind", "provision"),
    [
        ("break-glass-opposition", "deny"),
        ("centre15-opposition", "deny"),
        ("masked-in-emergency", "permit"),
    ],
)
def test_an_opposition_is_an_active_deny_without_actor(kind, provision):
    assert fhir_consent.wish_of(without_actor(body(kind, provision))) == Wish(RECORD_ID, Kind(kind))
    assert faults(body(kind, provision)) == {"Consent.provision.actor": "unexpected"}


def test_a_period_is_read_to_the_second_and_a_day_counts_whole():
    told = body()
    told["provision"]["period"] = {"start": "2026-07-01T08:00:00+02:00", "end": "2026-12-31"}
    wish = fhir_consent.wish_of(told)
    assert wish.since == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert wish.until == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_a_period_reaches_from_the_first_day_that_there_is_to_the_last():
    told = body()
    told["provision"]["period"] = {"start": "0001-01-01", "end": "9999-12-31"}
    wish = fhir_consent.wish_of(told)
    assert (wish.since, wish.until) == (datetime(1, 1, 1, tzinfo=UTC), None)


@pytest.mark.parametrize(
    "moment",
    ["2026", "2026-02-30", "2026-07-01T08:00:00", "demain", 3, "0001-01-01T00:00:00+14:00"],
)
def test_a_period_without_day_or_zone_is_refused(moment):
    told = body()
    told["provision"]["period"] = {"end": moment}
    assert list(faults(told)) == ["Consent.provision.period.end"]


def test_everything_wrong_is_named_at_once():
    told = {
        "resourceType": "Patient",
        "status": "draft",
        "category": [code("authorization")],
        "patient": {"reference": "Practitioner/1"},
        "provision": {"type": "perhaps", "actor": []},
    }
    assert faults(told) == {
        "Consent.resourceType": "unknown-code",
        "Consent.status": "unknown-code",
        "Consent.scope": "unknown-code",
        "Consent.patient": "required",
        "Consent.category": "unknown-code",
        "Consent.provision.type": "required",
    }
    assert set(faults({})) >= {"Consent.category", "Consent.patient", "Consent.provision"}


@pytest.mark.parametrize(
    ("change", "path", "kind"),
    [
        ({"type": "deny"}, "Consent.provision.type", "contradicts-category"),
        ({"code": [code("block")]}, "Consent.provision.code", "contradicts-category"),
        ({"code": []}, "Consent.provision.code", "contradicts-category"),
        ({"actor": []}, "Consent.provision.actor", "required"),
        ({"provision": [{}]}, "Consent.provision.provision", "not-supported"),
        ({"actor": "somebody"}, "Consent.provision.actor", "list-type"),
        ({"actor": [{}]}, "Consent.provision.actor[0].reference.identifier", "required"),
    ],
)
def test_a_provision_says_what_its_category_says(change, path, kind):
    told = body()
    told["provision"] |= change
    assert faults(told) == {path: kind}


@pytest.mark.parametrize(
    ("identifier", "where", "kind"),
    [
        ({"system": "urn:oid:1.2.250.1.71.4.2.2", "value": ME}, "system", "unknown-oid"),
        ({"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810101201234"}, "value", "ps-id"),
        ({"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "99700218896"}, "value", "ps-id"),
    ],
)
def test_a_professional_is_named_by_a_ps_id_nat_whose_key_is_right(identifier, where, kind):
    told = body()
    told["provision"]["actor"] = [{"reference": {"identifier": identifier}}]
    assert faults(told) == {f"Consent.provision.actor[0].reference.identifier.{where}": kind}


@pytest.mark.parametrize("kind", ["medecin-traitant", "delegate"])
def test_a_role_is_permitted_to_one_professional(kind):
    assert fhir_consent.wish_of(body(kind)) == Wish(RECORD_ID, Kind(kind), ME)
    assert faults(body(kind, "deny")) == {"Consent.provision.type": "contradicts-category"}
    assert faults(without_actor(body(kind))) == {"Consent.provision.actor": "required"}


def test_masking_the_history_is_known_and_not_taken_yet():
    told = without_actor(body("masked-history"))
    assert faults(told) == {"Consent.category": "not-supported"}


# -- the proof and the structure -----------------------------------------------------------------

PAPER = f"{RECORD_ID}.01jd0000000000000000000000"
STRUCTURES = "urn:oid:1.2.250.1.71.4.2.2"


def at(system=STRUCTURES, value="1510000029"):
    return {"organization": [{"identifier": {"system": system, "value": value}}]}


def test_a_verification_with_the_patient_is_a_proof():
    dated = [{"verified": True, "verificationDate": "2026-07-14T08:00:00+02:00"}]
    wish = fhir_consent.wish_of(body(verification=dated))
    assert (wish.verified, wish.verified_at) == (True, datetime(2026, 7, 14, 6, tzinfo=UTC))
    assert fhir_consent.wish_of(body(verification=[{"verified": True}])).verified_at is None


@pytest.mark.parametrize(
    ("told", "path", "kind"),
    [
        ([{"verified": False}], "Consent.verification[0].verified", "not-verified"),
        ([{"verified": 1}], "Consent.verification[0].verified", "not-verified"),
        ([{}], "Consent.verification[0].verified", "not-verified"),
        ([{"verified": True}] * 2, "Consent.verification", "too-many"),
        (
            [{"verified": True, "verificationDate": "hier"}],
            "Consent.verification[0].verificationDate",
            "value-error",
        ),
    ],
)
def test_what_was_not_verified_is_no_proof(told, path, kind):
    assert faults(body(verification=told)) == {path: kind}


@pytest.mark.parametrize("address", ["", "https://x/fhir/"])
def test_a_document_of_the_record_is_a_proof(address):
    told = {"reference": f"{address}DocumentReference/{PAPER}"}
    assert fhir_consent.wish_of(body(sourceReference=told)).document == PAPER


@pytest.mark.parametrize(
    "reference",
    [
        None,
        "DocumentReference/1",
        f"Binary/{PAPER}",
        f"DocumentReference/{'0' * 26}.01jd0000000000000000000000",
    ],
)
def test_what_is_no_document_of_the_record_proves_nothing(reference):
    told = body(sourceReference={"reference": reference})
    assert faults(told) == {"Consent.sourceReference": "unknown-document"}


def test_a_paper_that_comes_along_is_no_document_of_the_record():
    told = body(sourceAttachment={"contentType": "application/pdf", "data": "JVBERg=="})
    assert faults(told) == {"Consent.sourceAttachment": "not-supported"}


def test_the_structure_is_named_by_its_finess_number():
    assert fhir_consent.wish_of(body(**at())).structure == "510000029"
    assert fhir_consent.wish_of(body(**at(value="12A0000014"))).structure == "2A0000014"


@pytest.mark.parametrize(
    ("organization", "path", "kind"),
    [
        (at(value="3" + "1" * 14), "[0].identifier.value", "finess"),
        (at(value="510000029"), "[0].identifier.value", "finess"),
        (at(system="urn:oid:1.2.250.1.71.4.2.1"), "[0].identifier.system", "unknown-oid"),
        ({"organization": [{"display": "Cabinet"}]}, "[0].identifier", "required"),
        ({"organization": at()["organization"] * 2}, "", "too-many"),
    ],
)
def test_what_names_no_structure_is_refused(organization, path, kind):
    assert faults(body(**organization)) == {f"Consent.organization{path}": kind}


def test_where_nobody_is_let_in_no_structure_is_read():
    assert fhir_consent.wish_of(body("block", "deny", **at(value="x"))).structure is None


# -- telling what was recorded -------------------------------------------------------------------


def consent(kind=Kind.AUTHORISATION, who=ME, by="patient#" + "a" * 64, **more) -> Consent:
    return Consent(RECORD_ID, who, Decision(kind, NOW, by, **more))


def test_what_was_recorded_is_told_in_the_form_it_is_asked_in():
    for kind in set(Kind) - {Kind.MASKED_HISTORY}:
        who = ME if kind in ABOUT_A_PROFESSIONAL else None
        one = consent(kind, who, version=3)
        told = fhir_consent.resource(one)
        assert fhir_consent.wish_of(told) == Wish(RECORD_ID, kind, who, since=NOW)
        assert (told["id"], told["meta"]["versionId"]) == (one.id, "3")
        assert fhir_consent.headers(one, "https://x/fhir") == {
            "Location": f"https://x/fhir/Consent/{one.id}",
            "ETag": 'W/"3"',
        }


@pytest.mark.parametrize(
    ("proof", "asked"),
    [
        (Proof(ProofKind.SELF), {}),
        (Proof(ProofKind.DECLARED), {}),
        (Proof(ProofKind.VERIFIED), {"verified": True}),
        (Proof(ProofKind.VERIFIED, NOW), {"verified": True, "verified_at": NOW}),
        (Proof(ProofKind.DOCUMENT, None, PAPER), {"document": PAPER}),
        (
            Proof(ProofKind.DOCUMENT, NOW, PAPER),
            {"verified": True, "verified_at": NOW, "document": PAPER},
        ),
    ],
)
def test_proof_and_structure_come_back_as_they_were_sent(proof, asked):
    one = consent(by=f"professional#{ME}", structure="510000029", proof=proof)
    told = fhir_consent.resource(one, professional())
    assert {"url": "urn:dmp:proof", "valueCode": proof.kind.value} in told["extension"]
    assert fhir_consent.wish_of(told) == Wish(
        RECORD_ID, Kind.AUTHORISATION, ME, since=NOW, structure="510000029", **asked
    )


@pytest.mark.parametrize(
    ("one", "performer"),
    [
        (consent(), [{"reference": f"Patient/{RECORD_ID}"}]),
        (
            consent(represented=True),
            [{"type": "RelatedPerson", "display": "Représentant légal"}],
        ),
        (
            consent(by=f"professional#{ME}"),
            [
                {
                    "type": "Practitioner",
                    "identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": ME},
                }
            ],
        ),
        (consent(Kind.BREAK_GLASS_OPPOSITION, None, by="agent#7"), None),
    ],
)
def test_who_agreed_is_said_without_naming_a_patient(one, performer):
    told = fhir_consent.resource(one)
    assert told.get("performer") == performer
    by = {"url": "urn:dmp:recorded-by", "valueString": one.decision.recorded_by}
    assert by in told["extension"]


def test_a_consent_is_dated_by_its_recording_not_by_its_beginning():
    later = NOW + timedelta(days=2)
    told = fhir_consent.resource(consent(recorded_at=later))
    assert told["dateTime"] == told["meta"]["lastUpdated"] == "2026-07-16T10:05:00.000Z"
    assert "lastUpdated" not in fhir_consent.resource(consent())["meta"]


# -- patches -------------------------------------------------------------------------------------


def asked(one: Consent, *operations) -> Asked:
    return fhir_consent.amendment(Patch.of(list(operations)))(one)


def op(verb, path, value=None):
    return {"op": verb, "path": path} | ({} if verb == "remove" else {"value": value})


EXACT = NOW.replace(microsecond=123456)


def test_a_patch_of_the_status_withdraws_and_touches_nothing_else():
    one = Consent(
        RECORD_ID, ME, Decision(Kind.AUTHORISATION, EXACT, "x", EXACT + timedelta(days=1))
    )
    assert asked(one, op("replace", "/status", "inactive")) == Asked(
        active=False, since=EXACT, until=EXACT + timedelta(days=1)
    )


@pytest.mark.parametrize(
    ("operation", "since", "until"),
    [
        (
            op("add", "/provision/period/end", "2026-12-31"),
            EXACT,
            datetime(2026, 12, 31, 23, tzinfo=UTC),
        ),
        (op("remove", "/provision/period/end"), EXACT, None),
        (op("remove", "/provision/period"), EXACT, None),
        (op("replace", "/provision/period", {}), EXACT, None),
        (
            op("replace", "/provision/period/start", "2026-07-20T00:00:00Z"),
            datetime(2026, 7, 20, tzinfo=UTC),
            EXACT + timedelta(days=1),
        ),
        (
            op("replace", "/provision/period", {"start": "2026-07-20", "end": "2026-07-20"}),
            datetime(2026, 7, 19, 22, tzinfo=UTC),
            datetime(2026, 7, 20, 22, tzinfo=UTC),
        ),
    ],
)
def test_a_patch_of_the_period_moves_what_it_names(operation, since, until):
    one = Consent(
        RECORD_ID, ME, Decision(Kind.AUTHORISATION, EXACT, "x", EXACT + timedelta(days=1))
    )
    told = asked(one, operation)
    assert told == Asked(active=True, since=since, until=until)


def test_a_patch_may_test_the_version_first():
    same = op("test", "/meta/versionId", "1")
    assert not asked(consent(), same, op("replace", "/status", "inactive")).active
    with pytest.raises(Invalid):
        asked(consent(version=2), same, op("replace", "/status", "inactive"))


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/provision/type", "deny"),
        op("replace", "/patient/reference", "Patient/other"),
        op("add", "/provision/actor/-", {}),
        op("remove", "/provision"),
        op("replace", "", {}),
        op("add", "/verification", [{"verified": True}]),
        op("replace", "/category/0/coding/0/code", "delegate"),
    ],
)
def test_nothing_else_is_patched(operation):
    with pytest.raises(NotAllowed):
        asked(consent(), operation)


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (op("replace", "/status", "draft"), "Consent.status"),
        (op("replace", "/status", 0), "Consent.status"),
        (op("remove", "/status"), "Consent.status"),
        (op("add", "/provision/period/end", "demain"), "Consent.provision.period.end"),
        (op("replace", "/provision/period", []), "Consent.provision.period"),
        (op("remove", "/provision/period/end"), "patch[0]"),
    ],
)
def test_a_patch_that_makes_no_sense_names_what_is_wrong(operation, path):
    with pytest.raises(Invalid) as refused:
        asked(consent(), operation)
    assert [one.path for one in refused.value.faults] == [path]


# -- histories -----------------------------------------------------------------------------------


def test_a_history_says_of_each_change_who_when_and_what():
    by = f"professional#{ME}"
    lines = (
        Change("2", LATER, Turn.WITHDRAWN, consent(by=by, active=False, version=2)),
        Change("1", NOW, Turn.GIVEN, consent()),
    )
    name = lines[0].consent.id
    told = fhir_consent.history(HistoryPage(lines, 3, 1), name, "https://x/fhir", {"_count": ["2"]})
    assert (told["type"], told["total"]) == ("history", 3)
    links = {one["relation"]: one["url"] for one in told["link"]}
    assert links["self"] == f"https://x/fhir/Consent/{name}/_history?_count=2"
    query = parse_qs(links["next"].partition("?")[2])
    assert fhir_consent.page_of_history(query) == (2, 1)
    newest, first = told["entry"]
    assert newest["fullUrl"] == first["fullUrl"] == f"https://x/fhir/Consent/{name}"
    assert (newest["request"], first["request"]) == (
        {"method": "PATCH", "url": f"Consent/{name}"},
        {"method": "POST", "url": "Consent"},
    )
    assert newest["response"] == {
        "status": "200",
        "etag": 'W/"2"',
        "lastModified": "2026-07-17T10:05:00.000Z",
    }
    assert newest["resource"]["status"] == "inactive"
    assert {"url": "urn:dmp:change", "valueCode": "withdrawn"} in newest["resource"]["extension"]
    assert {"url": "urn:dmp:recorded-by", "valueString": by} in newest["resource"]["extension"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"_count": ["x"]}, "_count"),
        ({"_cursor": ["zz"]}, "_cursor"),
        ({"_cursor": [cursor_of("-1")]}, "_cursor"),
        ({"_cursor": [cursor_of("1", "2")]}, "_cursor"),
    ],
)
def test_a_history_s_page_that_is_not_understood_is_refused(query, path):
    with pytest.raises(Malformed) as refused:
        fhir_consent.page_of_history(query)
    assert [one.path for one in refused.value.faults] == [path]
    assert fhir_consent.page_of_history({"_since": ["2026"]}) == (20, None)
    with pytest.raises(Malformed):
        fhir_consent.page_of_history({"_since": ["2026"]}, strict=True)


# -- searches ------------------------------------------------------------------------------------


def test_a_search_names_one_record_and_known_codes():
    asked = {
        "patient": [f"Patient/{RECORD_ID}"],
        "category": ["urn:dmp:consent|block,authorisation"],
    }
    assert fhir_consent.question_of(asked) == ConsentQuestion(
        RECORD_ID, frozenset({Kind.BLOCK, Kind.AUTHORISATION})
    )
    none = fhir_consent.question_of({"patient": [RECORD_ID], "category": ["elsewhere|block"]})
    assert none.kinds == frozenset()
    assert fhir_consent.question_of({"patient": [RECORD_ID], "status": ["inactive"]}).active == {
        False
    }


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "patient"),
        ({"patient": ["a", "b"]}, "patient"),
        ({"patient": ["a"], "category:not": ["block"]}, "category:not"),
        ({"patient": ["a"], "status": ["draft"]}, "status"),
        ({"patient": ["a"], "_count": ["0"]}, "_count"),
        ({"patient": ["a"], "_count": ["1", "2"]}, "_count"),
        ({"patient": ["a"], "_cursor": ["zz"]}, "_cursor"),
        ({"patient": ["a"], "_cursor": ["MjAyNi0wMS0wMX4"]}, "_cursor"),
    ],
)
def test_a_search_that_is_not_understood_is_refused(query, path):
    with pytest.raises(Malformed) as refused:
        fhir_consent.question_of(query)
    assert [one.path for one in refused.value.faults] == [path]


def test_a_code_by_its_system_alone_is_every_code_and_repetition_narrows():
    def kinds(*category):
        query = {"patient": [RECORD_ID], "category": list(category)}
        return fhir_consent.question_of(query).kinds

    assert kinds("urn:dmp:consent|") == set(Kind)
    assert kinds("block,authorisation", "block,delegate") == {Kind.BLOCK}
    assert kinds("block", "delegate") == frozenset()


def test_an_empty_search_set_has_no_entries():
    told = fhir_consent.bundle(ConsentPage(), "https://x/fhir", {"patient": [RECORD_ID]})
    assert (told["total"], "entry" in told) == (0, False)
    assert told["link"][0]["url"] == f"https://x/fhir/Consent?patient={RECORD_ID}"


@pytest.mark.parametrize(
    ("kind", "who"), [(Kind.BLOCK, ME), (Kind.DELEGATE, ME), (Kind.BREAK_GLASS_OPPOSITION, None)]
)
def test_a_consent_s_id_says_what_it_is_about(kind, who):
    assert split_consent_id(consent_id(RECORD_ID, kind, who)) == (RECORD_ID, kind, who)
    assert split_consent_id(f"{RECORD_ID}.centre15-opposition.{ME}") is None
