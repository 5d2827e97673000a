"""An extract's way from the landing bucket to the sharded history, one verb per workflow step.

Each step is a function of what earlier ones left behind and writes under names that follow from
its input: run again, after a kill or twice at once, it leaves the same objects. Nothing can be
read from an extract before `Finish` has accepted it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from dmp.domain.errors import Invalid, Malformed, NotFound
from dmp.domain.extracts import (
    CORRESPONDENCE,
    RESEARCH,
    SERVICES,
    TABLES,
    AcceptedExtract,
    FileFault,
    FileTally,
    JoinTally,
    Manifest,
    ManifestFile,
    Part,
    PartTally,
    Refusal,
    Scan,
    Tally,
)

ParseManifest = Callable[[bytes], Manifest]

# What one task takes on: enough that starting it does not count, little enough for its time. A
# small extract is one task per step, a national one a task per part and per shard.
ROWS_AT_ONCE = 2_000_000
BYTES_AT_ONCE = 64 << 20


T = TypeVar("T")


def in_groups(items: Sequence[T], weight: Callable[[T], int], limit: int) -> list[list[T]]:
    """Consecutive items together, as long as they weigh no more than the limit."""
    groups: list[list[T]] = []
    room = 0
    for item in items:
        cost = weight(item)
        if not groups or cost > room:
            groups.append([])
            room = limit
        groups[-1].append(item)
        room -= cost
    return groups


@dataclass(frozen=True, slots=True)
class Run:
    """One execution over one delivery: the manifest's place, and a name of its own so that two
    executions never touch each other's pieces."""

    bucket: str
    key: str
    name: str

    def beside(self, name: str) -> str:
        """The key of an object in the manifest's folder."""
        folder, slash, _ = self.key.rpartition("/")
        return f"{folder}{slash}{name}"


class Landing(Protocol):
    def manifest(self, run: Run) -> bytes: ...

    def scan(self, run: Run, name: str) -> Scan | None: ...

    def write_report(self, run: Run, report: Mapping[str, Any]) -> None: ...

    def write_rejected(self, run: Run, csv_file: Path) -> None: ...


class Work(Protocol):
    """What the steps of one run leave for one another."""

    def save_scan(self, run: Run, file: int, scan: Scan | None) -> None: ...

    def scans(self, run: Run, files: int) -> Sequence[Scan | None]: ...

    def save_parts(self, run: Run, groups: Sequence[Sequence[Part]], people: Part | None) -> str:
        """Returns the key of the list, which the workflow maps over group by group."""

    def save_part_tally(self, run: Run, part: int, tally: PartTally) -> None: ...

    def save_join_tally(self, run: Run, shard: int, tally: JoinTally) -> None: ...

    def part_tallies(self, run: Run) -> Sequence[PartTally]: ...

    def join_tallies(self, run: Run) -> Sequence[JoinTally]: ...

    def drop(self, run: Run) -> int:
        """Remove everything that the run left for itself; how many objects that was."""


class Partitions(Protocol):
    """The set-based work, see `dmp.store.partitions`."""

    def clean(self, run: Run, part: Part, people: Part | None) -> PartTally: ...

    def join(self, run: Run, shard: int) -> JoinTally: ...

    def sort(self, run: Run, shard: int, extract_id: str) -> int: ...

    def rejected(self, run: Run, names: Sequence[str], write: Callable[[Path], None]) -> int: ...


class Register(Protocol):
    """The accepted extracts, whose rows can be read."""

    def extracts(self) -> Sequence[AcceptedExtract]: ...

    def accept(self, extract: AcceptedExtract) -> AcceptedExtract:
        """Add it unless it is there; what is there afterwards. Conflict when its id is taken by
        other content."""


def _head(run: Run, manifest: Manifest | None, status: str) -> dict[str, Any]:
    head: dict[str, Any] = {"status": status, "run": run.name}
    if manifest is not None:
        head |= {
            "extractId": manifest.extract_id,
            "source": manifest.source,
            "month": manifest.month,
            "asOf": manifest.as_of.isoformat() if manifest.as_of else None,
        }
    return head


def _refuse(
    landing: Landing, run: Run, manifest: Manifest | None, refusals: Sequence[Refusal]
) -> dict[str, Any]:
    told = [{"file": r.file, "reason": r.reason.value, "detail": r.detail} for r in refusals]
    landing.write_report(run, {**_head(run, manifest, "refused"), "refused": told})
    return {"verdict": "refused", "refused": len(told)}


