"""``dmp import``: an insurer's extract into the landing bucket, and its import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "import"
HELP = "import a DCIR extract: a folder of CSV files"
NEEDS = "infra.local.extracts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from infra.local import extracts  # noqa: PLC0415 - when it is there

    extracts.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from infra.local import extracts  # noqa: PLC0415 - when it is wanted

    return extracts.main(options)
