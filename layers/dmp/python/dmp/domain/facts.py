"""What happened, told to whoever asked to know: ids and codes, never an identity or content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from dmp.domain.ids import ulid_of

Told = str | int | bool
"""What a detail may hold: flat, so that no identity hides in a structure."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact to publish.

    `type` is the versioned name (`record.opened.v1`); `id` is made by `fact_id`, so that the same
    change read twice from a stream tells the same fact; `detail` names things by their ids.
    """

    type: str
    id: str
    detail: Mapping[str, Told]


def fact_id(moment: datetime, *parts: str | int) -> str:
    """The ULID of a fact: its moment, and a hash of what makes it unique (a key and a version)."""
    digest = sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return ulid_of(moment, int.from_bytes(digest[:10]))
