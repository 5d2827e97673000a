"""People for tests: the official test identities, and numbers that nobody can hold.

A made number has sex 7 or 8 (temporary), month 99 and commune 99999: no register gives it out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from typing import Any

from dmp.domain.identity import DEMONSTRATION, TEST, nir_key

_ranks = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Someone:
    """A person as the API is told of them."""

    matricule: str
    family_name: str
    given_names: tuple[str, ...]
    birth_date: date
    sex: str
    birth_place: str
    oid: str = TEST

    @property
    def ins(self) -> dict[str, str]:
        return {"matricule": self.matricule, "oid": self.oid}

    @property
    def traits(self) -> dict[str, Any]:
        return {
            "birthFamilyName": self.family_name,
            "birthGivenNames": list(self.given_names),
            "birthDate": self.birth_date.isoformat(),
            "sex": self.sex,
            "birthPlace": self.birth_place,
        }

    @property
    def claims(self) -> dict[str, Any]:
        """The traits as FranceConnect+ tells them."""
        return {
            "family_name": self.family_name,
            "given_name": " ".join(self.given_names),
            "birthdate": self.birth_date.isoformat(),
            "birthplace": self.birth_place,
            "birthcountry": "99100",
            "gender": self.sex,
        }


DOMINIQUE = Someone(
    "279035121518989", "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"
)


def somebody(rank: int | None = None, year: int = 1979, oid: str = TEST) -> Someone:
    """Somebody new at each call (or the one of a rank): a number that nobody can hold."""
    rank = next(_ranks) if rank is None else rank
    body = f"8{year % 100:02d}9999{rank // 1000 % 1000:03d}{rank % 1000:03d}"
    name = "".join(chr(ord("A") + int(digit)) for digit in f"{rank:06d}")
    return Someone(
        body + nir_key(body),
        f"TEST-{name}",
        ("CAMILLE", name),
        date(year, 6, 15),
        "female",
        "99999",
        oid,
    )


def opening(someone: Someone, **changes: Any) -> dict[str, Any]:
    """A complete request to open a record; `changes` replace top-level members."""
    return {
        "ins": someone.ins,
        "traits": someone.traits,
        "scheme": "regime-general",
        "contact": {"email": f"patient-{someone.matricule[-6:]}@example.test"},
        "consent": {"opening": True, "opposesBreakGlass": False, "opposesCentre15": False},
        "source": "carte-vitale",
        **changes,
    }


__all__ = ["DEMONSTRATION", "DOMINIQUE", "TEST", "Someone", "opening", "somebody"]
