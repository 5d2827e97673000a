"""One way to read a search, whatever is searched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.errors import Malformed
from dmp.domain.identity import NIR
from dmp.edge import fhir_consent, fhir_eob
from dmp.edge.fhir_search import Reading, Token, cursor_of, read_cursor, used
from functions.accounts.messages import identifier_of
from functions.documents.searching import asked

RECORD = "7h3kq0v9w2m4n6p8r1t5x7z0ab"
SEARCHES = {
    "DocumentReference": (
        lambda query, *, strict: asked(query, lenient=False, strict=strict),
        {"patient": [RECORD], "status": ["current"]},
    ),
    "Consent": (
        lambda query, *, strict: fhir_consent.question_of(query, strict=strict),
        {"patient": [RECORD]},
    ),
    "ExplanationOfBenefit": (
        lambda query, *, strict: fhir_eob.question_of(query, strict=strict),
        {"patient": [RECORD]},
    ),
    "Patient": (
        lambda query, *, strict: identifier_of(query, strict=strict),
        {"identifier": [f"urn:oid:{NIR}|279035121518989"]},
    ),
}
every_search = pytest.mark.parametrize(("ask", "least"), SEARCHES.values(), ids=SEARCHES)
paged = pytest.mark.parametrize(
    ("ask", "least"), list(SEARCHES.values())[:3], ids=list(SEARCHES)[:3]
)


def refused(ask, query, *, strict=False):
    with pytest.raises(Malformed) as refusal:
        ask(query, strict=strict)
    return [(fault.path, fault.code) for fault in refusal.value.faults]


@every_search
def test_what_is_not_read_is_ignored_unless_asked_to_be_strict(ask, least):
    query = {**least, "colour": ["x"], "_sorted": ["y"]}
    assert ask(query, strict=False) == ask(least, strict=False)
    unknown = [("colour", "unknown-parameter"), ("_sorted", "unknown-parameter")]
    assert refused(ask, query, strict=True) == unknown


@every_search
@pytest.mark.parametrize("strict", [False, True])
def test_a_modifier_would_turn_the_question_around(ask, least, strict):
    name = f"{next(iter(least))}:not"
    assert refused(ask, {**least, name: ["x"]}, strict=strict) == [(name, "modifier")]


@every_search
def test_a_form_may_be_asked_for(ask, least):
    query = {**least, "_format": ["json"], "_pretty": ["true"]}
    assert ask(query, strict=True) == ask(least, strict=True)


@paged
@pytest.mark.parametrize("count", [["0"], ["-1"], ["1", "2"], ["many"], ["1234567"], ["٣"]])
def test_a_page_has_a_number_of_entries(ask, least, count):
    assert refused(ask, {**least, "_count": count}) == [("_count", "number")]


@paged
@pytest.mark.parametrize("parts", [(), ("x",), ("2024-01-01", "x"), ("a", "b", "c")])
def test_a_cursor_of_something_else_is_none(ask, least, parts):
    assert refused(ask, {**least, "_cursor": [cursor_of(*parts) or "=="]}) == [
        ("_cursor", "cursor")
    ]


@given(st.lists(st.text("abc.:-+019", max_size=9), min_size=1, max_size=3))
def test_a_cursor_comes_back_in_its_parts(parts):
    assert read_cursor(cursor_of(*parts)) == tuple(parts)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a", [Token(None, "a")]),
        ("s|a", [Token("s", "a")]),
        ("s|", [Token("s", None)]),
        ("|a", [Token("", "a")]),
        ("a,,s|b", [Token(None, "a"), Token("s", "b")]),
    ],
)
def test_a_token_has_a_system_a_code_or_both(text, tokens):
    assert Reading({"type": [text, ""]}, ("type",)).tokens("type") == [tokens]


def test_the_self_link_has_what_counted_in_one_order():
    query = {"x": ["1"], "b": ["2", ""], "a": ["3", "4"], "_format": ["json"]}
    assert used(query, ("a", "b")) == [("a", "3"), ("a", "4"), ("b", "2")]


def holds(text, moment):
    reading = Reading({"date": [text]}, ("date",))
    (dated,) = reading.dates("date")
    reading.done()
    return dated.holds(moment)


MOMENTS = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11))]),
)
DATES = st.from_regex(
    r"(000[1-9]|2024|9999)(-(02|12)(-2[0-9](T1[0-9]:00(:00)?)?)?)?", fullmatch=True
)


@given(DATES, MOMENTS)
def test_every_moment_lies_before_in_or_after_a_date(text, moment):
    if "02-29" in text and "2024" not in text:
        return
    before, within, after = (holds(f"{how}{text}", moment) for how in ("lt", "eq", "gt"))
    assert [before, within, after].count(True) == 1
    assert holds(text, moment) is within is not holds(f"ne{text}", moment)
    assert holds(f"le{text}", moment) is (before or within)
    assert holds(f"ge{text}", moment) is (within or after)
    assert (holds(f"eb{text}", moment), holds(f"sa{text}", moment)) == (before, after)


@pytest.mark.parametrize(
    "text", ["0000", "2024-13", "2023-02-29", "ap2024", "2024-1", "2024-02-01T24:01", "soon"]
)
def test_what_is_no_date_is_named(text):
    reading = Reading({"date": [text]}, ("date",))
    assert (reading.dates("date"), reading.faults[0].code) == ([], "date")
