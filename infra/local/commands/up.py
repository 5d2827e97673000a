"""``dmp up``: start the local cloud and deploy to it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import assembly, lifecycle
from infra.local.home import Home
from infra.local.progress import shown, stderr

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from infra.local.assembly import StackTemplate

NAME = "up"
HELP = "start the local cloud and deploy the product to it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, metavar="N", help="port of the API (default: 8080)")
    parser.add_argument("--fresh", action="store_true", help="forget what the home holds first")
    parser.add_argument("--detach", action="store_true", help="leave it running and return")
    parser.add_argument(
        "--demo", action="store_true", help="play the demonstration once everything is up"
    )
    parser.add_argument(
        "--assembly",
        metavar="DIR",
        help="a cloud assembly to deploy in the place of the product's (default: synthesized)",
    )


def run(options: argparse.Namespace) -> int:
    console = stderr()
    home = Home.at(options.home)
    # A terminal's Ctrl-C and a supervisor's SIGTERM end it alike: by saving everything.
    signal.signal(signal.SIGTERM, _interrupt)
    with shown(console, "Starting the local cloud") as progress:
        running = lifecycle.start(
            home,
            port=options.port,
            fresh=options.fresh,
            detached=options.detach,
            progress=progress,
            templates=_templates(options.assembly),
        )
    took = running.times["deployed"]
    console.print(f"[green]✓[/] The local cloud is up in {took:.1f} s, state in {home.path}")
    if options.detach:
        print(running.stack.api)
        return 0
    try:
        code = 0
        if options.demo:
            from infra.local.demo.run import main as demo  # noqa: PLC0415 - when it is wanted

            code = demo(dict(running.stack.content))
        else:
            _tell(console, running.stack.content)
        console.print("\n[bold]Ctrl-C[/] stops it; the state is kept.")
        running.process.wait()
        console.print(f"[red]The local cloud ended by itself[/]; see {home.log}")
    except KeyboardInterrupt:
        console.print("\nSaving…")
        code = 0 if not options.demo else code
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _stop(running, console)
    return code


def _templates(folder: str | None) -> Callable[[lifecycle.Progress], list[StackTemplate]]:
    if folder is None:
        return lifecycle.synthesized
    return lambda _progress: assembly.read(Path(folder))


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _stop(running: lifecycle.Running, console: Any) -> None:
    try:
        running.stop()
    except subprocess.TimeoutExpired:
        console.print(f"[red]process {running.process.pid} does not end[/]")
        return
    console.print("Stopped; everything is saved.")


def _tell(console: Any, content: Any) -> None:
    for label, address in (
        ("API", content["api"]),
        ("FHIR", content["fhir"]),
        ("AWS endpoint", content["aws_endpoint"]),
        *((f"issuer {kind}", url) for kind, url in content["issuers"].items()),
    ):
        console.print(f"  {label:20} {address}")
