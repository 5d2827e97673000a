"""Checking ES256 signatures against published keys (JWKS, RFC 7517)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from dmp.domain import jws


def verifier(keys: Iterable[Mapping[str, Any]]) -> jws.Verify:
    """`dmp.domain.jws.Verify` by these JWKs. A key of another kind verifies nothing, and the id of
    a key is its thumbprint, whatever the set calls it."""
    known: dict[str, PyJWK] = {}
    for jwk in keys:
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            continue
        try:
            key = PyJWK(dict(jwk), jws.ALGORITHM)
            known[jws.thumbprint(dict(jwk))] = key
        except (PyJWTError, KeyError):
            continue

    def verify(kid: str, payload: bytes, signature: bytes) -> bool:
        key = known.get(kid)
        return key is not None and bool(key.Algorithm.verify(payload, key.key, signature))

    return verify
