"""Keyed hashes in the place of identities: nothing that is a key, a log or an event holds one.

HMAC-SHA-256 with a key from Secrets Manager, fetched once per process. Each kind of hash has its
own prefix, so that two kinds never meet.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from datetime import date
from hashlib import sha256

from dmp.domain.identity import Ins, InsuredNumber, Traits, fold, folded_names

_BODY = 13
MATRICULE = r"[1-8][0-9]{2}(?:0[1-9]|1[0-2]|[2-9][0-9])(?:[0-9]{2}|2[AB])[0-9]{6}"
"""The INSEE form of thirteen characters, in the grammar that Python's and the engine's expressions
share."""
_WHOLE = re.compile(MATRICULE + "[0-9]{2}")


class Pseudonyms:
    """The keyed hashes of one stage, in lower-case hexadecimal."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        """`key` is asked at the first hash, and once."""
        self._ask = key
        self._key: bytes | None = None

    def _hash(self, kind: str, *parts: str) -> str:
        if self._key is None:
            self._key = self._ask()
        message = "\x1f".join((kind, *parts)).encode()
        return hmac.new(self._key, message, sha256).hexdigest()

    @property
    def key(self) -> bytes:
        """The key itself, for engines that hash whole columns with `insured_message`."""
        if self._key is None:
            self._key = self._ask()
        return self._key

    def ins(self, ins: Ins) -> str:
        return self._hash("ins", ins.oid, ins.matricule)

    def insured(self, insured: InsuredNumber) -> str:
        """The insurer's number without its control key, and the birth rank."""
        return self._hash("insured", insured_body(insured.number), str(insured.birth_rank))

    def subject(self, issuer: str, subject: str) -> str:
        return self._hash("subject", issuer, subject)

    def traits(self, traits: Traits) -> str:
        return self._hash(
            "traits",
            fold(traits.family_name),
            folded_names(traits),
            traits.birth_date.isoformat(),
            traits.sex,
            traits.birth_place,
        )

    def birth_date(self, born: date) -> str:
        """Of a day of birth alone: who holds the table and not the key cannot tell the day."""
        return self._hash("birth-date", born.isoformat())

    def caller(self, actor_key: str, idempotency_key: str) -> str:
        return self._hash("idempotency", actor_key, idempotency_key)

    def request(self, body: str) -> str:
        """The fingerprint of a whole request: it names somebody, so it is keyed like the rest."""
        return self._hash("request", body)


def insured_body(number: str) -> str:
    """The thirteen characters that extracts and cards agree on: a matricule loses its control key.

    What has no INSEE form stays whole (research extracts name people by `NUM_ENQ`): cutting it
    could make two people one.
    """
    return number[:_BODY] if _WHOLE.fullmatch(number) else number


def secret_key(secrets: object, arn: str) -> Callable[[], bytes]:
    """The key as kept in Secrets Manager."""

    def ask() -> bytes:
        answer: dict[str, str] = secrets.get_secret_value(SecretId=arn)  # type: ignore[attr-defined]
        return answer["SecretString"].encode()

    return ask
