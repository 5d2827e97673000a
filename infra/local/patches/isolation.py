"""A function sees its own code, its layers and the runtime, and nothing of this machine's.

MiniStack runs functions on its own interpreter, whose installed packages would hide one that is
missing from a layer. Here a worker's path holds the standard library, the function, its layers
and, last, what AWS's Python runtime brings along (boto3 and what it needs). The user's own
environment (profiles, proxies, Python settings) does not reach it either.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from infra.local.patches import expect

# What is in AWS's python runtimes beside the standard library.
RUNTIME_PACKAGES = (
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "urllib3",
    "six",
)
ENVIRONMENT = "_DMP_RUNTIME"
_IMPORTS = "import sys, json, importlib, traceback, os, time\n"
_PRUNE = (
    "_own, _std = os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.__file__)\n"
    "sys.path[:] = [p for p in sys.path if p in (_own, _std) or p.endswith('.zip') "
    "or p.startswith(_std + os.sep) and 'site-packages' not in p and 'dist-packages' not in p]\n"
    f'sys.path.append(os.environ.pop("{ENVIRONMENT}"))\n'
)


def _link(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # links, and what Python compiled beside them
    folder.mkdir(parents=True)
    for package in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            msg = f"{package} is not installed beside the local cloud"
            raise expect.PatchError(msg)
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)


def apply(runtime: Path) -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415 - reads its settings at import

    _link(runtime)
    os.environ[ENVIRONMENT] = str(runtime)
    lambda_runtime._PYTHON_WORKER_SCRIPT = expect.replaced(  # noqa: SLF001
        lambda_runtime._PYTHON_WORKER_SCRIPT,  # noqa: SLF001
        _IMPORTS,
        _IMPORTS + _PRUNE,
        "lambda_runtime._PYTHON_WORKER_SCRIPT",
    )
