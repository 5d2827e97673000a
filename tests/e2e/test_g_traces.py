"""What is written about accesses cannot be unwritten: whatever is done to the journal is found.

The stack is shared: each test tampers with entries of a record of its own and puts them back. What
the stream saw of it stays for ever, as it should.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dmp.domain import seals
from dmp.domain.ids import new_ulid
from dmp.domain.seals import segment_key
from infra.local import cli
from infra.local.traces import Journal
from tests.e2e.client import Dmp

Item = dict[str, Any]


class Tamperer:
    """Somebody with every right on the table and the bucket, and without the journal's keys."""

    def __init__(self, dmp: Dmp, record: str) -> None:
        self.record = record
        self.journal = Journal.local(dmp.stack.content)
        self.home = str(dmp.stack.home.path)
        self.table = dmp.stack.content["tables"]["traces"]
        self.bucket = dmp.stack.content["buckets"]["audit"]
        self.dynamodb, self.s3 = dmp.stack.client("dynamodb"), dmp.stack.client("s3")

    def entries(self) -> list[Item]:
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"REC#{self.record}"}},
        )
        return [item for page in pages for item in page["Items"]]

    def put(self, item: Item) -> None:
        self.dynamodb.put_item(TableName=self.table, Item=item)

    def delete(self, item: Item) -> None:
        self.dynamodb.delete_item(TableName=self.table, Key=key_of(item))

    def collected(self) -> bool:
        report = self.journal.verify(record=self.record)
        return bool(report.entries) and report.pending == 0

    def about_the_record(self) -> set[tuple[str, str]]:
        """(kind, trace) of what is found now about the record."""
        found = self.journal.verify(record=self.record).findings
        return {(one.kind.value, one.trace) for one in found if one.trace}

    def about_the_object(self, key: str) -> set[str]:
        return {one.kind.value for one in self.journal.verify().findings if one.object == key}

    def parts(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=seals.PARTS
        )
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def lines_of_the_record(self) -> bytes:
        """The lines about the record, of every part."""
        bodies = [
            self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in self.parts()
        ]
        lines = [line for body in bodies for line in body.splitlines()]
        return b"\n".join(line for line in lines if self.record.encode() in line)

    def verify(self, *more: str) -> int:
        """The exit code of `dmp traces verify`."""
        return cli.main(["traces", "verify", "--home", self.home, "--record", self.record, *more])


def key_of(item: Item) -> Item:
    return {name: item[name] for name in ("pk", "sk")}


def trace(item: Item) -> str:
    return str(item["sk"]["S"]).removeprefix("TRACE#")


@pytest.fixture
def tamperer(dmp: Dmp, eventually) -> Tamperer:
    """With a record that was opened and read, all of it collected."""
    record = dmp.open()
    for _ in range(2):
        dmp.get(f"/enrolment/records/{record}", dmp.pharmacist())
    dmp.get(f"/fhir/DocumentReference?patient={record}&status=current", dmp.doctor(31))
    made = Tamperer(dmp, record)
    assert eventually(made.collected)
    assert made.about_the_record() == set()
    return made


@pytest.fixture
def put_back(tamperer: Tamperer) -> Iterator[list[Item]]:
    """The entries as they stood; they stand so again afterwards, and nothing else does."""
    before = tamperer.entries()
    yield before
    kept = {trace(item) for item in before}
    for item in tamperer.entries():
        if trace(item) not in kept:
            tamperer.delete(item)
    for item in before:
        tamperer.put(item)


def test_a_changed_entry_is_found_at_once(tamperer, put_back):
    item = put_back[0]
    tamperer.dynamodb.update_item(
        TableName=tamperer.table,
        Key=key_of(item),
        UpdateExpression="SET actorKey = :other",
        ExpressionAttributeValues={":other": {"S": "professional#810100997245"}},
    )
    assert ("changed", trace(item)) in tamperer.about_the_record()


def test_a_removed_entry_is_found_at_once(tamperer, put_back):
    tamperer.delete(put_back[0])
    assert ("missing", trace(put_back[0])) in tamperer.about_the_record()


