"""The processes in which a local cloud runs its functions, to be killed as nothing else is."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.home import Home

_FOLDER = "ministack-lambda-dmp-local-"


def _command_lines() -> Iterator[tuple[int, str]]:
    processes = Path("/proc")
    if not processes.is_dir():
        told = subprocess.run(["ps", "-A", "-o", "pid=,args="], capture_output=True, check=True)
        for line in told.stdout.decode(errors="replace").splitlines():
            pid, _, arguments = line.strip().partition(" ")
            yield int(pid), arguments
        return
    for file in processes.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            yield int(file.parent.name), file.read_bytes().replace(b"\0", b" ").decode()


def running(home: Home) -> dict[int, str]:
    """The process id of each environment of the cloud in ``home``, and its function's name."""
    where = str(home.scratch / _FOLDER)
    return {
        pid: line.partition(where)[2].partition("/")[0].rpartition("-")[0]
        for pid, line in _command_lines()
        if where in line
    }


def named(*words: str) -> list[int]:
    """The processes whose command line holds every one of these words."""
    return [pid for pid, line in _command_lines() if all(word in line for word in words)]


@dataclass(slots=True)
class Kills:
    """The functions whose environments were killed, in order."""

    of: list[str] = field(default_factory=list)


@contextmanager
def killing(
    home: Home, wanted: Callable[[str], bool], *, every: float, most: int
) -> Iterator[Kills]:
    """Kills an environment of the ``wanted`` functions ``every`` so many seconds, ``most`` times,
    for as long as the block runs; which one is left to chance, the same in every run."""
    kills, over, chance = Kills(), threading.Event(), random.Random(14)  # noqa: S311

    def kill() -> None:
        while len(kills.of) < most and not over.wait(every):
            found = sorted((name, pid) for pid, name in running(home).items() if wanted(name))
            if found:
                name, pid = chance.choice(found)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills.of.append(name)

    killer = threading.Thread(target=kill, name="killer", daemon=True)
    killer.start()
    try:
        yield kills
    finally:
        over.set()
        killer.join()


def wait_for(question: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
