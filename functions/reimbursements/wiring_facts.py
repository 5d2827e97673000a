"""Composition root of what starts imports and of what tells that they happened."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.bus import Bus
from dmp.store.executions import Executions

ready("events")


@cache
def executions() -> Executions:
    return Executions(client("stepfunctions"), settings().workflow("initial-history"))


@cache
def bus() -> Bus:
    return Bus(client("events"), settings().event_bus)
