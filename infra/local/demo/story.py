"""The demonstration's steps: each one tried, timed, told on its own line of a table as it ends."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

_TITLE = 45
_WIDTH = 112
_NARROWEST = 90


class Unexpected(Exception):
    """A step saw something else than it should have; the message says what."""


class Missing(Exception):
    """A step needs what an earlier one did not bring; the message names it."""


class Outcome(StrEnum):
    DONE = "✓"
    FAILED = "✗"
    SKIPPED = "–"


_STYLES = {Outcome.DONE: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "yellow"}


@dataclass(frozen=True, slots=True)
class Told:
    """One step as it went; `seconds` is its wall clock."""

    title: str
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(slots=True)
class Story:
    """What was tried and how it went, printed on `console` as it goes."""

    console: Console
    told: list[Told] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}", align="left", style="dim")

    def step(self, title: str, act: Callable[[], str]) -> bool:
        """Try `act`; it returns what happened in a few words, or raises. True when it was done."""
        begun = time.monotonic()
        try:
            with self.console.status(f"{escape(title)} …"):
                outcome, detail = Outcome.DONE, act()
        except Missing as missing:
            outcome, detail = Outcome.SKIPPED, f"not tried: {missing}"
        except Unexpected as surprise:
            outcome, detail = Outcome.FAILED, str(surprise)
        except (httpx.HTTPError, OSError) as error:
            outcome, detail = Outcome.FAILED, f"{type(error).__name__}: {error}"
        told = Told(title, outcome, detail, time.monotonic() - begun)
        self.told.append(told)
        self._print(told)
        return outcome is Outcome.DONE

    def _print(self, told: Told) -> None:
        row = Table.grid(padding=(0, 1))
        row.add_column(width=1)
        row.add_column(width=_TITLE)
        row.add_column(width=max(20, self.console.width - _TITLE - 13))
        row.add_column(width=8, justify="right", style="dim")
        style = _STYLES[told.outcome]
        row.add_row(
            f"[{style}]{told.outcome}[/]",
            escape(told.title),
            f"[{'dim' if told.outcome is Outcome.DONE else style}]{escape(told.detail)}[/]",
            f"{told.seconds:.2f} s",
        )
        self.console.print(row)

    def count(self, outcome: Outcome) -> int:
        return sum(told.outcome is outcome for told in self.told)

    @property
    def good(self) -> bool:
        """Whether every step did what it should."""
        return bool(self.told) and self.count(Outcome.DONE) == len(self.told)


class _Lines(io.TextIOBase):
    """A text stream that hands whole lines to a function."""

    def __init__(self, out: Callable[[str], object]) -> None:
        self._out = out
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._out(line)
        return len(text)

    def flush(self) -> None:
        """Only whole lines are handed on."""


def console_for(out: Callable[[str], object]) -> Console:
    """The terminal itself for `print`, so that it has colours; else plain lines to `out`."""
    if out is print and sys.stdout.isatty():
        wide = Console().width >= _NARROWEST
        return Console(highlight=False, width=None if wide else _NARROWEST)
    return Console(file=_Lines(out), width=_WIDTH, highlight=False, color_system=None)
