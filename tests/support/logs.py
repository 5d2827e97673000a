"""What a function writes into its log, whole lines with all their fields."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools.logging import Logger


@contextmanager
def written_by(journal: Logger) -> Iterator[io.StringIO]:
    """Everything that a journal writes inside; pytest's captures miss it, because a logger keeps
    the standard output of the moment of its birth."""
    handler = journal.registered_handler
    caught = io.StringIO()
    before = handler.setStream(caught)
    try:
        yield caught
    finally:
        handler.setStream(before)
