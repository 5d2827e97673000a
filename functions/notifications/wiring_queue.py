"""Composition root of the queue `notifications`: who is told, by what."""

from __future__ import annotations

from functools import cache

from dmp.access.parameters import load_parameters
from dmp.composition import journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Consents
from dmp.store.messengers import Messengers
from dmp.store.notices import Notices
from dmp.store.preferences import ContactBook, Files
from dmp.usecases.deliver import Deliver
from dmp.usecases.notify_holder import NotifyHolder
from dmp.usecases.notify_professionals import NotifyProfessionals
from dmp.usecases.tell import Tell
from functions.notifications.wording import Wording

ready("dynamodb", "sesv2")


@cache
def tell() -> Tell:
    told = settings()
    dynamodb, accounts = client("dynamodb"), told.table("accounts")
    deliver = Deliver(
        notices=Notices(dynamodb, accounts, journal()),
        wording=Wording(),
        messengers=Messengers(client("sesv2"), client("sns"), told.sender),
    )
    return Tell(
        files=Files(dynamodb, accounts),
        people=NotifyHolder(deliver, load_parameters().majority),
        professionals=NotifyProfessionals(
            Consents(dynamodb, told.table("consents"), journal()),
            ContactBook(dynamodb, accounts, journal()),
            deliver,
        ),
    )


def attempts() -> int:
    """How often the queue hands a message out before it goes to the dead letters."""
    return settings().attempts
