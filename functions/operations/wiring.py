"""Composition root of operations' pages: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import journal, traces
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.emergencies import Emergencies
from dmp.usecases.follow_emergency import FollowEmergency
from dmp.usecases.oversee_emergencies import OverseeEmergencies

ready("dynamodb")


@cache
def oversee_emergencies() -> OverseeEmergencies:
    return OverseeEmergencies(_emergencies(), traces())


@cache
def follow_emergency() -> FollowEmergency:
    return FollowEmergency(_emergencies(), traces())


@cache
def _emergencies() -> Emergencies:
    return Emergencies(client("dynamodb"), settings().table("statistics"), journal())
