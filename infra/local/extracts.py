"""`dmp import PATH`: put an insurer's extract into the landing bucket, and tell what became of it.

The manifest is made when the folder has none, and is uploaded last: its arrival starts the import.
`import_extract` does the work for the command and for the demonstration.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra.local import place
from infra.local.home import Home
from infra.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ACCEPTED, REFUSED, USAGE = 0, 1, 2
MANIFEST, REPORT = "manifest.json", "report.json"
WORKFLOW = "partition-extract"
_TABLE = re.compile(r"(ER_[A-Z]{3}_F|IR_BEN_R)", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_CHUNK = 1 << 20
_POLL = 0.5
_PATIENCE = 600.0  # without --wait
_SILENCE = 30.0  # the event that starts the workflow takes a second or two
_BROKEN = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})

AS_OF_HELP = (
    "the day that stands for today in this extract (YYYY-MM-DD). For old extracts: a person known "
    "from such extracts alone gets the history of the 24 months before that day, whenever their "
    "record is opened; without it, the 24 months before the opening, where old rows do not show. "
    "Also the month of the manifest, when it has to be made."
)


class UsageError(Exception):
    """What was asked cannot be done; the message says why, for the user."""


class Refused(Exception):
    """Refused before anything was uploaded; `file` is the one to look at."""

    def __init__(self, file: str, reason: str, detail: str) -> None:
        super().__init__(f"{file}: {detail}")
        self.answer = {
            "status": "refused",
            "refused": [{"file": file, "reason": reason, "detail": detail}],
        }


class Progress(Protocol):
    """Who is told how far it is: phases with a size, then without."""

    def begin(self, what: str, total: int | None) -> None: ...

    def forward(self, amount: int) -> None: ...


class _Silent:
    def begin(self, what: str, total: int | None) -> None: ...

    def forward(self, amount: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A folder of CSV files and the manifest that goes with it; `wrong` when they disagree."""

    folder: Path
    manifest: dict[str, Any]
    wrong: Refused | None = None

    @property
    def id(self) -> str:
        return str(self.manifest["extractId"])

    @property
    def digest(self) -> str:
        """What it contains, whatever the files are called; see `dmp.domain.extracts.digest_of`."""
        return _digest(self.manifest["files"])


