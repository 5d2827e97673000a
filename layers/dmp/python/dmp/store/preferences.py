"""What people chose to be told of, and where professionals are told.

Keys by example (table `accounts`):

| pk                 | sk            | what                                                       |
|--------------------|---------------|------------------------------------------------------------|
| `REC#7h3k…`        | `PREFERENCES` | the record's preferences, with their version               |
| `PRO#899700218896` | `CONTACT`     | where a professional is told, with its version             |

`channels` is a map from topic to a list of channels; a topic that is not in it goes the preferred
way of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dmp.domain.notifications import Channel, Fact, Preferences, Topic
from dmp.domain.traces import Trace
from dmp.store.items import (
    ConditionFailed,
    Item,
    decode,
    encode,
    put,
    together,
    transact_next,
    write,
)
from dmp.store.notices import told_key
from dmp.store.records import record_key, record_of, record_pk
from dmp.store.traces import Journal
from dmp.usecases.own_contact import OwnContact
from dmp.usecases.tell import File

_MOST = 100
"""Keys of one BatchGetItem."""


class Files:
    """`usecases.tell.Files` on DynamoDB."""

    def __init__(self, dynamodb: Any, accounts: str) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts

    def of(self, fact: Fact) -> File | None:
        """Record, preferences and, of what is told once for all, whether it was: one read."""
        record, preferences = record_key(fact.record_id), _preferences_key(fact.record_id)
        told = told_key(fact)
        keys = [record, preferences, *([told] if fact.once_for_all else [])]
        found = together(self._dynamodb, {self._accounts: keys})
        items = [found.get((self._accounts, key["pk"], key["sk"])) for key in (record, preferences)]
        if items[0] is None:
            return None
        return File(
            record=record_of(items[0]),
            preferences=_preferences_of(items[1]),
            settled=(self._accounts, told["pk"], told["sk"]) in found,
        )

    def settle(self, fact: Fact) -> None:
        """Once; saying it again changes nothing."""
        try:
            write(
                self._dynamodb,
                put(self._accounts, told_key(fact), "attribute_not_exists(pk)"),
            )
        except ConditionFailed:
            return


class PreferenceBook:
    """`usecases.set_preferences.PreferenceBook` on DynamoDB."""

    def __init__(self, dynamodb: Any, accounts: str, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._journal = journal

    def of(self, record_id: str) -> Preferences:
        """As they stand; version 0 when nothing was ever chosen."""
        return _preferences_of(_get(self._dynamodb, self._accounts, _preferences_key(record_id)))

    def save(self, record_id: str, preferences: Preferences, trace: Trace) -> bool:
        """With their trace, or neither; False when the version before is no longer there."""
        item = {
            **_preferences_key(record_id),
            "language": preferences.language,
            "channels": {
                topic.value: sorted(channel.value for channel in channels)
                for topic, channels in preferences.channels.items()
            },
        }
        return _save(
            self._dynamodb, self._accounts, item, preferences.version, self._journal.put(trace)
        )


class ContactBook:
    """`usecases.own_contact.ContactBook` and `usecases.notify_professionals.Addresses` on
    DynamoDB."""

    def __init__(self, dynamodb: Any, accounts: str, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._journal = journal

    def of(self, professional: str) -> OwnContact:
        """Where this professional is told; version 0 when they never said."""
        item = _get(self._dynamodb, self._accounts, _contact_key(professional))
        return OwnContact(item.get("email"), int(item["version"])) if item else OwnContact()

    def of_professionals(self, professionals: Sequence[str]) -> Mapping[str, str]:
        """The addresses of those who gave one."""
        addresses: dict[str, str] = {}
        for start in range(0, len(professionals), _MOST):
            some = professionals[start : start + _MOST]
            keys = [_contact_key(one) for one in some]
            found = together(self._dynamodb, {self._accounts: keys})
            addresses |= {
                item["pk"].removeprefix("PRO#"): item["email"]
                for item in found.values()
                if "email" in item
            }
        return addresses

    def save(self, professional: str, contact: OwnContact, trace: Trace) -> bool:
        """With its trace, or neither; False when the version before is no longer there."""
        item = {**_contact_key(professional), "email": contact.email}
        return _save(
            self._dynamodb, self._accounts, item, contact.version, self._journal.put(trace)
        )


def _save(dynamodb: Any, table: str, item: Item, version: int, trace: dict[str, Any]) -> bool:
    """One version after the other; False also when somebody else is writing it this moment."""
    first = version == 1
    whole = put(
        table,
        {**item, "version": version},
        "attribute_not_exists(pk)" if first else "version = :before",
        values_of=None if first else {":before": version - 1},
    )
    return transact_next(dynamodb, [whole, trace])


def _get(dynamodb: Any, table: str, key: Mapping[str, str]) -> Item | None:
    answer = dynamodb.get_item(TableName=table, Key=encode(key), ConsistentRead=True)
    return decode(answer["Item"]) if "Item" in answer else None


def _preferences_of(item: Mapping[str, Any] | None) -> Preferences:
    if item is None:
        return Preferences()
    return Preferences(
        channels={
            Topic(topic): frozenset(map(Channel, channels))
            for topic, channels in item["channels"].items()
        },
        language=item["language"],
        version=int(item["version"]),
    )


def _preferences_key(record_id: str) -> dict[str, str]:
    return {"pk": record_pk(record_id), "sk": "PREFERENCES"}


def _contact_key(professional: str) -> dict[str, str]:
    return {"pk": f"PRO#{professional}", "sk": "CONTACT"}