@dataclass(frozen=True, slots=True)
class Admit:
    """Read the manifest, and say whether there is anything to do.

    An extract that was accepted before changes nothing, whatever its files are called now; other
    content under an accepted id is refused.
    """

    landing: Landing
    register: Register
    parse: ParseManifest

    def __call__(self, run: Run) -> dict[str, Any]:
        """`verdict` is `refused`, `known` or `admitted`, then with `files`: ranks to check, in
        groups."""
        name = run.key.rpartition("/")[2]
        try:
            manifest = self.parse(self.landing.manifest(run))
        except (Invalid, Malformed) as error:
            wrong = "; ".join(f"{fault.path}: {fault.detail}" for fault in error.faults)
            return _refuse(self.landing, run, None, [Refusal(name, FileFault.MANIFEST, wrong)])
        known = self.register.extracts()
        for extract in known:
            if extract.digest == manifest.digest:
                return self._known(run, manifest, extract)
        if any(extract.id == manifest.extract_id for extract in known):
            taken = Refusal(name, FileFault.ID_TAKEN, "other content was accepted under this id")
            return _refuse(self.landing, run, manifest, [taken])
        if not any(file.table == SERVICES.name for file in manifest.files):
            none = Refusal(name, FileFault.NO_SERVICES, f"no file of table {SERVICES.name}")
            return _refuse(self.landing, run, manifest, [none])
        rows = [ROWS_AT_ONCE if file.rows is None else file.rows for file in manifest.files]
        groups = in_groups(range(len(rows)), lambda rank: rows[rank], ROWS_AT_ONCE)
        return {"verdict": "admitted", "files": groups}

    def _known(self, run: Run, manifest: Manifest, extract: AcceptedExtract) -> dict[str, Any]:
        # The report of the extract's own import stands; a copy under another name gets one.
        if extract.id != manifest.extract_id:
            told = {"sameAs": extract.id, "alreadyImported": True}
            self.landing.write_report(run, {**_head(run, manifest, "accepted"), **told})
        return {"verdict": "known", "extractId": extract.id}


@dataclass(frozen=True, slots=True)
class Check:
    """Read files through, once."""

    landing: Landing
    work: Work
    parse: ParseManifest

    def __call__(self, run: Run, files: Sequence[int]) -> None:
        """`files` are ranks in the manifest."""
        listed = self.parse(self.landing.manifest(run)).files
        for file in files:
            self.work.save_scan(run, file, self.landing.scan(run, listed[file].name))


@dataclass(frozen=True, slots=True)
class Plan:
    """Refuse the extract whole when a file is not what the manifest says, or lacks a column;
    otherwise list the parts to read."""

    landing: Landing
    work: Work
    parse: ParseManifest
    join_shards: int
    history_shards: int

    def __call__(self, run: Run) -> dict[str, Any]:
        """`verdict` is `refused` or `planned`, then with `parts` (key of their list), `joins` and
        `shards` to map over, in groups."""
        manifest = self.parse(self.landing.manifest(run))
        scans = self.work.scans(run, len(manifest.files))
        found = list(zip(manifest.files, scans, strict=True))
        refusals = [refusal for file, scan in found if (refusal := _refusal(file, scan))]
        if refusals:
            return _refuse(self.landing, run, manifest, refusals)
        people: Part | None = None
        parts: list[Part] = []
        for rank, (file, scan) in enumerate(found):
            if scan is None:
                continue
            if file.table == CORRESPONDENCE:
                first = scan.cuts[0][0] if scan.cuts else 0
                size = sum(cut[1] for cut in scan.cuts)
                people = _part(0, rank, file, scan, (first, size, 2))
            elif file.table in TABLES:
                cuts = scan.cuts or ((0, 0, 2),)
                parts += [_part(len(parts) + n, rank, file, scan, c) for n, c in enumerate(cuts)]
        rows = sum(scan.rows for scan in scans if scan is not None)
        groups = in_groups(parts, lambda part: part.size, BYTES_AT_ONCE)
        return {
            "verdict": "planned",
            "parts": self.work.save_parts(run, groups, people),
            "joins": _shards(self.join_shards, rows),
            "shards": _shards(self.history_shards, rows),
        }