def deliver_from(folder: Path, as_of: date | None, progress: Progress) -> Delivery:
    """Read the folder's manifest, or make one from its files.

    Raises UsageError for a folder without tables, Refused for a manifest that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    given = folder / MANIFEST
    if given.is_file():
        return _given(given, as_of, progress)
    tables = {path: found[0].upper() for path in _files(folder) if (found := _named(path))}
    if not tables:
        raise UsageError(f"{folder}: no DCIR table (ER_PRS_F.csv, ER_PHA_F.csv, …) in it")
    progress.begin("Reading", sum(path.stat().st_size for path in tables))
    listed = []
    for path, table in tables.items():
        checksum, rows = _measure(path, progress)
        listed.append({"name": path.name, "table": table, "sha256": checksum, "rows": rows})
    source = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")[:60] or "extract"
    today = as_of or datetime.now(UTC).date()
    manifest = {
        "extractId": f"{source}-{_digest(listed)[:16]}",
        "source": source,
        "month": f"{today:%Y-%m}",
        "files": listed,
    }
    return Delivery(folder, _spoken(manifest, as_of))


def _given(path: Path, as_of: date | None, progress: Progress) -> Delivery:
    try:
        manifest = json.loads(path.read_text("utf-8"))
        listed = {str(file["name"]): str(file["sha256"]).lower() for file in manifest["files"]}
        tables = [str(file["table"]) for file in manifest["files"]]
        named = tables and _ID.fullmatch(manifest["extractId"])
    except (ValueError, KeyError, TypeError):
        named = None
    if not named:
        raise Refused(path.name, "manifest", "not a manifest of an extract")
    delivery = Delivery(path.parent, _spoken(manifest, as_of))
    there = {name: path.with_name(name) for name in listed if path.with_name(name).is_file()}
    progress.begin("Reading", sum(each.stat().st_size for each in there.values()))
    for name, expected in listed.items():
        if name not in there:
            detail = "named in the manifest, not in the folder"
            return replace(delivery, wrong=Refused(name, "missing-file", detail))
        if _measure(there[name], progress)[0] != expected:
            detail = "SHA-256 differs from the manifest's"
            return replace(delivery, wrong=Refused(name, "checksum", detail))
    return delivery


def _spoken(manifest: dict[str, Any], as_of: date | None) -> dict[str, Any]:
    return {**manifest, "asOf": as_of.isoformat()} if as_of else manifest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")


def _named(path: Path) -> re.Match[str] | None:
    return _TABLE.match(path.stem)


def _measure(path: Path, progress: Progress) -> tuple[str, int]:
    """SHA-256, and lines after the header, blank ones left out."""
    digest, rows, begun, line = hashlib.sha256(), 0, False, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            *lines, line = (line + chunk).split(b"\n")
            rows += sum(1 for each in lines if each not in {b"", b"\r"})
            if lines and not begun:
                begun, rows = True, rows - (lines[0] not in {b"", b"\r"})
            progress.forward(len(chunk))
    rows += begun and line not in {b"", b"\r"}
    return digest.hexdigest(), rows


def _digest(files: list[dict[str, Any]]) -> str:
    told = sorted(
        f"{str(each['table']).upper()}\x1f{str(each['sha256']).lower()}" for each in files
    )
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


@dataclass
class Importer:
    """The landing bucket and the workflow of a running local cloud."""

    stack: Mapping[str, Any]
    progress: Progress = field(default_factory=_Silent)
    poll: float = _POLL
    silence: float = _SILENCE
    clients: Callable[[str], Any] | None = None

    def __post_init__(self) -> None:
        endpoint = str(self.stack["aws_endpoint"])
        client = self.clients or (lambda service: place.client(service, endpoint))
        self.s3, self.workflows = client("s3"), client("stepfunctions")
        self.bucket = str(self.stack["buckets"]["landing"])

    def __call__(self, delivery: Delivery, patience: float | None) -> dict[str, Any]:
        """Upload and follow; the report, with `alreadyImported` (and `unchanged`) true when there
        was nothing to do.

        `status` is `accepted`, `refused`, `failed`, or `running` when `patience` seconds were not
        enough.
        """
        before = self._object(delivery, REPORT)
        landed = self._object(delivery, MANIFEST)
        if landed is not None and before is not None and before.get("status") == "accepted":
            if delivery.wrong:  # what was accepted stays as it is
                raise delivery.wrong
            if _digest(landed.get("files", [])) == delivery.digest:
                return {**before, "alreadyImported": True, "unchanged": True}
            raise Refused(MANIFEST, "extract-id-taken", "other content was accepted under this id")
        begun = time.time()
        self._upload(delivery)
        return self._follow(delivery, before, begun, patience)

    def _key(self, delivery: Delivery, name: str) -> str:
        return f"extracts/{delivery.id}/{name}"

    def _object(self, delivery: Delivery, name: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - with boto3, when asked

        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=self._key(delivery, name))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        content = json.loads(found["Body"].read())
        return content if isinstance(content, dict) else None

    def _upload(self, delivery: Delivery) -> None:
        """What is wrong with the files is for the import to say, in the extract's report."""
        named = [delivery.folder / str(file["name"]) for file in delivery.manifest["files"]]
        files = [file for file in named if file.is_file()]
        self.progress.begin("Uploading", sum(file.stat().st_size for file in files))
        for file in files:
            self.s3.upload_file(
                str(file),
                self.bucket,
                self._key(delivery, file.name),
                Callback=self.progress.forward,
            )
        self.s3.put_object(
            Bucket=self.bucket,
            Key=self._key(delivery, MANIFEST),
            Body=json.dumps(delivery.manifest, ensure_ascii=False, indent=1).encode(),
            ContentType="application/json",
        )

    def _follow(
        self,
        delivery: Delivery,
        before: dict[str, Any] | None,
        begun: float,
        patience: float | None,
    ) -> dict[str, Any]:
        """Until a report of another run than `before`'s stands beside the extract."""
        self.progress.begin("Importing", None)
        seen = before.get("run") if before else None
        execution: str | None = None
        while True:
            report = self._object(delivery, REPORT)
            if report is not None and report.get("run") != seen:
                same = bool(report.get("alreadyImported"))
                return {**report, "unchanged": True} if same else report
            execution = execution or self._execution(delivery, begun)
            waited = time.time() - begun
            if execution is None and waited > self.silence:
                return self._broken(delivery, "NotStarted", f"{WORKFLOW} did not start")
            if execution is not None:
                status = self.workflows.describe_execution(executionArn=execution)["status"]
                if status in _BROKEN and self._object(delivery, REPORT) == before:
                    return self._broken(delivery, status, f"{WORKFLOW} ended as {status}")
                if status == "SUCCEEDED" and self._object(delivery, REPORT) == before:
                    # accepted by an execution that was running already
                    return {**(before or self._head(delivery)), "alreadyImported": True}
            if patience is not None and waited > patience:
                return {**self._head(delivery), "status": "running"}
            time.sleep(self.poll)

    def _execution(self, delivery: Delivery, begun: float) -> str | None:
        arn = self.stack["state_machines"].get(WORKFLOW)
        if arn is None:
            return None
        key = self._key(delivery, MANIFEST)
        for each in self.workflows.list_executions(stateMachineArn=arn, maxResults=100)[
            "executions"
        ]:
            if each["startDate"].timestamp() < begun - 1:
                continue
            told = self.workflows.describe_execution(executionArn=each["executionArn"])
            if json.loads(told["input"]).get("key") == key:
                return str(each["executionArn"])
        return None

    def _head(self, delivery: Delivery) -> dict[str, Any]:
        return {"status": "accepted", "extractId": delivery.id}

    def _broken(self, delivery: Delivery, error: str, detail: str) -> dict[str, Any]:
        told = {"status": "failed", "error": error, "detail": detail}
        return {**self._head(delivery), **told}


