"""A message that a function held when the cloud stopped is handed out again when it starts.

In AWS functions outlive whoever starts and stops them, and a message that nobody finished is seen
again after the queue's visibility timeout: minutes. Here the functions ended with the cloud, so
nobody can finish what they held, and a restart would wait those minutes for nothing. How often the
message was received still counts.
"""

from __future__ import annotations

import time
from typing import Any

from infra.local.patches import expect


def apply() -> None:
    from ministack.services import sqs  # noqa: PLC0415 - reads its settings at import

    load = expect.function(sqs, "load_persisted_state", "data")

    def load_persisted_state(data: dict[str, Any]) -> None:
        load(data)
        now = time.time()
        for _, queue in sqs._queues.all_items():  # noqa: SLF001
            for message in queue["messages"]:
                if message.get("receive_count"):
                    message["visible_at"] = min(message["visible_at"], now)

    sqs.load_persisted_state = load_persisted_state
