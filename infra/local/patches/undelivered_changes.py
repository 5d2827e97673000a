"""Changes of a table that no function has been told of yet survive a restart.

MiniStack saves how far each function has read a stream, but not the stream: after a restart it is
empty and counts from zero, so that what waited is lost, and as many new changes after it as were
ever delivered before. Here the part that somebody has still to read is saved with the tables:
what was unread when the places of the readers were saved, which is before (`checkpoint`).
"""

from __future__ import annotations

from typing import Any

from infra.local.patches import expect

_KEY = "dmp_undelivered_changes"
_Scoped = tuple[str, str, str]  # account, region, table


def apply() -> None:
    from ministack.services import dynamodb, lambda_svc  # noqa: PLC0415 - settings at import

    save = expect.function(dynamodb, "get_state")
    load = expect.function(dynamodb, "load_persisted_state", "data")
    save_functions = expect.function(lambda_svc, "get_state")
    saved: dict[_Scoped, int] = {}
    records, trimmed = dynamodb._stream_records, dynamodb._stream_trimmed  # noqa: SLF001

    def first_unread() -> dict[_Scoped, int]:
        """The place of the slowest reader of each table's stream."""
        found: dict[_Scoped, int] = {}
        positions = lambda_svc._dynamodb_stream_positions  # noqa: SLF001
        for account, region, mapping in lambda_svc._iter_all_esms():  # noqa: SLF001
            source = mapping.get("EventSourceArn", "")
            place = positions.get_scoped(account, region, mapping["UUID"])
            if ":dynamodb:" in source and "/stream/" in source and place is not None:
                table = (account, region, source.split("/stream/")[0].split("/")[-1])
                found[table] = min(place, found.get(table, place))
        return found

    def get_state_of_functions() -> Any:
        found = first_unread()
        state = save_functions()
        saved.clear()
        saved.update(found)
        return state

    def get_state() -> dict[str, Any]:
        unread = {
            scope: min(place, saved.get(scope, place)) for scope, place in first_unread().items()
        }
        kept = []
        for scope, changes in records.all_items():
            base = trimmed.get_scoped(*scope, 0)
            position = max(unread.get(scope, base + len(changes)), base)
            kept.append([list(scope), position, changes[position - base :]])
        return {**save(), _KEY: kept}

    def load_persisted_state(data: dict[str, Any]) -> None:
        load(data)
        for scope, position, changes in data.get(_KEY, []):
            records.set_scoped(*scope, changes)
            trimmed.set_scoped(*scope, position)

    lambda_svc.get_state = get_state_of_functions
    dynamodb.get_state = get_state
    dynamodb.load_persisted_state = load_persisted_state
