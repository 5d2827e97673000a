"""The journal of accesses: written once, never changed.

Keys by example (table `traces`):

| pk                      | sk            | what                                           |
|-------------------------|---------------|------------------------------------------------|
| `REC#7h3k…`             | `TRACE#01jd…` | one act on a record                            |
| `NOREC#2026-03-14`      | `TRACE#01jd…` | one act of that UTC day that reached no record |

The index `by-actor` (`actorKey`, `sk`) lists the acts of one actor by moment: `sk` is a ULID.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.store.items import ConditionFailed, Item, decode, put, write

_PREFIX = "TRACE#"


def trace_put(table: str, trace: Trace) -> dict[str, Any]:
    """The trace as one write of a transaction: it is there, or nothing else is either."""
    return put(table, _item(trace), "attribute_not_exists(pk)")


def trace_of_item(item: Mapping[str, Any]) -> Trace:
    """The trace that a decoded item holds."""
    return Trace(
        id=item["sk"].removeprefix(_PREFIX),
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
    )


class Traces:
    """`usecases.ports.Traces` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def write(self, trace: Trace) -> None:
        """One trace, before the answer. Any failure is raised: no trace, no disclosure.

        The client may have to send the same write twice when an answer got lost; what then
        stands there is this very trace, and that is success.
        """
        one = trace_put(self._table, trace)
        try:
            write(self._dynamodb, one)
        except ConditionFailed as error:
            if error.item != decode(one["Put"]["Item"]):
                raise


def _item(trace: Trace) -> Item:
    owner = f"REC#{trace.record_id}" if trace.record_id else f"NOREC#{trace.at.date().isoformat()}"
    return {
        "pk": owner,
        "sk": _PREFIX + trace.id,
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
    }
