"""Rules of the emergencies that operations oversee: over HTTP and from the queue, on moto."""

from __future__ import annotations

import csv
import importlib
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.emergencies import Access, Episode, FollowUp, State, episode_of
from dmp.domain.paris import PARIS
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.store.emergencies import Emergencies
from dmp.store.items import decode
from dmp.usecases.count_emergency import Counting
from functions.operations import sheet
from tests.support.aws import JOURNAL, account
from tests.support.gateway import ask

SAMPLE = Path(__file__).parents[2] / "events/sqs/emergency-counted.json"
RECORD = "7h3kq0v9w2m4n6p8r1t5x7z0ab"
ANOTHER = "8h3kq0v9w2m4n6p8r1t5x7z0ab"
DOCTOR, NURSE = "810100997245", "899700218896"
OPERATIONS = Agent("op-7", AgentRole.OPERATIONS, "751")
COLLEAGUE = Agent("op-8", AgentRole.OPERATIONS, "751")
LIST = "/operations/emergencies"
NOW = datetime.now(UTC).replace(hour=10, minute=5, second=0, microsecond=0)
TODAY = NOW.astimezone(PARIS).date()


@pytest.fixture
def aws():
    with account() as environment:
        yield environment


@pytest.fixture
def area(aws):
    return importlib.import_module("functions.operations.app").app


@pytest.fixture
def tell(aws):
    """Tell the queue's function of accesses: `tell(event_id, at=…, record=…, …)`."""
    handler = importlib.import_module("functions.operations.collect").handler

    def told(*event_ids: str, at=NOW, record=RECORD, who=DOCTOR, mode="break-glass", **more):
        message = json.loads(SAMPLE.read_text("utf-8"))["Records"][0]
        event = json.loads(message["body"])
        records = []
        for event_id in event_ids:
            event["detail"] |= {
                "eventId": event_id,
                "occurredAt": at.isoformat(),
                "recordId": record,
                "actor": f"professional#{who}",
                "mode": mode,
                **more,
            }
            records.append(message | {"messageId": event_id, "body": json.dumps(event)})
        return handler({"Records": records}, None)["batchItemFailures"]

    return told


def found(area, query="", actor=OPERATIONS, **headers):
    status, body, _ = ask(area, "GET", f"{LIST}{query}", actor, **headers)
    assert status == 200, body
    return body


def follow(area, episode_id, state, actor=OPERATIONS, **headers):
    url = f"{LIST}/{episode_id}/follow-up"
    return ask(area, "POST", url, actor, {"state": state}, **headers)


def traced(act):
    items = boto3.client("dynamodb").scan(TableName="traces")["Items"]
    return [item for item in map(decode, items) if item["act"] == act]


# -- counting --------------------------------------------------------------------------------------


def test_a_professional_in_a_record_on_a_day_is_one_line_however_much_they_read(area, tell):
    assert tell("e1", "e2", "e3", profession="10", structure="750000018") == []
    (row,) = found(area)["rows"]
    assert row == {
        "id": row["id"],
        "day": TODAY.isoformat(),
        "mode": "break-glass",
        "professional": DOCTOR,
        "profession": "10",
        "structure": "750000018",
        "accesses": 3,
        "first": row["first"],
        "last": row["last"],
        "state": "open",
        "updatedAt": row["updatedAt"],
        "version": 1,
    }


def test_another_record_professional_mode_or_day_is_another_line(area, tell):
    tell("e1")
    tell("e2", record=ANOTHER)
    tell("e3", who=NURSE)
    tell("e4", mode="centre-15")
    tell("e5", at=NOW - timedelta(days=1))
    assert [row["accesses"] for row in found(area)["rows"]] == [1] * 5


def test_a_fact_told_again_is_counted_once(area, tell):
    tell("e1", "e1", "e2")
    tell("e2")
    tell("e1")
    told = found(area)
    assert [row["accesses"] for row in told["rows"]] == [2]
    assert told["counts"]["byState"]["open"] == 1


def test_first_and_last_are_right_in_whatever_order_facts_come(area, tell):
    for event_id, minutes in (("e2", 20), ("e3", 40), ("e1", 0)):
        tell(event_id, at=NOW + timedelta(minutes=minutes))
    (row,) = found(area)["rows"]
    first, last = (datetime.fromisoformat(row[name]) for name in ("first", "last"))
    assert (first, last) == (NOW, NOW + timedelta(minutes=40))


