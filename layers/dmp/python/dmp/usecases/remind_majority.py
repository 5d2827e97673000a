"""Say in time which holders come of age, so that they and who represents them can be told.

The access of a parent ends by the rules, at the first moment of majority; this is the reminder
before. It looks at the day on which the reminder falls due and at the six before it, so that a week
without it loses nobody: the same record gives the same fact, and consumers forget the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Protocol

from dmp.domain.errors import Busy
from dmp.domain.facts import Fact, fact_id
from dmp.domain.majority import acting, born_for, comes_of_age
from dmp.domain.parameters import Parameters
from dmp.domain.paris import PARIS
from dmp.domain.records import Basis, Record, RecordStatus

SOURCE = "dmp.accounts"
APPROACHING = "majority.approaching.v1"
LOOKED_BACK = 7
"""Days."""
_AT_ONCE = 100


class Minors(Protocol):
    def born_on(self, day: date) -> Iterator[str]:
        """The ids of the records under parental authority of those born on a day."""

    def records(self, record_ids: Sequence[str]) -> list[Record]:
        """Those that there are, of a hundred at most."""


class Bus(Protocol):
    def publish(self, source: str, facts: Sequence[Fact]) -> frozenset[int]:
        """The positions of the facts that did not go out."""


@dataclass(frozen=True, slots=True)
class RemindMajority:
    """How many reminders went out. Busy when the bus did not take them all: the others went out,
    and the next turn tries again."""

    minors: Minors
    bus: Bus
    parameters: Parameters

    def __call__(self, now: datetime) -> int:
        sent = unsent = 0
        for ids in _hundreds(self._coming(now)):
            facts = [
                self._fact(record)
                for record in self.minors.records(ids)
                if self._concerned(record, now)
            ]
            left = len(self.bus.publish(SOURCE, facts)) if facts else 0
            sent, unsent = sent + len(facts) - left, unsent + left
        if unsent:
            raise Busy("reminders of majority are not published")
        return sent

    def _coming(self, now: datetime) -> Iterator[str]:
        due = now.astimezone(PARIS).date() + self.parameters.majority_reminder
        for back in range(LOOKED_BACK):
            for born in born_for(due - timedelta(days=back), self.parameters.majority):
                yield from self.minors.born_on(born)

    def _concerned(self, record: Record, now: datetime) -> bool:
        parents = (
            one
            for one in acting(record, now, self.parameters.majority)
            if one.basis is Basis.PARENTAL_AUTHORITY
        )
        return record.status is RecordStatus.OPEN and any(parents)

    def _fact(self, record: Record) -> Fact:
        """Of the month in which it falls due: the day is a birth date to whoever knows the rule,
        and the fact's id is kept in traces."""
        majority = comes_of_age(record.traits.birth_date, self.parameters.majority)
        due = (majority - self.parameters.majority_reminder).astimezone(PARIS).date()
        month = datetime.combine(due.replace(day=1), time(), PARIS).astimezone(UTC)
        return Fact(APPROACHING, fact_id(month, APPROACHING, record.id), {"recordId": record.id})


def _hundreds(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
