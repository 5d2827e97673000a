"""JSON Patch [RFC 6902] on a FHIR resource, of which only some members may change.

What is no patch is Malformed (400). What cannot be applied, and a `test` that fails, is Invalid
(422) [RFC 5789, section 2.2]. What would change anything else is NotAllowed (405). All or nothing:
the resource given is never changed, a patch that fails leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dmp.domain.errors import Fault, Invalid, Malformed, NotAllowed, TooLarge
from dmp.edge.nesting import deeper

MOST_OPERATIONS = 100
LARGEST = 64 * 1024
"""Bytes of a patch; and how far a resource may grow by one."""
_DEEPEST = 32

_WRITES = frozenset({"add", "remove", "replace", "move", "copy"})
_VALUED = frozenset({"add", "replace", "test"})
_FROM = frozenset({"move", "copy"})
_KNOWN = _WRITES | {"test"}

Kept = Callable[[Mapping[str, Any]], Any]


def _nothing(_: Mapping[str, Any]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch whose form is right: a list of operations, each with what it needs."""

    operations: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, told: Any) -> Patch:
        """The patch in the JSON of a body; Malformed with every fault, TooLarge."""
        if not isinstance(told, list):
            raise Malformed(Fault("patch", "patch", "a list of operations"))
        if len(told) > MOST_OPERATIONS:
            raise TooLarge
        faults = [
            fault for index, operation in enumerate(told) for fault in _faults(operation, index)
        ]
        if faults:
            raise Malformed(*faults)
        if deeper(told, _DEEPEST):
            raise Malformed(Fault("patch", "patch", f"nested deeper than {_DEEPEST}"))
        if len(_written(told)) > LARGEST:
            raise TooLarge
        return cls(tuple(told))

    def on(
        self, resource: Mapping[str, Any], *, allowed: Sequence[str], kept: Kept = _nothing
    ) -> dict[str, Any]:
        """The patched resource.

        `allowed` are the JSON Pointers of the members that may change (`/status`,
        `/provision/period`): an operation that writes elsewhere is refused, even when the end is
        as it was. `kept` says what of those members has to stay all the same (an extension of
        others beside the one that may change); it meets whatever JSON a patch puts there. `test`
        and the source of a `copy` may be anywhere.

        Raises Invalid for what cannot be applied and NotAllowed for what may not be.
        """
        for operation in self.operations:
            if not all(_within(written, allowed) for written in _targets(operation)):
                raise NotAllowed
        before = dict(resource)
        after = self._applied(before)
        if not isinstance(after, dict) or not _same(_rest(before, allowed), _rest(after, allowed)):
            raise NotAllowed
        if not _same(kept(before), kept(after)):
            raise NotAllowed
        return after

    def _applied(self, resource: dict[str, Any]) -> Any:
        from jsonpatch import (  # noqa: PLC0415 - most requests bring no patch
            JsonPatch,
            JsonPatchException,
            JsonPatchTestFailed,
            JsonPointerException,
        )

        most = len(_written(resource)) + LARGEST
        after: Any = resource
        for index, operation in enumerate(self.operations):
            at = f"patch[{index}]"
            try:
                after = JsonPatch([dict(operation)]).apply(after)  # on a copy of its own
                size = len(_written(after))
            except JsonPatchTestFailed:
                raise Invalid(Fault(at, "test-failed", "what is tested is not so")) from None
            except (JsonPatchException, JsonPointerException, TypeError):
                raise Invalid(Fault(at, "patch", "cannot be applied to this resource")) from None
            except RecursionError:
                raise Invalid(Fault(at, "too-large", "nested too deep")) from None
            if size > most:  # a list copied into itself doubles with each operation
                raise Invalid(Fault(at, "too-large", "more than a patch may add"))
        return after


def _faults(operation: Any, index: int) -> Iterator[Fault]:
    at = f"patch[{index}]"
    if not isinstance(operation, dict):
        yield Fault(at, "patch", "not an operation")
        return
    verb = operation.get("op")
    if not isinstance(verb, str) or verb not in _KNOWN:
        yield Fault(f"{at}.op", "patch", "add, remove, replace, move, copy or test")
        return
    for name in ("path", "from") if verb in _FROM else ("path",):
        if not _is_pointer(operation.get(name)):
            yield Fault(f"{at}.{name}", "patch", "not a JSON Pointer")
    if verb in _VALUED and "value" not in operation:
        yield Fault(f"{at}.value", "patch", "a value is required")


def _is_pointer(told: Any) -> bool:
    """RFC 6901: empty, or begun by a slash; a tilde is always escaped."""
    if not isinstance(told, str) or (told and not told.startswith("/")):
        return False
    return "~" not in told.replace("~0", "").replace("~1", "")


def _targets(operation: Mapping[str, Any]) -> list[str]:
    """The pointers that an operation writes to; a move takes away where it takes from."""
    verb = operation["op"]
    written = [operation["path"]] if verb in _WRITES else []
    return [*written, operation["from"]] if verb == "move" else written


def _within(pointer: str, allowed: Sequence[str]) -> bool:
    return any(pointer == one or pointer.startswith(f"{one}/") for one in allowed)


def _rest(resource: Mapping[str, Any], allowed: Sequence[str]) -> Any:
    """The resource without the members that may change."""
    rest: dict[str, Any] = json.loads(_written(resource))
    for pointer in allowed:
        *places, last = pointer.removeprefix("/").split("/")
        held: Any = rest
        for place in places:
            held = held.get(place) if isinstance(held, dict) else None
        if isinstance(held, dict):
            held.pop(last, None)
    return rest


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1, and 1 is not 1.0; members have no order."""
    return _written(one) == _written(other)


def _written(told: Any) -> bytes:
    """Malformed for what JSON in UTF-8 does not know (an infinite number, half a character)."""
    try:
        return json.dumps(told, sort_keys=True, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except ValueError:
        raise Malformed(Fault("patch", "json", "not JSON in UTF-8")) from None
