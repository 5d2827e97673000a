"""Shows what is being done, on one line of a terminal or line by line in a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEPS_APART = 5.0  # seconds between lines of a log that say nearly the same


def stderr() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def shown(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """A function that shows a step; a terminal keeps one line, a log gets a line per stage."""
    started = time.monotonic()
    if console.is_terminal:
        with console.status(title) as status:
            yield lambda step: status.update(
                f"{title}: {step} [dim]{time.monotonic() - started:.0f} s[/]"
            )
        return
    last_stage, last_at = "", 0.0

    def log(step: str) -> None:
        nonlocal last_stage, last_at
        stage, now = step.split(":", maxsplit=1)[0], time.monotonic()
        if stage != last_stage or now - last_at > _STEPS_APART:
            console.print(f"{now - started:6.1f} s  {step}", markup=False)
            last_stage, last_at = stage, now

    yield log
