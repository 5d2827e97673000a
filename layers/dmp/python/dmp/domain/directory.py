"""What the insurance funds know of their insured: the authority on who may have a record."""

from __future__ import annotations

from dataclasses import dataclass, field

from dmp.domain.errors import Fault
from dmp.domain.identity import LENIENT_OIDS, Ins, Traits, differences
from dmp.domain.records import Contact, Scheme

_SERVED = {scheme.value for scheme in Scheme}


@dataclass(frozen=True, slots=True)
class Insured:
    """One insured person. `scheme` may be one that is not served; `contact` is what the fund
    holds; `vitale_serial` is the serial number of their carte Vitale."""

    ins: Ins
    birth_rank: int
    traits: Traits
    scheme: str
    caisse: str
    contact: Contact = field(default_factory=Contact)
    vitale_serial: str | None = None
    deceased: bool = False


def counts_as_insured(ins: Ins, *, lenient: bool) -> bool:
    """Whether a person whom no fund knows may have a record: only where the identity checks are
    lenient, and only under the test and demonstration OIDs."""
    return lenient and ins.oid in LENIENT_OIDS


def directory_faults(
    known: Insured | None, ins: Ins, traits: Traits, *, lenient: bool
) -> list[Fault]:
    """Why a person cannot have a record, by what the funds know; what they hold is never quoted."""
    if known is None:
        if counts_as_insured(ins, lenient=lenient):
            return []
        return [Fault("ins.matricule", "not-insured", "unknown to the health insurance")]
    if known.deceased:
        return [Fault("ins.matricule", "deceased", "the person is deceased")]
    faults = [
        Fault(f"traits.{name}", "contradicts-directory", "not what the insurance fund holds")
        for name in differences(traits, known.traits)
    ]
    if known.scheme not in _SERVED:
        faults.append(Fault("scheme", "scheme-not-served", "the person's scheme is not served"))
    return faults
