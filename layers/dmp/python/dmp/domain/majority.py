"""When a holder comes of age, and who represents them until then."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, time

from dmp.domain.actors import Person
from dmp.domain.identity import same_person
from dmp.domain.paris import PARIS
from dmp.domain.records import Basis, Record, Representative


def birthday(born: date, age: int) -> date:
    """The day on which somebody reaches an age; who was born on 29 February does so on 1 March."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def born_for(day: date, age: int) -> tuple[date, ...]:
    """The days of birth of those who reach an age on a day: none, one, or two on a 1 March."""
    year = day.year - age
    leaps = [date(year, 2, 29)] if isleap(year) else []
    same = [date(year, day.month, day.day)] if (day.month, day.day) != (2, 29) else []
    return tuple(born for born in (*same, *leaps) if birthday(born, age) == day)


def comes_of_age(born: date, age: int) -> datetime:
    """The first moment of that day in Paris, in UTC."""
    return datetime.combine(birthday(born, age), time(), PARIS).astimezone(UTC)


def is_minor(record: Record, now: datetime, age: int) -> bool:
    return now < comes_of_age(record.traits.birth_date, age)


def acting(record: Record, now: datetime, age: int) -> tuple[Representative, ...]:
    """Who represents the holder now: parental authority ends with minority [Code civil 371-1]."""
    minor = is_minor(record, now, age)
    return tuple(
        one
        for one in record.representatives
        if one.since <= now
        and (minor or one.basis is not Basis.PARENTAL_AUTHORITY)
        and (one.until is None or now < one.until)
    )


def represents(person: Person, record: Record, now: datetime, age: int) -> bool:
    """Whether this person acts in the holder's name now, by strict traits."""
    return any(same_person(person.traits, one.traits) for one in acting(record, now, age))
