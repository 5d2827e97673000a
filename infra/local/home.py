"""The folder that holds one local cloud: its state, its keys, its addresses, its process.

    <home>/stack.json     the addresses, for clients (docs/local-cloud.md)
    <home>/front.json     the routes of the deployed API, for the front
    <home>/state/         what MiniStack saved; <home>/s3/ the objects
    <home>/keys/          signing keys of the mock identity providers
    <home>/runtime/       what AWS's Python runtime has beside the standard library
    <home>/cloud.pid      process id, under a lock that the process holds while it lives
    <home>/cloud.log      what the process says

A lock held by the operating system tells a running cloud from a stale pid file, whatever ended
the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class HomeError(Exception):
    """The home can't be used as asked; the message says why, for the user."""


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def read_json(path: Path) -> Any:
    """The content of a JSON file; None when it is missing or unreadable as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


@dataclass(frozen=True, slots=True)
class Home:
    """One local cloud's folder; see the module's docstring for what stands where."""

    path: Path

    @classmethod
    def at(cls, path: str | Path) -> Home:
        return cls(Path(path).expanduser().resolve())

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def front_file(self) -> Path:
        return self.path / "front.json"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def objects(self) -> Path:
        return self.path / "s3"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def runtime(self) -> Path:
        return self.path / "runtime"

    @property
    def scratch(self) -> Path:
        return self.path / "tmp"

    @property
    def log(self) -> Path:
        return self.path / "cloud.log"

    @property
    def pid_file(self) -> Path:
        return self.path / "cloud.pid"

    def stack(self) -> dict[str, Any] | None:
        """``stack.json``, or None before the first complete start."""
        content = read_json(self.stack_file)
        return content if isinstance(content, dict) else None

    def wipe(self) -> None:
        """Forget everything; refused while a cloud runs here."""
        if self.pid() is not None:
            msg = f"a local cloud is running in {self.path} (dmp down stops it)"
            raise HomeError(msg)
        if not self.path.exists():
            return
        known = {"stack.json", "state", "s3", "cloud.pid"}
        if any(self.path.iterdir()) and not known & {entry.name for entry in self.path.iterdir()}:
            msg = f"{self.path} does not look like the home of a local cloud: nothing was removed"
            raise HomeError(msg)
        shutil.rmtree(self.path)

    def hold(self) -> IO[str]:
        """Take the home for this process until it ends; raises HomeError when it is taken.

        The file returned must stay open as long as the process serves.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        handle = self.pid_file.open("a+", encoding="ascii")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            msg = f"a local cloud is already running in {self.path} (process {self.pid()})"
            raise HomeError(msg) from error
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        return handle

    def pid(self) -> int | None:
        """The process id of the cloud that runs here; None when none does (a stale file too)."""
        try:
            handle = self.pid_file.open("r+", encoding="ascii")
        except FileNotFoundError:
            return None
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = handle.read().strip()
                return int(text) if text.isdigit() else None
            fcntl.flock(handle, fcntl.LOCK_UN)
            return None

    def stop(self, timeout: float = 60.0) -> bool:
        """End the cloud that runs here with SIGTERM and wait; False when none ran.

        Raises HomeError when it is still there after ``timeout`` seconds.
        """
        pid = self.pid()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self.pid() is not None:
            if time.monotonic() > deadline:
                msg = f"process {pid} did not stop within {timeout:.0f} s; see {self.log}"
                raise HomeError(msg)
            time.sleep(0.05)
        return True
