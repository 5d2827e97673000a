"""Addresses at which a holder can be told things: their form, not whether somebody reads there."""

from __future__ import annotations

import re

from dmp.domain.errors import Fault
from dmp.domain.records import Contact

_LONGEST_ADDRESS = 254
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_FRENCH_MOBILE = re.compile(r"0[67][0-9]{8}")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{7,14}")
_SEPARATORS = str.maketrans("", "", " .-\u00a0\u202f")


def is_email(text: str) -> bool:
    """Whether a mail server could know such an address: the dot-atom form of RFC 5321, in ASCII."""
    return len(text) <= _LONGEST_ADDRESS and _EMAIL.fullmatch(text) is not None


def international(number: str) -> str | None:
    """A mobile number in its international form (`06 12 34 56 78` is `+33612345678`), or None."""
    bare = number.translate(_SEPARATORS)
    if _FRENCH_MOBILE.fullmatch(bare):
        return "+33" + bare[1:]
    return bare if _INTERNATIONAL.fullmatch(bare) else None


def contact_faults(contact: Contact, *, at: str = "contact") -> list[Fault]:
    """What is wrong with the addresses."""
    faults = []
    if contact.email is not None and not is_email(contact.email):
        faults.append(Fault(f"{at}.email", "email-form", "not an e-mail address"))
    if contact.mobile is not None and international(contact.mobile) is None:
        faults.append(Fault(f"{at}.mobile", "mobile-form", "not a mobile number"))
    return faults
