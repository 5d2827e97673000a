"""The local cloud's process: MiniStack with its patches, the front, the identity providers.

``python -m infra.local.cloud --home DIR --ports JSON`` serves until SIGTERM or SIGINT, or until
its standard input closes when ``--with-parent`` is given (so that it ends with whoever started
it). `infra.local.lifecycle` starts it and deploys to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.home import Home
from infra.local.issuers import Issuers
from infra.local.place import ACCOUNT, LOOPBACK, REGION, ROOT_KEY, ROOT_SECRET
from infra.local.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# All that a function may see of the user's own environment.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "DMP_CHECKPOINT_SECONDS")


def environment(home: Home, ports: Ports, outer: Mapping[str, str]) -> dict[str, str]:
    """The environment of the process, and so of every function that it runs."""
    return {
        **{name: outer[name] for name in _INHERITED if name in outer},
        "TZ": "UTC",
        "TMPDIR": str(home.scratch),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "GATEWAY_PORT": str(ports.aws),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home.state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home.objects),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # No container is ever used, and those that the user runs are not MiniStack's to reap.
        "DOCKER_HOST": f"unix://{home.path}/no-docker.sock",
    }


@dataclass(frozen=True, slots=True)
class _Events:
    """What the process's other parts are told, and what they tell."""

    touched: Callable[[], None]
    serving: Callable[[], None]
    settled: threading.Event


class _Root:
    """Sends a connection to the front or to MiniStack, by the port that it came to."""

    def __init__(self, cloud: Any, front: Any, front_port: int, events: _Events) -> None:
        self._cloud = cloud
        self._front = front
        self._front_port = front_port
        self._touched = events.touched
        self._serving = events.serving
        self._settled = events.settled

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._cloud(scope, receive, _with(send, self._serving))
        elif scope["server"][1] == self._front_port:
            self._touched()
            await self._front(scope, receive, send)
        elif scope["type"] == "http" and _is_forbidden_control(scope):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            if scope.get("method") != "GET" or not scope["path"].startswith("/_ministack/"):
                self._touched()
            if not self._settled.is_set() and _is_for_cloudformation(scope):
                await asyncio.to_thread(self._settled.wait)
            await self._cloud(scope, receive, send)


def _with(send: Any, serving: Callable[[], None]) -> Any:
    """``send`` of a lifespan that also says when the start is over."""

    async def told(message: dict[str, Any]) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            serving()

    return told


def _is_for_cloudformation(scope: dict[str, Any]) -> bool:
    return any(
        name == b"authorization" and b"/cloudformation/" in value
        for name, value in scope.get("headers", ())
    )


def _is_forbidden_control(scope: dict[str, Any]) -> bool:
    """MiniStack's own addresses wipe its state without a signature: only reading, and only by
    programs (a page in a browser sends Origin)."""
    return scope["path"].startswith("/_ministack/") and (
        scope["method"] != "GET" or any(name == b"origin" for name, _ in scope["headers"])
    )


async def _serve(home: Home, ports: Ports) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - after the environment
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415 - reads the environment at import

    from infra.local import patches  # noqa: PLC0415
    from infra.local.checkpoint import INTERVAL, Checkpoints, recover  # noqa: PLC0415
    from infra.local.front import Front  # noqa: PLC0415

    recover(home.state)
    patches.apply(home)
    settled = threading.Event()
    pause = float(os.environ.get("DMP_CHECKPOINT_SECONDS", INTERVAL))
    checkpoints = Checkpoints(home.state, pause)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, over.set)
    config = Config()
    config.bind = [f"{LOOPBACK}:{ports.aws}", f"{LOOPBACK}:{ports.api}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.shutdown_timeout = 120
    config.loglevel = "WARNING"
    events = _Events(checkpoints.touched, patches.once_serving, settled)
    root = _Root(app, Front(app, home.front_file), ports.api, events)
    checkpoints.start()
    rest = loop.run_in_executor(None, patches.apply_to_cloudformation)
    rest.add_done_callback(lambda done: over.set() if done.exception() else settled.set())
    await serve(root, config, shutdown_trigger=over.wait)  # type: ignore[arg-type]
    await asyncio.to_thread(checkpoints.stop)
    await rest  # raises what it raised


def _end_with_parent() -> None:
    def watch() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="dmp-parent", daemon=True).start()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.cloud")
    parser.add_argument("--home", required=True)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--with-parent", action="store_true")
    options = parser.parse_args(arguments)
    home = Home.at(options.home)
    ports = Ports(**json.loads(options.ports))
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    held = home.hold()
    shutil.rmtree(home.scratch, ignore_errors=True)
    home.scratch.mkdir(parents=True)
    settings = environment(home, ports, os.environ)
    os.environ.clear()
    os.environ.update(settings)
    if options.with_parent:
        _end_with_parent()

    issuers = Issuers(home.keys, ports.issuers)
    try:
        asyncio.run(_serve(home, ports))
    finally:
        issuers.stop()
        shutil.rmtree(home.scratch, ignore_errors=True)
        held.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
