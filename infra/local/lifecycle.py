"""Starts, deploys to and stops a local cloud.

`start` spawns the cloud's process (`infra.local.cloud`), synthesizes meanwhile, deploys,
reconciles, and writes ``stack.json`` when everything answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.local import assembly, routes
from infra.local.deploy import Deployment, local_target
from infra.local.home import Home, HomeError, write_json
from infra.local.place import ISSUER_KINDS
from infra.local.ports import Ports, choose
from infra.local.product import ROOT
from infra.local.reconcile import Reconciler
from infra.local.stack import Stack, describe, output
from infra.local.tokens import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.assembly import StackTemplate

    Progress = Callable[[str], None]

_START_LIMIT = 60.0  # seconds


@dataclass(slots=True)
class Running:
    """A cloud that this process started; ``process`` is its child."""

    stack: Stack
    process: subprocess.Popen[bytes]
    times: dict[str, float] = field(default_factory=dict)
    reconciled: list[str] = field(default_factory=list)

    def stop(self) -> None:
        """SIGTERM, then wait until everything is saved."""
        _end(self.process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=120)
    if process.stdin:
        process.stdin.close()


def synthesized(progress: Progress) -> list[StackTemplate]:
    """The stacks of the stage ``local``, from the CDK application, cached by content."""
    from infra.cdk.synth import synth  # noqa: PLC0415 - the CDK takes a second to import

    return assembly.read(synth("local", ROOT / ".build", progress))


def issuers_parameter(ports: Ports) -> str:
    """The template's parameter ``Issuers``: what the authorizer needs to know of each provider."""
    return json.dumps(
        {
            kind: {
                "issuer": ports.issuer_url(kind),
                "jwks": f"{ports.issuer_url(kind)}/jwks",
                "audience": AUDIENCE,
            }
            for kind in ISSUER_KINDS
        }
    )


def start(
    home: Home,
    *,
    port: int | None = None,
    fresh: bool = False,
    detached: bool = False,
    progress: Progress,
    templates: Callable[[Progress], list[StackTemplate]] = synthesized,
) -> Running:
    """Start the cloud of ``home`` and deploy to it.

    ``detached``: it outlives this process; otherwise it ends with it. Raises HomeError when a
    cloud runs there already or does not come up, PortTaken, AssemblyError, DeployError; whatever
    was started is stopped then.
    """
    if home.pid() is not None:
        msg = f"a local cloud is already running in {home.path} (process {home.pid()})"
        raise HomeError(msg)
    if fresh:
        home.wipe()
    ports = choose(port, home.stack())
    home.path.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    times: dict[str, float] = {}
    process = _spawn(home, ports, detached=detached)
    try:
        with ThreadPoolExecutor(1) as aside:
            synthesis = aside.submit(templates, progress)
            _wait_until_up(home, ports, process)
            times["cloud"] = time.monotonic() - begun
            stacks = synthesis.result()
        times["templates"] = time.monotonic() - begun
        stack, reconciled = _deploy(home, ports, stacks, progress)
        times["deployed"] = time.monotonic() - begun
    except BaseException:
        _end(process)
        raise
    return Running(stack, process, times, reconciled)


def _deploy(
    home: Home, ports: Ports, stacks: list[StackTemplate], progress: Progress
) -> tuple[Stack, list[str]]:
    deployed = Deployment(local_target(ports.aws_url), progress).run(
        stacks, {"Issuers": issuers_parameter(ports), "PublicUrl": ports.api_url}
    )
    progress("settings that the local CloudFormation drops")
    reconciled = Reconciler(ports.aws_url).run(deployed)
    table = {
        path: methods
        for stack in deployed
        for path, methods in routes.of_template(stack.template.resources).items()
    }
    write_json(
        home.front_file,
        {
            "api_id": output(deployed, "ApiId"),
            "stage": output(deployed, "ApiStage"),
            "routes": table,
        },
    )
    write_json(home.stack_file, describe(deployed, ports))
    return Stack.load(home), reconciled


def _spawn(home: Home, ports: Ports, *, detached: bool) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "infra.local.cloud",
        "--home",
        str(home.path),
        "--ports",
        json.dumps(ports.as_json()),
    ]
    with home.log.open("ab") as log:
        return subprocess.Popen(
            command if detached else [*command, "--with-parent"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def answers(url: str) -> bool:
    """Whether something speaks HTTP there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - the loopback
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _wait_until_up(home: Home, ports: Ports, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_LIMIT
    places = [f"{ports.aws_url}/_ministack/health"]
    places += [f"{ports.issuer_url(kind)}/jwks" for kind in ISSUER_KINDS]
    while not all(map(answers, places)):
        if process.poll() is not None:
            tail = "\n".join(home.log.read_text("utf-8", "replace").splitlines()[-15:])
            msg = f"the local cloud did not start:\n{tail}"
            raise HomeError(msg)
        if time.monotonic() > deadline:
            msg = f"the local cloud does not answer after {_START_LIMIT:.0f} s; see {home.log}"
            raise HomeError(msg)
        time.sleep(0.05)
