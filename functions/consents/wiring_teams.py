"""Composition root of the care teams: it reads and writes consents, with their trace."""

from __future__ import annotations

from functools import cache

from dmp.composition import journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Consents
from dmp.usecases.join_care_team import JoinCareTeam

ready("dynamodb")


@cache
def join_care_team() -> JoinCareTeam:
    return JoinCareTeam(Consents(client("dynamodb"), settings().table("consents"), journal()))
