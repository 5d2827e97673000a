"""Saves the state of every service while the local cloud runs.

MiniStack saves on a graceful stop. A killed process (``kill -9``, power) would lose everything
since its start; with a checkpoint every few seconds it loses what came after the last one.
Objects of S3 are on disk at once. A checkpoint happens only when something was asked of the cloud
since the last one, and takes at most a twentieth of the time.
"""

from __future__ import annotations

import logging
import threading
import time

from infra.local.patches import expect

log = logging.getLogger("dmp.checkpoint")
INTERVAL = 5.0  # seconds between checkpoints, at least
_SHARE = 20  # a checkpoint that took t is followed by a pause of at least 20 t
_TRIES = 3


class Checkpoints:
    """A thread that saves all services; ``touched`` is called for every request served."""

    def __init__(self, interval: float = INTERVAL) -> None:
        from ministack import app  # noqa: PLC0415 - reads its settings at import
        from ministack.core import persistence  # noqa: PLC0415

        self._services = expect.function(app, "_build_persistence_save_dict")
        self._save = expect.function(persistence, "save_state", "service", "data")
        self._interval = interval
        self._dirty = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dmp-checkpoint", daemon=True)

    def touched(self) -> None:
        self._dirty.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further checkpoint; returns when one under way is done."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        pause = self._interval
        while not self._over.wait(pause):
            if not self._dirty.is_set():
                continue
            self._dirty.clear()
            started = time.monotonic()
            self._checkpoint()
            pause = max(self._interval, _SHARE * (time.monotonic() - started))

    def _checkpoint(self) -> None:
        for service, state_of in self._services().items():
            for attempt in range(1, _TRIES + 1):
                try:
                    state = state_of()
                    if state is not None:
                        self._save(service, state)
                    break
                except RuntimeError:  # the service changed while it was read
                    if attempt == _TRIES:
                        log.warning("no checkpoint of %s this time", service)
                        self._dirty.set()
