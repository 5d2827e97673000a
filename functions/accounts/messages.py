"""What the enrolment counter is sent, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dmp.domain.consents import OpeningConsent
from dmp.domain.errors import Fault
from dmp.domain.identity import Ins, InsuredNumber, Traits
from dmp.domain.ids import is_record_id
from dmp.domain.records import (
    Basis,
    Channel,
    Contact,
    HistoryStatus,
    RecordStatus,
    Scheme,
    Source,
)
from dmp.domain.representatives import MOST, Naming
from dmp.edge.fhir_search import COUNT, CURSOR, Query, Reading, cursor_of
from dmp.edge.http import faults_of
from dmp.usecases.list_patients import Patients, Place, Sort
from dmp.usecases.open_record import Application, Repeatable

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URN = "urn:oid:"
_UNSAID = {"representatives"}

SEARCH = ("identifier",)
"""The parameters of a search of one record."""

LIST = ("_sort", "_lastUpdated", COUNT, CURSOR)
"""The parameters of a list of patients."""


def _day(told: object) -> object:
    """Days are written as days: neither timestamps nor moments."""
    if isinstance(told, str) and _DAY.fullmatch(told):
        return told
    raise PydanticCustomError("date", "a day as YYYY-MM-DD")


def _served(told: object) -> object:
    if isinstance(told, str) and told not in {scheme.value for scheme in Scheme}:
        raise PydanticCustomError("scheme_not_served", "not a scheme that is served")
    return told


# Printable text: it will be written into XML and read aloud. Clients' engines know no \p{C}.
_PORTABLE = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$", "description": "Printable text."}
Name = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[^\p{C}]+$", json_schema_extra=_PORTABLE),
]
Day = Annotated[date, BeforeValidator(_day)]
ServedScheme = Annotated[Scheme, BeforeValidator(_served)]


class Message(BaseModel):
    """camelCase outside; unknown fields are faults."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class InsMessage(Message):
    matricule: Annotated[str, Field(max_length=15)]
    oid: Annotated[str, Field(max_length=64)]

    def told(self) -> Ins:
        return Ins(self.matricule, self.oid)


class TraitsMessage(Message):
    birth_family_name: Name
    birth_given_names: Annotated[list[Name], Field(min_length=1, max_length=20)]
    birth_date: Day
    sex: Literal["female", "male"]
    birth_place: Annotated[str, Field(max_length=5)]

    def told(self) -> Traits:
        return Traits(
            self.birth_family_name,
            tuple(self.birth_given_names),
            self.birth_date,
            self.sex,
            self.birth_place,
        )


class InsuredMessage(Message):
    number: Annotated[str, Field(max_length=32)]
    birth_rank: StrictInt = 1

    def told(self) -> InsuredNumber:
        return InsuredNumber(self.number, self.birth_rank)


class ContactMessage(Message):
    email: Annotated[str, Field(max_length=254)] | None = None
    mobile: Annotated[str, Field(max_length=24)] | None = None

    def told(self) -> Contact:
        return Contact(self.email, self.mobile)


class ConsentMessage(Message):
    opening: StrictBool
    opposes_break_glass: StrictBool
    opposes_centre15: StrictBool

    def told(self) -> OpeningConsent:
        return OpeningConsent(self.opening, self.opposes_break_glass, self.opposes_centre15)


class OpeningFlag(BaseModel):
    """The flag that no other flag of a consent may hide."""

    opening: StrictBool

    def told(self) -> OpeningConsent:
        """With everything else opposed: whoever sent it is refused anyway."""
        return OpeningConsent(self.opening, opposes_break_glass=True, opposes_centre_15=True)


class SchemeMessage(BaseModel):
    scheme: ServedScheme


class SourceMessage(BaseModel):
    source: Source


class RepresentativeMessage(Message):
    """Who is to represent the holder; `until` is the last day."""

    traits: TraitsMessage
    basis: Basis
    contact: ContactMessage | None = None
    until: Day | None = None

    def told(self) -> Naming:
        contact = self.contact.told() if self.contact else Contact()
        return Naming(self.traits.told(), self.basis, contact, self.until)


class OpeningMessage(Message):
    """`POST /enrolment/records`."""

    ins: InsMessage
    traits: TraitsMessage
    scheme: ServedScheme
    insured: InsuredMessage | None = None
    contact: ContactMessage | None = None
    consent: ConsentMessage
    source: Source
    representatives: Annotated[list[RepresentativeMessage], Field(max_length=MOST)] | None = None


class HistoryAnswer(Message):
    status: HistoryStatus


class WarningAnswer(Message):
    code: str
    detail: str


