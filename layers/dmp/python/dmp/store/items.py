"""DynamoDB items and transactions, in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import uniform
from time import sleep
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from dmp.domain.errors import Busy

Item = dict[str, Any]

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize

_CONDITION = "ConditionalCheckFailed"
_ATTEMPTS = 6
_FIRST_WAIT = 0.05
"""Seconds: at most 1.6 s of waiting in all, well within what a caller waits."""


class ConditionFailed(Exception):
    """The condition of the write number `index` did not hold; `item` is what stood there."""

    def __init__(self, index: int, item: Item | None) -> None:
        super().__init__(index)
        self.index = index
        self.item = item


def encode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attribute values of a mapping; None and empty sets are left out."""
    return {
        name: _serialise(value)
        for name, value in values.items()
        if value is not None and not (isinstance(value, set | frozenset) and not value)
    }


def decode(item: Mapping[str, Any]) -> Item:
    """The plain values of an item; binaries are bytes."""
    plain = {name: _deserialise(value) for name, value in item.items()}
    return {n: bytes(v.value) if isinstance(v, Binary) else v for n, v in plain.items()}


def put(
    table: str, values: Mapping[str, Any], condition: str | None = None, **given: Any
) -> dict[str, Any]:
    """A put for `write` or `transact`; names in the condition may be given as `#name` aliases
    through `names={"#s": "status"}` and values through `values_of={":v": 3}`."""
    return {"Put": {"TableName": table, "Item": encode(values), **_condition(condition, **given)}}


def update(
    table: str, key: Mapping[str, str], expression: str, condition: str | None = None, **given: Any
) -> dict[str, Any]:
    """An update for `write` or `transact`."""
    return {
        "Update": {
            "TableName": table,
            "Key": encode(key),
            "UpdateExpression": expression,
            **_condition(condition, **given),
        }
    }


def delete(
    table: str, key: Mapping[str, str], condition: str | None = None, **given: Any
) -> dict[str, Any]:
    """A delete for `transact`."""
    return {"Delete": {"TableName": table, "Key": encode(key), **_condition(condition, **given)}}


def check(table: str, key: Mapping[str, str], condition: str, **given: Any) -> dict[str, Any]:
    """A condition on an item that the transaction does not write."""
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": encode(key),
            **_condition(condition, **given),
        }
    }


def together(
    dynamodb: Any, asked: Mapping[str, Sequence[Mapping[str, str]]]
) -> dict[tuple[str, str, str], Item]:
    """Items of several tables (their keys by table, at most 100 in all) in one consistent read,
    by table, `pk` and `sk`; what is not there is left out.

    Busy when the tables kept giving less than asked for.
    """
    wanted: dict[str, Any] = {
        table: {"Keys": [encode(key) for key in keys], "ConsistentRead": True}
        for table, keys in asked.items()
        if keys
    }
    found: dict[tuple[str, str, str], Item] = {}
    for attempt in range(_ATTEMPTS):
        answer = dynamodb.batch_get_item(RequestItems=wanted)
        for table, items in answer["Responses"].items():
            found |= {(table, item["pk"], item["sk"]): item for item in map(decode, items)}
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return found
        sleep(uniform(0, _FIRST_WAIT * 2**attempt))  # noqa: S311 - spreads, hides nothing
    raise Busy


def _condition(
    condition: str | None,
    *,
    names: Mapping[str, str] | None = None,
    values_of: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if condition:
        told["ConditionExpression"] = condition
        told["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if names:
        told["ExpressionAttributeNames"] = dict(names)
    if values_of:
        told["ExpressionAttributeValues"] = {n: _serialise(v) for n, v in values_of.items()}
    return told


def write(dynamodb: Any, one: dict[str, Any]) -> None:
    """One conditional write; ConditionFailed(0, what stood there) when it is not to be."""
    ((verb, request),) = one.items()
    call = {"Put": dynamodb.put_item, "Update": dynamodb.update_item}[verb]
    try:
        call(**request)
    except dynamodb.exceptions.ConditionalCheckFailedException as error:
        old = error.response.get("Item")
        raise ConditionFailed(0, decode(old) if old else None) from error


def transact(dynamodb: Any, writes: Sequence[dict[str, Any]], token: str | None = None) -> None:
    """All or none. ConditionFailed names the first write whose condition did not hold.

    A conflict with a concurrent transaction on one of the items is tried again a few times, at
    growing random distances, and then raised (`is_conflict`): the client does not retry it.
    """
    request: dict[str, Any] = {"TransactItems": list(writes)}
    if token:
        request["ClientRequestToken"] = token
    for attempt in range(_ATTEMPTS):
        try:
            dynamodb.transact_write_items(**request)
        except dynamodb.exceptions.TransactionCanceledException as error:
            for index, reason in enumerate(error.response.get("CancellationReasons", [])):
                if reason.get("Code") == _CONDITION:
                    old = reason.get("Item")
                    raise ConditionFailed(index, decode(old) if old else None) from error
            if not is_conflict(error) or attempt == _ATTEMPTS - 1:
                raise
            sleep(uniform(0, _FIRST_WAIT * 2**attempt))  # noqa: S311 - spreads, hides nothing
        else:
            return


def transact_next(dynamodb: Any, writes: Sequence[dict[str, Any]]) -> bool:
    """A next version, in the first write, and what goes with it: all or none. False when the
    version before is no longer there, or somebody else is writing it this moment."""
    try:
        transact(dynamodb, writes)
    except ConditionFailed as error:
        if error.index != 0:
            raise
        return False
    except ClientError as error:
        if not is_conflict(error):
            raise
        return False
    return True


def is_conflict(error: ClientError) -> bool:
    """Whether a cancelled transaction met another one: the same request may succeed now."""
    reasons = error.response.get("CancellationReasons", [])
    return any(reason.get("Code") == "TransactionConflict" for reason in reasons)
