"""What MiniStack 1.5.33 does otherwise than AWS, put right in this process.

One module a gap. Each leans on private functions of that exact version, so each checks first
that they are there in the shape it knows (`patches.expect`) and each has a contract test in
``tests/contract/test_local_cloud_*.py`` that proves the behaviour from outside.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from infra.local.patches import (
    distributed_map,
    form_checksums,
    gateway_errors,
    handler_errors,
    held_messages,
    interrupted_executions,
    isolation,
    layers,
    logged_metrics,
    loopback_tls,
    mail_identities,
    pollers,
    redrive,
    secret_ref,
    sent_mail,
    state_blobs,
    table_streams,
    undelivered_changes,
    workers,
)
from infra.local.patches.expect import PatchError
from infra.local.product import ROOT

if TYPE_CHECKING:
    from infra.local.home import Home

MINISTACK = "1.5.33"
# Shared by every home: the same layer is unpacked, and its modules compiled, once a checkout.
UNPACKED_LAYERS = ROOT / ".build" / "layers"

__all__ = ["MINISTACK", "PatchError", "apply", "apply_to_cloudformation", "once_serving"]


def apply(home: Home) -> None:
    """Apply every patch but those of CloudFormation.

    Raises PatchError naming the function that is not as expected.
    """
    found = version("ministack")
    if found != MINISTACK:
        msg = f"the local cloud is made for ministack {MINISTACK}, found {found}"
        raise PatchError(msg)
    handler_errors.apply()
    isolation.apply(home.runtime)
    layers.apply(UNPACKED_LAYERS)
    workers.apply()
    logged_metrics.apply()
    distributed_map.apply()
    loopback_tls.apply()
    mail_identities.apply()
    gateway_errors.apply()
    state_blobs.apply(home.state)
    form_checksums.apply()
    table_streams.apply()
    pollers.apply()
    undelivered_changes.apply()
    held_messages.apply()
    interrupted_executions.apply()
    sent_mail.apply()
    redrive.apply()


def once_serving() -> None:
    """What must wait until functions can be called and can call."""
    pollers.begin()
    interrupted_executions.resume()


def apply_to_cloudformation() -> None:
    """The patches of CloudFormation, whose import takes two seconds: apart, so that everything
    else answers meanwhile."""
    secret_ref.apply()
