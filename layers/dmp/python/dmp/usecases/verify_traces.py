"""Is the journal as it was written? The chain, the parts and the table, each against the others.

The seal says what was collected, the mark on each entry that this service wrote it: an entry that
is not collected yet is judged by its mark, a collected one by both. What is found is told by ids,
never by what an entry says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from dmp.domain import seals
from dmp.domain.ids import moment_of
from dmp.domain.jws import Verify
from dmp.domain.seals import PARTS, SEGMENTS, Event, Line, Part, Segment

READABLE = timedelta(days=1)
"""For how long the table's stream can be read: what is not collected by then never will be."""


class Kind(StrEnum):
    """What can be wrong, with the entries first and then with the seal itself."""

    CHANGED = "changed"
    """The entry is not what was collected."""
    MISSING = "missing"
    """The entry was collected and is not in the table."""
    ADDED = "added"
    """The entry is in the table and this service did not write it so."""
    TOUCHED = "touched"
    """The entry is right, and was changed or removed in between."""
    UNCOLLECTED = "uncollected"
    """The entry is right, and should have been collected long ago."""
    SEGMENT_MISSING = "segment-missing"
    SEGMENT_CHANGED = "segment-changed"
    """It is no segment, or has another number than its name."""
    SEGMENT_UNSIGNED = "segment-unsigned"
    """Its signature is not by our key."""
    CHAIN_BROKEN = "chain-broken"
    """It does not follow from the segment before it."""
    HEAD_LOST = "head-lost"
    """It is not the segment that somebody noted down: the end of the chain was cut or redone."""
    PART_MISSING = "part-missing"
    PART_CHANGED = "part-changed"
    PART_ADDED = "part-added"
    """No segment names it, and none will: it pretends to be older than the last one."""
    PART_TWICE = "part-twice"
    """Two segments name it."""
    OVERWRITTEN = "overwritten"
    """Something was written over the object: the bucket keeps what stood there first."""
    DELETED = "deleted"
    """The object was deleted: the bucket keeps what stood there."""
    STRANGE = "strange"
    """An object whose name is none of ours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where: an entry by its partition key and trace id, or an object by its key."""

    kind: Kind
    pk: str | None = None
    trace: str | None = None
    object: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """A segment by its number and the SHA-256 of its manifest."""

    number: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """An object as a versioned bucket holds it; `version` is the first one."""

    key: str
    version: str
    versions: int = 1
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An item of the table: its digest, and whether its mark is right."""

    pk: str
    sk: str
    digest: str
    genuine: bool


class Archive(Protocol):
    def held(self, prefix: str, since: str = "") -> Iterable[Held]:
        """Every object that ever was under a prefix, from the key `since` on, in the order of the
        keys: deleted ones too."""
        ...

    def contents(self, held: Iterable[Held]) -> Iterable[tuple[Held, bytes]]:
        """The first version of each, in order."""
        ...


class Entries(Protocol):
    def every(self, record_id: str | None = None) -> Iterable[Entry]:
        """The items of the table, or those of one record."""
        ...


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    segments: int = 0
    parts: int = 0
    unsealed: int = 0
    """Parts that no segment names yet."""
    collected: int = 0
    """Entries that were collected, each once."""
    entries: int = 0
    pending: int = 0
    """Entries that are right and not collected yet."""
    head: Noted | None = None
    """The last segment: who notes it down can tell later whether it is still there."""
    sealed_at: datetime | None = None
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: Kind, key: str) -> None:
        self.findings.append(Finding(kind, object=key))


@dataclass(slots=True)
class _Story:
    """All that was collected about one item."""

    digests: set[str] = field(default_factory=set)
    touched: bool = False


@dataclass(frozen=True, slots=True)
class VerifyTraces:
    archive: Archive
    entries: Entries
    verify: Verify

    def __call__(
        self,
        now: datetime,
        since: datetime | None = None,
        record_id: str | None = None,
        noted: Noted | None = None,
    ) -> Report:
        """`since`: entries written from then on, by the parts collected from then on; the chain is
        followed whole. `record_id`: the entries of one record alone. `noted`: what an earlier
        report said of the last segment; only that tells a chain whose end was cut off.

        The parts are read before the table: what is written meanwhile is pending, not missing.
        """
        report = Report()
        sealed = self._chain(report, noted)
        stories = self._parts(report, sealed, since, record_id)
        report.collected = sum(1 for each in stories.values() if each.digests)
        self._table(report, stories, now, since, record_id)
        return report

    def _chain(self, report: Report, noted: Noted | None) -> dict[str, Part]:
        """The parts that the segments name, by key."""
        named: dict[str, Part] = {}
        lost = noted
        expected, head = 1, seals.NOTHING
        for held, data in self.archive.contents(self._held(report, SEGMENTS)):
            number = seals.segment_number(held.key)
            if number is None:
                report.find(Kind.STRANGE, held.key)
                continue
            for missing in range(expected, number):
                report.find(Kind.SEGMENT_MISSING, seals.segment_key(missing))
            segment = self._segment(report, held.key, data)
            # After a gap nothing can be said of what the segment follows.
            if segment is not None and number == expected and segment.previous != head:
                report.find(Kind.CHAIN_BROKEN, held.key)
            for part in segment.parts if segment is not None else ():
                if part.key in named:
                    report.find(Kind.PART_TWICE, part.key)
                named[part.key] = part
            expected, head = number + 1, seals.hash_of(data)
            report.segments += 1
            report.head = Noted(number, head)
            report.sealed_at = segment.sealed_at if segment is not None else report.sealed_at
            lost = None if report.head == lost else lost
        if lost is not None:
            report.find(Kind.HEAD_LOST, seals.segment_key(lost.number))
        return named

    def _segment(self, report: Report, key: str, data: bytes) -> Segment | None:
        try:
            segment = seals.segment_of(data)
        except ValueError:
            report.find(Kind.SEGMENT_CHANGED, key)
            return None
        if segment.key != key:
            report.find(Kind.SEGMENT_CHANGED, key)
        if not seals.holds(segment, self.verify):
            report.find(Kind.SEGMENT_UNSIGNED, key)
            return None  # what it names is nobody's word
        return segment

    def _parts(
        self,
        report: Report,
        sealed: dict[str, Part],
        since: datetime | None,
        record_id: str | None,
    ) -> dict[tuple[str, str], _Story]:
        """What was collected about each item; every part that is not as it was is found."""
        first = seals.hour_prefix(since) if since else ""
        stories: dict[tuple[str, str], _Story] = {}
        missing = {key for key in sealed if key >= first}
        sealed_at = report.sealed_at
        oldest = seals.unsealed_since(sealed_at) if sealed_at else datetime.min.replace(tzinfo=UTC)
        for held, data in self.archive.contents(self._held(report, PARTS, first)):
            named = seals.split_part_key(held.key)
            if named is None:
                report.find(Kind.STRANGE, held.key)
                continue
            missing.discard(held.key)
            part = sealed.get(held.key)
            report.parts += 1
            report.unsealed += part is None
            if part is None and named[0] < oldest:
                report.find(Kind.PART_ADDED, held.key)
            lines = _lines(data)
            wanted = Part(held.key, seals.hash_of(data), len(lines or ()))
            if lines is None or named[1] != wanted.sha256 or part not in (None, wanted):
                report.find(Kind.PART_CHANGED, held.key)
                continue
            for line in lines:
                if record_id is None or line.pk == _partition(record_id):
                    _tell(stories, line)
        for key in sorted(missing):
            report.find(Kind.PART_MISSING, key)
        return stories

    def _held(self, report: Report, prefix: str, since: str = "") -> Iterator[Held]:
        for held in self.archive.held(prefix, since):
            if held.versions > 1:
                report.find(Kind.OVERWRITTEN, held.key)
            if held.deleted:
                report.find(Kind.DELETED, held.key)
            yield held

    def _table(
        self,
        report: Report,
        stories: dict[tuple[str, str], _Story],
        now: datetime,
        since: datetime | None,
        record_id: str | None,
    ) -> None:
        for entry in self.entries.every(record_id):
            story = stories.pop((entry.pk, entry.sk), None)
            if not _within(entry.sk, since):
                continue
            report.entries += 1
            kind = _judge(entry, story, now)
            if kind is not None:
                report.findings.append(Finding(kind, entry.pk, seals.trace_id(entry.sk)))
            elif story is None:
                report.pending += 1
        for pk, sk in stories:
            if _within(sk, since):
                report.findings.append(Finding(Kind.MISSING, pk, seals.trace_id(sk)))


def _judge(entry: Entry, story: _Story | None, now: datetime) -> Kind | None:
    """What is wrong with an entry that is there."""
    if story is None:
        if not entry.genuine:
            return Kind.ADDED
        return Kind.UNCOLLECTED if _older(entry.sk, now - READABLE) else None
    if story.digests and entry.digest not in story.digests:
        return Kind.CHANGED
    if not entry.genuine:
        # Collected when it was written over, or when somebody else wrote it.
        return Kind.ADDED if story.digests else Kind.CHANGED
    return Kind.TOUCHED if story.touched or len(story.digests) != 1 else None


def _lines(data: bytes) -> tuple[Line, ...] | None:
    try:
        return seals.lines_of(data)
    except ValueError:
        return None


def _tell(stories: dict[tuple[str, str], _Story], line: Line) -> None:
    story = stories.setdefault((line.pk, line.sk), _Story())
    if line.event is Event.INSERT:
        story.digests.add(line.digest)
    else:
        story.touched = True


def _partition(record_id: str) -> str:
    return f"REC#{record_id}"


def _within(sk: str, since: datetime | None) -> bool:
    """Whether an item was born since then, by its key; a key that tells no moment always is."""
    return since is None or not _older(sk, since)


def _older(sk: str, moment: datetime) -> bool:
    try:
        return moment_of(seals.trace_id(sk)) < moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return False
