"""A function that fails behind the API: its exception's text stays inside.

In AWS the caller gets ``502 {"message": "Internal server error"}``; MiniStack answers with the
exception's own text, which may hold anything.
"""

from __future__ import annotations

from typing import Any

from infra.local.patches import expect


def apply() -> None:
    from ministack.services import apigateway_v1  # noqa: PLC0415 - reads its settings at import

    shape = expect.function(apigateway_v1, "_lambda_proxy_response", "result")

    def without_text(result: Any) -> tuple[Any, str | None]:
        response, error = shape(result)
        return response, None if error is None else "Internal server error"

    apigateway_v1._lambda_proxy_response = without_text  # noqa: SLF001
