"""How deep JSON from outside goes: what is nested without end is meant to break its reader."""

from __future__ import annotations

from typing import Any


def deeper(told: Any, levels: int) -> bool:
    """Whether decoded JSON is nested deeper than that many levels; looked at without recursion."""
    level = [told]
    for _ in range(levels):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
