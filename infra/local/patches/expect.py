"""Checks that a private function of MiniStack is the one a patch was written for."""

from __future__ import annotations

import inspect
from typing import Any


class PatchError(RuntimeError):
    """MiniStack is not the version that a patch knows; the message names what differs."""


def function(owner: Any, name: str, *parameters: str) -> Any:
    """``owner.name``, provided that its parameters are exactly these, in this order."""
    where = f"{getattr(owner, '__name__', owner)}.{name}"
    found = getattr(owner, name, None)
    if not callable(found):
        msg = f"{where} is missing: this version of MiniStack needs another patch"
        raise PatchError(msg)
    shape = tuple(inspect.signature(found).parameters)
    if shape != parameters:
        msg = f"{where} takes {shape}, the patch knows {parameters}"
        raise PatchError(msg)
    return found


def replaced(text: str, old: str, new: str, where: str) -> str:
    """``text`` with the only occurrence of ``old`` replaced; anything but one is refused."""
    if text.count(old) != 1:
        msg = f"{where} holds {text.count(old)} times what the patch replaces, expected once: {old}"
        raise PatchError(msg)
    return text.replace(old, new)


def mapping(owner: Any, name: str, *keys: str) -> Any:
    """``owner.name``, provided that it is a dict with these keys."""
    found = getattr(owner, name, None)
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing:
        msg = f"{getattr(owner, '__name__', owner)}.{name} lacks {missing}"
        raise PatchError(msg)
    return found
