"""Composition root of the notifications: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.messengers import Messengers
from dmp.store.notices import Notices
from dmp.store.records import Records
from dmp.usecases.notify_holder import NotifyHolder
from functions.notifications.wording import Wording

ready("dynamodb", "sesv2")


@cache
def notify_holder() -> NotifyHolder:
    told = settings()
    dynamodb = client("dynamodb")
    accounts = told.table("accounts")
    return NotifyHolder(
        records=Records(dynamodb, accounts),
        notices=Notices(dynamodb, accounts, journal()),
        wording=Wording(),
        messengers=Messengers(client("sesv2"), client("sns"), told.sender),
    )
