"""``dmp build``: package the functions and their layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.product import ROOT
from infra.local.progress import shown, stderr

if TYPE_CHECKING:
    import argparse

NAME = "build"
HELP = "package the functions and their layers for this machine or for AWS"
LOCAL = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--target", choices=("local", "aws"), default="local")


def run(options: argparse.Namespace) -> int:
    from infra.cdk.packaging import build  # noqa: PLC0415 - when it is wanted

    console = stderr()
    with shown(console, f"Packaging for {options.target}") as progress:
        made = build(options.target, ROOT / ".build", progress=progress)
    for asset in (*made.layers.values(), *made.areas.values()):
        print(f"{asset.bytes / 1e6:8.1f} MB  {asset.digest[:16]}  {asset.archive}")
    return 0
