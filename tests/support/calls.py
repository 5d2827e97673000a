"""The AWS calls that a piece of code makes, in order, by whichever client of the house."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dmp.store.aws import client

SERVICES = ("dynamodb", "s3", "secretsmanager", "kms")


@contextmanager
def counted(*services: str) -> Iterator[list[str]]:
    """`dynamodb:BatchGetItem`, … as they are made inside of the block."""
    calls: list[str] = []
    with ExitStack() as watched:
        for service in services or SERVICES:
            watched.enter_context(_watched(service, calls))
        yield calls


@contextmanager
def _watched(service: str, calls: list[str]) -> Iterator[None]:
    def told(model: Any, **_: Any) -> None:
        calls.append(f"{service}:{model.name}")

    events = client(service).meta.events
    events.register(f"before-call.{service}", told)
    try:
        yield
    finally:
        events.unregister(f"before-call.{service}", told)
