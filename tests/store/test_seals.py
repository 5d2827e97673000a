"""The seal of the journal on S3 and DynamoDB: collected once, chained, never written over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from dmp.composition import journal as marks
from dmp.domain import seals
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.signatures import verifier
from dmp.store.items import decode, encode, write
from dmp.store.seals import Archive, Entries
from dmp.store.signing import SigningKey
from dmp.usecases.verify_traces import VerifyTraces
from functions.traces import collect, seal
from tests.access.scenes import RECORD_ID
from tests.support.aws import account
from tests.support.logs import written_by

EVENTS = Path(__file__).parents[2] / "events"
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def environment():
    with account() as told:
        yield told


@pytest.fixture
def archive(environment) -> Archive:
    return Archive(boto3.client("s3"), "dmp-audit", environment["DMP_KEY_AUDIT"])


def entry(**changes) -> dict:
    """One entry, written to the table by the service; its attribute values."""
    trace = Trace(
        new_ulid(NOW), NOW, Act.READ_DOCUMENT, Outcome.DONE, "professional#899700218896",
        RECORD_ID, reason="Patient inconscient", rules=("medecin-traitant-reads",), count=3,
        **changes,
    )  # fmt: skip
    one = marks().put(trace)
    write(boto3.client("dynamodb"), one)
    return one["Put"]["Item"]


def change(new=None, old=None, number: int = 1) -> dict:
    """A record of the table's stream, with what it says of an item."""
    kind = "MODIFY" if new and old else "INSERT" if new else "REMOVE"
    keys = {name: (new or old)[name] for name in ("pk", "sk")}
    images = {"NewImage": new, "OldImage": old}
    return {
        "eventName": kind,
        "dynamodb": {
            "ApproximateCreationDateTime": NOW.timestamp(),
            "Keys": keys,
            "SequenceNumber": f"10{number:04d}",
            **{name: image for name, image in images.items() if image},
        },
    }


def told(*changes) -> dict:
    """The event of a batch, as Lambda hands it over."""
    return {"Records": list(changes)}


def parts() -> list[str]:
    answer = boto3.client("s3").list_objects_v2(Bucket="dmp-audit", Prefix="parts/")
    return [each["Key"] for each in answer.get("Contents", [])]


def body(key: str) -> bytes:
    return boto3.client("s3").get_object(Bucket="dmp-audit", Key=key)["Body"].read()


def verify(environment):
    key = SigningKey(boto3.client("kms"), environment["DMP_KEY_SIGNING"])
    return VerifyTraces(
        Archive(boto3.client("s3"), "dmp-audit"),
        Entries(boto3.client("dynamodb"), marks()),
        verifier([key.public_jwk()]),
    )(datetime.now(UTC))


def kinds(environment) -> set[str]:
    return {each.kind.value for each in verify(environment).findings}


# --- collecting


def test_a_batch_becomes_one_part_with_a_line_for_each_change():
    items = [entry(), entry()]
    answer = collect.handler(told(*(change(each, number=n) for n, each in enumerate(items))), None)
    assert answer == {"batchItemFailures": []}
    (key,) = parts()
    assert "/100000-100001-" in key
    assert seals.split_part_key(key)[1] == seals.hash_of(body(key))
    lines = seals.lines_of(body(key))
    assert [(each.pk, each.sk) for each in lines] == [
        (each["pk"]["S"], each["sk"]["S"]) for each in items
    ]


def test_a_part_is_encrypted_and_holds_nothing_of_an_entry(environment):
    collect.handler(told(change(entry())), None)
    (key,) = parts()
    head = boto3.client("s3").head_object(Bucket="dmp-audit", Key=key)
    assert head["SSEKMSKeyId"] == environment["DMP_KEY_AUDIT"]
    text = body(key).decode()
    assert "inconscient" not in text
    assert "899700218896" not in text
    assert "document.read" not in text


def test_the_same_batch_again_changes_nothing():
    event = told(change(entry()))
    for _ in range(2):
        assert collect.handler(event, None) == {"batchItemFailures": []}
    (key,) = parts()
    versions = boto3.client("s3").list_object_versions(Bucket="dmp-audit", Prefix=key)["Versions"]
    assert len(versions) == 1


def test_a_batch_that_was_halved_after_its_part_was_put_is_no_finding(environment):
    changes = [change(entry(), number=n) for n in range(4)]
    for batch in (changes, changes[:2], changes[2:]):
        collect.handler(told(*batch), None)
    assert len(parts()) == 3
    seal.handler({}, None)
    report = verify(environment)
    assert (report.findings, report.collected, report.entries) == ([], 4, 4)


