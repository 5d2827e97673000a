"""The loopback counts as TLS.

Buckets, queues and topics refuse ``aws:SecureTransport: false`` in AWS, and so does the template.
Locally nothing leaves the machine and nothing is encrypted: without this patch every request
would be refused, those that one service makes to another included.
"""

from __future__ import annotations

import contextvars
import sys

from infra.local.patches import expect


def apply() -> None:
    from ministack.core import iam_evaluator  # noqa: PLC0415 - reads its settings at import

    pin = expect.function(iam_evaluator, "pin_request_origin", "source_ip", "secure_transport")
    origin = getattr(iam_evaluator, "_request_origin", None)
    if not isinstance(origin, contextvars.ContextVar) or origin.get() != ("127.0.0.1", False):
        msg = "iam_evaluator._request_origin is no longer (address, TLS)"
        raise expect.PatchError(msg)

    def pin_as_tls(source_ip: str, _secure_transport: bool) -> None:  # noqa: FBT001
        pin(source_ip, True)  # noqa: FBT003 - MiniStack's own signature

    iam_evaluator._request_origin = contextvars.ContextVar(  # noqa: SLF001
        "ministack_request_origin", default=("127.0.0.1", True)
    )
    for module in list(sys.modules.values()):
        if getattr(module, "pin_request_origin", None) is pin:
            module.pin_request_origin = pin_as_tls  # type: ignore[attr-defined]
