"""A layer is unpacked once, not once per function and per worker.

MiniStack unpacks every layer for every worker that it starts, seconds each for a large one. Here
a layer stands unpacked under the hash of its content; every worker of every local cloud of this
checkout shares it, with the bytecode that the first one to import a module leaves beside it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

from infra.local.patches import expect

_SEARCH_PATH = "_LAMBDA_LAYERS_DIRS"
_KEPT = 40  # layers, most of them a megabyte of our own code


def _unpack(content: bytes, folder: Path) -> None:
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(draft)
    try:
        draft.rename(folder)
    except OSError:  # another local cloud was faster
        shutil.rmtree(draft)
        if not folder.is_dir():
            raise


def _forget(folder: Path) -> None:
    """Keep the layers used last."""
    unpacked = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    for old in unpacked[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def apply(folder: Path) -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415 - reads its settings at import
    from ministack.services import lambda_svc  # noqa: PLC0415

    spawn = expect.function(lambda_runtime.Worker, "_spawn", "self")
    read = expect.function(lambda_svc, "_resolve_layer_zip", "attachment")
    folder.mkdir(parents=True, exist_ok=True)
    _forget(folder)
    lock = threading.Lock()
    known: dict[str, Path] = {}

    def unpacked(attachment: Any) -> Path:
        arn = attachment if isinstance(attachment, str) else attachment.get("Arn", "")
        with lock:
            if arn not in known:
                content = read(attachment)
                if content is None:
                    msg = f"layer {arn} has no content"
                    raise RuntimeError(msg)
                target = folder / hashlib.sha256(content).hexdigest()[:32]
                if target.is_dir():
                    os.utime(target)
                else:
                    _unpack(content, target)
                known[arn] = target
            return known[arn]

    def spawn_sharing_layers(self: Any) -> None:
        config = self.config
        layers = config.get("Layers") or []
        if not layers or not str(config.get("Runtime", "")).startswith("python"):
            spawn(self)
            return
        path = os.pathsep.join(str(unpacked(attachment)) for attachment in layers)
        variables = (config.get("Environment") or {}).get("Variables") or {}
        self.config = {
            **config,
            "Layers": [],
            "Environment": {"Variables": {**variables, _SEARCH_PATH: path}},
        }
        try:
            spawn(self)
        finally:
            self.config = config

    lambda_runtime.Worker._spawn = spawn_sharing_layers  # noqa: SLF001
