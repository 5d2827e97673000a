"""`dmp traces verify`: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from dmp.composition import journal as marks
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.access_report import signed
from dmp.store.items import write
from dmp.store.signing import SigningKey
from functions.traces import collect, seal
from infra.local import cli, place
from infra.local.stack import Stack
from tests.support.aws import account
from tests.support.seals import RECORDS, Signer

NOW = datetime.now(UTC)
ACTOR = "professional#899700218896"


class Stacks:
    """CloudFormation, which knows the outputs of one stack."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self._outputs = outputs

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - AWS's own word
        assert StackName == "dmp-local-data"
        told = [{"OutputKey": name, "OutputValue": value} for name, value in self._outputs.items()]
        return {"Stacks": [{"Outputs": told}]}


@pytest.fixture(autouse=True)
def home(monkeypatch) -> Iterator[dict[str, str]]:
    """A home whose cloud is moto, with the outputs of the data stack."""
    with account() as environment:
        outputs = {
            "BucketAudit": environment["DMP_BUCKET_AUDIT"],
            "TableTraces": environment["DMP_TABLE_TRACES"],
            "KeySigning": environment["DMP_KEY_SIGNING"],
            "SecretJournal": environment["DMP_SECRET_JOURNAL"],
        }

        def client(service: str, _endpoint: str, **_: Any) -> Any:
            return Stacks(outputs) if service == "cloudformation" else boto3.client(service)

        running = SimpleNamespace(content={"aws_endpoint": "http://aws.test"})
        monkeypatch.setattr(Stack, "load", lambda _home: running)
        monkeypatch.setattr(place, "client", client)
        yield environment


def written(record: str | None = RECORDS[0], at: datetime = NOW) -> dict[str, Any]:
    """An entry by the service, collected."""
    trace = Trace(new_ulid(at), at, Act.READ_DOCUMENT, Outcome.DONE, ACTOR, record)
    one = marks().put(trace)
    write(boto3.client("dynamodb"), one)
    item: dict[str, Any] = one["Put"]["Item"]
    change = {
        "Keys": {name: item[name] for name in ("pk", "sk")},
        "NewImage": item,
        "SequenceNumber": "1",
        "ApproximateCreationDateTime": at.timestamp(),
    }
    collect.handler({"Records": [{"eventName": "INSERT", "dynamodb": change}]}, None)
    return item


def change(item: dict[str, Any]) -> str:
    """Another actor in an entry; the entry's id."""
    other = {**item, "actorKey": {"S": "professional#810100997245"}}
    boto3.client("dynamodb").put_item(TableName="traces", Item=other)
    return str(item["sk"]["S"]).removeprefix("TRACE#")


def verify(*arguments: str) -> int:
    return cli.main(["traces", "verify", *arguments])


def test_a_journal_as_it_was_written_is_exit_code_0(capsys):
    written(), written(None)
    seal.handler({}, None)
    written()
    capsys.readouterr()
    assert verify() == 0
    said = capsys.readouterr().out
    assert said.startswith("The journal of accesses: as it was written (")
    words = [line.split() for line in said.splitlines()]
    assert ["entries", "3", "3", "collected,", "0", "on", "their", "way"] in words
    assert ["parts", "3", "1", "not", "sealed", "yet"] in words


def test_findings_are_exit_code_1_and_named_by_ids_alone(capsys):
    trace = change(written())
    capsys.readouterr()
    assert verify() == 1
    said = capsys.readouterr().out
    assert "1 changed" in said
    assert ["changed", RECORDS[0], trace] in [line.split() for line in said.splitlines()]
    assert "8997" not in said
    assert "8101" not in said


def test_programs_get_every_finding(capsys):
    traces = {change(written()) for _ in range(45)}
    capsys.readouterr()
    assert verify("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {one["trace"] for one in told["findings"]} == traces
    assert all(one.keys() == {"kind", "record", "trace"} for one in told["findings"])
    verify()
    assert "and 5 more (--json has them all)" in capsys.readouterr().out


def test_one_record_or_the_days_since_are_looked_at_alone():
    change(written(RECORDS[0]))
    written(RECORDS[1])
    assert verify("--record", RECORDS[1]) == 0
    assert verify("--record", RECORDS[0]) == 1
    tomorrow, today = NOW.date() + timedelta(days=1), NOW.date()
    assert verify("--from", str(tomorrow)) == 0
    assert verify("--from", str(today)) == 1


def test_the_head_that_was_noted_must_still_be_there(capsys):
    seal.handler({}, None)
    capsys.readouterr()
    verify("--json")
    head = json.loads(capsys.readouterr().out)["head"]
    assert head.startswith("1:")
    assert verify("--head", head) == 0
    assert verify("--head", head[:-1] + ("0" if head[-1] != "0" else "1")) == 1
    assert verify("--head", "2" + head[1:]) == 1


def test_the_keys_of_a_file_are_believed_instead_of_those_of_the_service(tmp_path, home):
    seal.handler({}, None)
    own = SigningKey(boto3.client("kms"), home["DMP_KEY_SIGNING"]).public_jwk()
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [Signer().jwk]}))
    assert verify("--keys", str(keys)) == 1
    keys.write_text(json.dumps({"keys": [Signer().jwk, own]}))
    assert verify("--keys", str(keys)) == 0


def test_a_signed_report_is_verified_without_the_service(tmp_path, home, monkeypatch, capsys):
    key = SigningKey(boto3.client("kms"), home["DMP_KEY_SIGNING"])
    bundle = {"resourceType": "Bundle", "language": "fr", "type": "collection"}
    whole = signed(bundle, key, "https://dmp.test/fhir", NOW)
    report, keys = tmp_path / "report.json", tmp_path / "jwks.json"
    report.write_text(json.dumps(whole))
    keys.write_text(json.dumps({"keys": [key.public_jwk()]}))
    assert verify("--report", str(report)) == 0
    monkeypatch.setattr(place, "client", None)  # nothing is asked of anybody
    assert verify("--report", str(report), "--keys", str(keys)) == 0
    report.write_text(json.dumps({**whole, "type": "searchset"}))
    assert verify("--report", str(report), "--keys", str(keys), "--json") == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ok"] is False


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}", '{"resourceType": "Bundle"}'])
def test_what_is_no_report_is_exit_code_2(tmp_path, content, capsys):
    report = tmp_path / "report.json"
    if content is not None:
        report.write_text(content)
    assert verify("--report", str(report)) == 2
    assert "report.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--from", "yesterday"),
        ("--head", "12"),
        ("--head", "x:00"),
        ("--stage", "local"),
        ("--seal", "--report", "x"),
    ],
)
def test_wrong_usage_is_exit_code_2(wrong):
    with pytest.raises(SystemExit) as ended:
        verify(*wrong)
    assert ended.value.code == 2


def test_a_journal_that_cannot_be_looked_at_is_exit_code_2_and_no_finding(capsys):
    boto3.client("dynamodb").delete_table(TableName="traces")
    assert verify() == 2
    assert "ResourceNotFoundException" in capsys.readouterr().err


def test_without_a_local_cloud_nothing_is_said_of_the_journal(tmp_path, monkeypatch, capsys):
    monkeypatch.undo()
    assert verify("--home", str(tmp_path)) == 2
    assert "no local cloud is running" in capsys.readouterr().err
