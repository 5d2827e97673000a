"""A function has a few environments; its callers wait for a free one, in their order.

In AWS every call that finds no free environment starts another, on another machine. MiniStack
does the same in processes of this machine: twenty openings at once were forty-four cold starts
that waited for each other on two cores, and their processes stayed. Here a function has at most
`MOST` environments and a caller waits until one is free; no caller overtakes another. Its wait
ends: who holds an environment gives it back at the latest when the function's time is over.

A function that calls a function never waits, so that one that calls itself cannot wait for
itself. Cold starts themselves take turns: no more at once than there are processors.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from typing import Any

from infra.local.patches import expect

PROCESSORS = os.cpu_count() or 1
MOST = max(2, min(PROCESSORS, 4))  # environments of one function
_LOOK = 1.0  # seconds after which a caller looks again without having been told
_BY_A_FUNCTION = 2  # the depth of a call that a function made; who calls from outside has 0 or 1


def apply() -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415 - reads its settings at import
    from ministack.services import lambda_svc  # noqa: PLC0415

    parameters = ("func_name", "config", "code_zip", "qualifier", "max_concurrency")
    turns = _Turns(
        expect.function(lambda_runtime, "acquire_worker", *parameters),
        expect.function(lambda_runtime, "release_worker", "worker"),
        expect.function(lambda_runtime, "_worker_key", "func_name", "config", "qualifier"),
        lambda_svc._invoke_depth.get,  # noqa: SLF001
    )
    spawn = expect.function(lambda_runtime.Worker, "_spawn", "self")
    starting = threading.BoundedSemaphore(PROCESSORS)

    def spawn_in_turn(self: Any) -> None:
        with starting:
            spawn(self)

    for module in (lambda_runtime, lambda_svc):
        if module.acquire_worker is not turns.lend or module.release_worker is not turns.free:
            msg = f"{module.__name__} takes its workers from somewhere else"
            raise expect.PatchError(msg)
        module.acquire_worker = turns.acquire
        module.release_worker = turns.release
    lambda_runtime.Worker._spawn = spawn_in_turn  # noqa: SLF001


class _Turns:
    """The callers of each function, one behind the other."""

    def __init__(self, lend: Any, free: Any, key: Any, depth: Any) -> None:
        self.lend = lend
        self.free = free
        self._key = key
        self._depth = depth
        self._changed = threading.Condition()
        self._callers: defaultdict[str, deque[object]] = defaultdict(deque)

    def acquire(
        self,
        func_name: str,
        config: dict[str, Any],
        code_zip: bytes,
        qualifier: str = "$LATEST",
        max_concurrency: int | None = None,
    ) -> Any:
        """A worker and how it was got, as MiniStack's own function gives them."""
        wanted = (func_name, config, code_zip, qualifier)
        if self._depth() >= _BY_A_FUNCTION:
            return self.lend(*wanted, max_concurrency)
        caller = object()
        callers = self._callers[self._key(func_name, config, qualifier)]
        with self._changed:
            callers.append(caller)
            try:
                while True:
                    if callers[0] is caller:
                        worker, how = self.lend(*wanted, max_concurrency or MOST)
                        if worker is not None:
                            return worker, how
                    self._changed.wait(_LOOK)
            finally:
                callers.remove(caller)
                self._changed.notify_all()

    def release(self, worker: Any) -> None:
        """Give a worker back; None when it was lost."""
        self.free(worker)
        with self._changed:
            self._changed.notify_all()
