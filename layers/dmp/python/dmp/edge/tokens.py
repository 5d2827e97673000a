"""Bearer tokens, verified: nothing that a token says is believed before its signature holds.

Signature by the provider's published keys (RS256 or ES256, chosen by the key, never by the token
alone), issuer, audience, and times: a minute of clock skew is tolerated for `iat` and `nbf`, none
for `exp`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from dmp.domain.actors import Actor
from dmp.domain.errors import Unauthenticated
from dmp.edge.claims import actor_of
from dmp.edge.keyring import ALGORITHMS, KeyRing
from dmp.edge.settings import Issuer

_LONGEST = 16_384
_SKEW = 60
_NEEDED = ["exp", "iat", "iss", "aud", "sub"]

EXPIRED = "expired"
INVALID = "invalid"

Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verifier:
    """Who a token speaks for. `subject` makes the keyed reference of an issuer's subject."""

    issuers: Sequence[Issuer]
    keys: KeyRing
    subject: Callable[[str, str], str]

    def __call__(self, authorization: str) -> Actor:
        """The actor of an Authorization header; Unauthenticated with its reason, KeysUnavailable
        when a provider is away."""
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated(INVALID)
        issuer, claims = self.verified(token.strip())
        return actor_of(issuer, claims, self.subject)

    def verified(self, token: str) -> tuple[Issuer, Claims]:
        """The provider that signed a token, and what it says."""
        issuer, kid, algorithm = self._announced(token)
        key = self.keys.key(issuer.jwks, kid)
        if key is None or key.algorithm_name != algorithm:
            raise Unauthenticated(INVALID)
        try:
            claims: Claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=_SKEW,
                options={"require": _NEEDED},
            )
        except ExpiredSignatureError:
            raise Unauthenticated(EXPIRED) from None
        except (PyJWTError, ValueError, TypeError):
            raise Unauthenticated(INVALID) from None
        if int(claims["exp"]) <= time.time():
            raise Unauthenticated(EXPIRED)
        return issuer, claims

    def _announced(self, token: str) -> tuple[Issuer, str, str]:
        """Which provider, key and algorithm a token says it comes from: to be proved."""
        if len(token) > _LONGEST:
            raise Unauthenticated(INVALID)
        try:
            header = jwt.get_unverified_header(token)
            told = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated(INVALID) from None
        kid, algorithm = str(header.get("kid") or ""), str(header.get("alg"))
        issuer = next((one for one in self.issuers if one.issuer == told), None)
        if issuer is None or not kid or algorithm not in ALGORITHMS.values() or "crit" in header:
            raise Unauthenticated(INVALID)
        return issuer, kid, algorithm
