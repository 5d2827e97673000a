"""From an extract in the landing bucket to one person's rows, over S3 (moto)."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import boto3
import duckdb
import pytest
from moto import mock_aws

from dmp.domain.errors import Conflict
from dmp.domain.extracts import AcceptedExtract, shard_of, today_of
from dmp.domain.history import Detail, window_before
from dmp.domain.identity import InsuredNumber
from dmp.domain.netting import net
from dmp.store.shards import INDEX
from infra.local.demo.extract.generate import extracts
from tests.support.extracts import (
    HISTORY,
    LANDING,
    NOW,
    Importing,
    child,
    csv_of,
    manifest,
    service,
)

FIRST, LAST = date(2022, 7, 1), date(2024, 6, 30)
MOTHER = InsuredNumber("279035121518989")
REAL = Path(__file__).parents[3] / "shared" / "samples" / "dcir-scalpel"


@contextmanager
def an_importing(room: Path, **shape):
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        s3 = boto3.client("s3", region_name="eu-west-3")
        for bucket in (LANDING, HISTORY):
            s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"}
            )
        yield Importing(s3, room, **shape)


@pytest.fixture
def importing(tmp_path):
    with an_importing(tmp_path, join_shards=2, history_shards=2) as it:
        yield it


def rows_of(importing, who=MOTHER, first=FIRST, last=LAST):
    return importing.shards.rows_of(importing.pseudonyms.insured(who), first, last)


def small(**changes):
    """An extract of one service and its medicine."""
    one = service(**changes)
    return {"ER_PRS_F.csv": csv_of([one]), "ER_PHA_F.csv": csv_of([child("ER_PHA_F", one)])}


def test_a_service_and_its_details_come_back_as_they_were_extracted(importing):
    act = service(DCT_ORD_NUM="2", PRS_NAT_REF="1352")
    alone = service(DCT_ORD_NUM="3", BSE_REM_MNT="", PSP_SPE_COD="")
    other = service(DCT_ORD_NUM="4", BEN_RNG_GEM="2")
    files = {
        "ER_PRS_F.csv": csv_of([service(), act, alone, other]),
        "ER_PHA_F.csv": csv_of([child("ER_PHA_F"), child("ER_PHA_F", PHA_ORD_NUM="2")]),
        "ER_CAM_F.csv": csv_of([child("ER_CAM_F", act)]),
    }
    assert importing(importing.deliver("june", files)) == "accepted"
    found = sorted(rows_of(importing), key=lambda row: (row.key, row.line))
    assert [(row.detail, row.code, row.line) for row in found] == [
        (Detail.MEDICINE, "3400935955838", 1),
        (Detail.MEDICINE, "3400935955838", 2),
        (Detail.ACT, "DEQP003", 1),
        (None, None, 0),
    ]
    first, last = found[0], found[-1]
    assert first.key == "1|2024-07-01|3|2|1|2024-06-06|511CPAM01|1|1"
    assert (first.extract_id, first.month) == ("june", "2024-06")
    assert (first.start, first.end, first.processed_on) == (
        date(2024, 6, 3), None, date(2024, 6, 6),
    )  # fmt: skip
    assert (first.quantity, first.detail_quantity) == (Decimal(1), Decimal(2))
    assert str(first.paid) == "26.50"
    assert (last.reimbursed, last.prescriber_speciality) == (None, None)
    twin = rows_of(importing, InsuredNumber("2790351215189", 2))
    assert [row.key.split("|")[0] for row in twin] == ["4"]
    assert rows_of(importing, InsuredNumber("2790351215189", 3)) == ()


def test_only_care_that_began_in_the_window_is_returned(importing):
    days = (FIRST - timedelta(days=1), FIRST, LAST, LAST + timedelta(days=1))
    rows = [
        service(DCT_ORD_NUM=str(at), EXE_SOI_DTD=f"{day:%d/%m/%Y}") for at, day in enumerate(days)
    ]
    importing(importing.deliver("june", {"ER_PRS_F.csv": csv_of(rows)}))
    assert {row.start for row in rows_of(importing)} == {FIRST, LAST}


def test_bad_rows_are_counted_and_told_and_the_rest_goes_on(importing):
    lost = service(DCT_ORD_NUM="2", EXE_SOI_DTD="29/02/2023")
    files = {
        "ER_PRS_F.csv": csv_of([service(), service(), lost]),
        "ER_PHA_F.csv": csv_of([child("ER_PHA_F"), child("ER_PHA_F", lost)]),
        "ER_UCD_F.csv": b"WHATEVER\n1\n",
    }
    run = importing.deliver("june", files)
    assert importing(run) == "accepted"
    report = importing.report(run)
    assert {name: report[name] for name in ("read", "kept", "rejected", "duplicates")} == {
        "read": 5, "kept": 3, "rejected": 2, "duplicates": 1,
    }  # fmt: skip
    assert report["reasons"] == {"impossible-date": 1, "orphan": 1}
    assert report["ignored"] == ["ER_UCD_F.csv"]
    assert importing.rejected(run) == [
        "file;line;column;reason",
        "ER_PRS_F.csv;4;EXE_SOI_DTD;impossible-date",
        "ER_PHA_F.csv;3;;orphan",
    ]
    assert len(rows_of(importing)) == 1


def bad(body: bytes, **entry):
    """A delivery of a good service file and another, whose manifest entry is changed."""
    files = {**small(), "ER_BIO_F.csv": body}
    told = json.loads(manifest("bad", files))
    told["files"][-1].update(entry)
    return files, json.dumps(told).encode()


GOOD_BIO = csv_of([child("ER_BIO_F")])


@pytest.mark.parametrize(
    ("delivery", "file", "reason", "detail"),
    [
        (bad(GOOD_BIO, sha256="0" * 64), "ER_BIO_F.csv", "checksum", "SHA-256"),
        (bad(b""), "ER_BIO_F.csv", "empty-file", "header"),
        (bad(GOOD_BIO, rows=7), "ER_BIO_F.csv", "row-count", "1 rows, 7"),
        (bad(GOOD_BIO, name="gone.csv"), "gone.csv", "missing-file", "not delivered"),
        (
            bad(csv_of([{"BIO_PRS_IDE": "1104", "DCT_ORD_NUM": "1"}])),
            "ER_BIO_F.csv",
            "header",
            "missing: FLX_DIS_DTD, FLX_EMT_NUM",
        ),
        (bad(GOOD_BIO.replace(b"BIO_ORD_NUM", b"BIO_PRS_IDE")), "ER_BIO_F.csv", "header", "twice"),
        ((small(), b"{not json"), "manifest.json", "manifest", "manifest"),
        ((small(), b'{"extractId": "../x"}'), "manifest.json", "manifest", "extractId"),
        (
            ({}, manifest("bad", {"ER_BIO_F.csv": GOOD_BIO})),
            "manifest.json",
            "no-services",
            "ER_PRS_F",
        ),
    ],
)
def test_a_bad_file_refuses_the_extract_whole_and_is_named(
    importing, delivery, file, reason, detail
):
    files, body = delivery
    run = importing.deliver("bad", files, manifest=body)
    assert importing(run) == "refused"
    report = importing.report(run)
    assert report["status"] == "refused"
    assert [(each["file"], each["reason"]) for each in report["refused"]] == [(file, reason)]
    assert detail in report["refused"][0]["detail"]
    assert rows_of(importing) == ()
    assert importing.history() == {}


def test_a_missing_beneficiary_column_is_named(importing):
    names = [name for name in service() if name not in {"BEN_NIR_PSA", "EXE_SOI_DTD"}]
    run = importing.deliver("bad", {"ER_PRS_F.csv": csv_of([service()], names)})
    assert importing(run) == "refused"
    (told,) = importing.report(run)["refused"]
    assert told["detail"] == "missing: EXE_SOI_DTD, BEN_NIR_PSA"


def test_the_same_extract_again_changes_nothing(importing):
    run = importing.deliver("june", small())
    importing(run)
    before, report = importing.history(), importing.report(run)
    importing.now = NOW + timedelta(days=30)
    assert importing(importing.deliver("june", small())) == "known"
    assert importing.history() == before
    assert importing.report(run) == report


def test_the_same_content_under_another_name_changes_nothing_and_says_so(importing):
    importing(importing.deliver("june", small()))
    before = importing.history()
    run = importing.deliver("copy", small())
    assert importing(run) == "known"
    assert importing.history() == before
    report = importing.report(run)
    assert (report["status"], report["sameAs"]) == ("accepted", "june")


def test_other_content_under_an_accepted_id_is_refused(importing):
    importing(importing.deliver("june", small()))
    before = importing.history()
    run = importing.deliver("june", small(DCT_ORD_NUM="2"))
    assert importing(run) == "refused"
    assert importing.report(run)["refused"][0]["reason"] == "extract-id-taken"
    assert importing.history() == before


class Killed(Exception):
    pass


def several():
    """Some people, some services each, with details."""
    rows = [
        service(
            DCT_ORD_NUM=str(at),
            BEN_RNG_GEM=str(at % 5),
            EXE_SOI_DTD=f"{1 + at % 28:02}/06/2024" if at % 11 else "31/06/2024",
        )
        for at in range(60)
    ]
    return {
        "ER_PRS_F.csv": csv_of(rows),
        "ER_PHA_F.csv": csv_of([child("ER_PHA_F", row) for row in rows[::2]]),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The objects, the report and the rows set aside of a run that nothing disturbs."""
    room = tmp_path_factory.mktemp("undisturbed")
    with an_importing(room, join_shards=2, history_shards=2) as importing:
        run = importing.deliver("june", several())
        assert importing(run) == "accepted"
        return importing.history(), importing.report(run), importing.rejected(run)


