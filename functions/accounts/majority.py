"""Each morning: the holders who come of age in a month, told on the bus."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dmp.edge.observability import logger
from functions.accounts.wiring_majority import remind_majority

journal = logger("accounts")


def handler(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """The Lambda handler; answers how many reminders went out."""
    sent = remind_majority()(datetime.now(UTC))
    journal.info("reminded of majority", count=sent)
    return {"reminded": sent}
