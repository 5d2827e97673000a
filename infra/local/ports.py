"""Which ports a local cloud listens on, chosen once and kept in its home.

The API has the port that the user names (8080). The AWS endpoint has 4566 beside 8080 and a free
port beside any other, and the identity providers have free ones, so several local clouds can run
side by side. A restart finds the ports of ``stack.json`` again.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.local.place import DEFAULT_AWS_PORT, DEFAULT_PORT, ISSUER_KINDS, LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping


class PortTaken(Exception):
    """Somebody else listens on the port that the user asked for."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on 127.0.0.1: the API, the AWS endpoint, one per identity provider."""

    api: int
    aws: int
    issuers: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"api": self.api, "aws": self.aws, "issuers": dict(self.issuers)}

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api}"

    @property
    def aws_url(self) -> str:
        return f"http://{LOOPBACK}:{self.aws}"

    def issuer_url(self, kind: str) -> str:
        return f"http://{LOOPBACK}:{self.issuers[kind]}"


def is_free(port: int) -> bool:
    """Whether this process could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _port_of(url: object) -> int | None:
    return urlsplit(url).port if isinstance(url, str) else None


def choose(requested: int | None, kept: Mapping[str, Any] | None) -> Ports:
    """The ports to start on: what the user asks for, then what ``kept`` (stack.json) says.

    Raises PortTaken when the API's port is somebody else's; any other port that is taken is
    replaced by a free one.
    """
    kept = kept or {}
    api = requested or _port_of(kept.get("api")) or DEFAULT_PORT
    if not is_free(api):
        msg = f"port {api} is taken by another program; choose another one with --port"
        raise PortTaken(msg)
    used = {api}

    def free(*preferred: int | None) -> int:
        for port in preferred:
            if port and port not in used and is_free(port):
                used.add(port)
                return port
        port = free_port()
        while port in used:
            port = free_port()
        used.add(port)
        return port

    aws = free(
        _port_of(kept.get("aws_endpoint")), DEFAULT_AWS_PORT if api == DEFAULT_PORT else None
    )
    known = kept.get("issuers") or {}
    issuers = {
        kind: free(_port_of(known.get(kind)), api + offset)
        for offset, kind in enumerate(ISSUER_KINDS, start=1)
    }
    return Ports(api, aws, issuers)
