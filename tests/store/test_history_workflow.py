"""`initial-history` from the insurer's extract to the record, with its functions killed in turn.

Real definition, real functions, real stores on moto; only the cloud around them is played.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import boto3
import pytest

from dmp.domain.errors import Busy
from dmp.domain.history import Section
from dmp.domain.identity import InsuredNumber
from dmp.domain.records import HistoryStatus, RecordStatus
from dmp.domain.traces import Act, Outcome
from dmp.store.documents import Documents
from dmp.store.histories import Histories
from dmp.store.items import decode, put, write
from dmp.store.records import Records, record_item
from dmp.store.shards import Shards
from dmp.store.traces import trace_of_item
from functions.reimbursements import gather, publish, tasks
from tests.support.aws import JOURNAL, account
from tests.support.extracts import KEY, Importing, child, csv_of, service
from tests.support.services import RECORD, record
from tests.support.workflows import Workflow

OPENED = datetime(2024, 7, 2, 8, tzinfo=UTC)
FUNCTIONS = {
    "ReimbursementsTasksBeginArn": tasks.begin,
    "ReimbursementsGatherArn": gather.handler,
    "ReimbursementsPublishArn": publish.handler,
    "ReimbursementsTasksCompleteArn": tasks.complete,
    "ReimbursementsTasksFailArn": tasks.fail,
}
STEPS = [name for name in FUNCTIONS if "Fail" not in name]

CONSULTATION = service(PRS_NAT_REF="1110", PRS_ORD_NUM="1")
MEDICINE = service(PRS_NAT_REF="3313", PRS_ORD_NUM="2", PRS_ACT_QTE="3", PRS_PAI_MNT="6.00")
PARTLY_BACK = MEDICINE | {
    "PRS_ORD_NUM": "3",
    "FLX_TRT_DTD": "20/06/2024",
    "PRS_ACT_QTE": "-1",
    "PRS_PAI_MNT": "-2.00",
}
ACT = service(PRS_NAT_REF="1351", PRS_ORD_NUM="4", EXE_SOI_DTD="05/06/2024")
ACT_BACK = ACT | {"PRS_ORD_NUM": "5", "PRS_ACT_QTE": "-1", "PRS_PAI_MNT": "-26.50"}
STAY = service(
    PRS_NAT_REF="2111", PRS_ORD_NUM="6", EXE_SOI_DTD="01/02/2024", EXE_SOI_DTF="04/02/2024"
)
SUPPLEMENT = service(PRS_NAT_REF="1110", PRS_ORD_NUM="7", CPL_MAJ_TOP="2", EXE_SOI_DTD="06/06/2024")
TOO_OLD = service(PRS_NAT_REF="1110", PRS_ORD_NUM="8", EXE_SOI_DTD="01/07/2022")
FIRST_DAY = service(PRS_NAT_REF="1112", PRS_ORD_NUM="9", EXE_SOI_DTD="02/07/2022")
LAST_DAY = service(PRS_NAT_REF="3122", PRS_ORD_NUM="10", EXE_SOI_DTD="01/07/2024")
OPENING_DAY = service(PRS_NAT_REF="1110", PRS_ORD_NUM="11", EXE_SOI_DTD="02/07/2024")
TWIN = service(PRS_NAT_REF="1113", PRS_ORD_NUM="12", BEN_RNG_GEM="2")

FILES = {
    "ER_PRS_F.csv": csv_of(
        [
            CONSULTATION,
            CONSULTATION,
            MEDICINE,
            PARTLY_BACK,
            ACT,
            ACT_BACK,
            STAY,
            SUPPLEMENT,
            TOO_OLD,
            FIRST_DAY,
            LAST_DAY,
            OPENING_DAY,
            TWIN,
        ]
    ),
    "ER_PHA_F.csv": csv_of(
        [
            child("ER_PHA_F", MEDICINE, PHA_ACT_QSN="3"),
            child("ER_PHA_F", PARTLY_BACK, PHA_ACT_QSN="-1"),
        ]
    ),
    "ER_CAM_F.csv": csv_of(
        [
            child("ER_CAM_F", ACT, CAM_PRS_IDE="ZBQK002"),
            child("ER_CAM_F", ACT_BACK, CAM_PRS_IDE="ZBQK002"),
        ]
    ),
    "ER_ETE_F.csv": csv_of([child("ER_ETE_F", STAY, ETE_GHS_NUM="1940")]),
}


@dataclass
class Cloud:
    """One account with the extract accepted and a record open."""

    room: Path
    after: list = field(default_factory=list)

    @property
    def dynamodb(self):
        return boto3.client("dynamodb")

    @property
    def histories(self) -> Histories:
        return Histories(self.dynamodb, "history")

    @property
    def record(self):
        return Records(self.dynamodb, "accounts").of(RECORD)

    @property
    def documents(self):
        return list(Documents(self.dynamodb, "documents", JOURNAL).of_record(RECORD))

    @property
    def traces(self):
        items = self.dynamodb.scan(TableName="traces")["Items"]
        return [trace_of_item(decode(item)) for item in items]

    def open(self, **changes) -> None:
        opened = record(**{"opened_at": OPENED, **changes})
        write(self.dynamodb, put("accounts", record_item(opened)))

    def deliver(self, extract_id="ex-2024-06", files=FILES, **more) -> None:
        importing = Importing(boto3.client("s3"), self.room)
        assert importing(importing.deliver(extract_id, files, **more)) == "accepted"

    def run(self, functions=FUNCTIONS, after=lambda _: None):
        return Workflow("initial-history", functions, after)({"recordId": RECORD})

    def content(self):
        """Everything that the import leaves, but for the moments at which it was done."""
        vault = boto3.client("s3").list_objects_v2(Bucket="dmp-vault").get("Contents", ())
        history = self.histories.of(RECORD)
        return {
            "lines": history.lines,
            "window": (history.first, history.last),
            "generation": history.generation,
            "document": self.histories.head(RECORD).document is not None,
            "documents": [(d.unique_id, d.title, d.status, d.stage) for d in self.documents],
            "objects": len(vault),
            "traces": sorted((t.act, t.outcome, t.actor, t.count or 0) for t in self.traces),
            "state": (self.record.history, self.record.history_reason),
        }


@contextmanager
def _cloud(room):
    with account() as environment:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=environment["DMP_SECRET_PSEUDONYMS"], SecretString=KEY.decode()
        )
        yield Cloud(room)


@pytest.fixture
def cloud(tmp_path):
    with _cloud(tmp_path) as made:
        made.deliver()
        made.open()
        yield made


def test_a_new_record_is_filled_with_what_is_left_after_netting(cloud):
    run = cloud.run()
    assert run.ended == "SUCCEEDED"
    history = cloud.histories.of(RECORD)
    assert (history.first, history.last) == (date(2022, 7, 2), date(2024, 7, 1))
    assert {(one.on, one.section, one.code, one.quantity) for one in history.lines} == {
        (date(2024, 7, 1), Section.CARE, "AMK", 1),
        (date(2024, 6, 3), Section.CARE, "G", 1),
        (date(2024, 6, 3), Section.MEDICINES, "3400935955838", 2),
        (date(2024, 2, 1), Section.STAYS, "1940", 1),
        (date(2022, 7, 2), Section.CARE, "CS", 1),
    }
    assert len(history.lines) == 5
    assert cloud.record.history is HistoryStatus.COMPLETE
    assert history.extracts == ("ex-2024-06",)


def test_amounts_are_those_of_what_is_left(cloud):
    cloud.run()
    paid = {one.code: one.paid for one in cloud.histories.of(RECORD).lines}
    assert paid["3400935955838"] == Decimal("4.00")


def test_the_document_is_published_once_by_the_feeder_for_everybody_to_see(cloud):
    cloud.run()
    (document,) = cloud.documents
    assert (document.type_code, document.class_code) == ("REMB", "60")
    assert (document.title, document.author) == ("Données de remboursement", "feeder#ALIM_AM")
    resource = json.loads(document.resource)
    context = resource["context"]
    assert context["facilityType"]["coding"][0]["code"] == "SA24"
    assert context["practiceSetting"]["coding"][0]["code"] == "AMO"
    assert resource["type"]["coding"][0]["system"] == "urn:oid:1.2.250.1.213.1.1.4.12"
    body = boto3.client("s3").get_object(Bucket="dmp-vault", Key=document.content.key)["Body"]
    assert "Doliprane 1000 mg" in body.read().decode()
    assert cloud.histories.head(RECORD).document == document.id


def test_the_import_is_traced_before_the_record_says_it_is_there(cloud):
    cloud.run()
    acts = {(trace.act, trace.outcome): trace for trace in cloud.traces}
    imported = acts[Act.IMPORT_HISTORY, Outcome.DONE]
    assert (imported.record_id, imported.actor, imported.count) == (RECORD, "feeder#ALIM_AM", 5)
    assert (Act.PUBLISH_DOCUMENT, Outcome.DONE) in acts


def test_a_twin_has_their_own_history(cloud):
    cloud.open(insured=InsuredNumber("279035121518989", 2))
    cloud.run()
    assert [one.code for one in cloud.histories.of(RECORD).lines] == ["CNP"]


def test_a_person_without_reimbursements_has_an_empty_history_and_a_document_that_says_so(cloud):
    cloud.open(insured=InsuredNumber("277076322082910"))
    run = cloud.run()
    assert (run.ended, cloud.record.history) == ("SUCCEEDED", HistoryStatus.EMPTY)
    (document,) = cloud.documents
    body = boto3.client("s3").get_object(Bucket="dmp-vault", Key=document.content.key)["Body"]
    assert "Aucun remboursement n'est connu" in body.read().decode()


def test_without_any_extract_a_history_is_empty_and_not_failed(tmp_path):
    with _cloud(tmp_path) as cloud:
        cloud.open()
        assert cloud.run().ended == "SUCCEEDED"
        assert cloud.record.history is HistoryStatus.EMPTY


def test_an_old_extract_shows_what_it_would_have_shown_at_its_time(tmp_path):
    with _cloud(tmp_path) as cloud:
        cloud.deliver(asOf="2024-07-02")
        cloud.open(opened_at=datetime(2031, 1, 1, tzinfo=UTC))
        cloud.run()
        history = cloud.histories.of(RECORD)
        assert (history.first, history.last) == (date(2022, 7, 2), date(2024, 7, 1))
        assert len(history.lines) == 5


def test_a_second_run_on_a_filled_record_changes_nothing(cloud):
    cloud.run()
    before = {
        table: items(cloud, table) for table in ("accounts", "history", "documents", "traces")
    }
    run = cloud.run()
    assert run.states == ["Begin", "Anything to do", "Nothing to do"]
    after = {table: items(cloud, table) for table in before}
    assert after == before


@pytest.mark.parametrize("status", [RecordStatus.CLOSED, None])
def test_a_record_that_is_closed_or_unknown_is_left_alone(cloud, status):
    if status:
        cloud.open(status=status)
    else:
        cloud.dynamodb.delete_item(
            TableName="accounts", Key={"pk": {"S": f"REC#{RECORD}"}, "sk": {"S": "RECORD"}}
        )
    assert cloud.run().states[-1] == "Nothing to do"
    assert (items(cloud, "history"), items(cloud, "traces")) == ([], [])


# ------------------------------------------------------------ killed, retried, restarted

Killed = type("Runtime.ExitError", (Exception,), {})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with _cloud(tmp_path_factory.mktemp("undisturbed")) as cloud:
        cloud.deliver()
        cloud.open()
        cloud.run()
        return cloud.content()


@pytest.mark.parametrize("step", STEPS)
def test_a_function_killed_after_its_work_is_retried_and_nothing_is_double(
    cloud, step, undisturbed
):
    killed = []

    def after(name):
        if name == step and not killed:
            killed.append(name)
            raise Killed

    assert cloud.run(after=after).ended == "SUCCEEDED"
    assert killed == [step]
    assert cloud.content() == undisturbed


@pytest.mark.parametrize("step", STEPS)
def test_a_failed_import_says_why_by_class_and_is_restarted_by_running_it_again(
    cloud, step, undisturbed
):
    def broken(event, context):
        raise RuntimeError("PAT-TROIS 279035121518989")

    run = cloud.run({**FUNCTIONS, step: broken})
    assert (run.ended, run.states[-2:]) == ("HistoryNotImported", ["Fail", "Failed"])
    assert cloud.record.history is HistoryStatus.FAILED
    assert cloud.record.history_reason == "RuntimeError"
    assert cloud.run().ended == "SUCCEEDED"
    assert cloud.content() == undisturbed


@pytest.mark.parametrize("step", STEPS[:3])
def test_what_was_done_before_a_failure_after_the_work_is_not_done_twice(cloud, step, undisturbed):
    def after(name):
        if name == step:
            raise RuntimeError

    assert cloud.run(after=after).ended == "HistoryNotImported"
    assert cloud.run().ended == "SUCCEEDED"
    assert cloud.content() == undisturbed


def test_passing_trouble_is_retried_and_lasting_trouble_fails(cloud):
    troubles = [Busy(), Busy(), Busy()]

    def shaky(event, context):
        if troubles:
            raise troubles.pop()
        return gather.handler(event, context)

    run = cloud.run({**FUNCTIONS, "ReimbursementsGatherArn": shaky})
    assert run.states.count("Gather") == 4
    assert run.ended == "SUCCEEDED"


def test_lasting_trouble_ends_after_six_retries(cloud):
    def busy(event, context):
        raise Busy

    run = cloud.run({**FUNCTIONS, "ReimbursementsGatherArn": busy})
    assert run.states.count("Gather") == 7
    assert (run.ended, cloud.record.history_reason) == ("HistoryNotImported", "Busy")


def test_new_extracts_before_the_document_are_taken_in_by_a_restart(cloud):
    def broken(event, context):
        raise RuntimeError

    cloud.run({**FUNCTIONS, "ReimbursementsPublishArn": broken})
    late = service(PRS_NAT_REF="1115", EXE_SOI_DTD="07/06/2024", FLX_TRT_DTD="01/07/2024")
    cloud.deliver("ex-late", {"ER_PRS_F.csv": csv_of([late])})
    cloud.run()
    history = cloud.histories.of(RECORD)
    assert history.generation == 2
    assert "CA" in {one.code for one in history.lines}
    assert len(cloud.documents) == 1


def test_a_published_document_s_history_stays_as_it_is_whatever_arrives_before_the_end(cloud):
    def broken(event, context):
        raise RuntimeError

    cloud.run({**FUNCTIONS, "ReimbursementsTasksCompleteArn": broken})
    late = service(PRS_NAT_REF="1115", EXE_SOI_DTD="07/06/2024", FLX_TRT_DTD="01/07/2024")
    cloud.deliver("ex-late", {"ER_PRS_F.csv": csv_of([late])})
    cloud.run()
    assert cloud.histories.of(RECORD).generation == 1
    assert len(cloud.documents) == 1
    assert cloud.record.history is HistoryStatus.COMPLETE


def test_a_history_costs_a_handful_of_requests(cloud):
    shards = Shards(boto3.client("s3"), "dmp-history")
    hashed = Importing(boto3.client("s3"), cloud.room).pseudonyms.insured(record().insured)
    shards.rows_of(hashed, date(2022, 7, 2), date(2024, 7, 1))
    assert shards.reads.gets <= 3


def items(cloud, table):
    return sorted(
        (decode(item) for item in cloud.dynamodb.scan(TableName=table)["Items"]),
        key=lambda item: (item["pk"], item["sk"]),
    )
