"""Bearer tokens of the local identity providers, by the authorisation code flow of OpenID.

`issue` is what ``dmp token`` prints: the provider is told who logs in, a client (named like the
audience) is sent to it, gets a code and exchanges it; the id_token of the answer is the bearer.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import secrets
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import claims, persons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

AUDIENCE = "dmp"
LIFETIME = 3600  # seconds
_REDIRECT = "http://127.0.0.1/callback"
_SCOPES = "openid profile"


class TokenError(Exception):
    """No token can be given; the message says why, for the user."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``dmp token``."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--expires-in", type=int, default=LIFETIME, metavar="SECONDS")
    common.add_argument("--audience", default=AUDIENCE, metavar="TEXT")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    patient = kinds.add_parser("patient", parents=[common], help="a person, by FranceConnect+")
    patient.add_argument("--ins", required=True, metavar="MATRICULE")
    patient.add_argument("--oid", help="register of the matricule (default: wherever it is known)")
    patient.add_argument("--birth-rank", type=int, default=1, metavar="N")
    patient.add_argument(
        "--traits", metavar="JSON", help="for somebody in neither the directory nor a record"
    )
    professional = kinds.add_parser(
        "professional", parents=[common], help="a health professional, by Pro Santé Connect"
    )
    professional.add_argument("--rpps", required=True, metavar="N")
    professional.add_argument("--profession", required=True, metavar="CODE", help="table G15")
    professional.add_argument("--specialty", metavar="SMxx")
    professional.add_argument("--structure", metavar="FINESS")
    professional.add_argument("--reason", metavar="TEXT", help="reason of an emergency access")
    professional.add_argument("--regulation", action="store_true", help="centre 15")
    agent = kinds.add_parser("agent", parents=[common], help="an agent of a fund")
    agent.add_argument("--role", required=True, choices=("enrolment", "operations"))
    agent.add_argument("--caisse", required=True, metavar="NNN")
    system = kinds.add_parser("system", parents=[common], help="a structure's software")
    system.add_argument("--structure", required=True, metavar="FINESS")


def issue(stack: Mapping[str, Any], arguments: Sequence[str] | argparse.Namespace) -> str:
    """The token for the arguments of ``dmp token``; ``stack`` is the content of stack.json.

    Raises TokenError, or SystemExit for arguments that make no sense.
    """
    if not isinstance(arguments, argparse.Namespace):
        parser = argparse.ArgumentParser(prog="dmp token")
        add_arguments(parser)
        arguments = parser.parse_args(list(arguments))
    told = _claims(stack, arguments)
    now = int(time.time())
    expiry = now + arguments.expires_in
    told |= {"exp": expiry, "iat": min(now, expiry - 1)}
    return log_in(stack["issuers"][arguments.kind], told, arguments.audience)


def _claims(stack: Mapping[str, Any], given: argparse.Namespace) -> claims.Claims:
    match given.kind:
        case "professional":
            return claims.professional(
                given.rpps,
                given.profession,
                specialty=given.specialty,
                structure=given.structure,
                reason=given.reason,
                regulation=given.regulation,
            )
        case "agent":
            return claims.agent(given.role, given.caisse)
        case "system":
            return claims.system(given.structure)
    return claims.patient(given.ins, given.birth_rank, _traits(stack, given))


def _traits(stack: Mapping[str, Any], given: argparse.Namespace) -> Mapping[str, Any]:
    if given.traits is not None:
        try:
            traits = json.loads(given.traits)
        except json.JSONDecodeError as error:
            msg = f"--traits is no JSON: {error}"
            raise TokenError(msg) from error
        if not isinstance(traits, dict):
            msg = "--traits is no JSON object"
            raise TokenError(msg)
        return traits
    found = persons.traits_of(stack, given.ins, given.oid)
    if found is None:
        msg = (
            "neither the directory nor a record knows this person; "
            "give their traits with --traits JSON"
        )
        raise TokenError(msg)
    return found


def log_in(issuer: str, told: Mapping[str, Any], client: str) -> str:
    """The id_token that the provider gives for a login of ``told["sub"]`` with these claims."""
    subject = str(told["sub"])
    with _alone(issuer):
        _call(
            f"{issuer}/users/{urllib.parse.quote(subject, safe='')}",
            json.dumps({name: value for name, value in told.items() if name != "sub"}).encode(),
            method="PUT",
            kind="application/json",
        )
        asked = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": _REDIRECT,
            "scope": _SCOPES,
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(16),
        }
        address = f"{issuer}/oauth2/authorize?{urllib.parse.urlencode(asked)}"
        _, location = _call(address, urllib.parse.urlencode({"sub": subject}).encode())
        answer = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
        if "code" not in answer or answer.get("state") != [asked["state"]]:
            msg = f"{issuer} gave no authorisation code"
            raise TokenError(msg)
        exchange = {
            "grant_type": "authorization_code",
            "code": answer["code"][0],
            "redirect_uri": _REDIRECT,
            "client_id": client,
            "client_secret": "any",
        }
        body, _ = _call(f"{issuer}/oauth2/token", urllib.parse.urlencode(exchange).encode())
    return str(json.loads(body)["id_token"])


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))


def _call(
    address: str,
    body: bytes,
    *,
    method: str = "POST",
    kind: str = "application/x-www-form-urlencoded",
) -> tuple[bytes, str]:
    """Body and Location of the provider's answer."""
    request = urllib.request.Request(  # noqa: S310 - the loopback
        address, body, {"Content-Type": kind}, method=method
    )
    try:
        with _opener.open(request, timeout=20) as answer:
            return answer.read(), ""
    except urllib.error.HTTPError as error:
        if error.code in {302, 303}:
            return b"", error.headers["Location"]
        msg = f"the identity provider refuses: {error.code} {error.read().decode()[:200]}"
        raise TokenError(msg) from error
    except OSError as error:
        msg = f"the identity provider does not answer at {address.split('?', maxsplit=1)[0]}"
        raise TokenError(msg) from error


@contextmanager
def _alone(issuer: str) -> Iterator[None]:
    """One login at a time: the provider keeps one set of claims per subject."""
    port = urllib.parse.urlsplit(issuer).port
    with (Path(tempfile.gettempdir()) / f"dmp-login-{port}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
