"""Composition root of the consents' stream: it reads items, publishes, and does nothing else."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.bus import Bus
from dmp.store.consents import change_of_item

ready("events")

__all__ = ["bus", "change_of_item"]


@cache
def bus() -> Bus:
    return Bus(client("events"), settings().event_bus)