def test_every_step_done_twice_leaves_the_same_bytes(importing, undisturbed):
    importing.twice = lambda _: True
    run = importing.deliver("june", several())
    assert importing(run) == "accepted"
    assert (importing.history(), importing.report(run), importing.rejected(run)) == undisturbed


@pytest.mark.parametrize("seed", range(4))
def test_workers_killed_at_any_write_are_made_good_by_the_retry(
    importing, undisturbed, seed, monkeypatch
):
    """At first, one write in two is the last thing that its worker does, before or after it is done."""
    put, fate, deaths = importing.s3.put_object, random.Random(seed), []  # noqa: S311

    def dying(**request):
        death = fate.random() if running and len(deaths) < 15 else 1
        if death > 1 / 4:
            put(**request)
        if death < 1 / 2:
            deaths.append(request["Key"])
            raise Killed

    def retried(name, work):
        for _ in range(100):
            running.append(name)
            try:
                return work()
            except Killed:
                continue
            finally:
                running.pop()
        raise AssertionError("never done")

    running: list[str] = []
    run = importing.deliver("june", several())
    monkeypatch.setattr(importing.s3, "put_object", dying)
    monkeypatch.setattr(importing, "step", retried)
    assert importing(run) == "accepted"
    assert deaths
    assert (importing.history(), importing.report(run), importing.rejected(run)) == undisturbed