def test_what_comes_before_a_change_that_is_not_understood_is_kept_and_it_is_given_back():
    poison = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "poison"}}
    first, last = change(entry(), number=1), change(entry(), number=3)
    with written_by(collect.journal) as log:
        answer = collect.handler(told(first, poison, last), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    (key,) = parts()
    assert len(seals.lines_of(body(key))) == 1
    assert "KeyError" in log.getvalue()
    assert collect.handler(told(poison), None)["batchItemFailures"]
    assert len(parts()) == 1


@pytest.mark.parametrize(
    "odd", [{"B": "AAE="}, {"NS": ["1", "2"]}, {"M": {"x": {"N": "1.5"}}}, {"NULL": True}]
)
def test_no_value_that_somebody_puts_into_an_entry_stops_the_collecting(odd):
    item = entry() | {"odd": odd}
    assert collect.handler(told(change(item)), None) == {"batchItemFailures": []}
    assert len(parts()) == 1


def test_a_changed_or_removed_entry_is_kept_as_evidence_and_raises_the_alarm(capsys):
    item = entry()
    changed = item | {"actorKey": {"S": "professional#810100997245"}}
    with written_by(collect.journal) as log:
        collect.handler(told(change(item), change(changed, item), change(None, item)), None)
    (key,) = parts()
    assert [each.event.value for each in seals.lines_of(body(key))] == [
        "INSERT",
        "MODIFY",
        "REMOVE",
    ]
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    errors = [line for line in lines if line["level"] == "ERROR"]
    assert [line["change"] for line in errors] == ["MODIFY", "REMOVE"]
    assert errors[0]["trace"] == item["sk"]["S"].removeprefix("TRACE#")
    assert "8997" not in log.getvalue()
    assert "8101" not in log.getvalue()
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert metric["JournalTampered"] == [2.0]
    assert metric["stage"] == "test"


def test_nothing_is_counted_when_nobody_tampered(capsys):
    collect.handler(told(change(entry())), None)
    assert capsys.readouterr().out == ""


# --- sealing


def test_a_turn_seals_what_was_collected_and_the_next_one_what_came_since(environment, capsys):
    for number in (1, 2):
        collect.handler(told(change(entry(), number=number)), None)
        answer = seal.handler(json.loads((EVENTS / "schedule/seal.json").read_text()), None)
        assert (answer["segments"], answer["entries"]) == ([number], 1)
    assert seal.handler({}, None)["entries"] == 0
    report = verify(environment)
    assert (report.segments, report.parts, report.unsealed, report.findings) == (3, 2, 0, [])
    assert report.head.sha256 == seals.hash_of(body(seals.segment_key(3)))
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["SegmentsSealed"] for each in metrics] == [[1.0]] * 3


def test_a_segment_is_never_written_over(archive):
    seal.handler({}, None)
    assert archive.add(1, b"{}") is False
    assert seals.segment_of(body(seals.segment_key(1))).number == 1


def test_the_sealer_that_comes_second_stops(monkeypatch, environment):
    plain = Archive.add

    def overtaken(self, number, data):
        monkeypatch.setattr(Archive, "add", plain)
        seal.handler({}, None)
        return plain(self, number, data)

    monkeypatch.setattr(Archive, "add", overtaken)
    with written_by(seal.journal) as log:
        assert seal.handler({}, None)["segments"] == []
    assert "another sealer was first" in log.getvalue()
    assert verify(environment).segments == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 33])
def test_the_last_segment_is_found_however_many_there_are(archive, count):
    for number in range(1, count + 1):
        archive.add(number, b"{}")
    assert archive.last() == count


def test_no_segment_follows_one_that_is_not_as_it_was_written():
    seal.handler({}, None)
    boto3.client("s3").put_object(Bucket="dmp-audit", Key=seals.segment_key(1), Body=b"{}")
    with pytest.raises(ValueError):
        seal.handler({}, None)


def test_a_failing_put_is_no_success(archive):
    boto3.client("s3").delete_bucket(Bucket="dmp-audit")
    with pytest.raises(ClientError):
        archive.put("parts/x", b"")


# --- verifying


@pytest.fixture
def sealed(environment) -> list[dict]:
    """Three entries; all collected, two of them sealed."""
    items = [entry() for _ in range(3)]
    collect.handler(told(*(change(each, number=n) for n, each in enumerate(items[:2]))), None)
    seal.handler({}, None)
    collect.handler(told(change(items[2], number=9)), None)
    assert kinds(environment) == set()
    return items


