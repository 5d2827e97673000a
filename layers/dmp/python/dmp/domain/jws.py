"""JSON Web Signatures (RFC 7515) by ES256 (RFC 7518, section 3.4), detached from what they sign.

`<protected header>..<signature>` (RFC 7515, appendix F): the signed bytes stand elsewhere, as they
are. `typ` says what was signed, so that no signature passes for one of another kind.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Protocol

ALGORITHM = "ES256"
SIGNATURE_BYTES = 64
"""r and s of 32 bytes each, one after the other."""

Verify = Callable[[str, bytes, bytes], bool]
"""`verify(kid, signed bytes, signature)`: whether the key of that id made the signature; a key
that nobody knows made none."""


class Signer(Protocol):
    """A private key: `dmp.store.signing.SigningKey`."""

    @property
    def kid(self) -> str: ...

    def sign(self, payload: bytes) -> bytes:
        """ES256: r||s, 64 bytes."""
        ...


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """The bytes of base64url; ValueError for anything else."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encoded(data) != text:
        raise ValueError("not base64url")
    return data


def detached(payload: bytes, signer: Signer, typ: str) -> str:
    """The detached signature of `payload`, which says that it signs a `typ`."""
    header = {"alg": ALGORITHM, "kid": signer.kid, "typ": typ}
    protected = encoded(json.dumps(header, separators=(",", ":")).encode())
    return f"{protected}..{encoded(signer.sign(_input(protected, payload)))}"


def holds(token: str, payload: bytes, typ: str, verify: Verify) -> bool:
    """Whether `token` is a detached signature of `payload` as a `typ` by a key that is known."""
    try:
        protected, middle, signature = token.split(".")
        header: Any = json.loads(decoded(protected))
        if middle or not isinstance(header, dict) or "crit" in header:
            return False
        if header.get("alg") != ALGORITHM or header.get("typ") != typ:
            return False
        raw = decoded(signature)
        kid = header.get("kid")
        if not isinstance(kid, str) or len(raw) != SIGNATURE_BYTES:
            return False
        return verify(kid, _input(protected, payload), raw)
    except (ValueError, binascii.Error, RecursionError):
        return False


def thumbprint(jwk: dict[str, Any]) -> str:
    """The id of an elliptic-curve key that follows from the key alone (RFC 7638)."""
    told = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return encoded(
        sha256(json.dumps(told, separators=(",", ":"), sort_keys=True).encode()).digest()
    )


def _input(protected: str, payload: bytes) -> bytes:
    return f"{protected}.{encoded(payload)}".encode("ascii")
