"""Read the reimbursement history: decided, traced, and only then shown, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Person
from dmp.domain.errors import NotFound
from dmp.domain.history import History, HistoryLine
from dmp.domain.nomenclatures import NATURE
from dmp.domain.normalise import newest_first
from dmp.domain.records import Record
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate
from dmp.usecases.ports import DEFAULT_COUNT


class Histories(Protocol):
    def of(self, record_id: str) -> History | None: ...


@dataclass(frozen=True, slots=True)
class Code:
    """A code asked for; without a system, in whatever nomenclature; without a code, any of it."""

    code: str | None
    system: str | None = None

    def is_of(self, line: HistoryLine) -> bool:
        """Whether a line bears it, as its own code or as its nature of service."""
        borne = {(line.system, line.code), (NATURE, str(line.nature))}
        return any(
            self.code in (None, code) and self.system in (None, system) for system, code in borne
        )


@dataclass(frozen=True, slots=True)
class Days:
    """Days asked for, both included; an end that is None is open. `others`: all but these."""

    first: date | None = None
    last: date | None = None
    others: bool = False

    def hold(self, day: date) -> bool:
        after = self.first is None or self.first <= day
        return (after and (self.last is None or day <= self.last)) is not self.others


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: its last line."""

    on: date
    id: str

    def precedes(self, line: HistoryLine) -> bool:
        return (-self.on.toordinal(), self.id) < newest_first(line)


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """What is asked of one record. `care` are days on which care began, `imported` days on which
    the history was brought; a line bears one code of each of the sets in `codes`."""

    record_id: str
    care: tuple[Days, ...] = ()
    imported: tuple[Days, ...] = ()
    codes: tuple[frozenset[Code], ...] = ()
    count: int = DEFAULT_COUNT
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`total` counts every match; `next` is where the following page begins, if there is one.

    `lines` hold amounts for the holder alone. `record` and `imported_at` are None when there is
    nothing that the asker may see.
    """

    lines: tuple[HistoryLine, ...] = ()
    total: int = 0
    next: Place | None = None
    record: Record | None = None
    imported_at: datetime | None = None


NOTHING = HistoryPage()


@dataclass(frozen=True, slots=True)
class ReadHistory:
    gate: Gate
    histories: Histories

    def __call__(self, actor: Actor, question: HistoryQuestion, now: datetime) -> HistoryPage:
        """An unknown, closed or forbidden record is an empty page; the attempt is traced."""
        try:
            situation = self.gate.situation(actor, question.record_id, Act.READ_HISTORY, now)
        except NotFound:
            return NOTHING
        passage = self.gate.ask(actor, Action.READ_HISTORY, situation, now)
        if not passage.answer.allowed:
            self.gate.trace(passage, Act.READ_HISTORY, Outcome.REFUSED, now)
            return NOTHING
        record = passage.record
        history = self.histories.of(record.id)
        matches = _matches(history, question) if history else ()
        page, following = _page(matches, question)
        self.gate.trace(passage, Act.READ_HISTORY, Outcome.DONE, now, count=len(page))
        if not is_holder(actor, record):
            page = tuple(without_amounts(line) for line in page)
        return HistoryPage(
            lines=page,
            total=len(matches),
            next=following,
            record=record,
            imported_at=history.imported_at if history else None,
        )


def is_holder(actor: Actor, record: Record) -> bool:
    return isinstance(actor, Person) and actor.reference == record.holder


def without_amounts(line: HistoryLine) -> HistoryLine:
    """What care was given is for the care team; what it cost is between holder and insurer."""
    return replace(line, paid=None, base=None, reimbursed=None)


def _matches(history: History, question: HistoryQuestion) -> tuple[HistoryLine, ...]:
    if not all(days.hold(history.imported_at.date()) for days in question.imported):
        return ()
    return tuple(line for line in history.lines if _is_asked(line, question))


def _is_asked(line: HistoryLine, question: HistoryQuestion) -> bool:
    return all(days.hold(line.on) for days in question.care) and all(
        any(code.is_of(line) for code in codes) for codes in question.codes
    )


def _page(
    matches: Iterable[HistoryLine], question: HistoryQuestion
) -> tuple[tuple[HistoryLine, ...], Place | None]:
    after = question.after
    rest = [line for line in matches if after is None or after.precedes(line)]
    page = tuple(rest[: question.count])
    if len(rest) <= question.count or not page:
        return page, None
    return page, Place(page[-1].on, page[-1].id)
