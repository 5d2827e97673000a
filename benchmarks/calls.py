"""AWS calls of each operation, in the order in which they are made, warm.

The areas run in process with their own wiring; AWS is moto. What is counted is what leaves
botocore, so that a hidden second request counts too.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from dmp import composition
from dmp.domain.actors import Actor, Professional, Structure
from dmp.domain.traces import Act, Outcome, trace_of
from dmp.edge.settings import settings
from dmp.store.aws import client
from dmp.store.documents import Documents
from dmp.store.vault import Vault
from tests.e2e.client import FINESS, consent_of, pdf, reference, rpps
from tests.support.aws import account
from tests.support.extracts import KEY, Importing, csv_of, service
from tests.support.gateway import ask
from tests.support.people import Someone, opening, somebody
from tests.support.workflows import Workflow

DOCTOR = Professional(f"8{rpps(2)}", "10", structure=Structure(FINESS))
PHARMACIST = Professional(f"8{rpps(1)}", "21", structure=Structure(FINESS))
FHIR = "/fhir/DocumentReference"


class Counter:
    """What left botocore since the last look."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent = 0

    def __call__(self, request: Any, event_name: str, **_: Any) -> None:
        _, service, operation = event_name.split(".")
        self.calls.append(f"{service}:{operation}")
        self.sent += int(request.headers.get("Content-Length") or 0)

    def of(self, operation: Callable[[], object]) -> dict[str, Any]:
        self.calls, self.sent = [], 0
        operation()
        return {
            "calls": len(self.calls),
            "bytes_sent": self.sent,
            "calls_in_order": " · ".join(self.calls),
        }


@contextmanager
def _counting() -> Iterator[Counter]:
    with account() as environment:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=environment["DMP_SECRET_PSEUDONYMS"], SecretString=KEY.decode()
        )
        counter = Counter()
        boto3.setup_default_session()
        boto3.DEFAULT_SESSION.events.register("before-send.*.*", counter)
        yield counter


def _done(answer: tuple[int, Any, dict[str, str]]) -> Any:
    status, body, _ = answer
    if status >= 300:
        raise RuntimeError(f"{status}: {body}")
    return body


def _deliver(someone: Someone, services: int = 100) -> None:
    """An extract with a person's services, one a week until yesterday, partitioned in process."""
    rows = [
        service(
            BEN_NIR_PSA=someone.matricule,
            PRS_NAT_REF="1110",
            PRS_ORD_NUM=str(number),
            EXE_SOI_DTD=f"{date.today() - timedelta(days=7 * number + 1):%d/%m/%Y}",  # noqa: DTZ011
        )
        for number in range(services)
    ]
    with tempfile.TemporaryDirectory() as room:
        importing = Importing(boto3.client("s3"), Path(room))
        run = importing.deliver("ex-bench", {"ER_PRS_F.csv": csv_of(rows)})
        if importing(run) != "accepted":
            raise RuntimeError("the benchmark's extract was refused")


def _import_history(record: str) -> None:
    from functions.reimbursements import gather, publish, tasks  # noqa: PLC0415

    run = Workflow(
        "initial-history",
        {
            "ReimbursementsTasksBeginArn": tasks.begin,
            "ReimbursementsGatherArn": gather.handler,
            "ReimbursementsPublishArn": publish.handler,
            "ReimbursementsTasksCompleteArn": tasks.complete,
            "ReimbursementsTasksFailArn": tasks.fail,
        },
        lambda _: None,
    )({"recordId": record})
    if run.ended != "SUCCEEDED":
        raise RuntimeError(run.ended)


@dataclass(frozen=True)
class Scene:
    """A record with twenty documents that a doctor may read, and what is done in it."""

    counter: Counter
    record: str
    held: list[str]
    open_one: Callable[..., str]
    publish: Callable[[str], str]

    def reads(self) -> dict[str, Callable[[], object]]:
        documents = importlib.import_module("functions.documents.app").app
        search = f"{FHIR}?patient={self.record}&status=current&_count=20"
        one = self.held[0]
        return {
            "list of 20": lambda: _done(ask(documents, "GET", search, DOCTOR)),
            "read": lambda: _done(ask(documents, "GET", f"{FHIR}/{one}", DOCTOR)),
            "bytes": lambda: _done(ask(documents, "GET", f"/fhir/Binary/{one}", DOCTOR)),
        }

    def bare_reads(self) -> dict[str, Callable[[], object]]:
        """The same by the stores alone: what would be asked of AWS if everybody might read all."""
        told, traces = settings(), composition.traces()
        documents = Documents(client("dynamodb"), told.table("documents"), composition.journal())
        vault = Vault(client("s3"), told.bucket("vault"), told.key("clinical"))
        one = self.held[0]

        def traced(read: Callable[[], object]) -> Callable[[], object]:
            def both() -> object:
                now = datetime.now(UTC)
                told = trace_of(DOCTOR, Act.READ_DOCUMENT, Outcome.DONE, now, record_id=self.record)
                found = read()
                traces.write(told)
                return found

            return both

        return {
            "list of 20": traced(lambda: list(documents.of_record(self.record))),
            "read": traced(lambda: documents.of(one)),
            "bytes": traced(lambda: vault.bytes(documents.of(one).content.key)),
        }


@contextmanager
def _scene() -> Iterator[Scene]:
    with _counting() as counter:
        accounts = importlib.import_module("functions.accounts.app").app
        documents = importlib.import_module("functions.documents.app").app
        consents = importlib.import_module("functions.consents.app").app

        def open_one(someone: Someone | None = None, actor: Actor = PHARMACIST) -> str:
            body = opening(someone or somebody())
            return str(_done(ask(accounts, "POST", "/enrolment/records", actor, body))["recordId"])

        def publish(record: str) -> str:
            body = reference(record, pdf())
            return str(_done(ask(documents, "POST", FHIR, DOCTOR, body))["id"])

        record = open_one()
        own = consent_of(record, "authorisation", 2)
        _done(ask(consents, "POST", "/fhir/Consent", DOCTOR, own))
        held = [publish(record) for _ in range(20)]
        yield Scene(counter, record, held, open_one, publish)


def measure() -> list[dict[str, Any]]:
    """One row per operation: how many calls, how many bytes of request, which calls.

    Every operation is done once before it is counted, on something else, so that connections,
    secret, policies and extracts' index are warm.
    """
    with _scene() as scene:
        someone, another = somebody(), somebody()
        _deliver(someone)
        filled = scene.open_one(someone)
        _import_history(scene.open_one(another))
        operations: dict[str, Callable[[], object]] = {
            "open": scene.open_one,
            "publish": lambda: scene.publish(scene.record),
            **scene.reads(),
        }
        for warm in operations.values():
            warm()
        operations["import of one history"] = lambda: _import_history(filled)
        return [{"operation": name, **scene.counter.of(run)} for name, run in operations.items()]


def of_consent() -> list[dict[str, Any]]:
    """One row per read: its calls, those of the stores alone with the trace, and the difference,
    which is what record, consents and settings cost."""
    with _scene() as scene:
        reads, bare = scene.reads(), scene.bare_reads()
        for warm in (*reads.values(), *bare.values()):
            warm()
        rows = []
        for name, read in reads.items():
            whole, alone = scene.counter.of(read)["calls"], scene.counter.of(bare[name])["calls"]
            rows.append(
                {
                    "operation": name,
                    "calls": whole,
                    "without_consent": alone,
                    "added_by_consent": whole - alone,
                }
            )
        return rows
