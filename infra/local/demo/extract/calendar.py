"""What the demonstration's people consume, month after month: a plan, and the services of a month.

People are the official test identities and children under their numbers. A month's services follow
from the month alone, so that an extract made next month tells the same past as one made today:
rows delivered again are the same rows. Codes are real ones of their nomenclatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

GP, CARDIOLOGIST, DENTIST, PAEDIATRICIAN = (
    ("511000011", 1),
    ("511000110", 3),
    ("511000128", 19),
    ("511000136", 12),
)
PHYSIOTHERAPIST, LABORATORY, RADIOLOGIST = ("511000219", 26), ("511000318", 30), ("511000326", 6)
CHEMIST, SUPPLIER, NOBODY = ("512000015", 50), ("512000411", 60), ("", 0)
HOSPITAL = "510000029"

Performer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Person:
    """As the insurer names them: thirteen characters and the birth rank."""

    number: str
    rank: int
    sex: str
    born: int


DOMINIQUE = Person("2790351215189", 1, "2", 1979)
HER_CHILD = Person("2790351215189", 2, "1", 2016)
SECOND = Person("2770763220829", 1, "2", 1977)
TWIN_ONE = Person("2770763220829", 2, "1", 2012)
TWIN_TWO = Person("2770763220829", 3, "2", 2012)
THIRD = Person("1550672000101", 1, "1", 1955)


@dataclass(frozen=True, slots=True)
class Detail:
    """One row of a child table: its table, code and quantity (a stay has a structure instead)."""

    table: str
    code: str
    quantity: int = 1


def boxes(code: str, quantity: int = 1) -> Detail:
    return Detail("ER_PHA_F", code, quantity)


def act(code: str) -> Detail:
    return Detail("ER_CAM_F", code)


def analyses(*codes: str) -> tuple[Detail, ...]:
    return tuple(Detail("ER_BIO_F", code) for code in codes)


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that a person has done every `every` months, from month `phase` of the count, on
    about the `day`; `times` in that month, a few days apart. Prices are cents."""

    person: Person
    nature: int
    price: int
    performer: Performer
    prescriber: Performer
    every: int
    phase: int
    day: int
    details: tuple[Detail, ...] = ()
    times: int = 1
    nights: int = 0
    supplement: int = 0
    expense: int = 0
    corrected: bool = False
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """One row of ER_PRS_F with its details. `treated` is the day it entered the insurer's system,
    which decides the extract that delivers it."""

    person: Person
    nature: int
    cents: int
    quantity: int
    performer: Performer
    prescriber: Performer
    start: date
    end: date | None
    treated: date
    order: int
    rank: int
    supplement: int = 0
    expense: int = 0
    details: tuple[Detail, ...] = field(default_factory=tuple)


