"""The 24 months before the day of opening."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.history import day_in_france, window_before
from dmp.domain.nomenclatures import Tables
from dmp.domain.normalise import lines_of
from tests.support.services import RECORD, row

openings = st.dates(date(1990, 1, 1), date(2090, 12, 31))


@given(openings)
def test_it_ends_the_day_before_the_opening(opening):
    assert window_before(opening).last + timedelta(days=1) == opening


@given(openings)
def test_it_begins_on_the_same_day_two_years_earlier(opening):
    first = window_before(opening).first
    if (opening.month, opening.day) == (2, 29):
        assert (first.year, first.month, first.day) == (opening.year - 2, 2, 28)
    else:
        assert (first.year, first.month, first.day) == (
            opening.year - 2,
            opening.month,
            opening.day,
        )


@given(openings, openings)
def test_it_holds_exactly_the_days_from_first_to_last(opening, day):
    window = window_before(opening)
    assert window.holds(day) == (window.first <= day < opening)


@pytest.mark.parametrize(
    ("opening", "first", "last"),
    [
        (date(2024, 3, 15), date(2022, 3, 15), date(2024, 3, 14)),
        (date(2024, 3, 1), date(2022, 3, 1), date(2024, 2, 29)),
        (date(2024, 2, 29), date(2022, 2, 28), date(2024, 2, 28)),
        (date(2026, 2, 28), date(2024, 2, 28), date(2026, 2, 27)),
        (date(2024, 1, 1), date(2022, 1, 1), date(2023, 12, 31)),
    ],
)
def test_leap_days_and_new_years(opening, first, last):
    window = window_before(opening)
    assert (window.first, window.last) == (first, last)


@given(st.integers(-3, 3), st.booleans())
def test_a_care_counts_on_the_day_it_began(offset, at_the_end):
    window = window_before(date(2024, 3, 15))
    edge = window.last if at_the_end else window.first
    day = edge + timedelta(days=offset)
    lines = lines_of(RECORD, [row(start=day, end=day + timedelta(days=9))], window, Tables({}))
    assert bool(lines) == window.holds(day)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2024, 1, 9, 23, 30, tzinfo=UTC), date(2024, 1, 10)),
        (datetime(2024, 7, 9, 22, 30, tzinfo=UTC), date(2024, 7, 10)),
        (datetime(2024, 7, 9, 21, 30, tzinfo=UTC), date(2024, 7, 9)),
    ],
)
def test_the_day_of_opening_is_that_of_people_in_france(moment, day):
    assert day_in_france(moment) == day
