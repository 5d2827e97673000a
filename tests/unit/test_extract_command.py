# ruff: noqa: N803 - the arguments of AWS
"""`dmp import`: what it uploads, in which order, and what it says."""

from __future__ import annotations

import argparse
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.local import extracts
from infra.local.extracts import ACCEPTED, REFUSED, USAGE, Delivery, Importer, deliver_from
from tests.support.extracts import csv_of, service

STACK = {
    "aws_endpoint": "http://nowhere.test",
    "buckets": {"landing": "landing"},
    "state_machines": {"partition-extract": "arn"},
}


class FakeCloud:
    """S3 and Step Functions: `report` is what the import leaves when a manifest arrives."""

    def __init__(self, report=None, status="RUNNING"):
        self.objects: dict[str, bytes] = {}
        self.order: list[str] = []
        self.report, self.status = report, status
        self.started: list[str] = []

    def __call__(self, _service):
        return self

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, Bucket, Key, Body, **_):
        self.objects[Key] = Body
        self.order.append(Key)
        if Key.endswith("manifest.json"):
            self.started.append(Key)
            if self.report is not None:
                told = {**self.report, "run": f"run-{len(self.started)}"}
                self.objects[Key.replace("manifest", "report")] = json.dumps(told).encode()

    def upload_file(self, name, bucket, key, Callback):
        self.put_object(bucket, key, Path(name).read_bytes())
        Callback(1)

    def list_executions(self, stateMachineArn, maxResults):
        now = datetime.now(UTC)
        return {"executions": [{"executionArn": key, "startDate": now} for key in self.started]}

    def describe_execution(self, executionArn):
        return {"input": json.dumps({"key": executionArn}), "status": self.status}


