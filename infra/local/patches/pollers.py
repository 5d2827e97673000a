"""Queues and streams are handed to functions once the cloud answers, not before.

In AWS a function that is called can call. MiniStack polls as soon as its state is loaded, before it
listens: what waited in a queue when the cloud stopped went to functions that could reach nothing,
failed, and was hidden for the queue's visibility timeout, minutes.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from infra.local.patches import expect

if TYPE_CHECKING:
    from collections.abc import Callable

_serving = threading.Event()


def apply() -> None:
    """After `table_streams`, whose poller waits like the others."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - reads its settings at import

    def once_serving(poll: Callable[[], Any]) -> Callable[[], bool]:
        def polled() -> bool:
            return _serving.is_set() and bool(poll())

        return polled

    for name in ("_poll_sqs", "_poll_dynamodb_streams"):
        setattr(lambda_svc, name, once_serving(expect.function(lambda_svc, name)))


def begin() -> None:
    """To be called once functions can be called and can call."""
    _serving.set()
