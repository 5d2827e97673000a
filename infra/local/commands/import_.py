"""``dmp import``: an insurer's extract into the landing bucket, and its import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "import"
HELP = "import a DCIR extract: a folder of CSV files"
NEEDS = "infra.local.extracts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from infra.local.extracts import add_arguments as add  # noqa: PLC0415 - its own arguments

    add(parser)


def run(options: argparse.Namespace) -> int:
    from infra.local.extracts import main  # noqa: PLC0415 - when it is wanted

    return main(options)
