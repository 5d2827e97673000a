"""The mock identity providers of the local cloud, from the library ``oidc-provider-mock``.

Four of them, one port each: ``patient`` stands for FranceConnect+, ``professional`` for Pro Santé
Connect, ``agent`` for the funds' directory, ``system`` for the establishments' certificates. Each
is a whole OpenID provider (discovery, JWKS, authorisation code flow) that believes anybody, and
signs RS256 with a key of its own kept in the home: a token survives a restart of the cloud.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.patches import expect
from infra.local.place import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

_GRACE = 5  # seconds


def _signing_key(path: Path) -> Any:
    """The RSA key kept at ``path``, made on the first start; only its owner can read it."""
    from authlib.jose import RSAKey  # noqa: PLC0415 - half a second, wanted in the thread

    if path.exists():
        return RSAKey.import_key(json.loads(path.read_text(encoding="utf-8")))
    key = RSAKey.generate_key(2048, is_private=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(key.as_dict(is_private=True), file)
    return key


def _name_the_key() -> None:
    """Tokens name their key (``kid``), as those of every provider that rotates its keys do.

    The library leaves it out; raises PatchError when it is no longer the one known here.
    """
    import flask  # noqa: PLC0415
    from oidc_provider_mock._app import OpenIDCode  # noqa: PLC0415

    header = expect.function(OpenIDCode, "get_encode_header", "self", "client")

    def named(self: Any, client: Any) -> dict[str, Any]:
        kid = flask.g.oidc_provider_mock_storage.jwk.as_dict()["kid"]
        return {**header(self, client), "kid": kid}

    OpenIDCode.get_encode_header = named


def _provider(key: Any) -> Any:
    import flask  # noqa: PLC0415
    import oidc_provider_mock  # noqa: PLC0415

    provider = oidc_provider_mock.app(require_client_registration=False)
    provider.debug = False
    provider.wsgi_app = provider.wsgi_app.app  # without the library's debugger

    @provider.before_request
    def sign_with_the_kept_key() -> None:
        flask.g.oidc_provider_mock_storage.jwk = key

    return provider


def serve(keys: Path, ports: Mapping[str, int]) -> None:
    """Serve every provider (kind -> port) until standard input closes."""
    # The library's way to say that plain HTTP is meant: the loopback is all there is.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    logging.getLogger("oidc_provider_mock").setLevel(logging.ERROR)

    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any) -> None:
            """No access log: an address may name a person."""

    _name_the_key()
    for kind, port in ports.items():
        provider = _provider(_signing_key(keys / f"{kind}.json"))
        server = make_server(LOOPBACK, port, provider, threaded=True, request_handler=Quiet)
        threading.Thread(target=server.serve_forever, name=f"issuer-{kind}", daemon=True).start()
    sys.stdin.read()


class Issuers:
    """The providers in a process of their own, which ends with this one whatever ends it.

    When it ends first, a port being taken for example, this process is told to stop: a cloud
    without its own providers would believe those of whoever has their ports.
    """

    def __init__(self, keys: Path, ports: Mapping[str, int]) -> None:
        self._wanted = True
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(keys), json.dumps(dict(ports))],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )
        threading.Thread(target=self._watch, name="dmp-issuers", daemon=True).start()

    def _watch(self) -> None:
        self._process.wait()
        if self._wanted:
            logging.getLogger(__name__).error("the identity providers ended: stopping")
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        self._wanted = False
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the library's own deprecations
    serve(Path(sys.argv[1]), json.loads(sys.argv[2]))
