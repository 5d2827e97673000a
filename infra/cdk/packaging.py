"""Stages what the functions run: layers and the code of each area, deterministically.

`build("local", out)` takes wheels for this interpreter, `build("aws", out)` those of Lambda
(arm64, Python 3.13, Amazon Linux 2023). Everything is cached in `out` by the hash of what it is
made from: locks, sources, target and the pruning rules of this module. Each asset is a folder (as
Lambda will unpack it) and beside it a zip with sorted entries and fixed times.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
Target = Literal["local", "aws"]

LIMIT_BYTES = 250 * 1024 * 1024
"""Lambda's limit on a function and its layers, unpacked."""

LOCKED_LAYERS = ("vendor", "columnar")
SOURCE_LAYERS = ("dmp", "policies")

SERVICES = (
    "cloudwatch",
    "dynamodb",
    "events",
    "kms",
    "lambda",
    "s3",
    "secretsmanager",
    "ses",
    "sesv2",
    "sns",
    "sqs",
    "stepfunctions",
    "sts",
)
"""AWS services whose API models stay in the layer; botocore brings 400 and 25 MB of them."""

_CHALICE_RUNTIME = ("__init__.py", "app.py", "py.typed")
_NEVER_NEEDED = (
    "bin",  # console scripts
    "boto3/examples",
    "cffi",  # cryptography needs _cffi_backend alone
    "pycparser",
    "duckdb/experimental",
    "adbc_driver_duckdb",
    "_duckdb-stubs",
)
_NEVER_NEEDED_NAMES = ("__pycache__", "tests", "test")
_NEVER_NEEDED_SUFFIXES = (".pyc", ".pyi", ".pyx", ".pxd", ".pxi", ".h", ".c", ".egg-info")
_KEPT = 4
_AWS = ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.13")


class PackagingError(Exception):
    """The functions cannot be packaged; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One layer or one area, staged."""

    name: str
    digest: str
    """SHA-256 (hex) of what the asset is made from; the same digest is the same content."""
    folder: Path
    archive: Path
    bytes: int
    """Unpacked size."""


@dataclass(frozen=True, slots=True)
class Build:
    target: Target
    layers: Mapping[str, Asset]
    """`dmp`, `policies`, `vendor`, `columnar`; each folder holds `python/`."""
    areas: Mapping[str, Asset]
    """Area -> folder holding `functions/<area>/`."""


