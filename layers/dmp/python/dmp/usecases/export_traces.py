"""Take the access traces away: those that `ReadTraces` would show, as much as one file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dmp.domain.actors import Actor
from dmp.domain.traces import Act
from dmp.usecases.read_traces import Entry, ReadTraces, TracePage, TraceQuestion

MOST_BYTES = 3_500_000
"""What one answer carries, with room for its envelope."""

Weigh = Callable[[Entry], int]
"""How many bytes an entry takes in the file."""


@dataclass(frozen=True, slots=True)
class ExportTraces:
    """An export is an act of its own, traced before the file is made."""

    traces: ReadTraces
    most_bytes: int = MOST_BYTES

    def __call__(
        self, actor: Actor, question: TraceQuestion, weigh: Weigh, now: datetime
    ) -> TracePage:
        """The entries of one file, newest first; what does not fit is asked for after `next`."""
        left = self.most_bytes

        def fits(entry: Entry) -> bool:
            nonlocal left
            left -= weigh(entry)
            return left >= 0

        return self.traces.search(actor, question, now, act=Act.EXPORT_TRACES, fits=fits)
