"""Who reads a reimbursement history, what they see of it, and how they ask."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.access import Answer, Situation
from dmp.domain.actors import Person, Professional
from dmp.domain.consents import ActorConsents, Settings
from dmp.domain.errors import Malformed
from dmp.domain.history import Section
from dmp.domain.nomenclatures import CIP13, NGAP
from dmp.domain.traces import Act, Outcome
from dmp.edge.fhir_eob import bundle, question_of
from dmp.usecases.gate import Gate
from dmp.usecases.read_history import Code, Days, HistoryQuestion, ReadHistory
from dmp.usecases.recognise_holder import RecogniseHolder
from tests.support.services import NOW, RECORD, history, line, record

HOLDER = Person("0" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
STRANGER = replace(HOLDER, reference="1" * 64)
DOCTOR = Professional("899700218896", "10")
BASE = "https://dmp.test/fhir"


class Situations:
    def __init__(self, one):
        self.one = one

    def of(self, record_id, actor, document_id=None):
        if self.one is None or record_id != self.one.id:
            return None
        return Situation(self.one, ActorConsents(), Settings())


class Decisions:
    def __init__(self, allowed):
        self.allowed = allowed

    def decide(self, question):
        return Answer(self.allowed, ("rule",), "1")


class Traces:
    def __init__(self, *, broken=False):
        self.written = []
        self.broken = broken

    def write(self, trace):
        if self.broken:
            raise OSError
        self.written.append(trace)


class Histories:
    def __init__(self, one):
        self.one = one
        self.asked = 0

    def of(self, record_id):
        self.asked += 1
        return self.one


def reading(stored, *, allowed=True, one=None, broken=False):
    traces, histories = Traces(broken=broken), Histories(stored)
    whose = record(holder=HOLDER.reference) if one is None else one
    gate = Gate(Situations(whose), Decisions(allowed), traces, RecogniseHolder(None))
    return ReadHistory(gate, histories), traces, histories


def lines(count):
    """One a day, newest first; the last two on the same day."""
    days = [date(2024, 1, 31) - timedelta(days=min(n, count - 2)) for n in range(count)]
    return [line(id=f"{n:026d}", on=day) for n, day in enumerate(days)]


def ask(use, actor=DOCTOR, **changes):
    return use(actor, HistoryQuestion(RECORD, **changes), NOW)


def search(use, actor=DOCTOR, **query):
    told = {
        name.replace("_", "-").lstrip("-") if not name.startswith("_") else name: [value]
        for name, value in {"patient": RECORD, **query}.items()
    }
    return bundle(use(actor, question_of(told), NOW), BASE, told)


# ------------------------------------------------------------ who


def test_a_reading_is_traced_with_what_it_disclosed():
    use, traces, _ = reading(history(*lines(3)))
    ask(use, count=2)
    (trace,) = traces.written
    assert (trace.act, trace.outcome, trace.count) == (Act.READ_HISTORY, Outcome.DONE, 2)
    assert trace.record_id == RECORD


def test_no_trace_no_disclosure():
    use, _, _ = reading(history(line()), broken=True)
    with pytest.raises(OSError):
        ask(use)


def test_a_refused_reading_is_traced_reads_nothing_and_looks_like_an_empty_history():
    use, traces, histories = reading(history(line()), allowed=False)
    refused = search(use)
    assert [trace.outcome for trace in traces.written] == [Outcome.REFUSED]
    assert histories.asked == 0
    empty, _, _ = reading(history())
    assert refused == search(empty)


def test_an_unknown_record_looks_like_a_refused_one():
    use, traces, _ = reading(history(line()))
    other = {"patient": ["0" * 26]}
    unknown = bundle(use(DOCTOR, question_of(other), NOW), BASE, other)
    refused, _, _ = reading(history(line()), allowed=False, one=record(id="0" * 26))
    assert unknown == bundle(refused(DOCTOR, question_of(other), NOW), BASE, other)
    assert [trace.outcome for trace in traces.written] == [Outcome.REFUSED]


def test_a_record_whose_history_has_not_come_yet_is_empty():
    use, _, _ = reading(None)
    assert search(use)["total"] == 0


@pytest.mark.parametrize(("actor", "seen"), [(HOLDER, True), (DOCTOR, False), (STRANGER, False)])
def test_amounts_are_for_the_holder_alone(actor, seen):
    use, _, _ = reading(history(line()))
    told = json.dumps(search(use, actor))
    for word in ("26.5", "18.55", "EUR", "adjudication", '"total": ['):
        assert (word in told) is seen, word


# ------------------------------------------------------------ what


def test_an_explanation_has_everything_that_fhir_requires():
    use, _, _ = reading(history(line()))
    (entry,) = search(use)["entry"]
    resource = entry["resource"]
    required = {
        "status",
        "type",
        "use",
        "patient",
        "created",
        "insurer",
        "provider",
        "outcome",
        "insurance",
    }
    assert required <= set(resource)
    assert (resource["status"], resource["use"], resource["outcome"]) == (
        "active",
        "claim",
        "complete",
    )
    assert resource["patient"] == {"reference": f"Patient/{RECORD}"}
    assert len(resource["id"]) <= 64
    (insurance,) = resource["insurance"]
    assert insurance["focal"] is True
    assert "coverage" in insurance
    (item,) = resource["item"]
    assert (item["sequence"], item["servicedDate"], item["quantity"]) == (
        1,
        "2024-01-10",
        {"value": 1},
    )
    assert item["productOrService"]["coding"] == [
        {"system": f"urn:oid:{NGAP}", "code": "G", "display": "Consultation de médecine générale"},
        {"system": "urn:dmp:nature", "code": "1110"},
    ]


def test_the_holder_reads_what_was_paid_counted_and_given_back():
    use, _, _ = reading(history(line()))
    resource = search(use, HOLDER)["entry"][0]["resource"]
    amounts = {
        one["category"]["coding"][0]["code"]: (one["amount"]["value"], one["amount"]["currency"])
        for one in resource["item"][0]["adjudication"]
    }
    assert amounts == {
        "submitted": (26.5, "EUR"),
        "eligible": (26.5, "EUR"),
        "benefit": (18.55, "EUR"),
    }
    assert resource["total"] == resource["item"][0]["adjudication"]


def test_an_explanation_names_performer_and_prescriber():
    stored = history(line(prescriber="A2000", prescriber_speciality="Cardiologie"))
    use, _, _ = reading(stored)
    performer, prescriber = search(use)["entry"][0]["resource"]["careTeam"]
    assert performer["provider"]["identifier"] == {
        "system": "urn:oid:1.2.250.1.71.4.2.1",
        "value": "810100997245",
    }
    assert prescriber["provider"]["identifier"] == {
        "system": "urn:dmp:insurer-number",
        "value": "A2000",
    }
    assert prescriber["qualification"] == {"text": "Cardiologie"}


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        (Section.MEDICINES, "pharmacy"),
        (Section.STAYS, "institutional"),
        (Section.CARE, "professional"),
    ],
)
def test_an_explanation_is_of_a_kind_of_claim(section, kind):
    use, _, _ = reading(history(line(section=section)))
    resource = search(use)["entry"][0]["resource"]
    assert resource["type"]["coding"][0]["code"] == kind


def test_a_stay_says_its_days_and_its_place():
    stay = line(
        section=Section.STAYS,
        until=date(2024, 1, 14),
        structure="510000029",
        quantity=Decimal("0.5"),
    )
    resource = search(reading(history(stay))[0])["entry"][0]["resource"]
    assert resource["billablePeriod"] == {"start": "2024-01-10", "end": "2024-01-14"}
    assert resource["provider"]["identifier"]["value"] == "1510000029"
    assert resource["item"][0]["quantity"] == {"value": 0.5}


def test_no_member_of_an_explanation_is_empty():
    bare = line(performer=None, performer_speciality=None, paid=None, base=None, reimbursed=None)

    def check(value):
        if isinstance(value, dict):
            for one in value.values():
                check(one)
        if isinstance(value, list):
            for one in value:
                check(one)
        assert value not in ({}, [], "", None)

    check(search(reading(history(bare))[0], HOLDER))


# ------------------------------------------------------------ pages


@given(st.integers(2, 12), st.integers(1, 13))
def test_following_the_next_links_shows_every_line_once_newest_first(total, count):
    stored = lines(total)
    use, _, _ = reading(history(*stored))
    seen, query = [], {"patient": [RECORD], "_count": [str(count)]}
    while query:
        told = bundle(use(DOCTOR, question_of(query), NOW), BASE, query)
        assert told["total"] == total
        page = [entry["resource"]["id"] for entry in told["entry"]]
        assert len(page) <= count
        seen += page
        links = {link["relation"]: link["url"] for link in told["link"]}
        query = parse_qs(urlsplit(links["next"]).query) if "next" in links else None
    assert seen == [f"{RECORD}.{one.id}" for one in stored]


def test_a_page_has_twenty_lines_unless_asked_and_a_hundred_at_most():
    use, _, _ = reading(history(*lines(150)))
    assert len(search(use)["entry"]) == 20
    assert len(search(use, _count="1000")["entry"]) == 100


# ------------------------------------------------------------ filters


STORED = history(
    line(id="1" * 26, on=date(2024, 3, 1), code="C", nature=1111),
    line(
        id="2" * 26,
        on=date(2024, 2, 29),
        section=Section.MEDICINES,
        system=CIP13,
        code="3400935955838",
        nature=3313,
    ),
    line(id="3" * 26, on=date(2023, 12, 31)),
)


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("2024-02-29", [29]),
        ("2024-02", [29]),
        ("2024", [1, 29]),
        ("ge2024-03-01", [1]),
        ("gt2024-02", [1]),
        ("gt2023", [1, 29]),
        ("le2024-02", [29, 31]),
        ("lt2024", [31]),
        ("eq2023", [31]),
        ("sa2024-02-29", [1]),
        ("eb2024-02-29", [31]),
        ("ne2024-02", [1, 31]),
        ("le9999", [1, 29, 31]),
        ("gt9999-12-31", []),
        ("ge0001", [1, 29, 31]),
        ("lt0001", []),
        ("2022", []),
    ],
)
def test_cares_are_found_by_their_day(value, days):
    use, _, _ = reading(STORED)
    found = search(use, service_date=value).get("entry", [])
    assert [int(one["resource"]["item"][0]["servicedDate"][-2:]) for one in found] == days


def test_two_days_make_a_period():
    use, _, _ = reading(STORED)
    page = ask(use, care=(Days(date(2024, 1, 1), None), Days(None, date(2024, 2, 29))))
    assert [one.on for one in page.lines] == [date(2024, 2, 29)]


@pytest.mark.parametrize(("value", "total"), [("2024-03-15", 3), ("lt2024-03-15", 0), ("2024", 3)])
def test_a_history_is_found_by_the_day_it_was_brought(value, total):
    use, _, _ = reading(STORED)
    assert search(use, created=value)["total"] == total


@pytest.mark.parametrize(
    ("value", "total"),
    [
        ("G", 1),
        ("C,G", 2),
        (f"urn:oid:{CIP13}|3400935955838", 1),
        (f"{CIP13}|3400935955838", 1),
        (f"urn:oid:{NGAP}|3400935955838", 0),
        ("urn:dmp:nature|3313", 1),
        ("3313", 1),
        (f"urn:oid:{NGAP}|", 2),
        ("|G", 0),
        ("X", 0),
    ],
)
def test_cares_are_found_by_their_code_or_their_nature(value, total):
    use, _, _ = reading(STORED)
    assert search(use, code=value)["total"] == total


def test_a_code_asked_for_twice_has_to_be_both():
    use, _, _ = reading(STORED)

    def total(*codes):
        question = question_of({"patient": [RECORD], "code": list(codes)})
        return use(DOCTOR, question, NOW).total

    assert [total("C,G", "urn:dmp:nature|1111"), total("C", "G")] == [1, 0]


def test_a_code_without_its_system_is_of_any():
    assert Code("G").is_of(line())
    assert not Code("G", CIP13).is_of(line())


# ------------------------------------------------------------ what cannot be asked


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ({}, ["patient"]),
        ({"patient": ["a", "b"]}, ["patient"]),
        ({"patient": [RECORD], "code:text": ["x"]}, ["code:text"]),
        ({"patient": [RECORD], "service-date": ["yesterday"]}, ["service-date"]),
        ({"patient": [RECORD], "service-date": ["2023-02-29"]}, ["service-date"]),
        ({"patient": [RECORD], "service-date": ["2024-02-01T10:00"]}, ["service-date"]),
        ({"patient": [RECORD], "created": ["0001-01-01T00:00:00+14:00"]}, ["created"]),
        ({"patient": [RECORD], "created": ["2024-13"]}, ["created"]),
        ({"patient": [RECORD], "_count": ["0"]}, ["_count"]),
        ({"patient": [RECORD], "_count": ["many"]}, ["_count"]),
        ({"patient": [RECORD], "_cursor": ["é"]}, ["_cursor"]),
        ({"patient": [RECORD], "_cursor": ["YWJj"]}, ["_cursor"]),
        ({"patient": [RECORD], "_sort": ["service-date"]}, ["_sort"]),
        ({"_count": ["0"], "created": ["x"]}, ["patient", "created", "_count"]),
    ],
)
def test_what_cannot_be_read_is_named_at_once(query, paths):
    with pytest.raises(Malformed) as refused:
        question_of(query)
    assert [fault.path for fault in refused.value.faults] == paths


@given(st.text(max_size=60))
def test_whatever_a_cursor_holds_it_is_a_place_or_a_fault(cursor):
    paths = []
    try:
        question_of({"patient": [RECORD], "_cursor": [cursor]})
    except Malformed as refused:
        paths = [fault.path for fault in refused.faults]
    assert paths in ([], ["_cursor"])
