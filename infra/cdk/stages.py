"""The stages as frozen dataclasses: all in which local, dev and prod differ, and nothing else.

Account, region, domain and issuers of the AWS stages come from the environment
(`CDK_DEFAULT_ACCOUNT`, `CDK_DEFAULT_REGION`, `DMP_DOMAIN`, `DMP_ISSUERS`); none is written here.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("local", "dev", "prod")


@dataclass(frozen=True, slots=True)
class Stage:
    """One deployment of the whole house. Durations carry their unit in their name."""

    name: str
    protected: bool
    """Data outlives the stack: retained, deletion protection, Object Lock in compliance mode."""
    waf: bool
    lenient_identity: bool
    """Wrong INS keys pass under the test and demonstration OIDs, with a warning."""
    history_shards: int
    """Files per month of the insurer's history; one record lives in one shard."""
    join_shards: int
    """Workers of the partitioning fan-out."""
    log_days: int
    audit_lock_days: int
    requests_per_second: int
    burst: int
    requests_per_address: int
    """Requests of one address in five minutes before the WAF refuses it (AWS stages)."""
    authorizer_cache_seconds: int
    secret_recovery: bool
    """Whether a deleted secret can be restored (AWS keeps it 30 days)."""
    account: str | None = None
    region: str | None = None
    domain: str = "dmp.example"
    issuers: str = "{}"
    """JSON: kind of actor -> {"issuer", "jwks", "audience"}. Default of the parameter `Issuers`."""
    memory_mb: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """`<area>/<module>` -> MB, over what rights.json says."""

    @property
    def sender(self) -> str:
        return f"ne-pas-repondre@{self.domain}"

    @property
    def public_url(self) -> str:
        """Default of the parameter `PublicUrl`: the address that answers link to."""
        if self.name == "local":
            return "http://127.0.0.1:8080"
        return f"https://{self.domain}"

    @property
    def aws(self) -> bool:
        return self.name != "local"

    def missing(self) -> tuple[str, ...]:
        """Environment variables that this stage still needs before it can be deployed to AWS."""
        if not self.aws:
            return ()
        wanted = {
            "CDK_DEFAULT_ACCOUNT": self.account,
            "CDK_DEFAULT_REGION": self.region,
            "DMP_DOMAIN": None if self.domain.endswith(".example") else self.domain,
            "DMP_ISSUERS": None if self.issuers == "{}" else self.issuers,
        }
        return tuple(name for name, value in wanted.items() if not value)


_LOCAL = Stage(
    name="local",
    protected=False,
    waf=False,
    lenient_identity=True,
    history_shards=16,
    join_shards=4,
    log_days=7,
    audit_lock_days=1,
    requests_per_second=500,
    burst=1000,
    requests_per_address=100_000,
    authorizer_cache_seconds=0,
    secret_recovery=False,
)
_DEV = replace(
    _LOCAL,
    name="dev",
    waf=True,
    history_shards=256,
    join_shards=16,
    log_days=30,
    requests_per_second=100,
    burst=200,
    requests_per_address=2_000,
    authorizer_cache_seconds=60,
)
_PROD = replace(
    _DEV,
    name="prod",
    protected=True,
    lenient_identity=False,
    history_shards=4096,
    join_shards=128,
    log_days=365,
    audit_lock_days=3653,
    requests_per_second=2_000,
    burst=4_000,
    secret_recovery=True,
)


def stage(name: str, environ: Mapping[str, str] | None = None) -> Stage:
    """The stage of that name, with account, region, domain and issuers from `environ`.

    Raises ValueError when the name is none of `NAMES` or `DMP_ISSUERS` is not a JSON object.
    """
    found = {each.name: each for each in (_LOCAL, _DEV, _PROD)}.get(name)
    if found is None:
        raise ValueError(f"no stage {name!r}: choose one of {', '.join(NAMES)}")
    if not found.aws:
        return found
    environ = os.environ if environ is None else environ
    issuers = environ.get("DMP_ISSUERS") or "{}"
    if not isinstance(json.loads(issuers), dict):
        raise ValueError(  # noqa: TRY004 - it is the value of a variable
            "DMP_ISSUERS must be a JSON object: kind of actor -> issuer, jwks, audience"
        )
    region = environ.get("CDK_DEFAULT_REGION") or environ.get("AWS_REGION")
    return replace(
        found,
        account=environ.get("CDK_DEFAULT_ACCOUNT") or None,
        region=region or None,
        domain=environ.get("DMP_DOMAIN") or found.domain,
        issuers=issuers,
    )
