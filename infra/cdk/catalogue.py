"""What the house owns, as data: tables, keys, buckets, queues, facts and who receives them.

Stacks build from these tables and `rights.json` files may name nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """`pk` and `sk` (strings), `ttl`; a stream when facts leave by it."""

    key: str
    stream: bool = False
    indexes: tuple[tuple[str, str, str], ...] = ()
    """(index, partition key, sort key), both strings, everything projected."""


@dataclass(frozen=True, slots=True)
class Bucket:
    key: str
    expires_days: int | None = None
    locked: bool = False
    """Object Lock: nobody, root included, rewrites what the traces say."""
    uploads: bool = False
    """Browsers post presigned forms to it."""
    announces: bool = False
    """Object events go to EventBridge."""


@dataclass(frozen=True, slots=True)
class Queue:
    facts: tuple[str, ...] = ()
    """Detail types on the bus `facts` that are put on it."""
    objects: tuple[tuple[str, str], ...] = ()
    """(bucket, key prefix): objects created there are put on it."""
    attempts: int = 5


KEYS = ("identity", "clinical", "audit", "signing")
SIGNING_KEYS = ("signing",)
"""Of the keys, those that sign (ECDSA on P-256) and encrypt nothing."""

TABLES = {
    "accounts": Table("identity", stream=True),
    "consents": Table(
        "identity", stream=True, indexes=(("by-professional", "professional", "authorisedAt"),)
    ),
    "documents": Table("clinical", stream=True),
    "history": Table("clinical", stream=True),
    "traces": Table("audit", stream=True, indexes=(("by-actor", "actorKey", "sk"),)),
    "statistics": Table("identity"),
    "directory": Table("identity"),
}

BUCKETS = {
    "quarantine": Bucket("clinical", expires_days=7, uploads=True, announces=True),
    "vault": Bucket("clinical"),
    "landing": Bucket("clinical", announces=True),
    "history": Bucket("clinical"),
    "audit": Bucket("audit", locked=True),
}

QUEUES = {
    "history-requests": Queue(facts=("record.opened.v1",)),
    "uploads": Queue(objects=(("quarantine", "in/"),)),
    "emergencies": Queue(facts=("emergency.accessed.v1",)),
    "notifications": Queue(
        facts=(
            "document.published.v1",
            "history.imported.v1",
            "consent.changed.v1",
            "upload.rejected.v1",
            "document.accessed.v1",
            "record.accessed.v1",
            "emergency.accessed.v1",
            "majority.approaching.v1",
            "record.bound.v1",
            "representative.changed.v1",
        )
    ),
}


@dataclass(frozen=True, slots=True)
class Secret:
    """64 random letters and digits, under a key of the house."""

    key: str
    purpose: str
    unrotated: str
    """Why no schedule rotates it."""


SECRETS = {
    "pseudonyms": Secret(
        "identity",
        "key of the pseudonyms under which identities are looked up",
        "The lookup keys of every record derive from this secret: rotating it is a migration of "
        "the accounts table, not a schedule.",
    ),
    "journal": Secret(
        "audit",
        "key of the marks on the entries of the journal",
        "Every entry of the journal is checked against this secret for as long as it is kept: "
        "rotating it would make the past look forged.",
    ),
}
BUSES = ("facts",)
TOPICS = ("alarms",)
SENDERS = ("ses:identity", "sns:sms")

WORKFLOW_STARTS = {"partition-extract": ("landing", "manifest.json")}
"""Workflow -> (bucket, key suffix): such an object created there starts it."""

WORKFLOW_SCHEDULES = {"sweep-landing": "cron(0 4 * * ? *)"}
"""Workflow -> when it runs by itself, in the time of Paris."""


def pascal(name: str) -> str:
    """`history-requests` -> `HistoryRequests`; used for outputs and substitutions.

    >>> pascal("initial-history"), pascal("by_actor")
    ('InitialHistory', 'ByActor')
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_.]", name))


def variable(kind: str, name: str) -> str:
    """The environment variable of a resource, as `dmp.edge.settings` reads it.

    >>> variable("queue", "history-requests"), variable("bus", "facts")
    ('DMP_QUEUE_HISTORY_REQUESTS', 'DMP_EVENT_BUS')
    """
    if kind == "bus":
        return "DMP_EVENT_BUS"
    return f"DMP_{kind}_{name}".upper().replace("-", "_")
