"""What a function is told by its environment, read once and checked at the first use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider: who signs, where its keys are, and for whom its tokens are meant."""

    kind: str
    issuer: str
    jwks: str
    audience: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment that the CDK derives from `rights.json`: a resource without a right has no
    variable, so asking for it is a KeyError that names it."""

    environment: Mapping[str, str]

    def _named(self, family: str, name: str) -> str:
        return self.environment[f"DMP_{family}_{name.upper().replace('-', '_')}"]

    def table(self, name: str) -> str:
        return self._named("TABLE", name)

    def bucket(self, name: str) -> str:
        return self._named("BUCKET", name)

    def queue(self, name: str) -> str:
        """The queue's URL."""
        return self._named("QUEUE", name)

    def workflow(self, name: str) -> str:
        """The state machine's ARN."""
        return self._named("WORKFLOW", name)

    def key(self, name: str) -> str:
        """The KMS key's ARN."""
        return self._named("KEY", name)

    @property
    def stage(self) -> str:
        return self.environment["DMP_STAGE"]

    @property
    def event_bus(self) -> str:
        return self.environment["DMP_EVENT_BUS"]

    def secret(self, name: str) -> str:
        """The secret's ARN."""
        return self._named("SECRET", name)

    @property
    def api_url(self) -> str:
        """The public address, without a slash at its end."""
        return self.environment["DMP_API_URL"].rstrip("/")

    @property
    def sender(self) -> str:
        return self.environment["DMP_SENDER"]

    @property
    def attempts(self) -> int:
        """How often the function's queue hands a message out before it goes to the dead letters."""
        return int(self.environment["DMP_ATTEMPTS"])

    @property
    def lenient_identity(self) -> bool:
        return self.environment.get("DMP_LENIENT_IDENTITY", "false") == "true"

    @property
    def history_shards(self) -> int:
        return int(self.environment["DMP_HISTORY_SHARDS"])

    @property
    def join_shards(self) -> int:
        return int(self.environment["DMP_JOIN_SHARDS"])

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        told = json.loads(self.environment["DMP_ISSUERS"])
        return tuple(
            Issuer(kind, one["issuer"], one["jwks"], one["audience"]) for kind, one in told.items()
        )


@cache
def settings() -> Settings:
    """The settings of this function."""
    return Settings(os.environ)
