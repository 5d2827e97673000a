"""``dmp import``: an insurer's extract into the landing bucket, and its import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "import"
HELP = "import a DCIR extract: a folder of CSV files"
NEEDS = "infra.local.extracts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="folder of the extract")
    parser.add_argument("--as-of", metavar="DATE", help='what is "today" for an old extract')
    parser.add_argument("--wait", action="store_true", help="until the import is over")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from infra.local.extracts import main  # noqa: PLC0415 - when it is wanted

    return main(options)
