"""The insured directory, as the funds send it.

Keys by example (table `directory`): `INS#<hmac>` / `INSURED`, one item per insured person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import uniform
from time import sleep
from typing import Any

from dmp.domain.directory import Insured
from dmp.domain.errors import Busy
from dmp.domain.identity import Ins
from dmp.store.items import Item, decode, encode, put, write
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import contact_item, contact_of, traits_item, traits_of

_SK = "INSURED"
_AT_ONCE = 25
_ATTEMPTS = 8
_FIRST_WAIT = 0.05


class Directory:
    """`usecases.open_record.Directory` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str, pseudonyms: Pseudonyms) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._pseudonyms = pseudonyms

    def of(self, ins: Ins) -> Insured | None:
        """What the funds know of a person; None for somebody unknown to them."""
        answer = self._dynamodb.get_item(
            TableName=self._table, Key=encode(self._key(ins)), ConsistentRead=True
        )
        return insured_of(decode(answer["Item"])) if "Item" in answer else None

    def save(self, insured: Insured) -> None:
        """The person as they are now known, whatever was known before."""
        write(self._dynamodb, put(self._table, self._key(insured.ins) | insured_item(insured)))

    def save_all(self, people: Sequence[Insured]) -> None:
        """The same for many, twenty-five at a time; nobody may be among them twice.

        Busy when the table kept taking less than it was given.
        """
        for start in range(0, len(people), _AT_ONCE):
            wanted = {
                self._table: [
                    {"PutRequest": {"Item": encode(self._key(one.ins) | insured_item(one))}}
                    for one in people[start : start + _AT_ONCE]
                ]
            }
            for attempt in range(_ATTEMPTS):
                answer = self._dynamodb.batch_write_item(RequestItems=wanted)
                wanted = answer.get("UnprocessedItems") or {}
                if not wanted:
                    break
                sleep(uniform(0, _FIRST_WAIT * 2**attempt))  # noqa: S311 - spreads, hides nothing
            else:
                raise Busy

    def _key(self, ins: Ins) -> dict[str, str]:
        return {"pk": f"INS#{self._pseudonyms.ins(ins)}", "sk": _SK}


def insured_item(insured: Insured) -> Item:
    """The attributes of an insured person, to be encoded; the key is not among them."""
    return {
        "matricule": insured.ins.matricule,
        "oid": insured.ins.oid,
        "birthRank": insured.birth_rank,
        "traits": traits_item(insured.traits),
        "scheme": insured.scheme,
        "caisse": insured.caisse,
        "contact": contact_item(insured.contact),
        "vitaleSerial": insured.vitale_serial,
        "deceased": insured.deceased,
    }


def insured_of(item: Mapping[str, Any]) -> Insured:
    """The insured person that a decoded item holds."""
    return Insured(
        ins=Ins(item["matricule"], item["oid"]),
        birth_rank=int(item["birthRank"]),
        traits=traits_of(item["traits"]),
        scheme=item["scheme"],
        caisse=item["caisse"],
        contact=contact_of(item["contact"]),
        vitale_serial=item.get("vitaleSerial"),
        deceased=item["deceased"],
    )
