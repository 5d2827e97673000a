"""``dmp directory load FILE.csv``: what the insurance funds know of their insured.

The file has a header and ``;`` between its columns (`COLUMNS`, in any order), UTF-8 or Latin-1.
Given names are separated by blanks or commas; days are YYYY-MM-DD; ``birthRank`` is 1 when empty;
``deceased`` is empty, true or false, or the day. A scheme that is not served may stand there: its
insured are then told so. Each line is judged on its own: good ones are loaded, bad ones named with
their number and the reason, never with what they hold. Loading a file again changes nothing.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmp.domain.contacts import contact_faults, international
from dmp.domain.directory import Insured
from dmp.domain.identity import Ins, Traits, ins_faults, mismatch_faults, trait_faults
from dmp.domain.records import Contact
from infra.local import persons, place
from infra.local.home import Home
from infra.local.stack import Stack

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from dmp.domain.errors import Fault

COLUMNS = (
    "matricule",
    "oid",
    "birthRank",
    "birthFamilyName",
    "birthGivenNames",
    "birthDate",
    "sex",
    "birthPlace",
    "scheme",
    "caisse",
    "email",
    "mobile",
    "vitaleSerial",
    "deceased",
)
LOADED, SOME_BAD, USAGE = 0, 1, 2

_RANK = re.compile(r"[1-9]")
_SCHEME = re.compile(r"[a-z][a-z0-9-]{1,39}")
_CAISSE = re.compile(r"[0-9A-Z]{3}")
_SERIAL = re.compile(r"[0-9A-Za-z]{1,20}")
_ALIVE = {"", "false", "0", "non", "no"}
_DEAD = {"true", "1", "oui", "yes"}


class DirectoryError(Exception):
    """The file, or a line of it, cannot be loaded; the message says which and why."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was set aside: its number in the file, the column, and the reason."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says: the people of its good lines, and its bad ones."""

    people: tuple[Insured, ...]
    bad: tuple[BadLine, ...]


def read(path: Path) -> Reading:
    """The people in a file; DirectoryError when it is no such file."""
    people: dict[Ins, tuple[int, Insured]] = {}
    bad: list[BadLine] = []
    for line, row in _rows(path):
        person, faults = _person(row)
        if person is None:
            bad.extend(BadLine(line, column, reason) for column, reason in faults)
        elif person.ins in people:
            first = people[person.ins][0]
            bad.append(BadLine(line, "matricule", f"the person of line {first} again"))
        else:
            people[person.ins] = (line, person)
    return Reading(tuple(person for _, person in people.values()), tuple(bad))


def save(stack: Mapping[str, Any], people: tuple[Insured, ...]) -> None:
    """Put people into the directory of a local stack, whatever it knew of them before."""
    from dmp.store.directory import Directory  # noqa: PLC0415 - boto3, when it is wanted

    dynamodb = place.client("dynamodb", stack["aws_endpoint"])
    directory = Directory(dynamodb, stack["tables"]["directory"], persons.pseudonyms_of(stack))
    directory.save_all(people)


def load(stack: Mapping[str, Any], path: Path) -> int:
    """Load a file whole and say how many people it holds; DirectoryError when a line is bad."""
    reading = read(path)
    if reading.bad:
        raise DirectoryError(f"{path.name}: {reading.bad[0]}")
    save(stack, reading.people)
    return len(reading.people)


def main(options: argparse.Namespace) -> int:
    """The command: 0 when every line was loaded, 1 when some were set aside, 2 for another file."""
    path = Path(options.file)
    stack = Stack.load(Home.at(options.home)).content
    try:
        reading = read(path)
    except DirectoryError as error:
        print(f"dmp: {error}", file=sys.stderr)
        return USAGE
    save(stack, reading.people)
    for bad in reading.bad:
        print(f"{path.name}: {bad}", file=sys.stderr)
    aside = len({bad.line for bad in reading.bad})
    lines = "line" if aside == 1 else "lines"
    print(f"{len(reading.people)} people loaded, {aside} {lines} set aside")
    return SOME_BAD if reading.bad else LOADED


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line of the file with its number, as column -> text without blanks around it."""
    rows = csv.reader(io.StringIO(_text(path), newline=""), delimiter=";")
    header = [name.strip() for name in next(rows, [])]
    missing, unknown = set(COLUMNS) - set(header), set(header) - set(COLUMNS)
    if missing or unknown or len(header) != len(COLUMNS):
        wrong = ", ".join(sorted(missing or unknown)) or "a column twice"
        raise DirectoryError(f"{path.name}: the header is not the directory's ({wrong})")
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        cells = [*row, *[""] * (len(header) - len(row))]
        told = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        yield rows.line_num, told if len(row) <= len(header) else {}


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DirectoryError(f"{path}: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _person(row: Mapping[str, str]) -> tuple[Insured | None, list[tuple[str, str]]]:
    """The person of a line, or every reason why it is none."""
    if not row:
        return None, [("line", "more cells than the header")]
    faults = [
        (name, reason)
        for name, good, reason in (
            ("birthRank", _RANK.fullmatch(row["birthRank"] or "1"), "from 1 to 9"),
            ("birthDate", _day(row["birthDate"]), "a day as YYYY-MM-DD"),
            ("sex", row["sex"] in {"female", "male"}, "female or male"),
            ("scheme", _SCHEME.fullmatch(row["scheme"]), "a scheme's code"),
            ("caisse", _CAISSE.fullmatch(row["caisse"]), "three characters"),
            ("vitaleSerial", _SERIAL.fullmatch(row["vitaleSerial"] or "0"), "digits or letters"),
            ("deceased", _deceased(row["deceased"]) is not None, "true, false, a day or nothing"),
        )
        if not good
    ]
    contact = Contact(row["email"] or None, row["mobile"] or None)
    ins = Ins(row["matricule"], row["oid"])
    told = [*ins_faults(ins, lenient=True), *contact_faults(contact)]
    birth_date = _day(row["birthDate"])
    if birth_date is None:
        return None, [*faults, *_named(told)]
    names = tuple(row["birthGivenNames"].replace(",", " ").split())
    traits = Traits(row["birthFamilyName"], names, birth_date, row["sex"], row["birthPlace"])
    told += trait_faults(traits, datetime.now(UTC).date())
    if not told and not faults:
        told += mismatch_faults(ins, traits)
    if told or faults:
        return None, [*faults, *_named(told)]
    mobile = international(contact.mobile) if contact.mobile else None
    return (
        Insured(
            ins=ins,
            birth_rank=int(row["birthRank"] or 1),
            traits=traits,
            scheme=row["scheme"],
            caisse=row["caisse"],
            contact=Contact(contact.email, mobile),
            vitale_serial=row["vitaleSerial"] or None,
            deceased=bool(_deceased(row["deceased"])),
        ),
        [],
    )


def _named(faults: list[Fault]) -> list[tuple[str, str]]:
    """Faults of the domain by the column they are about."""
    return [(fault.path.rpartition(".")[2], fault.detail) for fault in faults]


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _deceased(text: str) -> bool | None:
    """Whether the person is dead; None for what says neither."""
    if text.lower() in _ALIVE:
        return False
    return True if text.lower() in _DEAD or _day(text) else None