def import_extract(
    stack: Mapping[str, Any],
    folder: Path,
    *,
    as_of: date | None = None,
    patience: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The whole import; its report (see `Importer`). Raises UsageError."""
    shown = progress or _Silent()
    try:
        delivery = deliver_from(folder, as_of, shown)
        return Importer(stack, shown)(delivery, patience)
    except Refused as refusal:
        return refusal.answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `dmp import`."""
    parser.add_argument("path", type=Path, metavar="PATH", help="folder of DCIR files (CSV)")
    parser.add_argument("--as-of", type=_day, metavar="DATE", help=AS_OF_HELP)
    parser.add_argument(
        "--wait",
        action="store_true",
        help=f"wait for the end however long it takes (otherwise {_PATIENCE / 60:.0f} minutes)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day (YYYY-MM-DD)") from None


def main(arguments: argparse.Namespace) -> int:
    """`dmp import` against the local cloud that runs in `--home`; HomeError when none does."""
    home = Home.at(arguments.home)
    Stack.load(home)
    return run(arguments, home.stack() or {})


def run(arguments: argparse.Namespace, stack: Mapping[str, Any]) -> int:
    """`dmp import` against `stack` (the content of `stack.json`): its exit code."""
    from rich.console import Console  # noqa: PLC0415 - other commands need not pay for it

    errors = Console(stderr=True, highlight=False)
    with nullcontext(None) if arguments.json else _bar(errors) as progress:
        try:
            report = import_extract(
                stack,
                arguments.path,
                as_of=arguments.as_of,
                patience=None if arguments.wait else _PATIENCE,
                progress=progress,
            )
        except UsageError as error:
            errors.print(f"dmp import: {error}", style="red", markup=False)
            return USAGE
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        for line in summary(report):
            print(line)
    return ACCEPTED if report["status"] in {"accepted", "running"} else REFUSED


def summary(report: Mapping[str, Any]) -> Iterator[str]:
    """A report as lines for a terminal."""
    name = report.get("extractId") or "The extract"
    status = report["status"]
    if status == "refused":
        yield f"{name}: refused, nothing was imported"
        for each in report["refused"]:
            yield f"  {each['file']}: {each['reason']} ({each['detail']})"
        return
    if status == "failed":
        yield f"{name}: the import broke off ({report.get('error')}); nothing can be read from it"
        return
    if status == "running":
        yield f"{name}: uploaded, and still being imported"
        return
    again = ", imported before: nothing changed" if report.get("alreadyImported") else ""
    as_of = f", as of {report['asOf']}" if report.get("asOf") else ""
    yield f"{name}: accepted{as_of}{again}"
    if report.get("sameAs"):
        yield f"  the same content as {report['sameAs']}"
    if "read" not in report:
        return
    yield f"  {'file':<16} {'read':>12} {'kept':>12} {'set aside':>12}"
    for each in (*report["files"], {**report, "name": "all"}):
        counts = "".join(f" {each[count]:>12,}" for count in ("read", "kept", "rejected"))
        yield f"  {each['name']:<16}{counts}"
    for reason, count in sorted(report["reasons"].items(), key=lambda pair: -pair[1]):
        yield f"  set aside: {count:,} {reason}"
    if report["ignored"]:
        yield f"  not read: {', '.join(report['ignored'])}"


def _bar(console: Any) -> AbstractContextManager[Progress]:
    from rich import progress as bars  # noqa: PLC0415

    class Bar(bars.Progress):
        """One line: what is going on and how far it is."""

        def begin(self, what: str, total: int | None) -> None:
            for task in self.tasks:
                self.update(task.id, visible=False)
            self.add_task(what, total=total)

        def forward(self, amount: int) -> None:
            self.advance(self.tasks[-1].id, amount)

    return Bar(
        bars.TextColumn("{task.description:<10}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeElapsedColumn(),
        console=console,
        transient=True,
    )
