"""A running local cloud as its clients see it: ``stack.json``, clients, tokens.

`Stack.load` is what commands, the demonstration and the end-to-end tests start from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local import place
from infra.local.home import Home, HomeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.local.deploy import Deployed
    from infra.local.ports import Ports

_BOUNDARY = re.compile(r"(?<!^)(?=[A-Z])")
_FAMILIES = {
    "Table": "tables",
    "Bucket": "buckets",
    "Queue": "queues",
    "Workflow": "state_machines",
}


def _kebab(name: str) -> str:
    return _BOUNDARY.sub("-", name).lower()


def describe(deployed: Iterable[Deployed], ports: Ports) -> dict[str, Any]:
    """The content of ``stack.json`` from the outputs of the stacks.

    An output ``TableAccounts`` is the table ``accounts``, ``QueueHistoryRequests`` the queue
    ``history-requests``, and so on for ``Bucket`` and ``Workflow``; ``EventBusFacts`` is the bus.
    """
    content: dict[str, Any] = {
        "api": ports.api_url,
        "fhir": f"{ports.api_url}/fhir",
        "aws_endpoint": ports.aws_url,
        "region": place.REGION,
        **{family: {} for family in _FAMILIES.values()},
        "event_bus": None,
        "issuers": {kind: ports.issuer_url(kind) for kind in place.ISSUER_KINDS},
    }
    for stack in deployed:
        for key, value in stack.outputs.items():
            if key.startswith("EventBus"):
                content["event_bus"] = value
            for prefix, family in _FAMILIES.items():
                rest = key.removeprefix(prefix)
                if rest != key and rest[:1].isupper():
                    content[family][_kebab(rest)] = value
    return content


def output(deployed: Iterable[Deployed], key: str) -> str:
    """An output of one of the stacks; raises HomeError when none has it."""
    for stack in deployed:
        if key in stack.outputs:
            return stack.outputs[key]
    msg = f"no stack has the output {key}: the API can't be found"
    raise HomeError(msg)


@dataclass(frozen=True, slots=True)
class Stack:
    """A running local cloud: its home, and the ``content`` of its ``stack.json``."""

    home: Home
    content: Mapping[str, Any]

    @classmethod
    def load(cls, home: Home) -> Stack:
        """The stack that runs in ``home``; raises HomeError when none does."""
        content = home.stack()
        if content is None or home.pid() is None:
            msg = f"no local cloud is running in {home.path} (dmp up starts one)"
            raise HomeError(msg)
        return cls(home, content)

    @property
    def api(self) -> str:
        return str(self.content["api"])

    @property
    def aws_endpoint(self) -> str:
        return str(self.content["aws_endpoint"])

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client with root rights in this local cloud."""
        return place.client(service, self.aws_endpoint, **config)
