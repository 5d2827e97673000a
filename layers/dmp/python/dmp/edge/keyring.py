"""The public keys of the identity providers, by their published sets (JWKS, RFC 7517).

Sets are kept for ten minutes. A key id that the kept set lacks may be a rotation: the set is asked
for again, but at most once in five seconds, so that invented key ids are no way to flood a
provider. A provider that does not answer leaves its kept keys in use for six hours, and then none.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from dmp.domain.errors import Busy

ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""The one signature that each type of key may verify here: no other algorithm exists."""

_FRESH = 600.0
_STALE = 6 * 3600.0
_BETWEEN = 5.0
_BETWEEN_FIRST = 1.0
_LARGEST = 262_144
_TIMEOUT = 3.0
_LEAST_RSA = 2048
_CURVE = "P-256"

Fetch = Callable[[str], bytes]


class KeysUnavailable(Busy):
    """The provider's keys are not to be had: nothing can be said of its tokens."""


@dataclass(slots=True)
class _Set:
    keys: Mapping[str, PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


def fetch(address: str) -> bytes:
    """The document at an address: HTTPS, or the loopback of a local cloud."""
    place = urlsplit(address)
    if place.scheme != "https" and place.hostname != "127.0.0.1":
        raise ValueError("keys are fetched over HTTPS")
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:  # noqa: S310 - checked above
        body: bytes = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise ValueError("too large for a set of keys")
    return body


class KeyRing:
    """The keys of all providers of one process; `clock` counts seconds."""

    def __init__(self, get: Fetch = fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._get = get
        self._clock = clock
        self._sets: dict[str, _Set] = {}

    def key(self, address: str, kid: str) -> PyJWK | None:
        """The key of that id in the set published at an address; None when it has none.

        Raises KeysUnavailable when there is no set to look into.
        """
        kept = self._sets.setdefault(address, _Set())
        now = self._clock()
        wanted = now - kept.fetched_at > _FRESH or kid not in kept.keys
        if wanted and now - kept.tried_at > (_BETWEEN if kept.keys else _BETWEEN_FIRST):
            kept.tried_at = now
            keys = self._fetched(address)
            if keys:
                kept.keys, kept.fetched_at = keys, now
        if now - kept.fetched_at > _STALE:
            raise KeysUnavailable
        return kept.keys.get(kid)

    def _fetched(self, address: str) -> Mapping[str, PyJWK]:
        """The usable keys published there; none when the provider does not answer sensibly."""
        try:
            told = json.loads(self._get(address))
        except (OSError, ValueError, RecursionError):
            return {}
        published = told.get("keys") if isinstance(told, dict) else None
        if not isinstance(published, list):
            return {}
        found = (_usable(jwk) for jwk in published if isinstance(jwk, dict))
        return {key.key_id: key for key in found if key is not None and key.key_id}


def _usable(jwk: dict[str, Any]) -> PyJWK | None:
    """A key that signs with one of our algorithms and is strong enough for it."""
    algorithm = ALGORITHMS.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("use", "sig") != "sig":
        return None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("crv", _CURVE) != _CURVE:
        return None
    try:
        key = PyJWK(jwk, algorithm)
    except PyJWTError:
        return None
    return key if algorithm != "RS256" or key.key.key_size >= _LEAST_RSA else None
