"""The few intrinsic functions that the reconcile step meets in the properties it reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.place import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


class Unresolved(LookupError):
    """A value of the template that this module does not know how to compute."""


class Resolver:
    """Values of one deployed stack.

    ``physical`` maps logical to physical ids, ``types`` logical ids to resource types, ``exports``
    export names to values.
    """

    def __init__(
        self, physical: Mapping[str, str], types: Mapping[str, str], exports: Mapping[str, str]
    ) -> None:
        self._physical = physical
        self._types = types
        self._exports = exports

    def value(self, node: Any) -> Any:
        """``node`` with its intrinsic functions computed; raises Unresolved for an unknown one."""
        if isinstance(node, list):
            return [self.value(one) for one in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        return {key: self.value(one) for key, one in node.items()}

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._reference(argument)
            case "Fn::GetAtt":
                logical, attribute = (
                    argument if isinstance(argument, list) else argument.split(".", 1)
                )
                return self._attribute(logical, attribute)
            case "Fn::Join":
                return str(argument[0]).join(str(self.value(one)) for one in argument[1])
            case "Fn::Sub":
                text = argument if isinstance(argument, str) else argument[0]
                return _VARIABLE.sub(lambda found: self._substituted(found[1]), text)
            case "Fn::ImportValue":
                export = self.value(argument)
                if export in self._exports:
                    return self._exports[export]
        msg = f"{name} of {argument}"
        raise Unresolved(msg)

    def _substituted(self, name: str) -> str:
        if "." in name:
            return str(self._attribute(*name.split(".", 1)))
        return str(self._reference(name))

    def _reference(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._physical:
            return self._physical[name]
        msg = f"Ref of {name}"
        raise Unresolved(msg)

    def _attribute(self, logical: str, attribute: str) -> str:
        if attribute == "Arn" and self._types.get(logical) == "AWS::KMS::Key":
            key = self._reference(logical)
            return key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
        msg = f"{attribute} of {logical}"
        raise Unresolved(msg)
