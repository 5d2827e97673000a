"""``dmp traces verify``: whether the journal of accesses is as it was written."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import traces
from infra.local.home import Home, HomeError
from infra.local.stack import Stack
from infra.local.traces import Journal, TracesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NAME = "traces"
HELP = "verify the journal of accesses: its seal, its entries, or a signed report of it"

RIGHT, FINDINGS, USAGE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser(
        "verify",
        help="compare the seal, its parts and the table",
        description="Exit code 0: as it was written; 1: not; 2: it could not be looked at.",
    )
    what = verify.add_mutually_exclusive_group()
    what.add_argument(
        "--report", type=Path, metavar="FILE", help="verify a signed access report instead"
    )
    what.add_argument("--seal", action="store_true", help="call the sealer first")
    verify.add_argument(
        "--from", dest="since", type=_day, metavar="DATE", help="entries since that UTC day"
    )
    verify.add_argument("--record", metavar="ID", help="the entries of one record")
    verify.add_argument(
        "--head",
        type=_noted,
        metavar="NUMBER:SHA256",
        help="the last segment as an earlier verification printed it: it must still be there",
    )
    verify.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="believe the keys of this set (/.well-known/jwks.json) instead of asking for them",
    )
    verify.add_argument(
        "--stage", choices=("dev", "prod"), help="a stage in AWS, by the current credentials"
    )
    verify.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace) -> int:
    from infra.local.commands.deploy import NotDeployable  # noqa: PLC0415

    try:
        keys = traces.read_keys(options.keys) if options.keys else None
        if options.report:
            return _report(options, keys)
        return _verify(options, keys)
    except (TracesError, HomeError, NotDeployable) as error:
        print(f"dmp traces verify: {error}", file=sys.stderr)
        return USAGE


def _verify(options: argparse.Namespace, keys: Sequence[Mapping[str, Any]] | None) -> int:
    journal = _journal(options)
    if options.seal:
        journal.seal()
    report, seconds = traces.timed(
        lambda: journal.verify(
            since=options.since, record=options.record, noted=options.head, keys=keys
        )
    )
    if options.json:
        print(json.dumps(traces.as_json(report, seconds), indent=1))
    else:
        for line in traces.lines(report, seconds):
            print(line)
    return FINDINGS if report.findings else RIGHT


def _report(options: argparse.Namespace, keys: Sequence[Mapping[str, Any]] | None) -> int:
    right = traces.verify_report(options.report, _journal(options).keys() if keys is None else keys)
    if options.json:
        print(json.dumps({"ok": right, "report": str(options.report)}))
    else:
        print(f"{options.report}: {'as the service signed it' if right else 'NOT as signed'}")
    return RIGHT if right else FINDINGS


def _journal(options: argparse.Namespace) -> Journal:
    if options.stage is None:
        return Journal.local(Stack.load(Home.at(options.home)).content)
    from infra.local.commands.deploy import account  # noqa: PLC0415

    session, _ = account()
    return Journal.in_aws(options.stage, session)


def _read(kind: Callable[[str], Any], text: str, shape: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no {shape}") from None


def _day(text: str) -> Any:
    return _read(traces.day, text, "day (YYYY-MM-DD)")


def _noted(text: str) -> Any:
    return _read(traces.noted, text, "head (NUMBER:SHA256)")
