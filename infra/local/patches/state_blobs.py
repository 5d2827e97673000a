"""Large bytes of the saved state stand beside it, written once, not again in every save.

MiniStack writes the archives of the layers into ``lambda.json`` as base64: 100 MB a save, which a
checkpoint every few seconds can't afford. Here bytes above 64 KiB go to ``state/blobs/<sha256>``.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from infra.local.patches import expect

if TYPE_CHECKING:
    from pathlib import Path

_LARGE = 65_536  # bytes
_MARK = "__blob__"


def apply(state: Path) -> None:
    from ministack.core import persistence  # noqa: PLC0415 - reads its settings at import

    encode = expect.function(persistence, "_json_default", "obj")
    decode = expect.function(persistence, "_json_object_hook", "obj")
    folder = state / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    hashes: dict[int, tuple[bytes, str]] = {}  # id -> (kept alive so that the id stays its own)

    def digest(content: bytes) -> str:
        known = hashes.get(id(content))
        if known is None or known[0] is not content:
            known = hashes[id(content)] = (content, hashlib.sha256(content).hexdigest())
        return known[1]

    def write(obj: Any) -> Any:
        if not isinstance(obj, bytes) or len(obj) < _LARGE:
            return encode(obj)
        name = digest(obj)
        target = folder / name
        if not target.exists():
            draft = folder / f".{name}.{os.getpid()}"
            draft.write_bytes(obj)
            draft.replace(target)
        return {_MARK: name}

    def read(obj: dict[str, Any]) -> Any:
        if _MARK not in obj:
            return decode(obj)
        content = (folder / obj[_MARK]).read_bytes()
        hashes[id(content)] = (content, obj[_MARK])
        return content

    persistence._json_default = write  # noqa: SLF001
    persistence._json_object_hook = read  # noqa: SLF001
