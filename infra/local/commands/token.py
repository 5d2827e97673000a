"""``dmp token``: a bearer token of the local identity providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local import tokens
from infra.local.home import Home
from infra.local.stack import Stack

if TYPE_CHECKING:
    import argparse

NAME = "token"
HELP = "print a bearer token of the local identity providers"
add_arguments = tokens.add_arguments


def run(options: argparse.Namespace) -> int:
    print(tokens.issue(Stack.load(Home.at(options.home)).content, options))
    return 0
