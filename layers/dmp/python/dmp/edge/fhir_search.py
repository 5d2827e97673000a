"""How every search reads its parameters (FHIR R4, search): one rule for all resources.

A parameter that is not read is left out of the answer's self link and ignored, or a fault under
`Prefer: handling=strict`; a modifier on one that is read is always a fault, since leaving it out
would turn the question around. `_format` and `_pretty` are taken everywhere. Of a token, values
apart by commas widen and a repeated parameter narrows.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from calendar import monthrange
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qsl

from dmp.domain.errors import Fault, Malformed
from dmp.domain.ids import is_record_id
from dmp.domain.paris import PARIS
from dmp.usecases.ports import DEFAULT_COUNT, MOST

Query = Mapping[str, Sequence[str]]
Used = Sequence[tuple[str, str]]

CURSOR = "_cursor"
COUNT = "_count"

_OF_FORM = frozenset({"_format", "_pretty"})
_NO_RECORD = "unknown"
_COUNT = re.compile(r"0{0,5}[1-9][0-9]{0,5}")
_DATE = re.compile(
    r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb)?(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})"
    r"(-(?P<day>[0-9]{2})(T(?P<time>[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Token:
    """`code`, `system|code`, `|code` or `system|`: `system` is None for any and empty for none;
    `code` is None for every code of the system."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Dated:
    """A date with its prefix: the instants from `first` until before `end`, in Paris unless the
    zone is said; an `end` of None is the end of time. `to_the_day`: without a time."""

    prefix: str
    first: datetime
    end: datetime | None
    to_the_day: bool

    def holds(self, moment: datetime) -> bool:
        """Whether an instant is what was asked for."""
        before_end = self.end is None or moment < self.end
        match self.prefix:
            case "ne":
                return not (self.first <= moment and before_end)
            case "gt" | "sa":
                return not before_end
            case "ge":
                return moment >= self.first
            case "lt" | "eb":
                return moment < self.first
            case "le":
                return before_end
            case _:
                return self.first <= moment and before_end


class Reading:
    """One search, read parameter by parameter; what is wrong is kept until `done`."""

    def __init__(self, query: Query, known: Collection[str], *, strict: bool = False) -> None:
        self._query = query
        self.faults: list[Fault] = []
        taken = {*known, *_OF_FORM}
        for name in query:
            if name in taken:
                continue
            if name.partition(":")[0] in taken:
                self.faults.append(Fault(name, "modifier", "no modifier is read here"))
            elif strict:
                self.faults.append(Fault(name, "unknown-parameter", "not a parameter here"))

    def values(self, name: str) -> list[str]:
        """The values of a parameter, blank ones left out."""
        return [value for value in self._query.get(name, ()) if value]

    def record(self) -> str:
        """The record id in `patient`, given once; what cannot be one is a string that finds
        nothing, so that it is answered like a record that does not exist."""
        found = [value.rpartition("Patient/")[2] for value in self.values("patient")]
        if len(found) != 1 or not found[0]:
            self.faults.append(Fault("patient", "required", "one record, by its id"))
            return _NO_RECORD
        return found[0] if is_record_id(found[0]) else _NO_RECORD

    def tokens(self, name: str) -> list[list[Token]]:
        """What each repetition of a parameter asks for: any of its tokens."""
        asked = ([_token(one) for one in text.split(",") if one] for text in self.values(name))
        return [tokens for tokens in asked if tokens]

    def codes(self, name: str, known: Mapping[str, _T]) -> frozenset[_T] | None:
        """What a parameter of few codes asks for; None when it was not given."""
        asked = self.tokens(name)
        if any(one.system is not None or one.code not in known for each in asked for one in each):
            self.faults.append(Fault(name, "unknown-code", ", ".join(known)))
        return common(
            [
                frozenset(known[one.code] for one in each if one.code and one.code in known)
                for each in asked
            ]
        )

    def dates(self, name: str) -> list[Dated]:
        """Every date asked for; all of them have to hold."""
        found = []
        for text in self.values(name):
            dated = _dated(text)
            if dated is None:
                told = "a date or an instant, after eq ne gt lt ge le sa eb"
                self.faults.append(Fault(name, "date", told))
            else:
                found.append(dated)
        return found

    def count(self, usual: int = DEFAULT_COUNT, most: int = MOST) -> int:
        """How many go on a page: `usual` unless asked, `most` at most."""
        told = self.values(COUNT)
        if not told:
            return usual
        if len(told) > 1 or not _COUNT.fullmatch(told[0]):
            self.faults.append(Fault(COUNT, "number", "a number of 1 or more"))
            return usual
        return min(int(told[0]), most)

    def place(self, read: Callable[[Sequence[str]], _T]) -> _T | None:
        """Where the page begins: `read` makes it of a cursor's parts, ValueError for parts that
        are none of its own."""
        told = self.values(CURSOR)
        if not told:
            return None
        parts = read_cursor(told[0]) if len(told) == 1 else None
        try:
            if parts is not None:
                return read(parts)
        except ValueError:
            pass
        self.faults.append(Fault(CURSOR, "cursor", "not a cursor that a next link gave"))
        return None

    def done(self) -> None:
        """Malformed with every fault, if there are any."""
        if self.faults:
            raise Malformed(*self.faults)


