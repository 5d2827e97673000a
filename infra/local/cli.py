"""The command ``dmp``: one sub-command a module of `infra.local.commands`.

A command module has ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(options) -> int``
(the exit code). What a user can do something about is said in one sentence on stderr, exit code 1;
wrong usage is 2.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from infra.local.product import importable

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "up",
    "down",
    "status",
    "demo",
    "token",
    "import_",
    "directory",
    "inbox",
    "traces",
    "build",
    "deploy",
)
DEFAULT_HOME = ".local"


def _module(name: str) -> Any:
    return importlib.import_module(f"infra.local.commands.{name}")


def parser() -> argparse.ArgumentParser:
    """The parser of every command that this checkout has."""
    whole = argparse.ArgumentParser(
        prog="dmp",
        description="The shared medical record on this machine: a local cloud and its tools.",
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        needs = getattr(module, "NEEDS", None)
        if needs is not None and find_spec(needs) is None:
            continue
        one = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.add_arguments(one)
        if getattr(module, "LOCAL", True):
            _add_home(one, DEFAULT_HOME)
        one.set_defaults(run=module.run)
    return whole


def _add_home(command: argparse.ArgumentParser, default: str) -> None:
    """``--home`` on a command and on what it divides into: it may stand anywhere."""
    command.add_argument(
        "--home", default=default, metavar="DIR", help="folder of the local cloud (.local)"
    )
    for action in command._actions:  # noqa: SLF001 - argparse has no other way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                _add_home(one, argparse.SUPPRESS)


def main(arguments: Sequence[str] | None = None) -> int:
    importable()
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has enough: `dmp inbox | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if not _is_for_the_user(error):
            raise
        print(f"dmp: {error}", file=sys.stderr)
        return 1


def _is_for_the_user(error: Exception) -> bool:
    """Whether the error's sentence is all that a user needs; anything else is a bug of ours."""
    from infra.local.assembly import AssemblyError  # noqa: PLC0415 - only when something failed
    from infra.local.commands.deploy import NotDeployable  # noqa: PLC0415
    from infra.local.deploy import DeployError  # noqa: PLC0415
    from infra.local.home import HomeError  # noqa: PLC0415
    from infra.local.ports import PortTaken  # noqa: PLC0415
    from infra.local.tokens import TokenError  # noqa: PLC0415

    own = (AssemblyError, DeployError, HomeError, NotDeployable, PortTaken, TokenError)
    if isinstance(error, own):
        return True
    from infra.cdk.packaging import PackagingError  # noqa: PLC0415
    from infra.cdk.synth import SynthError  # noqa: PLC0415

    return isinstance(error, (PackagingError, SynthError))


if __name__ == "__main__":
    raise SystemExit(main())
