"""Signatures by the asymmetric key `signing` (KMS, ECC_NIST_P256): ES256, its private half never
leaves KMS.

KMS answers DER: an ECDSA-Sig-Value (RFC 3279, section 2.2.3) for a signature, a
SubjectPublicKeyInfo (RFC 5480) for the public key. JOSE wants r||s and x, y (RFC 7518, sections
3.4 and 6.2.1): a few bytes of ASN.1 of one known shape, no library.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from dmp.domain import jws

_HALF = jws.SIGNATURE_BYTES // 2
_SEQUENCE, _INTEGER = 0x30, 0x02
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""All of a P-256 SubjectPublicKeyInfo before x and y, which are not compressed."""


class SigningKey:
    """`dmp.domain.jws.Signer` on KMS. The public key is asked for once."""

    def __init__(self, kms: Any, key_arn: str) -> None:
        self._kms = kms
        self._key = key_arn
        self._jwk: dict[str, str] | None = None

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint of the public key."""
        return self.public_jwk()["kid"]

    def sign(self, payload: bytes) -> bytes:
        """ES256 of the payload: r||s, 64 bytes. Only the payload's SHA-256 is sent."""
        answer: dict[str, bytes] = self._kms.sign(
            KeyId=self._key,
            Message=sha256(payload).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        return raw(answer["Signature"])

    def public_jwk(self) -> dict[str, str]:
        """The public key as RFC 7517 has it: kty, crv, x, y, alg, use, kid."""
        if self._jwk is None:
            answer: dict[str, bytes] = self._kms.get_public_key(KeyId=self._key)
            self._jwk = jwk_of(answer["PublicKey"])
        return dict(self._jwk)


def jwk_of(der: bytes) -> dict[str, str]:
    """The JWK of a P-256 SubjectPublicKeyInfo; ValueError for any other key."""
    point = der.removeprefix(_P256)
    if len(point) != 2 * _HALF or len(der) != len(_P256) + len(point):
        raise ValueError("not a P-256 public key")
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": jws.encoded(point[:_HALF]),
        "y": jws.encoded(point[_HALF:]),
    }
    return {**jwk, "alg": jws.ALGORITHM, "use": "sig", "kid": jws.thumbprint(jwk)}


def raw(der: bytes) -> bytes:
    """r||s of a P-256 ECDSA-Sig-Value: SEQUENCE { INTEGER r, INTEGER s }; ValueError otherwise."""
    body, rest = _value(_SEQUENCE, der)
    r, body = _value(_INTEGER, body)
    s, body = _value(_INTEGER, body)
    if rest or body:
        raise ValueError("more than a signature")
    try:
        return b"".join(int.from_bytes(each, "big").to_bytes(_HALF, "big") for each in (r, s))
    except OverflowError:
        raise ValueError("not a P-256 signature") from None


def _value(tag: int, data: bytes) -> tuple[bytes, bytes]:
    """The content of the value at the head of `data`, and what follows it. A P-256 signature has
    at most 72 bytes, so that every length fits in one."""
    if len(data) < 2 or data[0] != tag or data[1] > len(data) - 2:  # noqa: PLR2004 - tag, length
        raise ValueError("not a signature")
    end = 2 + data[1]
    return data[2:end], data[end:]
