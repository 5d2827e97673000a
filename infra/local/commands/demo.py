"""``dmp demo``: the demonstration against a running stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.home import Home
from infra.local.stack import Stack

if TYPE_CHECKING:
    import argparse

NAME = "demo"
HELP = "play the demonstration against a running local cloud"
NEEDS = "infra.local.demo.run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes the home alone."""


def run(options: argparse.Namespace) -> int:
    from infra.local.demo.run import main  # noqa: PLC0415 - when it is wanted

    return main(dict(Stack.load(Home.at(options.home)).content))
