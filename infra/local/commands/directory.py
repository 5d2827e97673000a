"""``dmp directory load``: the directory of the insured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

NAME = "directory"
HELP = "load the directory of the insured"
NEEDS = "infra.local.directory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    load = actions.add_parser("load", help="a CSV file into the local cloud")
    load.add_argument("file", metavar="FILE.csv")


def run(options: argparse.Namespace) -> int:
    from infra.local.directory import main  # noqa: PLC0415 - when it is wanted

    return main(options)
