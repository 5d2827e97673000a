"""``dmp status``: what is up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.local.home import Home
from infra.local.lifecycle import answers

if TYPE_CHECKING:
    import argparse

NAME = "status"
HELP = "say whether the local cloud is up, and where; exit code 3 when it is down"
_DOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    home = Home.at(options.home)
    pid, content = home.pid(), home.stack() or {}
    addresses = {
        "api": content.get("api"),
        "aws_endpoint": content.get("aws_endpoint"),
        **{f"issuer {kind}": url for kind, url in content.get("issuers", {}).items()},
    }
    up = {
        name: {"address": url, "answers": bool(pid and answers(_probe(name, url)))}
        for name, url in addresses.items()
        if url
    }
    if options.json:
        print(json.dumps({"home": str(home.path), "pid": pid, "up": up}, indent=2))
    else:
        print(f"process {pid}" if pid else f"down (home {home.path})")
        for name, one in up.items():
            print(f"  {name:20} {one['address']:28} {'up' if one['answers'] else 'down'}")
    everything = pid is not None and all(one["answers"] for one in up.values())
    return 0 if everything else _DOWN


def _probe(name: str, url: str) -> str:
    paths = {"api": "/health", "aws_endpoint": "/_ministack/health"}
    return url + paths.get(name, "/.well-known/openid-configuration")