def test_nothing_can_be_read_before_the_last_step(importing, monkeypatch):
    def dying(name, work):
        if name == "finish":
            raise Killed
        return work()

    monkeypatch.setattr(importing, "step", dying)
    run = importing.deliver("june", small())
    with pytest.raises(Killed):
        importing(run)
    assert rows_of(importing) == ()
    importing.abandon(run, "Killed")
    assert importing.report(run)["status"] == "failed"
    assert rows_of(importing) == ()


def test_two_runs_at_once_over_one_delivery_agree(importing, undisturbed):
    run = importing.deliver("june", several())
    other = type(run)(run.bucket, run.key, "another-execution")
    step, inside = importing.step, []

    def interleaved(name, work):
        result = step(name, work)
        if name == "clean" and not inside:
            inside.append(name)
            assert importing(other) == "accepted"
        return result

    importing.step = interleaved
    assert importing(run) == "accepted"
    assert importing.history() == undisturbed[0]


def test_a_file_cut_in_pieces_gives_the_same_shards(importing, undisturbed):
    importing.landing = type(importing.landing)(importing.s3, part_bytes=500)
    run = importing.deliver("june", several())
    assert importing(run) == "accepted"
    assert (importing.history(), importing.rejected(run)) == (undisturbed[0], undisturbed[2])