def form_query(body: bytes) -> dict[str, list[str]]:
    """The parameters of a form-encoded `_search`."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Malformed(Fault("body", "form", "not readable as a form in UTF-8")) from None
    told: dict[str, list[str]] = {}
    for name, value in pairs:
        told.setdefault(name, []).append(value)
    return told


def used(query: Query, known: Sequence[str]) -> list[tuple[str, str]]:
    """The parameters that counted, in the order of `known`: those of the self link."""
    return [(name, value) for name in known for value in query.get(name, ()) if value]


def cursor_of(*parts: str) -> str:
    """Where the next page begins, opaque to callers. No part holds a `~`."""
    return urlsafe_b64encode("~".join(parts).encode()).decode("ascii").rstrip("=")


def read_cursor(cursor: str) -> tuple[str, ...] | None:
    """The parts of `cursor_of`; None for what it cannot have made."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        return None
    parts = tuple(text.split("~"))
    return parts if cursor_of(*parts) == cursor else None


def common(sets: Sequence[frozenset[_T]]) -> frozenset[_T] | None:
    """What every repetition of a parameter takes; None when there was none."""
    return frozenset.intersection(*sets) if sets else None


def _token(text: str) -> Token:
    system, bar, code = text.rpartition("|")
    return Token(system, code or None) if bar else Token(None, code)


def _dated(text: str) -> Dated | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        first, end = _interval(found)
    except (ValueError, OverflowError):
        return None
    return Dated(found["prefix"] or "eq", first, end, to_the_day=not found["time"])


def _interval(found: re.Match[str]) -> tuple[datetime, datetime | None]:
    """The instants of a date, by its precision."""
    if found["time"]:
        zone = (found["zone"] or "").replace("Z", "+00:00")
        moment = datetime.fromisoformat(
            f"{found['year']}-{found['month']}-{found['day']}T{found['time']}{zone}"
        )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=PARIS)
        to_the_second = found["time"].count(":") > 1
        return moment, _after(moment, timedelta(seconds=1 if to_the_second else 60))
    year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
    first = datetime(year, month or 1, day or 1, tzinfo=PARIS)
    last_month = month or 12
    last = datetime(year, last_month, day or monthrange(year, last_month)[1], tzinfo=PARIS)
    return first, _after(last, timedelta(days=1))


def _after(moment: datetime, step: timedelta) -> datetime | None:
    """None past the last year that there is."""
    try:
        return moment + step
    except OverflowError:
        return None
