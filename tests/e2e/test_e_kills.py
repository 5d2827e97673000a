"""Functions and the whole cloud are killed at work: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from infra.local.extracts import import_extract
from tests.e2e.client import Dmp, pdf, upload
from tests.e2e.inside import Inside
from tests.support.extracts import csv_of, service
from tests.support.local_stack import own_cloud
from tests.support.people import Someone, opening, somebody
from tests.support.workers import killing, wait_for

FHIR = "/fhir/DocumentReference"
TODAY = datetime.now(UTC).date()
CARE = TODAY - timedelta(days=60)
DAY = "%d/%m/%Y"


@pytest.fixture(scope="module")
def inside(dmp: Dmp) -> Inside:
    return Inside(dmp.stack)


def extract(folder: Path, people: Iterable[Someone], rows: int, paid: str = "26.50") -> Path:
    """A delivery with so many services of each, and a bad row, treated last month."""
    treated = (CARE + timedelta(days=10)).strftime(DAY)
    cared = [(CARE - timedelta(days=row)).strftime(DAY) for row in range(rows)]
    given = [
        service(
            BEN_NIR_PSA=person.matricule[:13],
            DCT_ORD_NUM=str(1000 * rank + row),
            FLX_TRT_DTD=treated,
            FLX_DIS_DTD=TODAY.strftime(DAY),
            PRS_PAI_MNT=paid,
            EXE_SOI_DTD=cared[row],
            PRE_PRE_DTD=cared[row],
        )
        for rank, person in enumerate(people)
        for row in range(rows)
    ]
    given.append(service(BEN_NIR_PSA="not a number", DCT_ORD_NUM="999999"))
    folder.mkdir()
    (folder / "ER_PRS_F.csv").write_bytes(csv_of(given))
    return folder


def history_of(dmp: Dmp, record: str) -> str:
    told = dmp.get(f"/enrolment/records/{record}", dmp.pharmacist())
    assert told.status_code == 200, told.text
    return str(told.json()["history"]["status"])


def insist(dmp: Dmp, someone: Someone, address: str) -> str:
    """Open a record as a client does whose calls break off: the same request, the same key."""
    body = opening(someone, contact={"email": address})
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(20):
        answer = dmp.post("/enrolment/records", dmp.pharmacist(), json=body, headers=headers)
        if answer.status_code == 201:
            return str(answer.json()["recordId"])
        assert answer.status_code in {500, 502, 503, 504}, answer.text
        time.sleep(0.3)
    raise AssertionError(answer.text)


def test_openings_and_histories_survive_kills_and_are_there_once(
    dmp: Dmp, inside: Inside, eventually, tmp_path
):
    known, unknown = [somebody() for _ in range(4)], [somebody() for _ in range(3)]
    accepted = import_extract(dmp.stack.content, extract(tmp_path / "known", known, 5))
    assert (accepted["status"], accepted["kept"]) == ("accepted", 20), accepted
    people = known + unknown
    mailboxes = {one.matricule: f"killed-{one.matricule}@example.test" for one in people}

    # Not who tells: a crash between sending and noting it tells twice, as its docstring says.
    with (
        inside.shown_again_soon("history-requests", "notifications"),
        killing(
            dmp.stack.home, lambda name: "notifications" not in name, every=0.35, most=24
        ) as kills,
        ThreadPoolExecutor(3) as pool,
    ):
        records = list(pool.map(lambda one: insist(dmp, one, mailboxes[one.matricule]), people))
        settled = eventually(
            lambda: all(history_of_stored(inside, one) in {"complete", "empty"} for one in records)
        )
    assert settled, [history_of_stored(inside, one) for one in records]
    assert len(kills.of) >= 4, kills.of
    assert any("reimbursements" in name for name in kills.of), kills.of

    assert len(set(records)) == len(people)
    assert eventually(lambda: all(dmp.mail(one) for one in mailboxes.values()))
    assert eventually(lambda: not inside.waiting("history-requests")), inside.waiting()
    assert not inside.waiting("dead-letters")
    for person, record in zip(people, records, strict=True):
        assert history_of(dmp, record) == ("complete" if person in known else "empty")
        kept = inside.items("history", record)
        parts = int(kept["HEAD"]["parts"]["N"])
        assert kept["HEAD"]["generation"]["N"] == "1"
        assert kept["HEAD"]["lines"]["N"] == ("5" if person in known else "0")
        assert set(kept) == {"HEAD", *(f"PART#1#{n}" for n in range(parts))}
        documents = [key for key in inside.items("documents", record) if key.startswith("DOC#")]
        assert len(documents) == 1
        assert len(inside.objects("vault", record)) == 1
        assert inside.holders_of(record) == 1
        acts = inside.acts(record)
        once = ("record.open", "history.import", "document.publish", "holder.notify")
        assert {act: acts[act] for act in once} == dict.fromkeys(once, 1)
        assert [one["status"] for one in inside.executions(record)] == ["SUCCEEDED"]
        assert len(dmp.mail(mailboxes[person.matricule])) == 1


def history_of_stored(inside: Inside, record: str) -> str:
    return str(inside.items("accounts", record)["RECORD"]["history"]["S"])


def test_an_upload_whose_checker_is_killed_is_settled_once(dmp: Dmp, inside: Inside, eventually):
    address = "deposant@example.test"
    record = dmp.open(contact={"email": address})
    data = pdf() + b"%" * (6 * 1024 * 1024)
    with (
        inside.shown_again_soon("uploads"),
        killing(
            dmp.stack.home, lambda name: name == "documents-checks", every=0.3, most=3
        ) as kills,
    ):
        document, sent = upload(dmp, record, data)
        assert sent.status_code in {200, 201, 204}, sent.text
        read = f"{FHIR}/{document}"
        assert eventually(lambda: dmp.get(read, dmp.doctor()).json().get("docStatus") == "final")
        assert eventually(lambda: not inside.waiting("uploads")), inside.waiting()
    assert kills.of
    # One of each is the history's; the holder is also told of the first access, by the sender.
    assert eventually(lambda: len(inside.objects("vault", record)) == 2)
    assert inside.objects("quarantine", record) == []
    assert eventually(lambda: inside.acts(record)["document.publish"] == 2)
    assert eventually(lambda: inside.acts(record)["holder.notify"] == 3), inside.acts(record)
    assert not inside.waiting("dead-letters")
    subjects = [one["subject"] for one in dmp.mail(address)]
    assert len(subjects) == len(set(subjects)) == 3, subjects


def test_an_import_whose_workers_are_killed_ends_like_an_undisturbed_one(
    dmp: Dmp, inside: Inside, tmp_path
):
    people = [somebody() for _ in range(20)]
    quiet = import_extract(dmp.stack.content, extract(tmp_path / "quiet", people, 15, "26.50"))
    with killing(
        dmp.stack.home, lambda name: name == "reimbursements-extract", every=0.5, most=2
    ) as kills:
        disturbed = import_extract(
            dmp.stack.content, extract(tmp_path / "disturbed", people, 15, "27.50")
        )
    assert kills.of
    assert disturbed["status"] == "accepted", disturbed
    counts = ("status", "read", "kept", "rejected", "reasons")
    assert {name: disturbed[name] for name in counts} == {name: quiet[name] for name in counts}
    assert (quiet["status"], quiet["kept"], quiet["rejected"]) == ("accepted", 300, 1)
    index = json.loads(
        dmp.stack.client("s3")
        .get_object(Bucket=dmp.stack.content["buckets"]["history"], Key="extracts/index.json")[
            "Body"
        ]
        .read()
    )
    assert str(index).count(disturbed["extractId"]) == 1
    left = [key for key in inside.objects("history") if key.startswith("work/")]
    assert left == [], "what the steps wrote for each other was not tidied away"


def test_a_history_that_cannot_be_brought_says_so_and_is_brought_after_a_restart(
    dmp: Dmp, inside: Inside, eventually, tmp_path
):
    someone = somebody()
    accepted = import_extract(dmp.stack.content, extract(tmp_path / "one", [someone], 3))
    assert accepted["status"] == "accepted"
    s3 = dmp.stack.client("s3")
    index = {"Bucket": dmp.stack.content["buckets"]["history"], "Key": "extracts/index.json"}
    whole = s3.get_object(**index)["Body"].read()
    s3.put_object(**index, Body=whole[: len(whole) // 2])
    try:
        record = dmp.open(someone)
        assert eventually(lambda: history_of(dmp, record) == "failed")
    finally:
        s3.put_object(**index, Body=whole)
    (failed,) = eventually(
        lambda: [one for one in inside.executions(record) if one["status"] == "FAILED"]
    )
    assert failed["error"] == "HistoryNotImported"
    assert inside.items("history", record) == {}
    assert not [key for key in inside.items("documents", record) if key.startswith("DOC#")]

    # As infra/runbooks/initial-history-failed.md says.
    dmp.stack.client("stepfunctions").start_execution(
        stateMachineArn=dmp.stack.content["state_machines"]["initial-history"],
        name=f"again-{record}-{int(time.time())}",
        input=json.dumps({"recordId": record}),
    )
    assert eventually(lambda: history_of(dmp, record) == "complete")
    assert inside.items("history", record)["HEAD"]["lines"]["N"] == "3"


def test_a_killed_cloud_keeps_the_records_and_finishes_what_it_had_begun(monkeypatch, tmp_path):
    monkeypatch.setenv("DMP_CHECKPOINT_SECONDS", "0.3")
    people = [somebody() for _ in range(3)]
    with own_cloud(tmp_path / "home") as cloud:
        with httpx.Client(base_url=cloud.stack.api, timeout=30) as http:
            dmp = Dmp(cloud.stack, http)
            records = [
                dmp.open(one, contact={"email": f"{one.matricule}@example.test"}) for one in people
            ]
        saved = cloud.stack.home.state / "dynamodb.json"
        wait_for(lambda: saved.exists() and records[-1] in saved.read_text())
        os.kill(cloud.process.pid, signal.SIGKILL)
        cloud.process.wait()
    with (
        own_cloud(tmp_path / "home") as cloud,
        httpx.Client(base_url=cloud.stack.api, timeout=30) as http,
    ):
        dmp, inside = Dmp(cloud.stack, http), Inside(cloud.stack)
        wait_for(lambda: all(history_of(dmp, one) == "empty" for one in records), seconds=60)
        for someone, record in zip(people, records, strict=True):
            again = dmp.post("/enrolment/records", dmp.pharmacist(), json=opening(someone))
            assert again.status_code == 409
            assert inside.acts(record)["history.import"] == 1
            assert [one["status"] for one in inside.executions(record)] == ["SUCCEEDED"]
            # A notice that was on its way waits for its claim to lapse, minutes: never twice.
            assert len(dmp.mail(f"{someone.matricule}@example.test")) <= 1
