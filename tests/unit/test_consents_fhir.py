"""Consent in FHIR's form: what is understood, what is refused, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dmp.domain.consents import Consent, Decision, Kind, consent_id, split_consent_id
from dmp.domain.errors import Invalid, Malformed
from dmp.edge import fhir_consent
from dmp.usecases.grant_access import Wish
from dmp.usecases.read_consents import ConsentPage, ConsentQuestion
from tests.access.scenes import ME, NOW, RECORD_ID
from tests.support.consents import body, code, without_actor


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


@pytest.mark.parametrize("kind", ["medecin-traitant", "delegate", "masked-history"])
def test_what_is_not_taken_yet_is_refused_by_its_category(kind):
    assert faults(body(kind)) == {"Consent.category": "not-supported"}


def test_what_was_recorded_is_told_in_the_form_it_is_asked_in():
    for kind in (Kind.AUTHORISATION, Kind.BLOCK, Kind.CENTRE_15_OPPOSITION):
        who = None if kind is Kind.CENTRE_15_OPPOSITION else ME
        consent = Consent(RECORD_ID, who, Decision(kind, NOW, "patient#" + "a" * 64, version=3))
        told = fhir_consent.resource(consent)
        assert fhir_consent.wish_of(told) == Wish(RECORD_ID, kind, who, since=NOW)
        assert (told["id"], told["meta"]["versionId"]) == (consent.id, "3")
        assert fhir_consent.headers(consent, "https://x/fhir") == {
            "Location": f"https://x/fhir/Consent/{consent.id}",
            "ETag": 'W/"3"',
        }


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
