"""Close the last hour of the journal: the parts that came, named in the next link of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from dmp.domain import seals
from dmp.domain.jws import Signer
from dmp.domain.seals import Part, Segment

MOST = 5_000
"""Parts in one segment: what was left for long is sealed in several."""

_SKEW = timedelta(hours=1)
"""By how much the clocks of those who collect and those who seal may differ."""


class Chain(Protocol):
    def last(self) -> int:
        """The number of the last segment; 0 when there is none."""
        ...

    def segment(self, number: int) -> bytes: ...

    def add(self, number: int, data: bytes) -> bool:
        """False when a segment of that number is there: it is never replaced."""
        ...

    def parts(self, after: str) -> Iterable[str]:
        """The keys of the parts that sort after `after`, in order."""
        ...

    def read(self, keys: Sequence[str]) -> Iterable[Part]:
        """What lies under each key, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """The segments that were added, the hash of the last of them, and the parts that do not hold
    what their name says. `overtaken`: another sealer was first, and goes on."""

    segments: tuple[Segment, ...]
    head: str
    strange: tuple[str, ...] = ()
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class SealTraces:
    """At least one segment each time, an empty one when nothing came: that nothing came is told
    too. A sealer that did not run, or was killed, is caught up with by the next."""

    chain: Chain
    signer: Signer

    def __call__(self, now: datetime) -> Sealed:
        number, head, fresh = self._open()
        added: list[Segment] = []
        strange: list[str] = []
        while True:
            keys, fresh = fresh[:MOST], fresh[MOST:]
            parts = list(self.chain.read(keys))
            strange += [each.key for each in parts if not _named_rightly(each)]
            number += 1
            segment = seals.seal(number, head, now, parts, self.signer)
            data = seals.manifest(segment)
            if not self.chain.add(number, data):
                return Sealed(tuple(added), head, tuple(strange), overtaken=True)
            added.append(segment)
            head = seals.hash_of(data)
            if not fresh:
                return Sealed(tuple(added), head, tuple(strange))

    def _open(self) -> tuple[int, str, list[str]]:
        """The last segment's number and hash, and the keys that no segment names yet."""
        last = number = self.chain.last()
        if not last:
            return 0, seals.NOTHING, list(self.chain.parts(seals.PARTS))
        data = self.chain.segment(last)
        segment = seals.segment_of(data)
        since = seals.unsealed_since(segment.sealed_at)
        sealed: set[str] = set()
        while True:
            sealed.update(each.key for each in segment.parts)
            number -= 1
            if not number or segment.sealed_at < since - _SKEW:
                break
            segment = seals.segment_of(self.chain.segment(number))
        keys = self.chain.parts(seals.hour_prefix(since))
        return last, seals.hash_of(data), [each for each in keys if each not in sealed]


def _named_rightly(part: Part) -> bool:
    named = seals.split_part_key(part.key)
    return named is not None and named[1] == part.sha256
