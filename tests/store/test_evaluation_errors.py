"""An access that cannot be decided is refused, and somebody is told; on moto, over HTTP."""

from __future__ import annotations

import importlib
import json

import boto3
import pytest

from dmp.access import decide
from dmp.domain.actors import Professional, Structure
from dmp.edge.observability import NAMESPACE, STAGE, logger
from dmp.store.items import decode
from infra.cdk import alarming
from tests.support.aws import account
from tests.support.gateway import ask
from tests.support.logs import written_by
from tests.support.people import opening, somebody

PHARMACIST = Professional("899700024450", "21", structure=Structure("512000015"))
JOURNAL = logger("access")  # made before a capture of pytest stands in for the output
BROKEN = """
// Anything goes.
@id("anything")
permit (principal, action, resource);
// What no request has.
@id("broken")
forbid (principal, action, resource) when { context.nowhere == 1 };
"""


@pytest.fixture
def answered(monkeypatch, capfd):
    """The answer to a read whose policies err, what the journal says, what was printed."""
    with account():
        accounts = importlib.import_module("functions.accounts.app").app
        person = somebody()
        _, body, _ = ask(accounts, "POST", "/enrolment/records", PHARMACIST, opening(person))
        record = body["recordId"]
        importlib.import_module("dmp.composition").gate.cache_clear()
        monkeypatch.setattr(decide, "policies_text", lambda: BROKEN)
        for name in ("read_record", "find_record"):
            made = getattr(importlib.import_module("functions.accounts.wiring"), name, None)
            if made is not None:
                made.cache_clear()
        capfd.readouterr()
        with written_by(JOURNAL) as log:
            answer = ask(accounts, "GET", f"/enrolment/records/{record}", PHARMACIST)
        items = boto3.client("dynamodb").scan(TableName="traces")["Items"]
        yield record, person, answer, log.getvalue(), capfd.readouterr().out, map(decode, items)


def test_an_evaluation_error_opens_nothing(answered):
    record, _, (status, body, _), _, _, traces = answered
    assert status == 404
    assert record not in json.dumps(body)
    (refused,) = [trace for trace in traces if trace["outcome"] == "refused"]
    assert refused["rules"] == [decide.EVALUATION_ERROR]


def test_an_evaluation_error_is_one_line_that_names_the_action_alone(answered):
    record, person, _, log, _, _ = answered
    (line,) = [json.loads(text) for text in log.splitlines()]
    assert (line["level"], line["message"]) == ("ERROR", "access not evaluated")
    assert line["action"] == "see-record"
    for hidden in (record, PHARMACIST.id, person.matricule, person.family_name):
        assert hidden not in log


def test_an_evaluation_error_is_counted_where_the_alarm_looks(answered):
    record, _, _, _, printed, _ = answered
    (told,) = [json.loads(text) for text in printed.splitlines() if '"_aws"' in text]
    alarm = next(each for each in alarming.of_house() if each.name == "evaluation-errors")
    (metric,) = told["_aws"]["CloudWatchMetrics"]
    assert (metric["Namespace"], metric["Dimensions"]) == (NAMESPACE, [[STAGE]])
    assert (alarm.namespace, alarm.dimension) == (NAMESPACE, STAGE)
    assert [one["Name"] for one in metric["Metrics"]] == [alarm.metric]
    assert told[alarm.metric] == [1.0]
    assert record not in printed


def test_what_is_decided_raises_no_alarm(capfd):
    with account():
        accounts = importlib.import_module("functions.accounts.app").app
        with written_by(JOURNAL) as log:
            body = opening(somebody())
            _, opened, _ = ask(accounts, "POST", "/enrolment/records", PHARMACIST, body)
            url = f"/enrolment/records/{opened['recordId']}"
            assert ask(accounts, "GET", url, PHARMACIST)[0] == 200
    assert log.getvalue() == ""
    assert '"_aws"' not in capfd.readouterr().out


@pytest.mark.parametrize("alarm", alarming.of_house(), ids=lambda alarm: alarm.name)
def test_every_metric_that_an_alarm_of_the_house_watches_is_counted_somewhere(alarm):
    root = importlib.import_module("infra.cdk.packaging").ROOT
    sources = [*root.glob("functions/**/*.py"), *root.glob("layers/dmp/python/dmp/**/*.py")]
    assert any(f'"{alarm.metric}"' in path.read_text("utf-8") for path in sources)
