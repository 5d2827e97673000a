"""Naming who represents a holder, and ending it.

A child is represented by those who hold parental authority, until majority [Code civil 371-1]; an
adult by a guardian whom a judge appointed. That a representative is of age, and that a record has
four at most at a time, is *assumed*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from dmp.domain.actors import Actor, Agent, Professional, Structure, System, key_of
from dmp.domain.contacts import contact_faults, international
from dmp.domain.errors import Fault
from dmp.domain.identity import Traits, same_person, trait_faults
from dmp.domain.ids import new_ulid
from dmp.domain.majority import comes_of_age
from dmp.domain.paris import PARIS
from dmp.domain.records import Basis, Contact, Record, Representative

MOST = 4
"""Representatives of one record at a time."""

KEPT = 12
"""Entries of one record, those that ended included: the oldest of these are forgotten first."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Who is to represent a holder, as told at a counter; `until` is the last day, whole, in
    Paris. The last day that there is (9999-12-31) is no end."""

    traits: Traits
    basis: Basis
    contact: Contact = field(default_factory=Contact)
    until: date | None = None


def naming_faults(
    naming: Naming, holder: Traits, now: datetime, age: int, *, at: str = ""
) -> list[Fault]:
    """What is wrong with one naming; `age` is that of majority, `at` where the naming stands in
    the request (nothing: it is the request)."""
    here, today = f"{at}." if at else "", now.astimezone(PARIS).date()
    faults = trait_faults(naming.traits, today, at=f"{here}traits")
    faults += contact_faults(naming.contact, at=f"{here}contact")
    if same_person(naming.traits, holder):
        faults.append(Fault(f"{here}traits", "is-holder", "nobody represents themselves"))
    elif naming.traits.birth_date <= today and not _of_age(naming.traits, now, age):
        faults.append(Fault(f"{here}traits.birthDate", "not-of-age", "who represents is of age"))
    if naming.basis is Basis.PARENTAL_AUTHORITY and _of_age(holder, now, age):
        faults.append(Fault(f"{here}basis", "of-age", "the holder is: only a guardian is named"))
    if naming.until is not None and naming.until < today:
        faults.append(Fault(f"{here}until", "in-the-past", "it would be over already"))
    return faults


def twice_faults(namings: Sequence[Naming | None], *, at: str) -> list[Fault]:
    """Who is named more than once; None stands for one that could not be read."""
    return [
        Fault(f"{at}[{n}].traits", "twice", "named above already")
        for n, one in enumerate(namings)
        if one and any(same_person(one.traits, b.traits) for b in namings[:n] if b)
    ]


def named(naming: Naming, now: datetime) -> Representative:
    """A representative from now on."""
    contact, last = naming.contact, naming.until
    mobile = international(contact.mobile) if contact.mobile else None
    return Representative(
        traits=naming.traits,
        basis=naming.basis,
        since=now,
        contact=replace(contact, mobile=mobile),
        until=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
        id=new_ulid(now),
    )


def lasting(record: Record, now: datetime, age: int) -> tuple[Representative, ...]:
    """The representatives whose term has not ended. Unlike `majority.acting` it counts one whom
    another clock named a moment ahead of ours."""
    grown = _of_age(record.traits, now, age)
    return tuple(
        one
        for one in record.representatives
        if (one.until is None or now < one.until)
        and not (grown and one.basis is Basis.PARENTAL_AUTHORITY)
    )


def same_naming(naming: Naming, standing: Representative) -> bool:
    """Whether a naming says again what stands."""
    again = named(naming, standing.since)
    return (again.basis, again.contact, again.until) == (
        standing.basis,
        standing.contact,
        standing.until,
    )


def adding(record: Record, one: Representative, now: datetime, age: int) -> Record:
    """The next version of a record, with one more representative."""
    still = lasting(record, now, age)
    ended = [each for each in record.representatives if each not in still]
    kept = ended[max(0, len(ended) + len(still) + 1 - KEPT) :]
    return _next(record, (*kept, *still, one))


def ending(record: Record, which: str, now: datetime) -> Record:
    """The next version of a record, where the representative of an id represents no more, and is
    told nothing more."""
    return _next(
        record,
        tuple(
            replace(one, until=now, contact=Contact()) if one.id == which else one
            for one in record.representatives
        ),
    )


def opened_beside(actor: Actor, record: Record) -> bool:
    """Whether somebody opened the record, or works where it was opened: in the structure, or for
    the fund."""
    if key_of(actor) == record.opened_by:
        return True
    match actor:
        case Professional(structure=Structure() as place) | System(structure=place):
            return place.finess == record.structure
        case Agent(caisse=caisse):
            return caisse == record.caisse
    return False


def _next(record: Record, representatives: tuple[Representative, ...]) -> Record:
    return replace(record, representatives=representatives, version=record.version + 1)


def _of_age(traits: Traits, now: datetime, age: int) -> bool:
    return now >= comes_of_age(traits.birth_date, age)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS).astimezone(UTC)
