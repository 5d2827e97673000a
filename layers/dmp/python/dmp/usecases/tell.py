"""Tell whoever a fact concerns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.errors import Busy
from dmp.domain.notifications import Fact, Preferences
from dmp.domain.records import Record, RecordStatus
from dmp.usecases.notify_holder import NotifyHolder
from dmp.usecases.notify_professionals import NotifyProfessionals


@dataclass(frozen=True, slots=True)
class File:
    """What decides on telling: read at once and consistently. `settled`: everybody was told of
    this occasion before."""

    record: Record
    preferences: Preferences
    settled: bool = False


class Files(Protocol):
    def of(self, fact: Fact) -> File | None:
        """None when there is no such record."""

    def settle(self, fact: Fact) -> None:
        """Remember that everybody was told of an occasion that is told once for all."""


@dataclass(frozen=True, slots=True)
class Tell:
    """The record's people, then its médecins traitants and delegates.

    Professionals read a record many times: that a first access was told is read together with the
    record, so that the ones after it cost one read and no write. An access to a hidden document
    settles nothing: somebody was not told of it who is to be told of the next one.
    """

    files: Files
    people: NotifyHolder
    professionals: NotifyProfessionals

    def __call__(self, fact: Fact, now: datetime, *, last: bool = False) -> None:
        """Raises Busy when somebody could not be told: the queue tries again. `last`: it will
        not."""
        if fact.idle:
            return
        file = self.files.of(fact)
        if file is None or file.settled or file.record.status is not RecordStatus.OPEN:
            return
        undone = None
        try:
            self.people(fact, file.record, file.preferences, now, last=last)
        except Busy as busy:
            undone = busy
        self.professionals(fact, now, last=last)
        if undone:
            raise undone
        if fact.once_for_all and not fact.hidden:
            self.files.settle(fact)