def test_days_are_those_of_paris(area, tell):
    tell("e1", at=datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    (row,) = found(area, "?from=2026-02-01&to=2026-02-01")["rows"]
    assert row["day"] == "2026-02-01"
    assert found(area, "?from=2026-01-31&to=2026-01-31")["rows"] == []


def test_what_is_no_such_fact_comes_back_alone(area, tell):
    assert tell("e1", actor="patient#abc") == [{"itemIdentifier": "e1"}]
    assert tell("e2", mode="normal") == [{"itemIdentifier": "e2"}]
    assert found(area)["rows"] == []


def test_an_episode_that_others_change_is_read_again(aws):
    """Another function counts between our reading and our writing."""
    store = Emergencies(boto3.client("dynamodb"), "statistics")
    one = Access("e1", RECORD, NOW, Mode.BREAK_GLASS, DOCTOR)
    two, three = replace(one, id="e2"), replace(one, id="e3")
    begun = episode_of(one, NOW)
    assert store.count(one, None, begun, NOW) is Counting.DONE
    assert store.count(two, None, episode_of(two, NOW), NOW) is Counting.CHANGED
    assert store.count(two, begun, begun.with_access(two), NOW) is Counting.DONE
    assert store.count(three, begun, begun.with_access(three), NOW) is Counting.CHANGED
    assert store.of(begun.id) == begun.with_access(two)
    assert store.tallies(begun.day, begun.day) == {begun.day: {(Mode.BREAK_GLASS, State.OPEN): 1}}


def test_what_is_kept_names_neither_record_nor_patient_nor_reason(area, tell):
    tell("e1", traceId="01kxg1ch7000000000ky77tv2v")
    follow(area, found(area)["rows"][0]["id"], "under-review")
    kept = json.dumps(boto3.client("dynamodb").scan(TableName="statistics")["Items"])
    assert DOCTOR in kept
    for hidden in (RECORD, "document.content", "01kxg1ch7", "reason"):
        assert hidden not in kept


# -- listing ---------------------------------------------------------------------------------------


def test_only_operations_see_the_list_and_every_attempt_is_traced(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    others = (
        Agent("ag-1", AgentRole.ENROLMENT, "751"),
        Professional(DOCTOR, "10"),
        Person("a" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
        System(Structure("750000018")),
    )
    for actor in others:
        for method, url, body in (
            ("GET", LIST, None),
            ("GET", f"{LIST}/{episode}", None),
            ("POST", f"{LIST}/{episode}/follow-up", {"state": "under-review"}),
        ):
            status, answer, _ = ask(area, method, url, actor, body)
            assert status == 403
            assert DOCTOR not in json.dumps(answer)
    refused = [
        item
        for act in (Act.READ_EMERGENCIES, Act.FOLLOW_EMERGENCY)
        for item in traced(act)
        if item["outcome"] == "refused"
    ]
    assert len(refused) == 3 * len(others)
    assert all(item["pk"].startswith("NOREC#") for item in refused)
    assert ask(area, "GET", LIST)[0] == 401


def test_a_look_at_the_list_is_traced_before_the_answer_with_how_many_lines(area, tell):
    tell("e1")
    tell("e2", who=NURSE)
    found(area)
    (trace,) = traced(Act.READ_EMERGENCIES)
    assert (trace["outcome"], trace["count"], trace["actorKey"]) == ("done", 2, "agent#op-7")
    assert "recordId" not in trace


def test_without_a_trace_nothing_is_told(area, tell):
    tell("e1")
    boto3.client("dynamodb").delete_table(TableName="traces")
    status, body, _ = ask(area, "GET", LIST, OPERATIONS)
    assert status == 500
    assert DOCTOR not in json.dumps(body)


def test_the_newest_day_comes_first_and_pages_neither_repeat_nor_lose_a_line(area, tell):
    for back in range(45):
        tell(f"e{back}", at=NOW - timedelta(days=back))
    first = (TODAY - timedelta(days=60)).isoformat()
    days, cursor = [], ""
    for _ in range(10):
        page = found(area, f"?from={first}&_count=7{cursor}")
        assert len(page["rows"]) <= 7
        days += [row["day"] for row in page["rows"]]
        if page["next"] is None:
            break
        cursor = f"&_cursor={page['next']}"
    assert days == [(TODAY - timedelta(days=back)).isoformat() for back in range(45)]
    assert page["counts"]["byState"]["open"] == 45


def test_thirty_days_until_today_unless_asked(area, tell):
    for event_id, back in (("e0", 0), ("e29", 29), ("e30", 30)):
        tell(event_id, at=NOW - timedelta(days=back))
    told = found(area)
    assert (told["from"], told["to"]) == (
        (TODAY - timedelta(days=29)).isoformat(),
        TODAY.isoformat(),
    )
    assert len(told["rows"]) == 2


def test_states_and_modes_narrow_the_rows_and_not_the_counts(area, tell):
    tell("e1")
    tell("e2", who=NURSE)
    tell("e3", mode="centre-15", at=NOW - timedelta(days=3))
    by = {(row["professional"], row["mode"]): row["id"] for row in found(area)["rows"]}
    assert follow(area, by[NURSE, "break-glass"], "justified")[0] == 200
    counts = {
        "byState": {
            "open": 2,
            "under-review": 0,
            "justified": 1,
            "unjustified": 0,
            "referred": 0,
        },
        "byMode": {"break-glass": 2, "centre-15": 1},
    }
    for query, wanted in (
        ("?state=open", {by[DOCTOR, "break-glass"], by[DOCTOR, "centre-15"]}),
        (
            "?state=open,justified&mode=break-glass",
            {by[DOCTOR, "break-glass"], by[NURSE, "break-glass"]},
        ),
        ("?mode=centre-15", {by[DOCTOR, "centre-15"]}),
        ("?state=referred", set()),
        ("?state=open&state=justified", set()),
    ):
        told = found(area, query)
        assert {row["id"] for row in told["rows"]} == wanted, query
        assert told["counts"] == counts


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?from=2026-02-30", "from"),
        ("?from=20260201", "from"),
        ("?to=yesterday", "to"),
        ("?from=2026-03-01&to=2026-02-01", "from"),
        ("?from=2025-01-01&to=2026-01-02", "from"),
        ("?state=shut", "state"),
        ("?mode=normal", "mode"),
        ("?_count=0", "_count"),
        ("?_cursor=abc", "_cursor"),
        ("?professional=8", "professional"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_by_its_field(area, query, field):
    status, body, _ = ask(area, "GET", f"{LIST}{query}", OPERATIONS)
    assert status == 400
    assert [fault["field"] for fault in body["errors"]] == [field]


def test_a_whole_leap_year_may_be_asked_for(area):
    assert found(area, "?from=2024-01-01&to=2024-12-31")["rows"] == []
    assert found(area, "?to=0001-01-01")["from"] == "0001-01-01"


# -- as a sheet ------------------------------------------------------------------------------------


def test_a_sheet_has_the_same_lines_and_says_where_the_next_page_is(area, tell):
    for number in range(3):
        tell(f"e{number}", at=NOW - timedelta(days=number), profession="10")
    status, text, headers = ask(area, "GET", f"{LIST}?_count=2", OPERATIONS, Accept="text/csv")
    assert status == 200
    assert headers["Content-Type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    rows = found(area)["rows"]
    told = [{name: str(value or "") for name, value in row.items()} for row in rows[:2]]
    assert lines == told
    following = headers["Link"].partition(">")[0].removeprefix("<")
    status, text, headers = ask(area, "GET", f"{LIST}{following}", OPERATIONS, Accept="text/csv")
    assert [line["id"] for line in csv.DictReader(io.StringIO(text), delimiter=";")] == [
        rows[2]["id"]
    ]
    assert "Link" not in headers


@pytest.mark.parametrize(
    ("accept", "csv_wanted"),
    [
        ("application/json", False),
        ("*/*", False),
        ("text/csv", True),
        ("TEXT/CSV;q=1, */*;q=0.1", True),
        ("application/json, text/csv", False),
    ],
)
def test_json_unless_a_sheet_is_asked_for_first(area, accept, csv_wanted):
    _, _, headers = ask(area, "GET", LIST, OPERATIONS, Accept=accept)
    assert headers["Content-Type"].startswith("text/csv") is csv_wanted


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_taken_for_a_formula(start):
    assert sheet.cell(f"{start}cmd|' /C calc'!A0").startswith("'")


def test_cells_that_are_none_are_left_as_they_are():
    assert [sheet.cell(value) for value in ("810100997245", 3, None)] == ["810100997245", "3", ""]


# -- following up ----------------------------------------------------------------------------------


def test_a_follow_up_is_kept_step_by_step_with_who_and_when(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    assert follow(area, episode, "under-review")[1]["state"] == "under-review"
    status, body, headers = follow(area, episode, "justified", COLLEAGUE)
    assert (status, body["state"], body["version"]) == (200, "justified", 3)
    assert headers["ETag"] == 'W/"3"'
    status, told, headers = ask(area, "GET", f"{LIST}/{episode}", OPERATIONS)
    assert (status, headers["ETag"]) == (200, 'W/"3"')
    assert [(one["by"], one["from"], one["to"]) for one in told["followUps"]] == [
        ("op-7", "open", "under-review"),
        ("op-8", "under-review", "justified"),
    ]
    assert [item["target"] for item in traced(Act.FOLLOW_EMERGENCY)] == [episode] * 2


def test_the_same_step_again_is_one_step(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    first = follow(area, episode, "justified", **{"If-Match": 'W/"1"'})
    again = follow(area, episode, "justified", **{"If-Match": 'W/"1"'})
    assert first[:2] == again[:2]
    _, told, _ = ask(area, "GET", f"{LIST}/{episode}", OPERATIONS)
    assert len(told["followUps"]) == 1


def test_a_step_on_a_version_that_is_no_longer_there_is_412(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    assert follow(area, episode, "under-review")[0] == 200
    for told, refused in (('W/"1"', (412, "stale-version")), ("W/1", (400, "malformed"))):
        status, body, _ = follow(area, episode, "justified", **{"If-Match": told})
        assert (status, body["type"]) == (refused[0], f"urn:dmp:problem/{refused[1]}")
    assert follow(area, episode, "justified", **{"If-Match": 'W/"2"'})[0] == 200


def test_what_is_closed_is_reviewed_again_before_it_is_closed_otherwise(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    assert follow(area, episode, "justified")[0] == 200
    for state in ("unjustified", "referred", "open"):
        assert follow(area, episode, state)[0] == 409
    assert follow(area, episode, "under-review")[0] == 200
    assert follow(area, episode, "referred")[0] == 200
    failed = [t for t in traced(Act.FOLLOW_EMERGENCY) if t["outcome"] == "failed"]
    assert len(failed) == 3


@pytest.mark.parametrize(
    "episode",
    ["2026-07-14.7h3kq0v9w2m4n6p8r1t5x7z0ab", "2026-13-14.7h3kq0v9w2m4n6p8r1t5x7z0ab", "x"],
)
def test_what_is_not_there_is_not_found(area, episode):
    assert ask(area, "GET", f"{LIST}/{episode}", OPERATIONS)[0] == 404
    assert follow(area, episode, "justified")[0] == 404


def test_a_trace_never_repeats_what_somebody_wrote_into_an_address(area):
    ask(area, "GET", f"{LIST}/279035121518989", OPERATIONS)
    follow(area, "279035121518989", "justified")
    items = boto3.client("dynamodb").scan(TableName="traces")["Items"]
    assert len(items) == 2
    assert "279035121518989" not in json.dumps(items)


def test_another_state_than_those_there_are_is_refused(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    status, body, _ = follow(area, episode, "shut")
    assert status == 422
    assert body["errors"][0]["field"] == "state"


def test_an_access_counted_later_leaves_the_decision_as_it_is(area, tell):
    tell("e1")
    episode = found(area)["rows"][0]["id"]
    follow(area, episode, "justified")
    tell("e2", at=NOW + timedelta(minutes=1))
    (row,) = found(area)["rows"]
    assert (row["state"], row["accesses"], row["version"]) == ("justified", 2, 2)


def test_of_two_steps_at_once_one_is_written(aws):
    store = Emergencies(boto3.client("dynamodb"), "statistics", JOURNAL)
    access = Access("e1", RECORD, NOW, Mode.CENTRE_15, DOCTOR)
    begun = episode_of(access, NOW)
    store.count(access, None, begun, NOW)

    def step(state: State, by: str) -> bool:
        done: Episode = begun.followed(state, NOW)
        trace = Trace(f"01jd{by}", NOW, Act.FOLLOW_EMERGENCY, Outcome.DONE, f"agent#{by}")
        return store.follow(begun, done, FollowUp(NOW, by, begun.state, state), trace)

    assert step(State.JUSTIFIED, "one")
    assert not step(State.REFERRED, "two")
    assert [one.by for one in store.follow_ups(begun.id)] == ["one"]
    assert len(traced(Act.FOLLOW_EMERGENCY)) == 1
    assert store.tallies(begun.day, begun.day)[begun.day] == {
        (Mode.CENTRE_15, State.OPEN): 0,
        (Mode.CENTRE_15, State.JUSTIFIED): 1,
    }