def build(
    target: Target,
    out: Path,
    *,
    root: Path = ROOT,
    generated: Mapping[str, Mapping[str, bytes]] | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Build:
    """Stages everything under `out`/assets and returns where it is.

    `generated` adds files made at build time to an area: area -> file name -> content.
    Raises PackagingError when a lock cannot be installed or the functions grow over Lambda's limit.
    """
    store = out / "assets"
    store.mkdir(parents=True, exist_ok=True)
    layers: dict[str, Asset] = {}
    for name in LOCKED_LAYERS:
        layers[name] = _locked_layer(store, root, name, target, progress)
    for name in SOURCE_LAYERS:
        files = _sources(root / "layers" / name, drop=("requirements",))
        layers[name] = _stage(store, f"layer-{name}", files)
    areas: dict[str, Asset] = {}
    for folder in sorted((root / "functions").iterdir()):
        if (folder / "rights.json").is_file():
            areas[folder.name] = _area(store, root, folder, (generated or {}).get(folder.name, {}))
    whole = sum(each.bytes for each in layers.values())
    largest = max((each.bytes for each in areas.values()), default=0)
    if whole + largest > LIMIT_BYTES:
        raise PackagingError(f"{whole + largest} bytes unpacked; Lambda takes {LIMIT_BYTES}")
    return Build(target, layers, areas)


def prune(folder: Path) -> None:
    """Removes from an installed layer what no function reads."""
    for path in _NEVER_NEEDED:
        _remove(folder / path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.name in _NEVER_NEEDED_NAMES or path.name.endswith(_NEVER_NEEDED_SUFFIXES):
            _remove(path)
    _keep(folder, "*.dist-info/*", ("METADATA",))  # some packages ask for their own version
    _keep(folder, "chalice/*", _CHALICE_RUNTIME)
    _keep(folder, "botocore/data/*/", SERVICES)
    _keep(folder, "boto3/data/*/", SERVICES)


def _keep(folder: Path, pattern: str, names: tuple[str, ...]) -> None:
    for path in folder.glob(pattern):
        if path.name not in names and (path.is_dir() or not pattern.endswith("/")):
            _remove(path)


def digest(files: Iterable[tuple[str, bytes]], *salt: str) -> str:
    """SHA-256 (hex) of named contents, in the order of their names."""
    running = hashlib.sha256()
    for text in salt:
        running.update(f"{len(text)}:{text}".encode())
    for name, content in sorted(files):
        running.update(f"{len(name)}:{name}{len(content)}:".encode())
        running.update(content)
    return running.hexdigest()


def uv() -> str:
    """The `uv` of this environment (a development requirement), else the one on PATH."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only where uv came as a wheel
    except ImportError:
        found = shutil.which("uv")
        if found is None:
            raise PackagingError(
                "uv is not installed: pip install -r requirements/bootstrap.txt"
            ) from None
        return found
    return find_uv_bin()


def _locked_layer(
    store: Path, root: Path, name: str, target: Target, progress: Callable[[str], object]
) -> Asset:
    lock = root / "layers" / name / "requirements.txt"
    python = "aws" if target == "aws" else f"{sysconfig.get_platform()}-{sys.version_info[:2]}"
    key = digest([("lock", lock.read_bytes()), ("rules", Path(__file__).read_bytes())], python)

    def fill(folder: Path) -> None:
        progress(f"layer {name}: installing from its lock")
        platform = _AWS if target == "aws" else ("--python", sys.executable)
        result = subprocess.run(
            [
                uv(),
                "pip",
                "install",
                "--quiet",
                "--no-config",
                "--no-deps",
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--target",
                str(folder / "python"),
                *platform,
                "--requirement",
                str(lock),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise PackagingError(f"layer {name} cannot be installed:\n{result.stderr.strip()}")
        prune(folder / "python")

    return _asset(store, f"layer-{name}-{target}", key, fill)


def _area(store: Path, root: Path, folder: Path, generated: Mapping[str, bytes]) -> Asset:
    files = {
        f"functions/{folder.name}/{name}": content
        for name, content in _sources(folder, drop=("rights.json",)).items()
    }
    files["functions/__init__.py"] = (root / "functions/__init__.py").read_bytes()
    files.update(
        {f"functions/{folder.name}/{name}": content for name, content in generated.items()}
    )
    return _stage(store, f"area-{folder.name}", files)


def _sources(folder: Path, *, drop: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Files below `folder` by relative name, without caches and what starts with `drop`."""
    return {
        name: path.read_bytes()
        for name, path in ((path.relative_to(folder).as_posix(), path) for path in _files(folder))
        if not name.startswith(drop or ("\0",))
    }


def _stage(store: Path, name: str, files: Mapping[str, bytes]) -> Asset:
    def fill(folder: Path) -> None:
        for relative, content in files.items():
            path = folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    return _asset(store, name, digest(files.items()), fill)


def _asset(store: Path, name: str, key: str, fill: Callable[[Path], None]) -> Asset:
    """The asset of that name and key from the store, filled and archived first if it is new."""
    final = store / f"{name}-{key[:16]}"
    if final.is_dir():
        os.utime(final)
    if not final.is_dir():
        with tempfile.TemporaryDirectory(dir=store, prefix=".") as scratch:
            content = Path(scratch) / "content"
            content.mkdir()
            fill(content)
            _archive(content, Path(scratch) / "content.zip")
            size = sum(path.stat().st_size for path in _files(content))
            (Path(scratch) / "size.json").write_text(json.dumps(size), "utf-8")
            try:
                Path(scratch).rename(final)
            except OSError:  # another process staged the same content in the meantime
                if not final.is_dir():
                    raise
            else:
                Path(scratch).mkdir()  # for TemporaryDirectory to remove
                final.chmod(0o755)
        _forget(store, name)
    return Asset(
        name=name,
        digest=key,
        folder=final / "content",
        archive=final / "content.zip",
        bytes=json.loads((final / "size.json").read_text("utf-8")),
    )


def _forget(store: Path, name: str) -> None:
    """Keeps the last used assets of that name."""
    stored = [each for each in store.glob(f"{name}-*") if len(each.name) == len(name) + 17]
    for path in sorted(stored, key=lambda each: each.stat().st_mtime, reverse=True)[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _archive(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(names):
            if not name.endswith(".pyc"):
                yield Path(parent, name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
