"""The journal of accesses: written once, never changed.

Each entry carries a mark, a keyed hash of all the rest of it: who can write to the table and does
not hold the key can neither add an entry nor change one without being found out.

Keys by example (table `traces`):

| pk                      | sk            | what                                           |
|-------------------------|---------------|------------------------------------------------|
| `REC#7h3k…`             | `TRACE#01jd…` | one act on a record                            |
| `NOREC#2026-03-14`      | `TRACE#01jd…` | one act of that UTC day that reached no record |

The index `by-actor` (`actorKey`, `sk`) lists the acts of one actor by moment: `sk` is a ULID.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.store.items import ConditionFailed, Item, decode, put, write

PREFIX = "TRACE#"
MARK = "mark"


class Journal:
    """The table of the traces, and the key of the marks on its entries."""

    def __init__(self, table: str, key: Callable[[], bytes]) -> None:
        """`key` is asked at the first entry, and once."""
        self.table = table
        self._ask = key
        self._key: bytes | None = None

    def put(self, trace: Trace) -> dict[str, Any]:
        """The trace as one write of a transaction: it is there, or nothing else is either."""
        item = {name: value for name, value in _item(trace).items() if value is not None}
        return put(self.table, {**item, MARK: self._mark(item)}, "attribute_not_exists(pk)")

    def genuine(self, item: Mapping[str, Any]) -> bool:
        """Whether a decoded item is as this service wrote it; values of types that it never writes
        are somebody else's."""
        told = {name: value for name, value in item.items() if name != MARK}
        try:
            mark = self._mark(told)
        except TypeError:
            return False
        return hmac.compare_digest(str(item.get(MARK, "")).encode(), mark.encode())

    def _mark(self, item: Mapping[str, Any]) -> str:
        if self._key is None:
            self._key = self._ask()
        return hmac.new(self._key, canonical(item), sha256).hexdigest()


def canonical(item: Mapping[str, Any]) -> bytes:
    """One form for one entry, whatever wrote or read it: what is hashed of an item."""
    return json.dumps(
        item, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
    ).encode("utf-8")


def _plain(value: object) -> int:
    """A number as DynamoDB gives it; nothing else needs help."""
    if isinstance(value, Decimal) and value == int(value):
        return int(value)
    raise TypeError(type(value).__name__)


def trace_of_item(item: Mapping[str, Any]) -> Trace:
    """The trace that a decoded item holds."""
    return Trace(
        id=item["sk"].removeprefix(PREFIX),
        at=datetime.fromisoformat(item["at"]),
        act=Act(item["act"]),
        outcome=Outcome(item["outcome"]),
        actor=item["actorKey"],
        record_id=item.get("recordId"),
        target=item.get("target"),
        mode=Mode(item["mode"]),
        reason=item.get("reason"),
        profession=item.get("profession"),
        structure=item.get("structure"),
        rules=tuple(item.get("rules", ())),
        matrix=item.get("matrix"),
        count=int(item["count"]) if "count" in item else None,
        changes=tuple(item.get("changes", ())),
        hidden_from=tuple(item.get("hiddenFrom", ())),
    )


class Traces:
    """`usecases.ports.Traces` on DynamoDB."""

    def __init__(self, dynamodb: Any, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._journal = journal

    def write(self, trace: Trace) -> None:
        """One trace, before the answer. Any failure is raised: no trace, no disclosure.

        The client may have to send the same write twice when an answer got lost; what then
        stands there is this very trace, and that is success.
        """
        one = self._journal.put(trace)
        try:
            write(self._dynamodb, one)
        except ConditionFailed as error:
            if error.item != decode(one["Put"]["Item"]):
                raise


def _item(trace: Trace) -> Item:
    owner = f"REC#{trace.record_id}" if trace.record_id else f"NOREC#{trace.at.date().isoformat()}"
    return {
        "pk": owner,
        "sk": PREFIX + trace.id,
        "actorKey": trace.actor,
        "at": trace.at.isoformat(),
        "act": trace.act.value,
        "outcome": trace.outcome.value,
        "recordId": trace.record_id,
        "target": trace.target,
        "mode": trace.mode.value,
        "reason": trace.reason,
        "profession": trace.profession,
        "structure": trace.structure,
        "rules": list(trace.rules) or None,
        "matrix": trace.matrix,
        "count": trace.count,
        "changes": list(trace.changes) or None,
        "hiddenFrom": list(trace.hidden_from) or None,
    }
