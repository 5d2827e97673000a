"""The journal on its table: written once, found by record and by actor, told by its stream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmp.domain.actors import key_of
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge.facts import Change
from dmp.store.aws import client
from dmp.store.items import ConditionFailed, decode, encode, transact
from dmp.store.traces import Journal, Traces, trace_of_item
from functions.traces.stream import facts_of
from tests.access.scenes import NOW, REASON, RECORD_ID, professional
from tests.support.aws import JOURNAL, account

DOCTOR = key_of(professional())


@pytest.fixture
def dynamodb():
    with account():
        yield client("dynamodb")


def trace(**changes) -> Trace:
    told = Trace(
        new_ulid(NOW), NOW, Act.READ_CONTENT, Outcome.DONE, DOCTOR, RECORD_ID,
        f"{RECORD_ID}.01jd0000000000000000000000", Mode.BREAK_GLASS, REASON, "10", "510000029",
        ("break-glass-reads",), "2026.1", 1,
    )  # fmt: skip
    return replace(told, **changes)


def items(dynamodb, pk: str):
    answer = dynamodb.query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": pk}),
    )
    return [decode(item) for item in answer["Items"]]


@pytest.mark.parametrize(
    "written",
    [trace(), Trace(new_ulid(NOW), NOW, Act.READ_RECORD, Outcome.REFUSED, DOCTOR, RECORD_ID)],
)
def test_what_is_written_is_read_again_whole(dynamodb, written):
    Traces(dynamodb, JOURNAL).write(written)
    (item,) = items(dynamodb, f"REC#{RECORD_ID}")
    assert trace_of_item(item) == written


def test_an_act_that_reached_no_record_is_kept_by_its_day(dynamodb):
    Traces(dynamodb, JOURNAL).write(trace(record_id=None, target=None))
    assert len(items(dynamodb, "NOREC#2026-07-14")) == 1


def test_the_acts_of_an_actor_are_listed_by_moment(dynamodb):
    journal = Traces(dynamodb, JOURNAL)
    journal.write(trace())
    journal.write(trace(id=new_ulid(NOW), record_id=None))
    journal.write(trace(id=new_ulid(NOW), actor="patient#" + "a" * 64))
    answer = dynamodb.query(
        TableName="traces",
        IndexName="by-actor",
        KeyConditionExpression="actorKey = :actor",
        ExpressionAttributeValues=encode({":actor": DOCTOR}),
    )
    assert answer["Count"] == 2


def test_a_trace_is_never_written_over(dynamodb):
    journal, first = Traces(dynamodb, JOURNAL), trace()
    journal.write(first)
    journal.write(first)  # the client sent it twice: an answer got lost
    with pytest.raises(ConditionFailed):
        journal.write(replace(first, outcome=Outcome.REFUSED))
    with pytest.raises(ConditionFailed):
        transact(dynamodb, [JOURNAL.put(replace(first, count=2))])
    assert [trace_of_item(one) for one in items(dynamodb, f"REC#{RECORD_ID}")] == [first]


def test_a_table_that_is_not_there_is_no_success(dynamodb):
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        Traces(dynamodb, Journal("elsewhere", bytes)).write(trace())


def told(written: Trace) -> list[tuple[str, dict]]:
    item = decode(JOURNAL.put(written)["Put"]["Item"])
    return [
        (one.type, dict(one.detail)) for one in facts_of(Change(item["pk"], item["sk"], None, item))
    ]


def test_a_document_read_in_an_emergency_is_told_twice_with_ids_only():
    written = trace()
    common = {"recordId": RECORD_ID, "traceId": written.id, "actor": DOCTOR, "mode": "break-glass"}
    post = {"profession": "10", "structure": "510000029"}
    assert told(written) == [
        ("document.accessed.v1", {**common, "documentId": written.target}),
        ("emergency.accessed.v1", {**common, "act": "document.content", **post}),
    ]


SEARCH = {"act": Act.SEARCH_DOCUMENTS, "target": None, "mode": Mode.NORMAL}
HISTORY = SEARCH | {"act": Act.READ_HISTORY}
STATE = SEARCH | {"act": Act.READ_RECORD}
TRACES = SEARCH | {"act": Act.READ_TRACES}


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"mode": Mode.NORMAL}, ["document.accessed.v1"]),
        (SEARCH, ["record.accessed.v1"]),
        (HISTORY, ["record.accessed.v1"]),
        (STATE | {"rules": ("authorised-reads", "opener-follows")}, ["record.accessed.v1"]),
        (STATE | {"rules": ("care-team-reads",)}, ["record.accessed.v1"]),
        (STATE | {"rules": ("professional-finds",)}, []),
        (STATE | {"rules": ("colleagues-follow", "opener-follows")}, []),
        (STATE | {"rules": ()}, []),
        (STATE | {"rules": ("authorised-reads",), "mode": Mode.BREAK_GLASS}, []),
        (STATE | {"rules": ("authorised-reads",), "outcome": Outcome.REFUSED}, []),
        (TRACES | {"rules": ("medecin-traitant-reads-traces",)}, ["record.accessed.v1"]),
        (TRACES | {"rules": ()}, []),
        (
            TRACES | {"act": Act.EXPORT_TRACES, "rules": ("medecin-traitant-reads-traces",)},
            ["record.accessed.v1"],
        ),
        (SEARCH | {"actor": "patient#" + "a" * 64}, []),
        (SEARCH | {"act": Act.READ_CONSENTS}, []),
        (SEARCH | {"outcome": Outcome.REFUSED}, []),
        (SEARCH | {"record_id": None}, []),
        ({"act": Act.SEARCH_DOCUMENTS, "target": None}, ["emergency.accessed.v1"]),
        (
            {"act": Act.READ_HISTORY, "target": None, "mode": Mode.CENTRE_15},
            ["emergency.accessed.v1"],
        ),
        ({"outcome": Outcome.REFUSED}, []),
        ({"record_id": None}, []),
        ({"act": Act.PUBLISH_DOCUMENT}, []),
        ({"act": Act.CHANGE_CONSENT, "mode": Mode.NORMAL}, []),
        ({"act": Act.CHANGE_DOCUMENT, "mode": Mode.NORMAL}, ["document.accessed.v1"]),
        ({"act": Act.CHANGE_DOCUMENT, "outcome": Outcome.FAILED, "mode": Mode.NORMAL}, []),
    ],
)
def test_what_the_journal_tells(changes, facts):
    assert [kind for kind, _ in told(trace(**changes))] == facts


def test_every_fact_about_a_hidden_document_says_from_whom():
    flags = {"hiddenFromHolder": True, "hiddenFromRepresentatives": True}
    for _, detail in told(trace(hidden_from=("holder", "representatives"))):
        assert flags.items() <= detail.items()


def test_the_same_trace_is_the_same_fact():
    item = decode(JOURNAL.put(trace())["Put"]["Item"])
    change = Change(item["pk"], item["sk"], None, item)
    assert [one.id for one in facts_of(change)] == [one.id for one in facts_of(change)]
    assert len({one.id for one in facts_of(change)}) == 2
    assert list(facts_of(Change(item["pk"], item["sk"], item, None, expired=True))) == []
