"""Copy what became of the journal's entries to where nobody rewrites it, within seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.seals import Event, Line, ndjson, part_key


class Parts(Protocol):
    def put(self, key: str, data: bytes) -> bool:
        """Whether it was put now; False when these bytes lie there already."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """`tampered` are the changes of entries that stood: no function makes any."""

    key: str
    entries: int
    tampered: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class CollectTraces:
    """One part for one batch of changes; the same batch again changes nothing."""

    parts: Parts

    def __call__(self, lines: Sequence[Line], first: str, last: str, now: datetime) -> Collected:
        """`first` and `last` are the sequence numbers of the stream; at least one line."""
        data = ndjson(lines)
        key = part_key(now, first, last, data)
        self.parts.put(key, data)
        tampered = tuple(each for each in lines if each.event is not Event.INSERT)
        return Collected(key, len(lines), tampered)