def test_an_object_replaced_during_the_import_is_not_read(importing, monkeypatch):
    def swapped(name, work):
        if name == "clean":
            for table, body in several().items():
                importing.s3.put_object(
                    Bucket=LANDING, Key=f"extracts/june/{table}", Body=body.replace(b"511", b"999")
                )
        return work()

    monkeypatch.setattr(importing, "step", swapped)
    with pytest.raises(importing.s3.exceptions.ClientError, match="pre-condition"):
        importing(importing.deliver("june", several()))
    assert rows_of(importing) == ()


def test_no_matricule_reaches_the_history_bucket_not_even_for_a_moment(importing, monkeypatch):
    put, seen = importing.s3.put_object, []

    def watched(**request):
        body = request["Body"]
        if request["Bucket"] == HISTORY or request["Key"].endswith(("report.json", "rejected.csv")):
            content = body if isinstance(body, bytes) else body.read()
            seen.append((request["Key"], content))
            request = {**request, "Body": content}
        return put(**request)

    monkeypatch.setattr(importing.s3, "put_object", watched)
    unlucky = service(DCT_ORD_NUM="9", BEN_NIR_PSA="279035121518900")
    files = several() | {
        "ER_PRS_F.csv": several()["ER_PRS_F.csv"] + csv_of([unlucky]).split(b"\n", 1)[1]
    }
    importing(importing.deliver("june", files))
    assert any(key.startswith("work/") and "pieces" in key for key, _ in seen)
    pieces = importing.room / "seen"
    for key, content in seen:
        assert b"2790351215189" not in content, key
        pieces.write_bytes(content)
        if content[:4] == b"PAR1":
            assert not _has_matricule(pieces), key


def _has_matricule(parquet: Path) -> bool:
    rows = duckdb.execute("SELECT * FROM read_parquet(?)", [str(parquet)]).fetchall()
    return any(re.search(r"2790351215189", str(value)) for row in rows for value in row)


def test_late_corrections_come_as_more_rows_and_are_netted_by_the_domain(importing):
    good = service(PRS_ACT_QTE="2")
    back = service(
        DCT_ORD_NUM="7", FLX_TRT_DTD="06/07/2024", PRS_ACT_QTE="-2", PRS_PAI_MNT="-26.50"
    )
    again = service(DCT_ORD_NUM="8", FLX_TRT_DTD="06/07/2024", PRS_ACT_QTE="1")
    importing(importing.deliver("june", {"ER_PRS_F.csv": csv_of([good])}))
    later = {"ER_PRS_F.csv": csv_of([back, again, good])}
    importing(importing.deliver("july", later, month="2024-07"))
    found = rows_of(importing)
    assert Counter(row.extract_id for row in found) == {"june": 1, "july": 3}
    assert [row.quantity for row in net(found)] == [Decimal(1)]
    assert [each.id for each in importing.shards.extracts()] == ["june", "july"]


def test_shards_may_be_recounted_between_two_extracts(importing):
    importing(importing.deliver("june", small()))
    wider = Importing(importing.s3, importing.room, history_shards=9, join_shards=1)
    wider(wider.deliver("july", small(DCT_ORD_NUM="2")))
    assert {row.extract_id for row in rows_of(importing)} == {"june", "july"}


def test_one_person_costs_a_few_byte_ranges_however_many_there_are(importing):
    importing.history_shards = 1
    importing.partitions = type(importing.partitions)(
        importing.s3, HISTORY, importing.landing, importing.pseudonyms, 1, 1, lenient=False,
        room=importing.room,
    )  # fmt: skip
    rows = [
        service(DCT_ORD_NUM=str(at), BEN_NIR_PSA=f"1{at % 100:02}0175056{at // 100:03}")
        for at in range(30_000)
    ]
    importing(importing.deliver("june", {"ER_PRS_F.csv": csv_of(rows)}))
    whole = len(importing.history()["shards/00000/june.parquet"])
    reads = importing.shards.reads
    reads.gets = reads.bytes = 0
    found = rows_of(importing, InsuredNumber("1420175056007"))
    assert [row.key.split("|")[0] for row in found] == ["742"]
    assert reads.gets == 3  # the index, the footer, the row groups
    assert reads.bytes < whole / 3
    reads.gets = 0
    assert rows_of(importing, InsuredNumber("2420175056007")) == ()
    assert reads.gets <= 3


def test_a_shard_follows_from_the_first_32_bits_of_the_hash():
    assert shard_of("0000000f" + "a" * 56, 4) == 3
    assert {shard_of(f"{at:08x}", 16) for at in range(1000)} == set(range(16))


