"""One local stack for all end-to-end tests: own folder, own ports, IAM enforcement on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.client import Dmp
from tests.support.local_stack import own_cloud


@pytest.fixture(scope="session")
def dmp() -> Iterator[Dmp]:
    with own_cloud() as cloud, httpx.Client(base_url=cloud.stack.api, timeout=30) as http:
        yield Dmp(cloud.stack, http)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """`eventually(lambda: …)`: the first true value of a question, asked for up to a minute."""

    def ask(question: Callable[[], Any], *, within: float = 60.0) -> Any:
        end = time.monotonic() + within
        while True:
            answer = question()
            if answer or time.monotonic() > end:
                return answer
            time.sleep(0.25)

    return ask