def test_a_copied_entry_and_an_invented_one_are_found_at_once(tamperer, put_back):
    copied = {**put_back[0], "sk": {"S": f"TRACE#{new_ulid(datetime.now(UTC))}"}}
    invented = {"pk": copied["pk"], "sk": {"S": f"TRACE#{new_ulid(datetime.now(UTC))}"}}
    tamperer.put(copied)
    tamperer.put(invented)
    assert {("added", trace(copied)), ("added", trace(invented))} <= tamperer.about_the_record()


def test_an_entry_that_was_changed_and_put_back_is_remembered(tamperer, put_back, eventually):
    item = put_back[0]
    tamperer.put({**item, "outcome": {"S": "refused"}})
    tamperer.put(item)
    assert eventually(lambda: ("touched", trace(item)) in tamperer.about_the_record())
    events = [json.loads(line)["event"] for line in tamperer.lines_of_the_record().splitlines()]
    assert events.count("MODIFY") == 2


def test_parts_and_segments_that_are_written_over_are_found(tamperer):
    tamperer.journal.seal()
    head = tamperer.journal.verify().head
    assert head is not None
    for key in (tamperer.parts()[0], segment_key(head.number)):
        assert tamperer.about_the_object(key) == set()
        version = tamperer.s3.put_object(Bucket=tamperer.bucket, Key=key, Body=b"{}")["VersionId"]
        try:
            assert tamperer.about_the_object(key) == {"overwritten"}
            with pytest.raises(ClientError, match="AccessDenied"):  # not even what is wrong
                tamperer.s3.delete_object(Bucket=tamperer.bucket, Key=key, VersionId=version)
        finally:
            tamperer.s3.delete_object(
                Bucket=tamperer.bucket,
                Key=key,
                VersionId=version,
                BypassGovernanceRetention=True,
            )
        assert tamperer.about_the_object(key) == set()


def test_parts_hold_nothing_of_the_entries(tamperer):
    lines = tamperer.lines_of_the_record()
    assert lines
    for item in tamperer.entries():
        assert item["actorKey"]["S"].encode() not in lines
        assert item["act"]["S"].encode() not in lines


def test_each_call_of_the_sealer_adds_a_link(tamperer):
    first, second = tamperer.journal.seal(), tamperer.journal.seal()
    assert second == [first[-1] + 1]
    report = tamperer.journal.verify()
    assert report.head is not None
    assert report.head.number == second[-1]
    kinds = {one.kind.value for one in report.findings if one.object}
    assert kinds == set()


def test_the_command_says_by_its_exit_code_what_it_found(tamperer, put_back, capsys):
    assert tamperer.verify() == 0
    assert "as it was written" in capsys.readouterr().out
    tamperer.put({**put_back[0], "outcome": {"S": "refused"}})
    assert tamperer.verify("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (finding,) = told["findings"]
    assert finding == {"kind": "changed", "record": tamperer.record, "trace": trace(put_back[0])}
    assert tamperer.verify() == 1
    said = capsys.readouterr().out
    assert trace(put_back[0]) in said
    assert put_back[0]["actorKey"]["S"] not in said


def test_a_signed_report_is_verified_and_a_changed_one_is_not(dmp, tamperer, tmp_path, capsys):
    answer = dmp.get("/fhir/AuditEvent/$access-report", dmp.doctor(31))
    assert answer.status_code == 200, answer.text
    report, keys = tmp_path / "report.json", tmp_path / "jwks.json"
    report.write_bytes(answer.content)
    keys.write_bytes(dmp.get("/.well-known/jwks.json").content)
    offline = ["--report", str(report), "--keys", str(keys), "--home", str(tmp_path)]
    assert cli.main(["traces", "verify", *offline]) == 0
    told = answer.json()
    assert told["entry"]
    report.write_text(json.dumps({**told, "entry": told["entry"][:-1]}))
    assert cli.main(["traces", "verify", *offline]) == 1
    assert "NOT" in capsys.readouterr().out
