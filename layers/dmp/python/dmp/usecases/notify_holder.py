"""Tell the holder, and who acts in their name, that something happened in the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.errors import Busy
from dmp.domain.notifications import Fact, Preferences, people_to_tell
from dmp.domain.records import Record
from dmp.usecases.deliver import Deliver


@dataclass(frozen=True, slots=True)
class NotifyHolder:
    """Each person on the ways that the record's preferences say; `majority` is in years.

    One who cannot be told now keeps nobody else from being told; Busy is raised at the end.
    """

    deliver: Deliver
    majority: int

    def __call__(
        self, fact: Fact, record: Record, preferences: Preferences, now: datetime, *, last: bool
    ) -> None:
        undone = None
        for one in people_to_tell(fact, record, preferences, now, self.majority):
            try:
                self.deliver(fact, one, now, last=last)
            except Busy as busy:
                undone = busy
        if undone:
            raise undone
