"""Who the record is about, and the keys that tell a number from a typing error.

The INS is a matricule, the OID of its register, and five strict traits [référentiel INS].
Faults are returned, not raised, so that a caller can name every wrong field at once.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from dmp.domain.errors import Fault

NIR = "1.2.250.1.213.1.4.8"
NIA = "1.2.250.1.213.1.4.9"
TEST = "1.2.250.1.213.1.4.10"
DEMONSTRATION = "1.2.250.1.213.1.4.11"
OIDS = frozenset({NIR, NIA, TEST, DEMONSTRATION})
LENIENT_OIDS = frozenset({TEST, DEMONSTRATION})

PS_OID = "1.2.250.1.71.4.2.1"
STRUCTURE_OID = "1.2.250.1.71.4.2.2"

_CORSICA = {"2A": "19", "2B": "18"}
_NUMBER = (
    r"(?P<sex>[1-8])(?P<year>[0-9]{2})(?P<month>0[1-9]|1[0-2]|[2-9][0-9])"
    r"(?P<department>[0-9]{2}|2A|2B)(?P<commune>[0-9]{3})(?P<rank>[0-9]{3})"
)
_SHAPE = re.compile(_NUMBER + r"(?P<key>[0-9]{2})")
_INSURED = re.compile(_NUMBER + r"(?P<key>[0-9]{2})?")
_RESEARCH = re.compile(r"(?=.*[A-Za-z])[0-9A-Za-z_-]{1,32}")
_BIRTH_PLACE = re.compile(r"[0-9]{5}|2[AB][0-9]{3}")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE"})
_BODY = 13
_MODULUS = 97
_LAST_RANK = 9
_LAST_MONTH = 12


@dataclass(frozen=True, slots=True)
class Ins:
    """A national health identity: 15 characters and the OID of the register they belong to."""

    matricule: str
    oid: str


@dataclass(frozen=True, slots=True)
class Traits:
    """The five strict traits. `sex` is `female` or `male`; `birth_place` an INSEE code of five
    characters (2A and 2B in Corsica, 99 and the country for births abroad)."""

    family_name: str
    given_names: tuple[str, ...]
    birth_date: date
    sex: str
    birth_place: str


@dataclass(frozen=True, slots=True)
class InsuredNumber:
    """The number under which the insurer's extracts know a person: a child may stand under a
    parent's, twins are told apart by their birth rank (1 for everybody else)."""

    number: str
    birth_rank: int = 1


def nir_key(body: str) -> str:
    """The two-digit key of thirteen characters: 97 minus the rest by 97, 2A read as 19, 2B as 18.

    Raises ValueError for what is not thirteen digits (Corsican letters apart).
    """
    digits = body[:5] + _CORSICA.get(body[5:7], body[5:7]) + body[7:]
    if len(digits) != _BODY or not digits.isascii() or not digits.isdigit():
        raise ValueError("thirteen digits")
    return f"{_MODULUS - int(digits) % _MODULUS:02d}"


def ins_faults(ins: Ins, *, lenient: bool, at: str = "ins") -> list[Fault]:
    """What is wrong with a number. Lenient mode forgives a wrong key under the test and
    demonstration OIDs only; never a wrong shape, never under the real ones."""
    faults = []
    if ins.oid not in OIDS:
        faults.append(Fault(f"{at}.oid", "unknown-oid", "not the OID of an INS register"))
    if not _SHAPE.fullmatch(ins.matricule):
        faults.append(
            Fault(f"{at}.matricule", "matricule-shape", "15 characters of the INSEE form")
        )
    elif not _key_agrees(ins.matricule) and not (lenient and ins.oid in LENIENT_OIDS):
        faults.append(Fault(f"{at}.matricule", "matricule-key", "the control key is wrong"))
    return faults


def _key_agrees(number: str) -> bool:
    return nir_key(number[:_BODY]) == number[_BODY:]


def insured_faults(insured: InsuredNumber, *, lenient: bool, at: str = "insured") -> list[Fault]:
    """What is wrong with the number that the insurer's extracts know: 13 characters of the INSEE
    form, or 15 with the key. Lenient mode also takes a wrong key, and the names with letters that
    research extracts give people (`NUM_ENQ`)."""
    faults = []
    if not 1 <= insured.birth_rank <= _LAST_RANK:
        faults.append(Fault(f"{at}.birthRank", "birth-rank", "from 1 to 9"))
    if lenient and _RESEARCH.fullmatch(insured.number):
        return faults
    shape = _INSURED.fullmatch(insured.number)
    if shape is None:
        faults.append(
            Fault(f"{at}.number", "matricule-shape", "13 or 15 characters of the INSEE form")
        )
    elif shape["key"] and not _key_agrees(insured.number) and not lenient:
        faults.append(Fault(f"{at}.number", "matricule-key", "the control key is wrong"))
    return faults


