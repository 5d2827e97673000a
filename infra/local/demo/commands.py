"""The `dmp` commands that the demonstration uses, by the functions behind them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local import directory, extracts, inbox, tokens, traces
from infra.local.demo.story import Unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE = 300.0  # seconds for an import


@dataclass(frozen=True, slots=True)
class UserCommands:
    """`journey.Commands` on a running stack (the content of `stack.json`)."""

    stack: Mapping[str, Any]

    def token(self, arguments: Sequence[str]) -> str:
        with _said(tokens.TokenError):
            return tokens.issue(self.stack, arguments)

    def load_directory(self, path: Path) -> int:
        with _said(directory.DirectoryError):
            return directory.load(self.stack, path)

    def import_extract(self, path: Path) -> Mapping[str, Any]:
        with _said(extracts.UsageError):
            return extracts.import_extract(self.stack, path, patience=_PATIENCE)

    def inbox(self) -> list[dict[str, Any]]:
        return inbox.messages(self.stack)

    def seal_traces(self) -> list[int]:
        with _said(traces.TracesError):
            return traces.Journal.local(self.stack).seal()

    def verify_traces(self) -> Mapping[str, Any]:
        with _said(traces.TracesError):
            report, seconds = traces.timed(traces.Journal.local(self.stack).verify)
        return {**traces.as_json(report, seconds), "counted": traces.counted(report.findings)}


@contextmanager
def _said(kind: type[Exception]) -> Iterator[None]:
    """What a command says of its failure, as the step's."""
    try:
        yield
    except kind as error:
        raise Unexpected(str(error)) from error
