"""The seal of the journal: what became of its entries, kept where nobody rewrites it.

Each change of the table of traces is a `Line` of a part: keys and a digest, nothing of the entry
itself. Parts are written within seconds, under a name that says what they hold. Each hour a
`Segment` names the parts that came since the last one, with their SHA-256; it holds the SHA-256 of
the segment before it and is signed. Whoever changes, drops, adds or reorders anything breaks a
hash, a signature or the count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from dmp.domain import jws

PARTS, SEGMENTS = "parts/", "segments/"
NOTHING = "0" * 64
"""What the first segment follows."""
SIGNED = "dmp-segment"
"""The `typ` of a segment's signature."""

_TRACE = "TRACE#"
_PART = re.compile(r"parts/(\d{4}/\d\d/\d\d/\d\d)/\d+-\d+-([0-9a-f]{64})\.ndjson")
_SEGMENT = re.compile(r"segments/(\d{10})\.json")


class Event(StrEnum):
    """What became of an item. A trace is inserted once: anything else is somebody's tampering."""

    INSERT = "INSERT"
    MODIFY = "MODIFY"
    REMOVE = "REMOVE"


@dataclass(frozen=True, slots=True)
class Line:
    """One change. `digest` is the SHA-256, in lower-case hexadecimal, of the item's canonical form
    (`dmp.store.seals.digest`): the new item, or the one that went. `at` is UTC."""

    pk: str
    sk: str
    digest: str
    event: Event
    at: datetime

    @property
    def id(self) -> str:
        return trace_id(self.sk)


@dataclass(frozen=True, slots=True)
class Part:
    """A part as a segment names it."""

    key: str
    sha256: str
    entries: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One link of the chain. `previous` is the SHA-256 of the manifest before it, as it is kept."""

    number: int
    previous: str
    sealed_at: datetime
    parts: tuple[Part, ...]
    signature: str = ""

    @property
    def key(self) -> str:
        return segment_key(self.number)

    @property
    def entries(self) -> int:
        return sum(each.entries for each in self.parts)


def trace_id(sk: str) -> str:
    """The id of the trace under a sort key; another kind of key is its own."""
    return sk.removeprefix(_TRACE)


def hash_of(data: bytes) -> str:
    return sha256(data).hexdigest()


def ndjson(lines: Iterable[Line]) -> bytes:
    """The bytes of a part: one JSON object a line."""
    return b"".join(
        _json(
            {
                "id": each.id,
                "pk": each.pk,
                "sk": each.sk,
                "digest": each.digest,
                "event": each.event.value,
                "at": each.at.isoformat(),
            }
        )
        + b"\n"
        for each in lines
    )


def lines_of(data: bytes) -> tuple[Line, ...]:
    """The lines of a part; ValueError when it is none."""
    try:
        made = tuple(_line(json.loads(each)) for each in data.splitlines())
    except (KeyError, TypeError, RecursionError):
        raise ValueError("not a part") from None
    if ndjson(made) != data:
        raise ValueError("not a part")
    return made


def _line(told: Any) -> Line:
    pk, sk, digest = (_text(told[name]) for name in ("pk", "sk", "digest"))
    return Line(pk, sk, digest, Event(told["event"]), _moment(told["at"]))


def part_key(moment: datetime, first: str, last: str, data: bytes) -> str:
    """`parts/2026/03/14/08/<first>-<last>-<sha256>.ndjson`: the UTC hour of collection, the
    stream's sequence numbers, and what it holds. The same batch again, within the hour, is the same
    object; two batches never are."""
    hour = moment.astimezone(UTC).strftime("%Y/%m/%d/%H")
    return f"{PARTS}{hour}/{first}-{last}-{hash_of(data)}.ndjson"


def hour_prefix(moment: datetime) -> str:
    """Where the keys of a UTC hour's parts begin; those of later hours sort after it."""
    return f"{PARTS}{moment.astimezone(UTC).strftime('%Y/%m/%d/%H')}/"


def split_part_key(key: str) -> tuple[datetime, str] | None:
    """(UTC hour, SHA-256 of what it holds), or None for what is no part's key."""
    found = _PART.fullmatch(key)
    if found is None:
        return None
    try:
        hour = datetime.strptime(found[1], "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return None
    return hour, found[2]


def segment_key(number: int) -> str:
    """`segments/0000000001.json`."""
    return f"{SEGMENTS}{number:010d}.json"


def segment_number(key: str) -> int | None:
    found = _SEGMENT.fullmatch(key)
    return int(found[1]) if found else None


def manifest(segment: Segment) -> bytes:
    """The one form of a segment: what is kept and hashed."""
    return _json({**_told(segment), "signature": segment.signature})


def signed_part(segment: Segment) -> bytes:
    """What the signature is made over: the manifest without it."""
    return _json(_told(segment))


def segment_of(data: bytes) -> Segment:
    """The segment of a manifest; ValueError when it is none, or not in its one form."""
    try:
        told = json.loads(data)
        made = Segment(
            _count(told["number"]),
            _text(told["previous"]),
            _moment(told["sealedAt"]),
            tuple(
                Part(_text(each["key"]), _text(each["sha256"]), _count(each["entries"]))
                for each in told["parts"]
            ),
            _text(told["signature"]),
        )
    except (KeyError, TypeError, RecursionError):
        raise ValueError("not a segment") from None
    if manifest(made) != data:
        raise ValueError("not a segment")
    return made


def seal(
    number: int, previous: str, now: datetime, parts: Sequence[Part], signer: jws.Signer
) -> Segment:
    """The next link, signed."""
    bare = Segment(number, previous, now.astimezone(UTC), tuple(parts))
    signature = jws.detached(signed_part(bare), signer, SIGNED)
    return Segment(bare.number, bare.previous, bare.sealed_at, bare.parts, signature)


def holds(segment: Segment, verify: jws.Verify) -> bool:
    """Whether the segment is signed by a key that is known."""
    return jws.holds(segment.signature, signed_part(segment), SIGNED, verify)


LATE = timedelta(hours=2)
"""How long a part may have been on its way when a segment was sealed."""


def unsealed_since(last: datetime) -> datetime:
    """From which hour on a part may be missing in the segments up to one that was sealed at
    `last`."""
    return last.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - LATE


def _told(segment: Segment) -> dict[str, Any]:
    return {
        "number": segment.number,
        "previous": segment.previous,
        "sealedAt": segment.sealed_at.isoformat(),
        "parts": [
            {"key": each.key, "sha256": each.sha256, "entries": each.entries}
            for each in segment.parts
        ],
        "entries": segment.entries,
    }


def _text(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError
    return told


def _count(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or told < 0:
        raise TypeError
    return told


def _moment(told: Any) -> datetime:
    found = datetime.fromisoformat(_text(told))
    if found.utcoffset() != timedelta(0):
        raise ValueError("not a UTC moment")
    return found


def _json(told: Any) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode("ascii")
