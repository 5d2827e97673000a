"""The journal read back: by record, by actor, by moment, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dmp.domain.actors import key_of
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store.aws import client
from dmp.store.documents import document_item
from dmp.store.items import put, transact
from dmp.store.trace_pages import NamedDocuments, TracePages
from dmp.store.traces import Journal, Traces
from dmp.usecases.read_traces import Span
from tests.access.scenes import NOW, RECORD_ID, document, professional
from tests.support.aws import JOURNAL, account

ME = key_of(professional())
SOMEBODY = "patient#" + "a" * 64
ELSEWHERE = "7h3k0000000000000000000001"


@pytest.fixture
def dynamodb():
    with account():
        yield client("dynamodb")


@pytest.fixture
def pages(dynamodb):
    return TracePages(dynamodb, JOURNAL)


def written(dynamodb, count: int, **changes) -> list[Trace]:
    """Entries a minute apart, the oldest first."""
    made = []
    for number in range(count):
        at = NOW + timedelta(minutes=number)
        told = Trace(new_ulid(at), at, Act.READ_CONTENT, Outcome.DONE, ME, RECORD_ID)
        made.append(replace(told, **changes))
        Traces(dynamodb, JOURNAL).write(made[-1])
    return made


def ids(stretch) -> list[str]:
    return [one.trace.id for one in stretch.logged]


def newest_first(made) -> list[str]:
    return [one.id for one in reversed(made)]


def test_a_record_s_entries_come_newest_first_and_no_other_s(dynamodb, pages):
    made = written(dynamodb, 3)
    written(dynamodb, 2, record_id=ELSEWHERE)
    found = pages.of_record(RECORD_ID, Span(), 100)
    assert ids(found) == newest_first(made)
    assert found.last is None
    assert [one.trace for one in found.logged] == made[::-1]


def test_an_actor_s_entries_come_from_everywhere(dynamodb, pages):
    here = written(dynamodb, 2)
    there = written(dynamodb, 1, record_id=ELSEWHERE)
    nowhere = written(dynamodb, 1, record_id=None)
    written(dynamodb, 1, actor=SOMEBODY)
    assert set(ids(pages.of_actor(ME, Span(), 100))) == {t.id for t in here + there + nowhere}
    assert ids(pages.of_actor(ME, Span(), 100, ELSEWHERE)) == [there[0].id]


@pytest.mark.parametrize("by_actor", [False, True])
def test_the_pages_together_are_the_whole(dynamodb, pages, by_actor):
    made, found, before = written(dynamodb, 7), [], None
    for _ in range(10):
        span = Span(before=before)
        page = pages.of_actor(ME, span, 3) if by_actor else pages.of_record(RECORD_ID, span, 3)
        assert len(page.logged) <= 3
        found += ids(page)
        before = page.last
        if before is None:
            break
    assert found == newest_first(made)


def test_a_moment_is_a_range_of_keys(dynamodb, pages):
    made = written(dynamodb, 5)

    def between(since, until):
        return ids(pages.of_record(RECORD_ID, Span(since, until), 100))

    assert between(made[1].at, made[3].at) == newest_first(made[1:4])
    assert between(made[4].at + timedelta(milliseconds=1), None) == []
    assert between(None, made[0].at - timedelta(milliseconds=1)) == []
    assert between(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)) == (
        newest_first(made)
    )
    assert between(made[3].at, made[1].at) == []


def test_a_page_goes_on_within_its_moment(dynamodb, pages):
    made = written(dynamodb, 5)
    span = Span(made[1].at, made[4].at, before=made[3].id)
    assert ids(pages.of_record(RECORD_ID, span, 100)) == newest_first(made[1:3])


def test_one_entry_is_found_by_its_record_and_by_its_actor(dynamodb, pages):
    (one,) = written(dynamodb, 1)
    assert pages.entry(RECORD_ID, one.id).trace == one
    assert pages.own_entry(ME, one.id).trace == one
    assert pages.entry(ELSEWHERE, one.id) is None
    assert pages.own_entry(SOMEBODY, one.id) is None


def test_an_entry_written_under_another_key_is_not_genuine(dynamodb, pages):
    (one,) = written(dynamodb, 1)
    Traces(dynamodb, Journal("traces", lambda: b"x" * 64)).write(replace(one, id=new_ulid(NOW)))
    genuine = {x.trace.id: x.genuine for x in pages.of_record(RECORD_ID, Span(), 100).logged}
    assert genuine[one.id] is True
    assert sorted(genuine.values()) == [False, True]


def test_the_documents_that_are_there_are_read_at_once(dynamodb):
    lying = document()
    transact(dynamodb, [put("documents", document_item(lying))])
    missing = f"{RECORD_ID}.01jd0000000000000000000009"
    found = NamedDocuments(dynamodb, "documents").these([lying.id, missing, lying.id])
    assert list(found) == [lying.id]
