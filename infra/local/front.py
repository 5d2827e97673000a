"""One address for the API, in front of MiniStack and in its process.

It does what stands before a function in AWS: refuses a protected path without a token (WAF), a
body over 10 MB, a route or a method that does not exist, each in the body form of the path, gives
every request an id, and hides what the gateway says when it fails. Everything else goes to the
execute-api stage as it came, path and query untouched.

The call to MiniStack is a call of its ASGI application, not a second HTTP exchange.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING, Any

from infra.local import forms
from infra.local.home import read_json
from infra.local.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from pathlib import Path

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY_LIMIT = 10 * 1024 * 1024  # bytes; API Gateway's quota for a payload
REQUEST_ID = b"x-request-id"
# Set by the front alone; what a client sends under these names is dropped.
_OWN_HEADERS = frozenset({REQUEST_ID, b"x-forwarded-for", b"x-forwarded-proto"})
_ERRORS_FROM = 400
_OF_FUNCTIONS = frozenset({b"application/problem+json", b"application/fhir+json"})
_WITHOUT_BODY = frozenset({204, 304})  # RFC 9110; the gateway's preflight answers send one


class Front:
    """An ASGI application; ``target`` is the file that the deployment writes (front.json)."""

    def __init__(self, cloud: App, target: Path) -> None:
        self._cloud = cloud
        self._target = target
        self._stamp = 0
        self._routes: Routes | None = None
        self._prefix = ""

    def _reload(self) -> None:
        """Take the routes again when the deployment wrote them anew."""
        try:
            stamp = os.stat(self._target).st_mtime_ns  # noqa: PTH116 - on every request
        except FileNotFoundError:
            return
        if stamp == self._stamp:
            return
        content = read_json(self._target)
        self._prefix = f"/_aws/execute-api/{content['api_id']}/{content['stage']}"
        self._routes = Routes(content["routes"])
        self._stamp = stamp

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request_id = str(uuid.uuid4()).encode()
        self._reload()
        path = scope["path"]
        body = b""
        refused = self._refused(scope)
        if refused is None:
            body, too_large = await _body(receive)
            refused = 413 if too_large else None
        if refused is not None:
            await _refuse(refused, path, request_id, send)
            return
        await self._cloud(
            self._inner(scope, request_id), _replay(body), _outwards(path, request_id, send)
        )

    def _refused(self, scope: MutableMapping[str, Any]) -> int | None:
        """The status of a refusal that needs no body; None to go on."""
        if self._routes is None:
            return 503
        path, method = scope["path"], scope["method"]
        public = self._routes.public(path, method)
        headers = dict(scope["headers"])
        if not public and not headers.get(b"authorization", b"").strip():
            return 401
        if public is None:
            return 405 if self._routes.methods(path) else 404
        length = headers.get(b"content-length", b"0")
        return 413 if length.isdigit() and int(length) > BODY_LIMIT else None

    def _inner(self, scope: MutableMapping[str, Any], request_id: bytes) -> dict[str, Any]:
        client = (scope.get("client") or ("127.0.0.1",))[0]
        headers = [one for one in scope["headers"] if one[0].lower() not in _OWN_HEADERS]
        headers += [(REQUEST_ID, request_id), (b"x-forwarded-for", client.encode())]
        raw = scope.get("raw_path") or scope["path"].encode()
        return {
            **scope,
            "path": self._prefix + scope["path"],
            "raw_path": self._prefix.encode() + raw,
            "headers": headers,
        }


async def _body(receive: Receive) -> tuple[bytes, bool]:
    """The request's body and whether it passed the limit (it is not read further then)."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", False  # the client went away; nobody reads the answer
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            return b"", True
        if not message.get("more_body"):
            return b"".join(parts), False


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _outwards(path: str, request_id: bytes, send: Send) -> Send:
    """``send`` that names the request and gives the gateway's own errors the path's form.

    A function answers its errors as problem+json or fhir+json; an error in any other form (JSON,
    XML) is the gateway's (or the framework's) own.
    """
    replaced = bodyless = False

    async def outwards(message: Message) -> None:
        nonlocal replaced, bodyless
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            if message["status"] >= _ERRORS_FROM and _is_gateways(headers):
                replaced = True
                await _refuse(message["status"], path, request_id, send)
                return
            bodyless = message["status"] in _WITHOUT_BODY
            message["headers"] = [
                *(one for one in headers if not bodyless or one[0].lower() != b"content-length"),
                (REQUEST_ID, request_id),
            ]
        elif bodyless:
            message["body"] = b""
        if not replaced:
            await send(message)

    return outwards


def _is_gateways(headers: list[tuple[bytes, bytes]]) -> bool:
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    return not kinds or kinds[0].split(b";")[0].strip().lower() not in _OF_FUNCTIONS


async def _refuse(status: int, path: str, request_id: bytes, send: Send) -> None:
    headers, body = forms.refusal(status, path)
    headers.append((REQUEST_ID, request_id))
    with contextlib.suppress(ConnectionError):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
