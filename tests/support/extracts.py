"""Extracts and the run of their workflow, in process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dmp.domain.extracts import Part
from dmp.store.landing import LandingBucket
from dmp.store.partitions import Partitions, Work
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.shards import Shards
from dmp.usecases.partition_extract import (
    Abandon,
    Admit,
    Check,
    Clean,
    Finish,
    Join,
    Plan,
    Run,
    Sort,
)
from functions.reimbursements.manifests import manifest_of

LANDING, HISTORY = "dmp-landing", "dmp-history"
KEY = b"a key for tests, and for tests alone"
NOW = datetime(2024, 7, 1, 6, tzinfo=UTC)

SERVICE = {
    "DCT_ORD_NUM": "1",
    "FLX_DIS_DTD": "01/07/2024",
    "FLX_EMT_NUM": "3",
    "FLX_EMT_ORD": "2",
    "FLX_EMT_TYP": "1",
    "FLX_TRT_DTD": "06/06/2024",
    "ORG_CLE_NUM": "511CPAM01",
    "PRS_ORD_NUM": "1",
    "REM_TYP_AFF": "1",
    "BEN_NIR_PSA": "2790351215189",
    "BEN_RNG_GEM": "1",
    "EXE_SOI_DTD": "03/06/2024",
    "EXE_SOI_DTF": "",
    "PRE_PRE_DTD": "03/06/2024",
    "PRS_NAT_REF": "1111",
    "PRS_ACT_QTE": "1",
    "PRS_PAI_MNT": "26.50",
    "BSE_REM_BSE": "26.50",
    "BSE_REM_MNT": "18.55",
    "RGO_REM_TAU": "70",
    "PSE_SPE_COD": "1",
    "PSP_SPE_COD": "1",
    "PFS_EXE_NUM": "511000011",
    "PFS_PRE_NUM": "511000011",
    "CPL_MAJ_TOP": "0",
    "DPN_QLF": "0",
}
"""One good row of ER_PRS_F; tests change what they are about."""

KEY_COLUMNS = tuple(SERVICE)[:9]
CHILDREN = {
    "ER_PHA_F": {"PHA_PRS_C13": "3400935955838", "PHA_ACT_QSN": "2", "PHA_ORD_NUM": "1"},
    "ER_CAM_F": {"CAM_PRS_IDE": "DEQP003", "CAM_ORD_NUM": "1"},
    "ER_BIO_F": {"BIO_PRS_IDE": "1104", "BIO_ACT_QSN": "1", "BIO_ORD_NUM": "1"},
    "ER_TIP_F": {"TIP_PRS_IDE": "1103001", "TIP_ACT_QSN": "1", "TIP_ORD_NUM": "1"},
    "ER_ETE_F": {"ETE_GHS_NUM": "1804", "ETB_EXE_FIN": "510000029"},
}


def service(**changes: str) -> dict[str, str]:
    return {**SERVICE, **changes}


def child(table: str, of: Mapping[str, str] = SERVICE, **changes: str) -> dict[str, str]:
    """A good row of a child table, of a service."""
    return {**{name: of[name] for name in KEY_COLUMNS}, **CHILDREN[table], **changes}


def csv_of(rows: Iterable[Mapping[str, str]], columns: Iterable[str] | None = None) -> bytes:
    """A DCIR file of these rows."""
    rows = list(rows)
    names = list(columns) if columns else list(rows[0])
    lines = [";".join(names), *(";".join(row.get(name, "") for name in names) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def manifest(extract_id: str, files: Mapping[str, bytes], **more: Any) -> bytes:
    listed = [
        {
            "name": name,
            "table": name.partition(".")[0],
            "sha256": hashlib.sha256(body).hexdigest(),
            "rows": sum(1 for line in body.split(b"\n")[1:] if line.strip()),
        }
        for name, body in files.items()
    ]
    told = {"extractId": extract_id, "source": "tests", "month": "2024-06", "files": listed}
    return json.dumps({**told, **more}).encode()


@dataclass
class Importing:
    """The workflow's steps over a real or simulated S3, in the order of the state machine.

    `killed` is asked before each step with its name and raises to play a worker that dies after
    its work: the step is then done again, as the workflow's Retry does.
    """

    s3: Any
    room: Path
    join_shards: int = 3
    history_shards: int = 4
    lenient: bool = False
    part_bytes: int = 64 << 20
    now: datetime = NOW
    twice: Callable[[str], bool] = field(default=lambda _: False)

    def __post_init__(self) -> None:
        self.landing = LandingBucket(self.s3, self.part_bytes)
        self.work = Work(self.s3, HISTORY)
        self.shards = Shards(self.s3, HISTORY)
        self.pseudonyms = Pseudonyms(lambda: KEY)
        self.partitions = Partitions(
            self.s3,
            HISTORY,
            self.landing,
            self.pseudonyms,
            self.join_shards,
            self.history_shards,
            self.lenient,
            room=self.room,
        )

    def deliver(self, extract_id: str, files: Mapping[str, bytes], **more: Any) -> Run:
        """Upload, the manifest last; `more` goes into the manifest."""
        for name, body in files.items():
            self.s3.put_object(Bucket=LANDING, Key=f"extracts/{extract_id}/{name}", Body=body)
        key = f"extracts/{extract_id}/manifest.json"
        body = more.pop("manifest", None) or manifest(extract_id, files, **more)
        self.s3.put_object(Bucket=LANDING, Key=key, Body=body)
        return Run(LANDING, key, f"run-{extract_id}")

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        result = work()
        return work() if self.twice(name) else result

    def __call__(self, run: Run) -> str:
        """The state machine; its last verdict."""
        landing, parse = self.landing, manifest_of
        admission = self.step("admit", lambda: Admit(landing, self.shards, parse)(run))
        if admission["verdict"] != "admitted":
            return str(admission["verdict"])
        for ranks in admission["files"]:
            self.step("check", lambda ranks=ranks: Check(landing, self.work, parse)(run, ranks))
        planner = Plan(landing, self.work, parse, self.join_shards, self.history_shards)
        plan = self.step("plan", lambda: planner(run))
        if plan["verdict"] != "planned":
            self.work.drop(run)
            return str(plan["verdict"])
        body = self.s3.get_object(Bucket=HISTORY, Key=plan["parts"])["Body"].read()
        clean = Clean(self.partitions, self.work)
        for item in json.loads(body):
            parts = [_part(told) for told in item["parts"]]
            given = (parts, item["people"] and _part(item["people"]))
            self.step("clean", lambda given=given: clean(run, *given))
        join = Join(self.partitions, self.work)
        for shards in plan["joins"]:
            self.step("join", lambda shards=shards: join(run, shards))
        sort = Sort(landing, self.partitions, parse)
        for shards in plan["shards"]:
            self.step("sort", lambda shards=shards: sort(run, shards))
        finish = Finish(
            landing, self.partitions, self.work, self.shards, parse, self.history_shards
        )
        self.step("finish", lambda: finish(run, self.now))
        self.step("tidy", lambda: self.work.drop(run))
        return "accepted"

    def abandon(self, run: Run, error: str) -> None:
        Abandon(self.landing, manifest_of)(run, error)

    def beside(self, run: Run, name: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=LANDING, Key=run.beside(name))["Body"].read())

    def report(self, run: Run) -> dict[str, Any]:
        return dict(json.loads(self.beside(run, "report.json")))

    def rejected(self, run: Run) -> list[str]:
        return self.beside(run, "rejected.csv").decode().splitlines()

    def history(self) -> dict[str, bytes]:
        """Every object of the history bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=HISTORY)
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {
            key: bytes(self.s3.get_object(Bucket=HISTORY, Key=key)["Body"].read()) for key in keys
        }


def _part(told: dict[str, Any]) -> Part:
    return Part(**{**told, "header": tuple(told["header"])})