HABITS = (
    # a general practitioner every other month, and what she prescribes
    Habit(DOMINIQUE, 1110, 3000, GP, NOBODY, 2, 0, 9),
    Habit(
        DOMINIQUE, 3313, 218, CHEMIST, GP, 2, 0, 10, (boxes("3400935955838", 2),), corrected=True
    ),
    Habit(DOMINIQUE, 3313, 515, CHEMIST, GP, 3, 1, 4, (boxes("3400935655769"),)),
    Habit(DOMINIQUE, 3313, 412, CHEMIST, GP, 3, 2, 6, (boxes("3400935673220", 3),)),
    Habit(DOMINIQUE, 3211, 2916, LABORATORY, GP, 6, 3, 12, analyses("1104", "552", "1208")),
    Habit(DOMINIQUE, 1351, 6638, RADIOLOGIST, GP, 12, 4, 18, (act("QEQK001"),)),
    Habit(DOMINIQUE, 1352, 2892, DENTIST, NOBODY, 12, 8, 22, (act("HBJD001"),)),
    Habit(DOMINIQUE, 3331, 1101, CHEMIST, GP, 12, 9, 20),
    Habit(DOMINIQUE, 1110, 500, GP, NOBODY, 4, 0, 9, supplement=2),
    Habit(HER_CHILD, 1111, 3500, PAEDIATRICIAN, NOBODY, 3, 0, 7),
    Habit(HER_CHILD, 3313, 204, CHEMIST, PAEDIATRICIAN, 3, 0, 8, (boxes("3400932320189"),)),
    Habit(HER_CHILD, 3313, 1046, CHEMIST, PAEDIATRICIAN, 12, 5, 15, (boxes("3400936924642"),)),
    # a bad back: sessions, pain killers, a night in hospital, dressings
    Habit(SECOND, 1110, 3000, GP, NOBODY, 3, 1, 5),
    Habit(SECOND, 3125, 1613, PHYSIOTHERAPIST, GP, 6, 1, 8, times=5),
    Habit(
        SECOND, 3313, 297, CHEMIST, GP, 3, 1, 5, (boxes("3400932351176"), boxes("3400930170441", 2))
    ),
    Habit(SECOND, 3341, 251, CHEMIST, GP, 4, 2, 11, (boxes("3400930986080", 2),), reversed=True),
    Habit(
        SECOND, 2111, 62311, (HOSPITAL, 0), GP, 12, 6, 14, (Detail("ER_ETE_F", "1721"),), nights=1
    ),
    Habit(SECOND, 3515, 2340, SUPPLIER, GP, 12, 6, 19, (Detail("ER_TIP_F", "1397790", 4),)),
    Habit(SECOND, 1324, 5670, RADIOLOGIST, GP, 12, 3, 25, (act("ZCQM008"),)),
    Habit(TWIN_ONE, 1111, 2650, GP, NOBODY, 4, 0, 16),
    Habit(TWIN_ONE, 3313, 204, CHEMIST, GP, 4, 0, 16, (boxes("3400932320189"),)),
    Habit(TWIN_TWO, 1111, 2650, GP, NOBODY, 4, 2, 16),
    Habit(TWIN_TWO, 3313, 515, CHEMIST, GP, 4, 2, 17, (boxes("3400935655769"),)),
    # diabetes and the heart
    Habit(THIRD, 1110, 3000, GP, NOBODY, 3, 0, 3),
    Habit(
        THIRD, 3311, 1874, CHEMIST, GP, 1, 0, 4, (boxes("3400935418487"), boxes("3400935563538"))
    ),
    Habit(THIRD, 3313, 1108, CHEMIST, GP, 1, 0, 4, (boxes("3400939169002", 2),), corrected=True),
    Habit(THIRD, 3211, 1512, LABORATORY, GP, 3, 0, 1, analyses("1577", "592", "1610")),
    Habit(THIRD, 1112, 5173, CARDIOLOGIST, GP, 6, 2, 13),
    Habit(THIRD, 1352, 1426, CARDIOLOGIST, GP, 6, 2, 13, (act("DEQP003"),)),
    Habit(THIRD, 1351, 10468, CARDIOLOGIST, GP, 12, 8, 13, (act("DZQM006"),)),
    Habit(
        THIRD, 2111, 491200, (HOSPITAL, 0), GP, 24, 7, 10, (Detail("ER_ETE_F", "1940"),), nights=6
    ),
    Habit(
        THIRD,
        3552,
        350000,
        (HOSPITAL, 0),
        CARDIOLOGIST,
        24,
        7,
        11,
        (Detail("ER_TIP_F", "3408693"),),
    ),
    Habit(THIRD, 3331, 1101, CHEMIST, GP, 12, 9, 21),
    Habit(THIRD, 3313, 387, CHEMIST, GP, 24, 10, 9, (boxes("3400932857241"),)),
    Habit(THIRD, 1110, 100, GP, NOBODY, 3, 0, 3, expense=71),
)


def month_of(day: date) -> int:
    """Months since year 0."""
    return day.year * 12 + day.month - 1


def first_of(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def given_in(month: int) -> Iterator[Given]:
    """Every row that comes of the care given in a month, whenever it is delivered."""
    for rank, habit in enumerate(HABITS):
        if (month - habit.phase) % habit.every:
            continue
        for time in range(habit.times):
            yield from _rows(rank, habit, month, time)


def _rows(rank: int, habit: Habit, month: int, time: int) -> Iterator[Given]:
    start = first_of(month) + timedelta(days=habit.day - 1 + 3 * time)
    end = start + timedelta(days=habit.nights) if habit.nights else None
    row = Given(
        person=habit.person,
        nature=habit.nature,
        cents=habit.price,
        quantity=1,
        performer=habit.performer,
        prescriber=habit.prescriber,
        start=start,
        end=end,
        treated=(end or start) + timedelta(days=5),
        order=10_000 + rank * 10,
        rank=time + 1,
        supplement=habit.supplement,
        expense=habit.expense,
        details=habit.details,
    )
    yield row
    if habit.reversed:  # invoiced by mistake: taken back the month after
        yield _back(row, days=31)
    if habit.corrected:  # one box less: taken back and given again, two months later
        yield _back(row, days=62)
        one = replace(habit.details[0], quantity=1)
        late = row.treated + timedelta(days=62)
        yield replace(row, order=row.order + 2, treated=late, details=(one,), cents=row.cents // 2)


def _back(row: Given, *, days: int) -> Given:
    details = tuple(replace(each, quantity=-each.quantity) for each in row.details)
    late = row.treated + timedelta(days=days)
    return replace(
        row,
        order=row.order + 1,
        treated=late,
        quantity=-row.quantity,
        cents=-row.cents,
        details=details,
    )