ACCEPTED_REPORT = {
    "status": "accepted", "extractId": "x", "read": 1, "kept": 1, "rejected": 0, "reasons": {},
    "files": [{"name": "ER_PRS_F.csv", "read": 1, "kept": 1, "rejected": 0}], "ignored": [],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "june 2024"
    place.mkdir()
    (place / "ER_PRS_F.csv").write_bytes(csv_of([service()]))
    (place / "er_pha_f_2.CSV").write_bytes(b"A\r\n\r\n1\r\n2")
    (place / "notes.csv").write_bytes(b"not a table")
    return place


def deliver(folder, as_of=None) -> Delivery:
    return deliver_from(folder, as_of, extracts._Silent())


def imported(cloud, folder, patience=5.0, as_of=None):
    importer = Importer(STACK, poll=0, silence=0.05, clients=cloud)
    try:
        return importer(deliver(folder, as_of), patience)
    except extracts.Refused as refusal:
        return refusal.answer


def test_a_manifest_is_made_from_the_tables_of_the_folder(folder):
    told = deliver(folder, date(2007, 6, 30)).manifest
    assert (told["source"], told["month"], told["asOf"]) == ("june-2024", "2007-06", "2007-06-30")
    listed = [(each["name"], each["table"], each["rows"]) for each in told["files"]]
    assert listed == [("ER_PRS_F.csv", "ER_PRS_F", 1), ("er_pha_f_2.CSV", "ER_PHA_F", 2)]


def test_the_id_follows_from_the_content(folder):
    first = deliver(folder).id
    assert deliver(folder, date(2007, 6, 30)).id == first
    (folder / "ER_PRS_F.csv").write_bytes(csv_of([service(DCT_ORD_NUM="2")]))
    assert deliver(folder).id != first


def test_the_manifest_arrives_last(folder):
    cloud = FakeCloud(ACCEPTED_REPORT)
    assert imported(cloud, folder)["status"] == "accepted"
    assert cloud.order[-1].endswith("/manifest.json")
    assert len(cloud.order) == 3


def test_the_same_extract_again_uploads_nothing(folder):
    cloud = FakeCloud(ACCEPTED_REPORT)
    imported(cloud, folder)
    count = len(cloud.order)
    again = imported(cloud, folder)
    assert (again["status"], again["alreadyImported"]) == ("accepted", True)
    assert len(cloud.order) == count


def given_manifest(folder, **changes):
    told = {**deliver(folder).manifest, "extractId": "june", **changes}
    (folder / "manifest.json").write_text(json.dumps(told))


def test_other_content_does_not_overwrite_an_accepted_extract(folder):
    cloud = FakeCloud(ACCEPTED_REPORT)
    given_manifest(folder)
    imported(cloud, folder)
    before = dict(cloud.objects)
    (folder / "manifest.json").unlink()
    (folder / "ER_PRS_F.csv").write_bytes(csv_of([service(DCT_ORD_NUM="2")]))
    given_manifest(folder)
    report = imported(cloud, folder)
    assert report["refused"][0]["reason"] == "extract-id-taken"
    assert cloud.objects == before


def test_a_corrupt_copy_does_not_overwrite_an_accepted_extract(folder):
    cloud = FakeCloud(ACCEPTED_REPORT)
    given_manifest(folder)
    imported(cloud, folder)
    before = dict(cloud.objects)
    (folder / "ER_PRS_F.csv").write_bytes(b"corrupt")
    report = imported(cloud, folder)
    assert [(e["file"], e["reason"]) for e in report["refused"]] == [("ER_PRS_F.csv", "checksum")]
    assert cloud.objects == before


def test_a_corrupt_file_of_a_new_extract_is_for_the_import_to_refuse(folder):
    cloud = FakeCloud({"status": "refused", "refused": []})
    given_manifest(folder)
    (folder / "ER_PRS_F.csv").write_bytes(b"corrupt")
    (folder / "er_pha_f_2.CSV").unlink()
    assert imported(cloud, folder)["status"] == "refused"
    assert cloud.started


def test_a_refused_extract_can_be_sent_again(folder):
    cloud = FakeCloud({"status": "refused", "refused": []})
    imported(cloud, folder)
    cloud.report = ACCEPTED_REPORT
    assert imported(cloud, folder)["status"] == "accepted"


def test_an_execution_that_breaks_off_is_a_failure_not_a_wait(folder):
    report = imported(FakeCloud(status="FAILED"), folder, patience=None)
    assert (report["status"], report["error"]) == ("failed", "FAILED")


def test_a_workflow_that_does_not_start_is_said(folder, monkeypatch):
    cloud = FakeCloud()
    monkeypatch.setattr(cloud, "list_executions", lambda **_: {"executions": []})
    assert imported(cloud, folder)["error"] == "NotStarted"


def test_without_wait_it_leaves_a_long_import_to_itself(folder):
    assert imported(FakeCloud(), folder, patience=0.01)["status"] == "running"


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (ACCEPTED_REPORT, ACCEPTED),
        ({"status": "running", "extractId": "x"}, ACCEPTED),
        ({"status": "refused", "refused": [{"file": "F", "reason": "header", "detail": "missing: A"}]}, REFUSED),
        ({"status": "failed", "extractId": "x", "error": "E"}, REFUSED),
    ],
)  # fmt: skip
def test_the_exit_code_says_what_became_of_it(report, code, monkeypatch, capsys):
    monkeypatch.setattr(extracts, "import_extract", lambda *_, **__: report)
    for as_json in (True, False):
        options = argparse.Namespace(path=Path(), as_of=None, wait=True, json=as_json)
        assert extracts.run(options, STACK) == code
        told = capsys.readouterr().out
        assert json.loads(told) == report if as_json else told
    if report["status"] == "refused":
        assert "F: header (missing: A)" in told


def test_a_folder_without_tables_is_a_wrong_usage(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "nowhere"):
        options = argparse.Namespace(path=path, as_of=None, wait=True, json=False)
        assert extracts.run(options, STACK) == USAGE
        assert str(path) in capsys.readouterr().err.replace("\n", "")
