"""The history's functions at their edges: queue in, stream out, HTTP; on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import boto3
import pytest

from dmp.domain.actors import Person, Professional
from dmp.domain.history import Window
from dmp.domain.ids import moment_of
from dmp.domain.normalise import fingerprint_of
from dmp.store.histories import Histories
from dmp.store.items import decode, put, write
from dmp.store.records import record_item
from dmp.store.traces import trace_of_item
from functions.reimbursements import app, starter, stream, wiring, wiring_facts
from tests.support.aws import REGION, account
from tests.support.gateway import ask
from tests.support.services import RECORD, history, line, record

EVENTS = Path(__file__).parents[2] / "events"
HOLDER = Person("0" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
DOCTOR = Professional("899700218896", "10")
URL = f"/fhir/ExplanationOfBenefit?patient={RECORD}"


def sample(name):
    return json.loads((EVENTS / name).read_text("utf-8"))


@pytest.fixture
def cloud(monkeypatch):
    with account():
        yield boto3
    wiring.read_history.cache_clear()


# ------------------------------------------------------------ queue


@pytest.fixture
def workflow(cloud, monkeypatch):
    """Starts executions of `initial-history`; they do nothing here."""
    states = cloud.client("stepfunctions")
    arn = states.create_state_machine(
        name="initial-history",
        definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}',
        roleArn="arn:aws:iam::000000000000:role/none",
    )["stateMachineArn"]
    monkeypatch.setenv("DMP_WORKFLOW_INITIAL_HISTORY", arn)
    wiring_facts.executions.cache_clear()
    yield lambda: states.list_executions(stateMachineArn=arn)["executions"]
    wiring_facts.executions.cache_clear()


def test_a_record_that_opens_starts_its_import_with_its_id_and_nothing_else(cloud, workflow):
    assert starter.handler(sample("sqs/record-opened.json"), None) == {"batchItemFailures": []}
    (execution,) = workflow()
    assert execution["name"] == f"open-{RECORD}"
    told = cloud.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    assert json.loads(told["input"]) == {"recordId": RECORD}


def test_a_fact_that_comes_twice_starts_one_import(workflow):
    event = sample("sqs/record-opened.json")
    event["Records"] *= 2
    assert starter.handler(event, None) == {"batchItemFailures": []}
    assert starter.handler(event, None) == {"batchItemFailures": []}
    assert len(workflow()) == 1


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "{}",
        json.dumps({"detail-type": "record.closed.v1", "detail": {"recordId": RECORD}}),
        '{"detail-type": "record.opened.v1", "detail": {"recordId": "279035121518989"}}',
    ],
)
def test_a_message_that_is_no_opening_comes_back_alone(workflow, body):
    event = sample("sqs/record-opened.json")
    broken = replace_body(event["Records"][0], body)
    event["Records"].append(broken)
    assert starter.handler(event, None) == {
        "batchItemFailures": [{"itemIdentifier": broken["messageId"]}]
    }
    assert len(workflow()) == 1


def replace_body(message, body):
    return {**message, "messageId": "11111111-87a3-44ab-83d2-661975830a7d", "body": body}


# ------------------------------------------------------------ stream


class Bus:
    def __init__(self, refuses=0):
        self.told = []
        self.refuses = refuses

    def publish(self, source, facts):
        if self.refuses:
            self.refuses -= 1
            return frozenset({0})
        self.told += [(source, fact) for fact in facts]
        return frozenset()


@pytest.fixture
def bus(monkeypatch):
    """The bus; the handler asks for it through its wiring."""
    made = Bus()
    handle = stream.facts_handler("dmp.reimbursements", stream.facts_of, lambda: made)
    monkeypatch.setattr(stream, "handler", handle)
    return made


def test_a_generation_is_told_once_by_ids_and_counts(bus):
    """The sample holds a part, a new head, and that head with its document: one fact."""
    assert stream.handler(sample("stream/history-imported.json"), None) == {"batchItemFailures": []}
    ((source, fact),) = bus.told
    assert (source, fact.type) == ("dmp.reimbursements", "history.imported.v1")
    assert dict(fact.detail) == {
        "recordId": RECORD,
        "generation": 1,
        "lines": 112,
        "occurredAt": "2026-07-14T10:05:00+00:00",
    }
    assert moment_of(fact.id).isoformat() == "2026-07-14T10:05:00+00:00"


def test_a_change_that_is_read_again_tells_the_same_fact(bus):
    stream.handler(sample("stream/history-imported.json"), None)
    stream.handler(sample("stream/history-imported.json"), None)
    assert bus.told[0] == bus.told[1]


def test_another_generation_is_another_fact(bus):
    event = sample("stream/history-imported.json")
    stream.handler(event, None)
    moved = event["Records"][2]["dynamodb"]
    moved["NewImage"]["generation"]["N"] = "2"
    stream.handler({"Records": [event["Records"][2]]}, None)
    assert [fact.detail["generation"] for _, fact in bus.told] == [1, 2]
    assert bus.told[0][1].id != bus.told[1][1].id


def test_a_head_that_is_removed_tells_nothing(bus):
    event = sample("stream/history-imported.json")
    gone = event["Records"][2]
    gone["eventName"] = "REMOVE"
    del gone["dynamodb"]["NewImage"]
    stream.handler({"Records": [gone]}, None)
    assert bus.told == []


def test_what_the_bus_does_not_take_is_given_again_by_the_stream(bus):
    bus.refuses = 1
    answer = stream.handler(sample("stream/history-imported.json"), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "4421584500000000017450439092"}]}


def test_what_the_store_writes_is_what_the_stream_tells(cloud):
    histories = Histories(cloud.client("dynamodb"), "history")
    stored = history(line())
    histories.save(stored, fingerprint_of(Window(stored.first, stored.last), stored.lines))
    head = next(
        decode(item)
        for item in cloud.client("dynamodb").scan(TableName="history")["Items"]
        if item["sk"]["S"] == "HEAD"
    )
    change = stream.Change(head["pk"], head["sk"], None, head)
    (fact,) = stream.facts_of(change)
    assert (fact.detail["recordId"], fact.detail["lines"]) == (RECORD, 1)


# ------------------------------------------------------------ HTTP


@pytest.fixture
def stored(cloud):
    """An open record with its holder and two lines of history."""
    dynamodb = cloud.client("dynamodb")
    write(dynamodb, put("accounts", record_item(record(holder=HOLDER.reference))))
    lines = (line(), line(id="1" * 26, on=date(2023, 1, 1)))
    Histories(dynamodb, "history").save(history(*lines), "f")
    return dynamodb


def traces(dynamodb):
    return [trace_of_item(decode(item)) for item in dynamodb.scan(TableName="traces")["Items"]]


def test_the_holder_reads_their_history_with_its_amounts(stored):
    status, body, headers = ask(app.app, "GET", URL, HOLDER)
    assert (status, headers["Content-Type"]) == (200, "application/fhir+json")
    assert headers["Cache-Control"] == "no-store"
    assert [one["resource"]["item"][0]["servicedDate"] for one in body["entry"]] == [
        "2024-01-10",
        "2023-01-01",
    ]
    assert body["entry"][0]["resource"]["total"]
    assert [trace.outcome.value for trace in traces(stored)] == ["done"]


def test_the_next_link_is_an_address_of_ours_and_leads_on(stored):
    _, first, _ = ask(app.app, "GET", f"{URL}&_count=1", HOLDER)
    (link,) = [one["url"] for one in first["link"] if one["relation"] == "next"]
    assert link.startswith("https://dmp.test/fhir/ExplanationOfBenefit?")
    _, second, _ = ask(app.app, "GET", link.removeprefix("https://dmp.test"), HOLDER)
    assert [one["resource"]["id"] for one in (*first["entry"], *second["entry"])] == [
        f"{RECORD}.{line().id}",
        f"{RECORD}.{'1' * 26}",
    ]


def test_a_doctor_without_an_authorisation_finds_nothing_and_is_traced(stored):
    status, body, _ = ask(app.app, "GET", URL, DOCTOR)
    assert (status, body["total"], "entry" in body) == (200, 0, False)
    (trace,) = traces(stored)
    assert (trace.outcome.value, trace.record_id) == ("refused", RECORD)


def test_somebody_else_s_history_looks_like_none(stored):
    other = replace(HOLDER, reference="1" * 64)
    _, theirs, _ = ask(app.app, "GET", URL, other)
    _, none, _ = ask(app.app, "GET", URL.replace(RECORD, "0" * 26), other)
    assert {**theirs, "link": []} == {**none, "link": []}


def test_a_reading_asks_aws_three_times(stored, monkeypatch):
    """One read of what decides, one of the history, one trace; never a scan."""
    ask(app.app, "GET", URL, HOLDER)
    asked = []
    client = boto3.client("dynamodb", region_name=REGION)
    kind = type(client)
    call = kind._make_api_call

    def counted(self, operation, arguments):
        asked.append(operation)
        return call(self, operation, arguments)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", counted)
    ask(app.app, "GET", URL, HOLDER)
    assert asked == ["BatchGetItem", "Query", "PutItem"]


@pytest.mark.parametrize("query", ["", "?patient=", f"?patient={RECORD}&service-date=x"])
def test_a_search_that_cannot_be_read_is_refused_in_fhir_s_words(stored, query):
    status, body, _ = ask(app.app, "GET", f"/fhir/ExplanationOfBenefit{query}", HOLDER)
    assert (status, body["resourceType"]) == (400, "OperationOutcome")


def test_without_a_token_there_is_no_answer(stored):
    status, body, _ = ask(app.app, "GET", URL)
    assert (status, body["resourceType"]) == (401, "OperationOutcome")
    assert traces(stored) == []
