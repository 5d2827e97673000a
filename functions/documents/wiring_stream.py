"""Composition root of the documents' stream: it publishes and does nothing else."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.bus import Bus

ready("events")


@cache
def bus() -> Bus:
    return Bus(client("events"), settings().event_bus)