def accepted(name: str, digest: str = "d") -> AcceptedExtract:
    return AcceptedExtract(name, "s", "2024-06", digest, 4, 1, datetime(2024, 7, 1, tzinfo=UTC))


def test_the_index_survives_two_who_accept_at_once(importing, monkeypatch):
    shards, put, raced = importing.shards, importing.s3.put_object, []

    def racing(**request):
        if not raced:
            raced.append(True)
            shards.accept(accepted("other", "e"))
        return put(**request)

    monkeypatch.setattr(importing.s3, "put_object", racing)
    shards.accept(accepted("mine"))
    assert {each.id for each in shards.extracts()} == {"mine", "other"}
    with pytest.raises(Conflict):
        shards.accept(accepted("mine", "something else"))
    assert json.loads(importing.history()[INDEX])["extracts"][0]["shards"] == 4


# -- extracts given as of an older day


OPENING = date(2024, 7, 1)


def test_an_old_extract_shows_what_it_would_have_shown_at_its_time(importing):
    old = small(EXE_SOI_DTD="15/01/2006", FLX_TRT_DTD="20/01/2006")
    importing(importing.deliver("old", old, asOf="2007-06-30", month="2007-06"))
    found = rows_of(importing)
    assert [row.start for row in found] == [date(2006, 1, 15)]
    today = today_of(OPENING, found, importing.shards.extracts())
    assert today == date(2007, 6, 30)
    assert window_before(today).holds(found[0].start)


def test_one_present_day_row_is_enough_for_the_day_of_the_opening(importing):
    old = small(EXE_SOI_DTD="15/01/2006", FLX_TRT_DTD="20/01/2006")
    importing(importing.deliver("old", old, asOf="2007-06-30", month="2007-06"))
    importing(importing.deliver("june", small(DCT_ORD_NUM="2")))
    found = rows_of(importing)
    assert len(found) == 2
    assert today_of(OPENING, found, importing.shards.extracts()) == OPENING
    assert today_of(OPENING, (), importing.shards.extracts()) == OPENING


# -- whole extracts


def deliver_folder(importing, folder: Path, name: str, **more):
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
    given = folder / "manifest.json"
    if given.exists():
        more["manifest"] = given.read_bytes()
    return importing.deliver(name, files, **more)


def test_the_demonstration_is_accepted_and_every_kind_of_bad_row_set_aside(importing, tmp_path):
    today = date(2024, 7, 15)
    for folder in extracts(tmp_path / "demo", today):
        told = json.loads((folder / "manifest.json").read_text())
        run = deliver_folder(importing, folder, told["extractId"])
        assert importing(run) == "accepted"
        assert set(importing.report(run)["reasons"]) == {
            "impossible-date", "unreadable-date", "not-a-number", "missing", "columns",
            "beneficiary-shape", "end-before-start", "orphan",
        }  # fmt: skip
    window = window_before(today)
    for number, rank in (
        ("279035121518989", 1), ("2790351215189", 2), ("277076322082910", 1),
        ("2770763220829", 2), ("2770763220829", 3), ("155067200010159", 1),
    ):  # fmt: skip
        found = rows_of(importing, InsuredNumber(number, rank), window.first, window.last)
        services = net(found)
        assert services, (rank, len(found))
        assert len(services) <= len(found)
        latest = max(each.identity.on for each in services)
        assert latest > window.last - timedelta(days=150)


@pytest.mark.parametrize("folder", [REAL] if REAL.is_dir() else [])
def test_real_research_files_are_read(importing, folder):
    run = deliver_folder(importing, folder, "real", asOf="2007-06-30")
    assert importing(run) == "accepted"
    report = importing.report(run)
    assert (report["read"], report["kept"]) == (14, 11)
    assert importing.rejected(run)[1:] == [
        "ER_CAM_F.csv;2;;orphan",
        "ER_PHA_F.csv;2;;orphan",
        "ER_PRS_F.csv;2;EXE_SOI_DTD;missing",
    ]
    found = rows_of(importing, InsuredNumber("Patient_01"))
    assert [row.code for row in found] == ["3400935418487", "3400935418487"]
    assert len(rows_of(importing, InsuredNumber("Patient_02"))) == 4
