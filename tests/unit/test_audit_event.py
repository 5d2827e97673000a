"""Every act is told as an AuditEvent that FHIR and BALP know, and tells no more than it may."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.actors import key_of
from dmp.domain.errors import Malformed
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge.access_report import canonical, report
from dmp.edge.catalogue import LANGUAGES, messages
from dmp.edge.fhir_audit import KINDS, kind_of, resource
from dmp.usecases.read_traces import Bearing, Entry
from functions.traces.messages import question_of
from tests.access.scenes import ME, NOW, REASON, RECORD_ID, person, professional, system
from tests.support.audit_events import faults

BASE = "https://dmp.test/fhir"
ULID = "01jd0000000000000000000000"
TARGETS = {
    None: None,
    "DocumentReference": f"{RECORD_ID}.{ULID}",
    "Consent": f"{RECORD_ID}.block.{ME}",
    "Patient": None,
}
ACTORS = {
    key_of(professional()): None,
    key_of(person()): Bearing.HOLDER,
    "patient#" + "c" * 64: Bearing.REPRESENTATIVE,
    "patient#" + "d" * 64: Bearing.STRANGER,
    key_of(system()): None,
    "agent#A1": None,
    "feeder#ALIM_AM": None,
    "service#notifications": None,
}


def trace(act: Act = Act.READ_CONTENT, **changes) -> Trace:
    told = {
        "id": ULID,
        "at": NOW,
        "act": act,
        "outcome": Outcome.DONE,
        "actor": key_of(professional()),
        "record_id": RECORD_ID,
        "target": TARGETS[KINDS[act].target],
        "profession": "10",
        "structure": "510000029",
        "rules": ("authorised-reads",),
        "matrix": "2026.1",
        "count": 3,
    }
    return Trace(**{**told, **changes})


def told(one: Trace, *, own: bool = False, bearing: Bearing | None = None, language: str = "fr"):
    return resource(Entry(one, own, bearing), BASE, language)


# -- valid


@pytest.mark.parametrize("act", Act)
def test_every_act_is_a_valid_audit_event_whoever_did_it_and_however_it_ended(act):
    assert act in KINDS
    for (actor, bearing), outcome, mode, record_id, language in product(
        ACTORS.items(), Outcome, Mode, (RECORD_ID, None), LANGUAGES
    ):
        one = trace(
            act,
            actor=actor,
            outcome=outcome,
            mode=mode,
            reason=REASON if mode is Mode.BREAK_GLASS else None,
            record_id=record_id,
            target=TARGETS[KINDS[act].target] if record_id else None,
            profession="10" if actor.startswith("professional") else None,
        )
        part = Bearing.SELF if bearing and record_id is None else bearing
        event = told(one, own=part is Bearing.SELF, bearing=part, language=language)
        assert faults(event) == [], event
        assert ("meta" in event) <= (outcome is Outcome.DONE)


def test_every_read_search_and_deposit_that_succeeds_follows_a_pattern_of_balp():
    claimed = {act: told(trace(act)).get("meta", {}).get("profile", [""])[0] for act in Act}
    names = {act: url.rpartition(".")[2] for act, url in claimed.items()}
    assert names[Act.READ_CONTENT] == "PatientRead"
    assert names[Act.SEARCH_DOCUMENTS] == names[Act.READ_TRACES] == "PatientQuery"
    assert names[Act.PUBLISH_DOCUMENT] == "PatientCreate"
    assert names[Act.CHANGE_DOCUMENT] == names[Act.CHANGE_CONSENT] == "PatientUpdate"
    of_oneself = trace(Act.LIST_PATIENTS, record_id=None)
    assert told(of_oneself)["meta"]["profile"][0].endswith("IHE.BasicAudit.Query")


def test_the_checker_finds_what_is_wrong():
    right = told(trace())
    assert faults(right) == []
    for spoil in (
        lambda event: event.pop("recorded"),
        lambda event: event.pop("source"),
        lambda event: event.update(outcome="1"),
        lambda event: event.update(entity=[]),
        lambda event: event.update(nothing=1),
        lambda event: event["agent"][0].pop("requestor"),
        lambda event: event["agent"][0]["who"].update(type="Person"),
        lambda event: event["agent"].pop(),
        lambda event: event["entity"].pop(),
        lambda event: event["extension"].append({"url": "urn:dmp:rule"}),
        lambda event: event.update(recorded="14/07/2026"),
        lambda event: event.update(outcome="4"),
    ):
        wrong = deepcopy(right)
        spoil(wrong)
        assert faults(wrong), spoil


# -- what it says


def test_a_professional_is_named_by_number_and_structure():
    event = told(trace())
    user, structure = event["agent"][:2]
    assert user["who"]["identifier"] == {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": ME}
    assert user["role"][0]["coding"][0] == {
        "system": "urn:oid:1.2.250.1.213.1.1.5.5",
        "code": "10",
        "display": "Médecin",
    }
    assert structure["who"]["identifier"] == {
        "system": "urn:oid:1.2.250.1.71.4.2.2",
        "value": "1510000029",
    }


def test_an_emergency_is_in_the_purpose_with_its_reason():
    event = told(trace(mode=Mode.BREAK_GLASS, reason=REASON))
    codes = [one["code"] for one in event["purposeOfEvent"][0]["coding"]]
    assert codes == ["BTG", "break-glass"]
    assert event["agent"][0]["purposeOfUse"][0]["text"] == REASON
    assert REASON not in event["text"]["div"]
    centre = told(trace(mode=Mode.CENTRE_15))["purposeOfEvent"][0]["coding"]
    assert [one["code"] for one in centre] == ["ETREAT", "centre-15"]
    assert "purposeOfEvent" not in told(trace())


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.DONE, "0"), (Outcome.REFUSED, "4"), (Outcome.FAILED, "8")]
)
def test_how_it_ended(outcome, code):
    event = told(trace(outcome=outcome))
    assert event["outcome"] == code
    assert ("outcomeDesc" in event) is (outcome is not Outcome.DONE)


def test_a_notice_that_found_no_address_says_so():
    one = trace(Act.NOTIFY, outcome=Outcome.FAILED, reason="no-contact-known", profession=None)
    assert told(one)["outcomeDesc"].startswith("Aucune adresse")


def test_people_read_french_and_english():
    for language, words in (("fr", "Lecture d'un document"), ("en", "Reading of a document")):
        event = told(trace(), language=language)
        assert event["subtype"][-1]["display"] == words
        assert event["language"] == language
    assert "14/07/2026" in told(trace())["text"]["div"]
    assert "12:05" in told(trace())["text"]["div"]


def test_every_act_and_every_end_has_its_words_in_every_language():
    wanted = {f"act.{act.value}" for act in Act} | {f"outcome.{end.value}" for end in Outcome}
    wanted |= {f"person.{one.value}" for one in Bearing}
    assert wanted <= messages("traces", "fr").keys() == messages("traces", "en").keys()


def test_consents_that_were_asked_one_by_one_were_read_and_else_searched():
    assert kind_of(trace(Act.READ_CONSENTS)).interaction == "read"
    assert kind_of(trace(Act.READ_CONSENTS, target=None)).interaction == "search-type"


# -- what it does not say


def test_patients_are_named_by_nothing_but_their_part():
    for actor, bearing in ACTORS.items():
        if bearing:
            event = told(trace(actor=actor, profession=None, structure=None), bearing=bearing)
            assert actor.partition("#")[2] not in json.dumps(event)
            referred = event["agent"][0]["who"].get("reference")
            assert (referred == f"Patient/{RECORD_ID}") is (bearing is Bearing.HOLDER)


def test_the_rules_are_told_of_what_was_done_alone():
    assert "urn:dmp:rule" in json.dumps(told(trace()))
    for outcome in (Outcome.REFUSED, Outcome.FAILED):
        text = json.dumps(told(trace(outcome=outcome)))
        assert "urn:dmp:rule" not in text
        assert "authorised-reads" not in text


def test_how_much_somebody_found_is_told_to_them_alone():
    one = trace(Act.SEARCH_DOCUMENTS)
    assert "urn:dmp:count" in json.dumps(told(one, own=True))
    assert "urn:dmp:count" not in json.dumps(told(one))


def test_an_entry_whose_mark_is_wrong_says_so():
    wrong = resource(Entry(trace(), own=False, genuine=False), BASE, "fr")
    assert {"url": "urn:dmp:broken-mark", "valueBoolean": True} in wrong["extension"]
    assert "urn:dmp:broken-mark" not in json.dumps(told(trace()))


# -- the search's parameters

ME_TOKEN = f"urn:oid:1.2.250.1.71.4.2.1|{ME}"


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        ({}, True),
        ({"agent.identifier": [ME_TOKEN]}, True),
        ({"agent:identifier": [ME_TOKEN]}, True),
        ({"agent.identifier": [ME]}, True),
        ({"agent.identifier": ["urn:oid:1.2.250.1.71.4.2.2|1510000029"]}, True),
        ({"agent.identifier": [f"{ME_TOKEN[:-1]}0"]}, False),
        ({"agent.identifier": [f"urn:oid:1.2.250.1.71.4.2.2|{ME}"]}, False),
        ({"type": ["rest"]}, True),
        ({"type": ["http://terminology.hl7.org/CodeSystem/audit-event-type|rest"]}, True),
        ({"type": ["110106"]}, False),
        ({"subtype": ["urn:dmp:act|document.content"]}, True),
        ({"subtype": ["document.search,document.content"]}, True),
        ({"subtype": ["read", "document.content"]}, True),
        ({"subtype": ["read", "document.search"]}, False),
        ({"subtype": ["search-type"]}, False),
        ({"action": ["R"]}, True),
        ({"action": ["C,U,D,E"]}, False),
        ({"outcome": ["0"]}, True),
        ({"outcome": ["4,8,12"]}, False),
        ({"entity": [f"DocumentReference/{RECORD_ID}.{ULID}"]}, True),
        ({"entity": [f"{RECORD_ID}.{ULID}"]}, True),
        ({"entity": [f"{BASE}/DocumentReference/{RECORD_ID}.{ULID}"]}, True),
        ({"entity": [f"Patient/{RECORD_ID}"]}, True),
        ({"entity": [f"Consent/{RECORD_ID}.{ULID}"]}, False),
        ({"entity": ["DocumentReference/x"]}, False),
        ({"date": ["2026-07-14"]}, True),
        ({"date": ["ge2026-07-14", "lt2026-07-15"]}, True),
        ({"date": ["2026-07-14T12:05:00"]}, True),
        ({"date": ["gt2026-07-14"]}, False),
        ({"date": ["ne2026-07-14"]}, False),
        ({"_sort": ["-date"]}, True),
    ],
    ids=str,
)
def test_what_a_search_takes(query, taken):
    question = question_of(query, professional(), strict=True)
    assert question.takes(Entry(trace(), own=False)) is taken


@pytest.mark.parametrize(
    "query",
    [
        {"action": ["X"]},
        {"outcome": ["3"]},
        {"date": ["yesterday"]},
        {"_sort": ["date"]},
        {"patient": ["a", "b"]},
        {"subtype:not": ["read"]},
        {"agent:missing": ["true"]},
        {"_cursor": ["zzz"]},
        {"altid": ["x"]},
    ],
    ids=str,
)
def test_what_a_search_refuses(query):
    with pytest.raises(Malformed):
        question_of(query, professional(), strict=True)


def test_a_parameter_that_is_not_read_is_ignored_unless_refusal_is_preferred():
    assert question_of({"altid": ["x"]}, professional(), strict=False).takes(
        Entry(trace(), own=False)
    )


PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
FIRST, LAST = datetime(2024, 1, 1), datetime(2027, 12, 31)  # noqa: DTZ001 - Hypothesis adds the zone
INSTANTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(
    at=INSTANTS,
    asked=st.lists(
        st.tuples(
            st.sampled_from(PREFIXES),
            INSTANTS,
            st.sampled_from(("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")),
        ),
        max_size=3,
    ),
)
def test_no_entry_that_the_dates_take_lies_outside_of_the_keys_that_are_read(at, asked):
    dates = [prefix + moment.strftime(form) for prefix, moment, form in asked]
    question = question_of({"date": dates}, professional(), strict=True)
    if question.takes(Entry(trace(at=at), own=False)):
        span = question.span
        assert span.since is None or span.since <= at
        assert span.until is None or at <= span.until


# -- the report


def test_the_canonical_form_is_the_same_for_the_same_value():
    told = {"b": [1, {"d": "é\n", "c": True}], "a": "x"}
    assert canonical(told) == '{"a":"x","b":[1,{"c":true,"d":"é\\n"}]}'.encode()
    assert canonical(json.loads(json.dumps(told))) == canonical(told)


def test_a_report_of_nothing_has_no_empty_list():
    whole = report((), [{"relation": "self", "url": BASE}], BASE, "fr", NOW)
    assert "entry" not in whole
    assert whole["type"] == "collection"
