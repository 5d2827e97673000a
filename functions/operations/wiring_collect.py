"""Composition root of the count of emergencies: it writes statistics, and nothing else."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.emergencies import Emergencies
from dmp.usecases.count_emergency import CountEmergency

ready("dynamodb")


@cache
def count_emergency() -> CountEmergency:
    return CountEmergency(Emergencies(client("dynamodb"), settings().table("statistics")))
