"""Fill a new record from the insurer's extracts, in steps that can each be taken again.

begin → gather → document → complete, and fail when one of them cannot. Each step reads what it
needs from the stores and writes under a condition, so a step that is retried, or a whole run that
is started again, ends in the same state. Nothing travels between steps but the record's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from dmp.domain.actors import Feeder
from dmp.domain.errors import NotFound
from dmp.domain.extracts import AcceptedExtract, today_of
from dmp.domain.facts import fact_id
from dmp.domain.history import (
    Head,
    History,
    ServiceRow,
    day_in_france,
    window_before,
)
from dmp.domain.identity import InsuredNumber
from dmp.domain.nomenclatures import Nomenclatures
from dmp.domain.normalise import fingerprint_of, lines_of
from dmp.domain.records import HistoryStatus, Record, RecordStatus
from dmp.domain.remb import document_of
from dmp.domain.traces import Act, Outcome, trace_of
from dmp.usecases.ports import Traces

DONE = frozenset({HistoryStatus.COMPLETE, HistoryStatus.EMPTY})
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_UNKNOWN = "Unknown"

Pseudonym = Callable[[InsuredNumber], str]


class Records(Protocol):
    def of(self, record_id: str) -> Record | None: ...

    def mark_history(self, record_id: str, status: HistoryStatus, reason: str | None) -> None:
        """Set the history's state; the same again changes nothing."""


class Extracts(Protocol):
    """The insurer's sharded history."""

    def extracts(self) -> Sequence[AcceptedExtract]: ...

    def rows_of(self, insured_hash: str, first: date, last: date) -> Sequence[ServiceRow]:
        """One person's rows of care begun between two days, both included, as delivered; and of
        extracts given as of an older day, those of the 24 months before that day."""


class Histories(Protocol):
    def head(self, record_id: str) -> Head | None: ...

    def of(self, record_id: str) -> History | None: ...

    def save(self, history: History, fingerprint: str) -> Head:
        """Write the generation after the one that stands, whole or not at all; the same again
        changes nothing. Conflict when another was written meanwhile."""

    def announce(self, head: Head, document_id: str) -> None:
        """Fix a generation: the document of it is about to be published."""


class HistoryDocuments(Protocol):
    def publish(
        self, history: History, record: Record, announce: Callable[[str], None], now: datetime
    ) -> None:
        """Make the document of a history, announce its id, publish it. The same history makes
        the same document, and publishing it again changes nothing."""


@dataclass(frozen=True, slots=True)
class BeginImport:
    """Say that the import runs; False when there is nothing to do: no open record of that id, or
    its history has been brought already."""

    records: Records

    def __call__(self, record_id: str) -> bool:
        record = self.records.of(record_id)
        if record is None or record.status is not RecordStatus.OPEN or record.history in DONE:
            return False
        self.records.mark_history(record_id, HistoryStatus.RUNNING, None)
        return True


@dataclass(frozen=True, slots=True)
class GatherHistory:
    """Locate the person's rows, normalise them, and store the structured history.

    The window is the 24 months before the day of opening in mainland France; for a person known
    from old extracts alone, before the day that these take for today (`domain.extracts.today_of`).

    A generation whose document has been announced stays as it is, whatever the extracts say now:
    what comes later is the next update's. One that was stored without a document is replaced when
    the extracts changed.
    """

    records: Records
    pseudonym: Pseudonym
    extracts: Extracts
    histories: Histories
    nomenclatures: Nomenclatures

    def __call__(self, record_id: str, now: datetime) -> Head:
        """Raises NotFound when the record is gone, Conflict when another import was quicker."""
        record = open_record(self.records, record_id)
        standing = self.histories.head(record_id)
        if standing is not None and standing.document is not None:
            return standing
        opening = day_in_france(record.opened_at)
        wanted = window_before(opening)
        insured = self.pseudonym(record.insured)
        rows = self.extracts.rows_of(insured, wanted.first, wanted.last)
        window = window_before(today_of(opening, rows, self.extracts.extracts()))
        lines = lines_of(record_id, rows, window, self.nomenclatures)
        fingerprint = fingerprint_of(window, lines)
        if standing is not None and standing.fingerprint == fingerprint:
            return standing
        history = History(
            record_id=record_id,
            first=window.first,
            last=window.last,
            lines=lines,
            extracts=tuple(sorted({row.extract_id for row in rows})),
            imported_at=now,
            generation=standing.generation + 1 if standing else 1,
        )
        return self.histories.save(history, fingerprint)


@dataclass(frozen=True, slots=True)
class DocumentHistory:
    """Publish the document "Données de remboursement" of the stored history."""

    records: Records
    histories: Histories
    documents: HistoryDocuments

    def __call__(self, record_id: str, now: datetime) -> str:
        """The document's id. Raises NotFound when there is nothing to publish, Conflict when
        another generation was stored meanwhile."""
        record = open_record(self.records, record_id)
        head, history = self.histories.head(record_id), self.histories.of(record_id)
        if head is None or history is None:
            raise NotFound

        def announce(document_id: str) -> None:
            self.histories.announce(head, document_id)

        self.documents.publish(history, record, announce, now)
        return document_of(history)


@dataclass(frozen=True, slots=True)
class CompleteImport:
    """Trace the import and say that the history is there, or that there is none to bring."""

    records: Records
    histories: Histories
    traces: Traces

    def __call__(self, record_id: str) -> HistoryStatus:
        head = self.histories.head(record_id)
        if head is None:
            raise NotFound
        trace = trace_of(
            Feeder(),
            Act.IMPORT_HISTORY,
            Outcome.DONE,
            head.imported_at,
            record_id=record_id,
            target=head.document,
            count=head.lines,
        )
        # Its id follows from the generation: a retry writes the same trace, not a second one.
        name = fact_id(head.imported_at, "import", record_id, head.generation)
        self.traces.write(replace(trace, id=name))
        status = HistoryStatus.COMPLETE if head.lines else HistoryStatus.EMPTY
        self.records.mark_history(record_id, status, None)
        return status


@dataclass(frozen=True, slots=True)
class FailImport:
    """Say that the import failed, and by which class of error: never by its text."""

    records: Records

    def __call__(self, record_id: str, error: str) -> None:
        record = self.records.of(record_id)
        if record is None or record.history in DONE:
            return
        self.records.mark_history(record_id, HistoryStatus.FAILED, class_of(error))


def class_of(error: str) -> str:
    """An error's class as the workflow names it; anything that may be data is `Unknown`."""
    return error if _CLASS.fullmatch(error) else _UNKNOWN


def open_record(records: Records, record_id: str) -> Record:
    """Raises NotFound for a record that is closed or does not exist."""
    record = records.of(record_id)
    if record is None or record.status is not RecordStatus.OPEN:
        raise NotFound
    return record