def key_of(item: dict) -> dict:
    return {name: item[name] for name in ("pk", "sk")}


@pytest.mark.parametrize("which", [0, 2])
def test_a_changed_a_missing_an_added_and_an_invented_entry_are_found(sealed, environment, which):
    table, item = boto3.client("dynamodb"), sealed[which]
    table.update_item(
        TableName="traces",
        Key=key_of(item),
        UpdateExpression="SET outcome = :o",
        ExpressionAttributeValues={":o": {"S": "refused"}},
    )
    assert kinds(environment) == {"changed"}
    table.delete_item(TableName="traces", Key=key_of(item))
    assert kinds(environment) == {"missing"}
    table.put_item(TableName="traces", Item=item)
    assert kinds(environment) == set()
    table.put_item(TableName="traces", Item=item | {"sk": {"S": f"TRACE#{new_ulid(NOW)}"}})
    assert kinds(environment) == {"added"}
    table.put_item(TableName="traces", Item=encode({"pk": "REC#x", "sk": "TRACE#x", "b": b"\0"}))
    assert len(verify(environment).findings) == 2


def test_objects_written_over_deleted_or_gone_are_found(sealed, environment):
    s3 = boto3.client("s3")
    first, second = parts()
    version = s3.put_object(Bucket="dmp-audit", Key=first, Body=body(first))["VersionId"]
    assert kinds(environment) == {"overwritten"}
    s3.delete_object(Bucket="dmp-audit", Key=first, VersionId=version)
    marker = s3.delete_object(Bucket="dmp-audit", Key=second)["VersionId"]
    assert kinds(environment) == {"deleted"}
    s3.delete_object(Bucket="dmp-audit", Key=second, VersionId=marker)
    assert kinds(environment) == set()
    (kept,) = s3.list_object_versions(Bucket="dmp-audit", Prefix=first)["Versions"]
    s3.delete_object(Bucket="dmp-audit", Key=first, VersionId=kept["VersionId"])
    assert kinds(environment) == {"part-missing"}


def test_a_segment_put_in_the_place_of_the_first_is_not_believed(sealed, environment):
    s3, key = boto3.client("s3"), seals.segment_key(1)
    other = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    signer = SigningKey(boto3.client("kms"), other["KeyMetadata"]["Arn"])
    data = seals.manifest(seals.seal(1, seals.NOTHING, NOW, (), signer))
    (kept,) = s3.list_object_versions(Bucket="dmp-audit", Prefix=key)["Versions"]
    s3.delete_object(Bucket="dmp-audit", Key=key, VersionId=kept["VersionId"])
    s3.put_object(Bucket="dmp-audit", Key=key, Body=data)
    assert kinds(environment) == {"segment-unsigned"}


def test_objects_are_listed_by_pages_with_all_their_versions(archive, monkeypatch):
    s3 = boto3.client("s3")
    for key, versions in (("parts/a", 1), ("parts/b", 3), ("parts/c", 2)):
        for number in range(versions):
            s3.put_object(Bucket="dmp-audit", Key=key, Body=str(number).encode())
    s3.delete_object(Bucket="dmp-audit", Key="parts/c")
    plain = archive._s3.get_paginator("list_object_versions").paginate

    class Pages:
        def paginate(self, **asked):
            return plain(**asked, PaginationConfig={"PageSize": 2})

    monkeypatch.setattr(archive._s3, "get_paginator", lambda _: Pages())
    held = list(archive.held("parts/"))
    assert [(one.key, one.versions, one.deleted) for one in held] == [
        ("parts/a", 1, False),
        ("parts/b", 3, False),
        ("parts/c", 2, True),
    ]
    assert [data for _, data in archive.contents(held)] == [b"0"] * 3
    assert [one.key for one in archive.held("parts/", "parts/a")] == ["parts/b", "parts/c"]


def test_the_entries_of_one_record_are_asked_for_by_its_key(environment):
    mine = decode(entry())
    table = boto3.client("dynamodb")
    table.put_item(TableName="traces", Item=encode({"pk": "REC#other", "sk": "TRACE#x"}))
    entries = Entries(table, marks())
    (found,) = entries.every(RECORD_ID)
    assert (found.sk, found.genuine) == (mine["sk"], True)
    assert len(list(entries.every())) == 2