class RecordAnswer(Message):
    """How a record stands."""

    record_id: str
    status: RecordStatus
    channel: Channel
    opened_at: datetime
    history: HistoryAnswer


class OpeningAnswer(RecordAnswer):
    """A record opened; `warnings` is absent when nothing was odd."""

    warnings: list[WarningAnswer] | None = None


class RepresentativeAnswer(Message):
    """Who represents a holder, or did; `traits` to those who know them."""

    id: str
    basis: Basis
    since: datetime
    until: datetime | None = None
    acting: bool
    traits: TraitsMessage | None = None


class RepresentativesAnswer(Message):
    representatives: list[RepresentativeAnswer]


Part = TypeVar("Part", bound=BaseModel)


def application_of(told: dict[str, Any], key: str | None) -> Application:
    """The application in a body, as far as it can be read, with a fault per wrong field.

    Each part is read on its own, so that one wrong field hides no fault of another part. `key` is
    the caller's Idempotency-Key.
    """
    faults: tuple[Fault, ...] = ()
    canonical = ""
    try:
        read = OpeningMessage.model_validate(told)
        canonical = read.model_dump_json(exclude=None if read.representatives else _UNSAID)
    except ValidationError as error:
        faults = tuple(faults_of(error))
    ins = _part(InsMessage, told.get("ins"))
    traits = _part(TraitsMessage, told.get("traits"))
    scheme = _part(SchemeMessage, told)
    source = _part(SourceMessage, told)
    insured = _part(InsuredMessage, told.get("insured"))
    contact = _part(ContactMessage, told.get("contact"))
    stated = told.get("consent")
    consent = _part(ConsentMessage, stated) or _part(OpeningFlag, stated)
    return Application(
        ins=ins.told() if ins else None,
        traits=traits.told() if traits else None,
        scheme=scheme.scheme if scheme else None,
        source=source.source if source else None,
        insured=insured.told() if insured else None,
        contact=contact.told() if contact else Contact(),
        consent=consent.told() if consent else None,
        faults=faults,
        repeatable=None if key is None else Repeatable(key, canonical),
        representatives=_representatives(told.get("representatives")),
    )


def _representatives(told: Any) -> tuple[Naming | None, ...]:
    """As far as each can be read; no more of them than a record takes, one too many being a fault
    already."""
    if not isinstance(told, list):
        return ()
    parts = (_part(RepresentativeMessage, one) for one in told[:MOST])
    return tuple(part.told() if part else None for part in parts)


def _part(model: type[Part], told: Any) -> Part | None:
    try:
        return model.model_validate(told)
    except ValidationError:
        return None


def identifier_of(query: Query, *, strict: bool = False) -> Ins:
    """The INS of a search, `urn:oid:1.2.250.1.213.1.4.8|279035121518989`; Malformed without one,
    with several, or when it has another form."""
    reading = Reading(query, SEARCH, strict=strict)
    told = reading.values("identifier")
    system, bar, value = told[0].partition("|") if told else ("", "", "")
    if len(told) != 1:
        reading.faults.append(Fault("identifier", "required", "one identifier, and one only"))
    elif not bar or not value or not system.startswith(_URN):
        form = "urn:oid:<OID of the register>|<matricule>"
        reading.faults.append(Fault("identifier", "form", form))
    reading.done()
    return Ins(value, system.removeprefix(_URN))


def patients_of(query: Query, *, strict: bool = False) -> Patients:
    """The list that a query asks for; Malformed with every fault. A cursor is good for the order
    that gave it."""
    reading = Reading(query, (*SEARCH, *LIST), strict=strict)
    told = reading.values("_sort") or [Sort.LAST_AUTHORISATION.value]
    if len(told) > 1 or told[0] not in set(Sort):
        reading.faults.append(Fault("_sort", "unknown-code", ", ".join(Sort)))
    sort = Sort(told[0]) if told[0] in set(Sort) else Sort.LAST_AUTHORISATION

    def place(parts: Sequence[str]) -> Place:
        order, at, record_id = parts
        moment = datetime.fromisoformat(at)
        if order != sort.value or moment.tzinfo is None or not is_record_id(record_id):
            raise ValueError("no place in this list")
        return moment, record_id

    within = tuple(dated.holds for dated in reading.dates("_lastUpdated"))
    asked = Patients(sort, within, reading.count(), reading.place(place))
    reading.done()
    return asked


def patients_cursor(asked: Patients, place: Place | None) -> str | None:
    """Where the next page of the same list begins."""
    return None if place is None else cursor_of(asked.sort.value, place[0].isoformat(), place[1])
