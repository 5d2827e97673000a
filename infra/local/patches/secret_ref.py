"""``Ref`` of a secret is its ARN, as in AWS; MiniStack gives its name.

The rights of a function name the secret by its ARN, so that a name would be refused.
"""

from __future__ import annotations

from typing import Any

from infra.local.patches import expect

_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type


def apply() -> None:
    from ministack.services.cloudformation import (  # noqa: PLC0415 - reads settings at import
        provisioners,
    )

    handlers = expect.mapping(provisioners, "_RESOURCE_HANDLERS", _SECRET)[_SECRET]
    create = handlers["create"]

    def create_with_arn(logical_id: str, props: Any, stack_name: str) -> tuple[str, Any]:
        _name, attributes = create(logical_id, props, stack_name)
        return attributes["Id"], attributes

    handlers["create"] = create_with_arn
