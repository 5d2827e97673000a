"""Saves the state of all services while the local cloud runs, and when it stops.

MiniStack saves on a graceful stop alone, one file a service. A killed process (``kill -9``) would
lose everything since its start, and one killed while it saves would find a stack without its
tables. Here all services are saved every few seconds when something was asked of the cloud, and a
save counts as a whole or not at all: its files are written beside (``state/next``), a mark says
that they are complete, then they take their places; a start finishes what was marked and forgets
what was not. What comes after the last save is lost by a kill; objects of S3 are on disk at once.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from infra.local.patches import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

log = logging.getLogger("dmp.checkpoint")
INTERVAL = 5.0  # seconds between checkpoints, at least
_SHARE = 20  # a checkpoint that took t is followed by a pause of at least 20 t
_TRIES = 3
# Services are read one after the other while work goes on. Who hands work over is read before who
# takes it, and who works before what it writes: then a killed cloud does something twice, which
# everything bears, and forgets nothing (a step that counts as done, without what it wrote).
_FIRST = ("lambda", "sqs", "stepfunctions")
_LAST = ("dynamodb", "ses", "ses_v2", "sns")
_MARK = "complete"


def recover(state: Path) -> None:
    """Finish the save that a kill cut short after its mark; forget one without a mark."""
    draft = state / "next"
    if (draft / _MARK).exists():
        _take_places(draft, state)
    shutil.rmtree(draft, ignore_errors=True)


def _take_places(draft: Path, state: Path) -> None:
    for file in draft.glob("*.json"):
        file.replace(state / file.name)


class Checkpoints:
    """A thread that saves all services; ``touched`` is called for every request served."""

    def __init__(self, state: Path, interval: float = INTERVAL) -> None:
        from ministack import app  # noqa: PLC0415 - reads its settings at import
        from ministack.core import persistence  # noqa: PLC0415

        self._services = expect.function(app, "_build_persistence_save_dict")
        self._default = expect.function(persistence, "_json_default", "obj")
        self._version = expect.function(persistence, "_state_format_version", "service")
        expect.function(app, "save_all", "services")
        app.save_all = self.save  # the save of a graceful stop
        self._state = state
        self._interval = interval
        self._saved: dict[str, int] = {}
        self._dirty = threading.Event()
        self._over = threading.Event()
        self._saving = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dmp-checkpoint", daemon=True)

    def touched(self) -> None:
        self._dirty.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further checkpoint; returns when one under way is done."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = self._interval
        while not self._over.wait(pause):
            if not self._dirty.is_set():
                continue
            self._dirty.clear()
            started = time.monotonic()
            try:
                self.save(self._services())
            except OSError as error:
                log.error("no checkpoint: %s", error)  # noqa: TRY400 - a full disk needs no trace
                self._dirty.set()
            pause = max(self._interval, _SHARE * (time.monotonic() - started))

    def save(self, services: Mapping[str, Callable[[], Any]]) -> None:
        """Save these services (name -> its state), together."""
        with self._saving:
            states = {name: self._of(name, services[name]) for name in in_order(services)}
            changed = {
                name: text
                for name, text in states.items()
                if text is not None and self._saved.get(name) != hash(text)
            }
            if not changed:
                return
            draft = self._state / "next"
            recover(self._state)
            draft.mkdir(parents=True)
            for name, text in changed.items():
                _write(draft / f"{name}.json", text)
            _write(draft / _MARK, "")
            _take_places(draft, self._state)
            shutil.rmtree(draft)
            self._saved |= {name: hash(text) for name, text in changed.items()}

    def _of(self, name: str, state_of: Callable[[], Any]) -> str | None:
        """The text of a service's file; None when it has nothing to save, or can't be read now."""
        for _ in range(_TRIES):
            try:
                state = state_of()
                if state is None:
                    return None
                wrapped = {"__ministack_format__": self._version(name), "payload": state}
                return json.dumps(wrapped, default=self._default)
            except RuntimeError:  # the service changed while it was read
                continue
        log.warning("%s keeps changing: it is left as it was saved before", name)
        self._dirty.set()
        return None


def in_order(services: Mapping[str, object]) -> list[str]:
    """The names of the services, in the order in which they are saved."""
    first = [name for name in _FIRST if name in services]
    last = [name for name in _LAST if name in services]
    return [*first, *(name for name in services if name not in {*first, *last}), *last]


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
