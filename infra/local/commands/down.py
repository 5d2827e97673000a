"""``dmp down``: stop the local cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.home import Home

if TYPE_CHECKING:
    import argparse

NAME = "down"
HELP = "stop the local cloud; its state is kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes the home alone."""


def run(options: argparse.Namespace) -> int:
    home = Home.at(options.home)
    print("stopped" if home.stop() else f"nothing was running in {home.path}")
    return 0