def key_forgiven(ins: Ins) -> bool:
    """Whether lenient mode had something to forgive: said to the caller as a warning."""
    return bool(ins_faults(ins, lenient=False)) and not ins_faults(ins, lenient=True)


def trait_faults(traits: Traits, today: date, *, at: str = "traits") -> list[Fault]:
    """What is wrong with the traits, taken alone."""
    faults = []
    if not fold(traits.family_name):
        faults.append(Fault(f"{at}.birthFamilyName", "required", "a name has letters"))
    if not traits.given_names or not all(fold(name) for name in traits.given_names):
        faults.append(Fault(f"{at}.birthGivenNames", "required", "at least one, with letters"))
    if traits.birth_date > today:
        faults.append(Fault(f"{at}.birthDate", "in-the-future", "nobody is born tomorrow"))
    if not _BIRTH_PLACE.fullmatch(traits.birth_place):
        faults.append(Fault(f"{at}.birthPlace", "insee-code", "five characters, INSEE"))
    return faults


def mismatch_faults(ins: Ins, traits: Traits, *, at: str = "traits") -> list[Fault]:
    """Where the number and the traits contradict each other.

    A matricule says sex (1 and 2, and their temporary forms 3 to 8), year of birth and, for
    months 01 to 12, month of birth. It also says where somebody was born, but communes change
    their codes and the number stays: that is not compared.
    """
    shape = _SHAPE.fullmatch(ins.matricule)
    if shape is None:
        return []
    faults = []
    if ("male" if int(shape["sex"]) % 2 else "female") != traits.sex:
        faults.append(Fault(f"{at}.sex", "contradicts-matricule", "another sex in the matricule"))
    month = int(shape["month"])
    if int(shape["year"]) != traits.birth_date.year % 100 or (
        month <= _LAST_MONTH and month != traits.birth_date.month
    ):
        faults.append(
            Fault(f"{at}.birthDate", "contradicts-matricule", "another month in the matricule")
        )
    return faults


def fold(name: str) -> str:
    """A name as the registers compare it: capitals, no accents, one blank for any separator."""
    plain = unicodedata.normalize("NFKD", name.translate(_LIGATURES))
    letters = "".join(c if c.isalpha() else " " for c in plain if not unicodedata.combining(c))
    return " ".join(letters.upper().split())


def folded_names(traits: Traits) -> str:
    """All given names as one folded text: registers cut compound names at different places."""
    return fold(" ".join(traits.given_names))


def same_person(one: Traits, other: Traits) -> bool:
    """Strict comparison of the five traits; accents, case and hyphens make no difference."""
    return not differences(one, other) and folded_names(one) == folded_names(other)


def differences(one: Traits, other: Traits) -> list[str]:
    """The traits, as requests call them, in which two identities contradict each other.

    A card may carry the first given name alone where a register has them all: given names agree
    when one list begins with the other.
    """
    mine, theirs = folded_names(one).split(), folded_names(other).split()
    known = min(len(mine), len(theirs))
    pairs = {
        "birthFamilyName": (fold(one.family_name), fold(other.family_name)),
        "birthGivenNames": (mine[:known], theirs[:known]),
        "birthDate": (one.birth_date, other.birth_date),
        "sex": (one.sex, other.sex),
        "birthPlace": (one.birth_place, other.birth_place),
    }
    return [name for name, (this, that) in pairs.items() if this != that]


def luhn(digits: str) -> bool:
    """The checksum of RPPS, SIREN and SIRET numbers."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character) * (1 + position % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - two digits added up
    return total % 10 == 0


def is_rpps(number: str) -> bool:
    """Eleven digits with a Luhn key."""
    return bool(re.fullmatch(r"[0-9]{11}", number)) and luhn(number)


def is_ps_id(number: str) -> bool:
    """PS_IdNat of a professional in the RPPS: "8" then the RPPS, whose key is its own."""
    return number[:1] == "8" and is_rpps(number[1:])


def is_finess(number: str) -> bool:
    """Nine characters: department (2A and 2B included), then seven digits."""
    return bool(re.fullmatch(r"[0-9](?:[0-9]|[AB])[0-9]{7}", number))
