"""Identifiers that say nothing about anybody.

Record ids are 26 lower-case Crockford base32 characters (130 random bits); everything that is
born inside a record carries a ULID, which sorts by its moment of birth.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from hashlib import sha256

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_RECORD = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}")
_DOCUMENT = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}\.[{_ALPHABET}]{{{_LENGTH}}}")


def _encode(number: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * i)) & 31] for i in reversed(range(_LENGTH)))


def new_record_id() -> str:
    """`7h3kq…` — random, so that neither rank nor moment of opening can be read from it."""
    return _encode(secrets.randbits(5 * _LENGTH))


def new_ulid(now: datetime) -> str:
    """A lower-case ULID: 48 bits of milliseconds since 1970, then 80 random bits."""
    return ulid_of(now, secrets.randbits(80))


def ulid_of(moment: datetime, noise: int) -> str:
    """The ULID of a moment and 80 chosen bits: for ids that a retry must find again."""
    milliseconds = int(moment.timestamp() * 1000)
    return _encode((milliseconds << 80) | (noise & ((1 << 80) - 1)))


def fingerprint_id(text: str) -> str:
    """26 characters that follow from a text: 130 bits of its SHA-256."""
    return _encode(int.from_bytes(sha256(text.encode()).digest(), "big"))


def moment_of(ulid: str) -> datetime:
    """The UTC moment written in a ULID, to the millisecond."""
    number = 0
    for character in ulid:
        number = (number << 5) | _ALPHABET.index(character)
    return datetime.fromtimestamp((number >> 80) / 1000, tz=UTC)


def document_id(record_id: str, ulid: str) -> str:
    """`<recordId>.<ulid>`: whoever holds a document's id knows its record's, and its key."""
    return f"{record_id}.{ulid}"


def split_document_id(value: str) -> tuple[str, str] | None:
    """`(recordId, ulid)`, or None for what cannot be one of our document ids."""
    if not _DOCUMENT.fullmatch(value):
        return None
    record_id, _, ulid = value.partition(".")
    return record_id, ulid


def is_record_id(value: str) -> bool:
    return _RECORD.fullmatch(value) is not None