def _shards(count: int, rows: int) -> list[list[int]]:
    """All shards, as many together as a task can take when rows spread evenly."""
    return in_groups(range(count), lambda _: rows // count + 1, ROWS_AT_ONCE)


def _part(
    number: int, rank: int, file: ManifestFile, scan: Scan, cut: tuple[int, int, int]
) -> Part:
    first, size, line = cut
    return Part(
        number,
        rank,
        file.name,
        file.table,
        scan.header,
        scan.encoding,
        scan.etag,
        first,
        size,
        line,
    )


def _refusal(file: ManifestFile, scan: Scan | None) -> Refusal | None:
    """The first thing that makes a file inadmissible."""
    for reason, detail in _wrongs(file, scan):
        return Refusal(file.name, reason, detail)
    return None


def _wrongs(file: ManifestFile, scan: Scan | None) -> Iterator[tuple[FileFault, str]]:
    if scan is None:
        yield FileFault.MISSING, "named in the manifest, not delivered"
        return
    if scan.sha256 != file.sha256.lower():
        yield FileFault.CHECKSUM, "SHA-256 differs from the manifest's"
    if file.table not in (*TABLES, CORRESPONDENCE):
        return
    if not scan.header:
        yield FileFault.EMPTY, "no header line"
    twice = sorted({name for name in scan.header if name and scan.header.count(name) > 1})
    if twice:
        yield FileFault.HEADER, f"named twice: {', '.join(twice)}"
    missing = _missing(file.table, scan.header)
    if missing:
        yield FileFault.HEADER, f"missing: {', '.join(missing)}"
    if file.rows is not None and file.rows != scan.rows:
        yield FileFault.ROWS, f"{scan.rows} rows, {file.rows} in the manifest"


def _missing(table: str, header: tuple[str, ...]) -> tuple[str, ...]:
    if table == CORRESPONDENCE:
        return () if RESEARCH in header else (RESEARCH,)
    return TABLES[table].missing(header)


@dataclass(frozen=True, slots=True)
class Clean:
    """Type the lines of some parts, set aside those that cannot be."""

    partitions: Partitions
    work: Work

    def __call__(self, run: Run, parts: Sequence[Part], people: Part | None) -> int:
        """Returns the number of rows kept."""
        kept = 0
        for part in parts:
            tally = self.partitions.clean(run, part, people)
            self.work.save_part_tally(run, part.number, tally)
            kept += tally.kept
        return kept


@dataclass(frozen=True, slots=True)
class Join:
    """Put the services and details of some joining shards together."""

    partitions: Partitions
    work: Work

    def __call__(self, run: Run, shards: Sequence[int]) -> int:
        """Returns the number of service rows."""
        services = 0
        for shard in shards:
            tally = self.partitions.join(run, shard)
            self.work.save_join_tally(run, shard, tally)
            services += tally.services
        return services


@dataclass(frozen=True, slots=True)
class Sort:
    """Write some shard files."""

    landing: Landing
    partitions: Partitions
    parse: ParseManifest

    def __call__(self, run: Run, shards: Sequence[int]) -> int:
        """Returns the number of service rows."""
        extract_id = self.parse(self.landing.manifest(run)).extract_id
        return sum(self.partitions.sort(run, shard, extract_id) for shard in shards)


@dataclass(frozen=True, slots=True)
class Finish:
    """Count, accept and report: from here on the rows can be read."""

    landing: Landing
    partitions: Partitions
    work: Work
    register: Register
    parse: ParseManifest
    history_shards: int

    def __call__(self, run: Run, now: datetime) -> dict[str, Any]:
        manifest = self.parse(self.landing.manifest(run))
        tally = tally_of(manifest, self.work.part_tallies(run), self.work.join_tallies(run))
        names = [file.name for file in manifest.files]
        self.partitions.rejected(run, names, lambda path: self.landing.write_rejected(run, path))
        accepted = self.register.accept(
            AcceptedExtract(
                id=manifest.extract_id,
                source=manifest.source,
                month=manifest.month,
                digest=manifest.digest,
                shards=self.history_shards,
                services=tally.services,
                accepted_at=now,
                as_of=manifest.as_of,
            )
        )
        report = _head(run, manifest, "accepted") | report_of(manifest, tally)
        report["acceptedAt"] = accepted.accepted_at.isoformat()
        self.landing.write_report(run, report)
        return {"extractId": manifest.extract_id, "read": tally.read, "kept": tally.kept}


def tally_of(manifest: Manifest, parts: Sequence[PartTally], joins: Sequence[JoinTally]) -> Tally:
    """The sums of an extract, by file. Orphans were kept by their part and set aside later."""
    files = []
    for rank, file in enumerate(manifest.files):
        if file.table not in TABLES:
            continue
        mine = [part for part in parts if part.file == rank]
        orphans = sum(join.orphans.get(rank, 0) for join in joins)
        rejected: dict[str, int] = {"orphan": orphans} if orphans else {}
        for part in mine:
            for reason, count in part.rejected.items():
                rejected[reason] = rejected.get(reason, 0) + count
        kept = sum(part.kept for part in mine) - orphans
        read = sum(part.read for part in mine)
        files.append(FileTally(file.name, file.table, read, kept, dict(sorted(rejected.items()))))
    return Tally(
        tuple(files),
        duplicates=sum(join.duplicates for join in joins),
        services=sum(join.services for join in joins),
    )


def report_of(manifest: Manifest, tally: Tally) -> dict[str, Any]:
    """The counts, as `report.json` and the command show them."""
    read_tables = (*TABLES, CORRESPONDENCE)
    return {
        "read": tally.read,
        "kept": tally.kept,
        "rejected": tally.read - tally.kept,
        "duplicates": tally.duplicates,
        "services": tally.services,
        "reasons": tally.reasons,
        "files": [
            {
                "name": each.name,
                "table": each.table,
                "read": each.read,
                "kept": each.kept,
                "rejected": each.read - each.kept,
                "reasons": dict(each.rejected),
            }
            for each in tally.files
        ],
        "ignored": [file.name for file in manifest.files if file.table not in read_tables],
    }


@dataclass(frozen=True, slots=True)
class Abandon:
    """Say beside the extract that its import broke, so that whoever waits is told."""

    landing: Landing
    parse: ParseManifest

    def __call__(self, run: Run, error: str) -> None:
        try:
            manifest: Manifest | None = self.parse(self.landing.manifest(run))
        except (NotFound, Invalid, Malformed):
            manifest = None
        self.landing.write_report(run, _head(run, manifest, "failed") | {"error": error})
