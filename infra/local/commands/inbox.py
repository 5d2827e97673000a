"""``dmp inbox``: the e-mails and SMS that the local stack sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.local import inbox
from infra.local.home import Home
from infra.local.stack import Stack

if TYPE_CHECKING:
    import argparse

NAME = "inbox"
HELP = "list the e-mails and SMS that the local cloud sent"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", metavar="ADDRESS", help="only what was sent there")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    found = inbox.messages(Stack.load(Home.at(options.home)).content, options.to)
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one['channel']:5}  {one['at'] or '':25}  {', '.join(one['to'])}")
        if one["subject"]:
            print(f"       {one['subject']}")
        for line in (one["text"] or "").splitlines():
            print(f"       {line}")
        print()
    print(f"{len(found)} message{'' if len(found) == 1 else 's'}")
    return 0
