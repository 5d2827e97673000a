"""The way out of a table: its stream becomes facts on the bus, without a second write.

    handler = facts.handler("dmp.accounts", facts_of, wiring.bus)

`facts_of` says what a change of one item means; it is pure, so the same change told twice gives
the same facts under the same ids, and consumers forget the second. Facts go out ten by ten. When
one cannot, the batch stops at the change it came from and the stream gives it again from there:
nothing is lost, and a later change never overtakes an earlier one of the same record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import (
    DynamoDBRecord,
    DynamoDBStreamEvent,
)

from dmp.domain.facts import Fact, Told, fact_id
from dmp.edge.observability import logger

__all__ = [
    "Change",
    "Fact",
    "FactsOf",
    "Image",
    "Publisher",
    "Told",
    "fact_id",
    "handler",
    "hidden",
]

Image = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one item: plain values (numbers are Decimal), before and after.

    `old` is None for a new item, `new` for one that went; `expired` tells a removal by TTL from
    one that somebody asked for.
    """

    pk: str
    sk: str
    old: Image | None
    new: Image | None
    expired: bool = False

    @property
    def inserted(self) -> bool:
        return self.old is None

    @property
    def removed(self) -> bool:
        return self.new is None

    def became(self, attribute: str) -> Any:
        """The new value of an attribute that this change set or altered; None when it did not."""
        after = (self.new or {}).get(attribute)
        return after if after != (self.old or {}).get(attribute) else None


class Publisher(Protocol):
    """`dmp.store.bus.Bus`: puts facts on the bus."""

    def publish(self, source: str, facts: Sequence[Fact]) -> frozenset[int]:
        """The positions of the facts that did not go out; any number of facts, in order."""


def hidden(hidden_from: Iterable[str]) -> dict[str, Told]:
    """What a fact about a document says of those from whom it is hidden (`holder`,
    `representatives`): `hiddenFromHolder`, `hiddenFromRepresentatives`, there only when true."""
    return {f"hiddenFrom{who.capitalize()}": True for who in hidden_from}


FactsOf = Callable[[Change], Iterable[Fact]]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def handler(source: str, facts_of: FactsOf, publisher: Callable[[], Publisher]) -> Handler:
    """The Lambda handler of a table's stream (batch item failures reported).

    `source` is the bus's source (`dmp.accounts`); `publisher` is asked at the first event.
    """
    journal = logger(source.removeprefix("dmp."))

    def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        facts: list[Fact] = []
        origins: list[str] = []
        stopped: str | None = None
        for record in DynamoDBStreamEvent(event).records:
            sequence = _sequence(record)
            try:
                told = list(facts_of(_change(record)))
            except Exception as error:  # noqa: BLE001 - told by its class, then given back
                journal.error("change not understood", error=type(error).__name__, at=sequence)
                stopped = sequence
                break
            facts.extend(told)
            origins.extend([sequence] * len(told))
        unsent = publisher().publish(source, facts) if facts else frozenset()
        if unsent:
            journal.error("facts not published", count=len(unsent), of=len(facts))
            stopped = origins[min(unsent)]
        return {"batchItemFailures": [{"itemIdentifier": stopped}] if stopped else []}

    return handle


def _sequence(record: DynamoDBRecord) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def _change(record: DynamoDBRecord) -> Change:
    stream = record.dynamodb
    if stream is None:
        raise ValueError("a stream record without its change")
    keys = stream.keys or {}
    identity = record.get("userIdentity") or {}
    return Change(
        pk=keys["pk"],
        sk=keys["sk"],
        old=stream.old_image or None,  # an absent image reads as an empty one
        new=stream.new_image or None,
        expired=identity.get("principalId") == "dynamodb.amazonaws.com",
    )
