"""``Ref`` of a secret is its ARN, as in AWS; MiniStack gives its name.

The rights of a function name the secret by its ARN, so that a name would be refused. MiniStack's
own functions know the secret by its name: they get it back when the stack changes or goes.
"""

from __future__ import annotations

from typing import Any

from infra.local.patches import expect

_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type


def _name(physical_id: str) -> str:
    """``arn:aws:secretsmanager:<region>:<account>:secret:<name>-<6 random>`` -> ``<name>``."""
    if not physical_id.startswith("arn:"):
        return physical_id
    return physical_id.split(":secret:", 1)[1].rsplit("-", 1)[0]


def apply() -> None:
    from ministack.services.cloudformation import (  # noqa: PLC0415 - reads settings at import
        provisioners,
    )

    handlers = expect.mapping(provisioners, "_RESOURCE_HANDLERS", _SECRET)[_SECRET]
    create = expect.function(provisioners, "_sm_secret_create", "logical_id", "props", "stack_name")
    update = expect.function(
        provisioners,
        "_sm_secret_update",
        "physical_id",
        "old_props",
        "new_props",
        "stack_name",
        "logical_id",
    )
    delete = expect.function(provisioners, "_sm_secret_delete", "physical_id", "props")

    def create_with_arn(logical_id: str, props: Any, stack_name: str) -> tuple[str, Any]:
        _, attributes = create(logical_id, props, stack_name)
        return attributes["Id"], attributes

    def update_with_arn(physical_id: str, *given: Any, **named: Any) -> tuple[str, Any]:
        _, attributes = update(_name(physical_id), *given, **named)
        return attributes["Id"], attributes

    def delete_by_name(physical_id: str, props: Any) -> None:
        delete(_name(physical_id), props)

    handlers |= {"create": create_with_arn, "update": update_with_arn, "delete": delete_by_name}
