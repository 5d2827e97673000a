"""What comes from outside: DocumentReference as PDSm has it published, and its search.

The models name what is read; whatever else was sent is kept as it is. Every rule is a validator,
so that one pass over the resource finds every fault, each with its FHIRPath. Source: PDSm 3.1,
profiles `pdsm-simplified-publish` and `pdsm-comprehensive-document-reference`.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from dmp.domain.amendments import COMBINATION, masked_twice
from dmp.domain.documents import Visibility
from dmp.domain.errors import Fault, Invalid, TooLarge
from dmp.domain.identity import (
    LENIENT_OIDS,
    OIDS,
    PS_OID,
    STRUCTURE_OID,
    Ins,
    ins_faults,
    is_finess,
    is_ps_id,
    key_forgiven,
    luhn,
)
from dmp.domain.ids import is_record_id, split_document_id
from dmp.domain.inspection import form_of
from dmp.domain.submissions import AT, Claim, Role, Submission
from dmp.domain.terminology import DocumentType, document_class, document_type, visibility
from dmp.edge.fhir_documents import ARCHIVED, MOST, kept
from dmp.edge.http import faults_of
from dmp.edge.nesting import deeper
from dmp.usecases.prepare_upload import LARGEST

INLINE = 3 * 1024 * 1024
"""Decoded bytes of attachments that one request brings."""

_AHEAD = timedelta(hours=24)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MEDIA_TYPE = re.compile(r"[a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+(; ?[a-zA-Z-]+=[a-zA-Z0-9._-]+)?")
_PATIENT = re.compile(r"(?:https?://[^?#]*/)?Patient/(?P<id>[0-9a-z]+)(?:/_history/.*)?")
_CONDITIONAL = re.compile(r"(?:https?://[^?#]*/)?Patient\?identifier=(?P<token>.+)")
_DOCUMENT = re.compile(r"(?:https?://[^?#]*/)?DocumentReference/(?P<id>[0-9a-z.]+)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_SHA1 = re.compile(r"[A-Za-z0-9+/]{27}=")
_SIREN, _SIRET = 9, 14
_MOST_ENTRIES = 50
_DEEPEST = 64
"""Levels: no partner means more, and it would have to come out again, inside of a list."""


@dataclass(slots=True)
class Reading:
    """What validators need besides their own element, and what they leave behind.

    `lenient` holds for this resource: the stage allows it, and the subject stands under the test
    or demonstration OID; `masked_and_invisible` is the rules' parameter.
    """

    now: datetime
    upload: bool
    holder: bool
    lenient: bool
    contained: Mapping[str, Mapping[str, Any]]
    masked_and_invisible: bool = False
    warnings: list[Fault] = field(default_factory=list)


def _reading(info: ValidationInfo) -> Reading:
    assert isinstance(info.context, Reading)  # noqa: S101 - `sent` gives it
    return info.context


def _fault(code: str, detail: str) -> PydanticCustomError:
    return PydanticCustomError(code, detail)


class Element(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


Text = Annotated[str, Field(min_length=1, max_length=1024)]


class Identifier(Element):
    system: Text | None = None
    value: Text | None = None


class Coding(Element):
    system: Text | None = None
    code: Text | None = None


class Concept(Element):
    coding: Annotated[list[Coding], Field(min_length=1, max_length=20)]

    @property
    def pairs(self) -> list[tuple[str | None, str]]:
        return [(one.system, one.code) for one in self.coding if one.code]


class Reference(Element):
    reference: Text | None = None
    identifier: Identifier | None = None


def _unique(identifier: Identifier) -> Identifier:
    if identifier.value is None:
        raise _fault("required", "the producer's identifier has a value")
    return identifier


def _known_type(concept: Concept) -> Concept:
    if document_type(concept.pairs) is None:
        raise _fault("unknown-code", "no type of document (LOINC or TRE_A05) that is known")
    return concept


def _known_class(concept: Concept) -> Concept:
    if document_class(concept.pairs) is None:
        raise _fault("unknown-code", "no class of document (TRE_A03) that is known")
    return concept


def _known_label(concept: Concept) -> Concept:
    if any(visibility(system, code) is None for system, code in concept.pairs):
        raise _fault("unknown-code", "no confidentiality or visibility code that is known")
    return concept


def _labels_together(labels: list[Concept], info: ValidationInfo) -> list[Concept]:
    if masked_twice(visibilities(labels)) and not _reading(info).masked_and_invisible:
        raise _fault(COMBINATION.code, COMBINATION.detail)
    return labels


def visibilities(labels: Sequence[Concept]) -> frozenset[Visibility]:
    """What labels say, N when they say nothing."""
    found = {visibility(*pair) for label in labels for pair in label.pairs}
    return frozenset(one for one in found if one is not None) or frozenset({Visibility.NORMAL})


def _instant(told: Any) -> Any:
    if not isinstance(told, str) or not _INSTANT.fullmatch(told):
        raise _fault("instant", "an instant with its zone: 2026-03-14T09:05:00+01:00")
    return told


def _not_from_tomorrow(moment: datetime, info: ValidationInfo) -> datetime:
    if moment > _reading(info).now + _AHEAD:
        raise _fault("in-the-future", "a document is not dated from tomorrow")
    return moment


def _plain(text: str) -> str:
    if _CONTROLS.search(text):
        raise _fault("control-characters", "no control characters in a title")
    return text


# -- whose it is


def _token(text: str) -> Ins | None:
    """`urn:oid:1.2.250.1.213.1.4.8|279…` as an INS."""
    system, bar, value = text.partition("|")
    if not bar or not system.startswith("urn:oid:"):
        return None
    return Ins(value, system.removeprefix("urn:oid:"))


def _ins_in(resource: Mapping[str, Any]) -> Ins | None:
    """The INS among the identifiers of a contained Patient."""
    for one in _dicts(resource.get("identifier")):
        if isinstance(one.get("value"), str):
            found = _token(f"{one.get('system')}|{one['value']}")
            if found is not None and found.oid in OIDS:
                return found
    return None


def patient_of(told: Mapping[str, Any], contained: Mapping[str, Any]) -> str | Ins | None:
    """A reference to a patient as a record id or an INS: literal, conditional, logical or
    contained; None for any other thing."""
    logical = told.get("identifier")
    text = told.get("reference")
    if isinstance(text, str):
        if text.startswith("#"):
            inside = contained.get(text[1:])
            return _ins_in(inside) if inside else None
        if literal := _PATIENT.fullmatch(text):
            return literal["id"] if is_record_id(literal["id"]) else None
        if conditional := _CONDITIONAL.fullmatch(text):
            return _token(unquote(conditional["token"]))
    return _ins_in({"identifier": [logical]}) if isinstance(logical, dict) else None


def _of(reference: Reference, info: ValidationInfo) -> str | Ins | None:
    return patient_of(_dump(reference), _reading(info).contained)


def _subject(reference: Reference, info: ValidationInfo) -> Reference:
    found = _of(reference, info)
    if found is None:
        raise _fault(
            "patient", "Patient/<record id>, or Patient?identifier=urn:oid:<register>|<matricule>"
        )
    return _checked(reference, found, info)


def _source(reference: Reference, info: ValidationInfo) -> Reference:
    found = _of(reference, info)
    return reference if found is None else _checked(reference, found, info)


def _checked(reference: Reference, found: str | Ins, info: ValidationInfo) -> Reference:
    if not isinstance(found, Ins):
        return reference
    reading = _reading(info)
    for fault in ins_faults(found, lenient=reading.lenient):
        raise _fault(fault.code, f"INS: {fault.detail}")
    if key_forgiven(found):
        path = f"{AT}.{info.field_name}"
        reading.warnings.append(Fault(path, "matricule-key", "a wrong control key was forgiven"))
    return reference


# -- who wrote it, who keeps it

Contained = Mapping[str, Mapping[str, Any]]


def _identified(told: Mapping[str, Any], system: str) -> str | None:
    for one in _dicts(told.get("identifier")):
        if one.get("system") == f"urn:oid:{system}":
            value = one.get("value")
            return value if isinstance(value, str) else None
    return None


def _dicts(told: Any) -> list[dict[str, Any]]:
    """The objects of what should be a list of them."""
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _named(told: Mapping[str, Any], contained: Contained) -> Mapping[str, Any]:
    """What a reference points to: the contained resource, or what its identifier says of it."""
    text = told.get("reference")
    text = text if isinstance(text, str) else ""
    if text.startswith("#"):
        if text[1:] not in contained:
            raise _fault("unresolved", "no contained resource of that id")
        return contained[text[1:]]
    literal = text.partition("?")[0] if "?" in text else text.rpartition("/")[0]
    kind = literal.rpartition("/")[2]
    logical = told.get("identifier")
    identifier = logical if isinstance(logical, dict) else {}
    if not kind:
        kind = _KINDS.get(str(identifier.get("system")), "")
    return {"resourceType": kind, "identifier": [identifier]}


_KINDS = {
    f"urn:oid:{PS_OID}": "Practitioner",
    f"urn:oid:{STRUCTURE_OID}": "Organization",
    **{f"urn:oid:{oid}": "Patient" for oid in OIDS},
}


def _claim(reference: Reference, contained: Contained) -> Claim:
    told = _named(_dump(reference), contained)
    inner = told.get("practitioner")
    if told.get("resourceType") == "PractitionerRole" and isinstance(inner, dict):
        told = _named(inner, contained)
    match told.get("resourceType"):
        case "Practitioner" | "PractitionerRole":
            number = _identified(told, PS_OID)
            if number is None or not is_ps_id(number):
                raise _fault("ps-id", "no PS_IdNat with a right key (urn:oid:1.2.250.1.71.4.2.1)")
            return Claim(Role.PROFESSIONAL, number)
        case "Organization":
            return Claim(Role.STRUCTURE, _structure(told))
        case "Patient":
            return Claim(Role.PATIENT, None)
        case "Device":
            return Claim(Role.DEVICE, None)
        case _:
            raise _fault("author", "a professional, a structure, the patient or a device")


def _structure(told: Mapping[str, Any]) -> str:
    number = _identified(told, STRUCTURE_OID) or ""
    kind, rest = number[:1], number[1:]
    right = {
        "1": is_finess(rest),
        "2": len(rest) == _SIREN and rest.isdecimal() and luhn(rest),
        "3": len(rest) == _SIRET and rest.isdecimal() and luhn(rest),
    }
    if not right.get(kind, False):
        raise _fault(
            "structure-id", "1 and FINESS, 2 and SIREN or 3 and SIRET (urn:oid:1.2.250.1.71.4.2.2)"
        )
    return number


def _author(reference: Reference, info: ValidationInfo) -> Reference:
    _claim(reference, _reading(info).contained)
    return reference


def _custodian(reference: Reference | None, info: ValidationInfo) -> Reference | None:
    """Required of everybody but the holder; lenient mode says so in a warning."""
    reading = _reading(info)
    if reading.holder:
        return reference
    if reference is None:
        if not reading.lenient:
            raise _fault("missing", "the structure that keeps the document is required")
        reading.warnings.append(Fault(f"{AT}.custodian", "required", "no custodian was forgiven"))
        return None
    _structure(_named(_dump(reference), reading.contained))
    return reference


# -- what it is


def _bytes(data: str | None, info: ValidationInfo) -> str | bytes | None:
    """The decoded bytes; the model keeps them as a string's stead."""
    if _reading(info).upload:
        if data is not None:
            raise _fault("data-here", "the bytes come by the form, not in the resource")
        return None
    if data is None:
        raise _fault("missing", "the bytes in base64 are required")
    if not isinstance(data, str):
        raise _fault("base64", "not base64")
    if len(data) * 3 // 4 > INLINE + len(data) // 16 + 4:
        raise TooLarge
    text = "".join(data.split())
    if len(text) % 4:
        raise _fault("base64", "not base64")
    try:
        decoded = a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        raise _fault("base64", "not base64") from None
    if len(decoded) > INLINE:
        raise TooLarge
    return decoded


def _media(kind: str) -> str:
    if form_of(kind) is None or not _MEDIA_TYPE.fullmatch(kind):
        raise _fault("media-type", "a type of document that is not taken")
    return kind


def _no_url(url: Any, info: ValidationInfo) -> Any:
    if url is not None:
        raise _fault("url-here", "the server gives the address")
    return url


def _size(size: int | None, info: ValidationInfo) -> int | None:
    if _reading(info).upload:
        if size is None:
            raise _fault("missing", "the size in bytes is required")
        if size > LARGEST:
            raise _fault("too-large", "100 MB at most")
        if size == 0:
            raise _fault("empty", "an empty document says nothing")
    return size


def _hash(digest: str | None, info: ValidationInfo) -> str | None:
    if digest is None:
        if _reading(info).upload:
            raise _fault("missing", "the SHA-1 in base64 is required")
        return None
    if not _SHA1.fullmatch(digest):
        raise _fault("hash-shape", "a SHA-1 in base64 has 28 characters")
    return digest


class Attachment(Element):
    content_type: Annotated[str, Field(max_length=100), AfterValidator(_media)]
    data: Annotated[bytes | None, BeforeValidator(_bytes), Field(validate_default=True)] = None
    url: Annotated[Any, BeforeValidator(_no_url)] = None
    size: Annotated[
        int | None, Field(ge=0, strict=True, validate_default=True), AfterValidator(_size)
    ] = None
    hash: Annotated[str | None, Field(validate_default=True), AfterValidator(_hash)] = None
    title: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)] | None = None


class Content(Element):
    attachment: Attachment


class Context(Element):
    source_patient_info: Annotated[Reference, AfterValidator(_source)] | None = None


def _target(reference: Reference) -> Reference:
    found = _DOCUMENT.fullmatch(reference.reference or "")
    if found is None or split_document_id(found["id"]) is None:
        raise _fault("unknown-document", "DocumentReference/<id>")
    return reference


class Extension(Element):
    url: Text
    value_boolean: Annotated[bool, Field(strict=True)] | None = None


def _archived_once(extensions: list[Extension]) -> list[Extension]:
    told = [one.value_boolean for one in extensions if one.url == ARCHIVED]
    if len(told) > 1 or None in told:
        raise _fault("archived", "isArchived is said once, by a valueBoolean")
    return extensions


def archived(extensions: Sequence[Extension]) -> bool:
    """Whether the extensions say that a document is put aside."""
    return any(one.value_boolean for one in extensions if one.url == ARCHIVED)


Labels = list[Annotated[Concept, AfterValidator(_known_label)]]
Extensions = Annotated[list[Extension], AfterValidator(_archived_once)]


class Relation(Element):
    code: Literal["replaces"]
    target: Annotated[Reference, AfterValidator(_target)]


class DocumentReference(Element):
    """The elements that are read of a submission."""

    resource_type: Literal["DocumentReference"]
    meta: dict[str, Any] = {}
    extension: Extensions = []
    master_identifier: Annotated[Identifier, AfterValidator(_unique)]
    status: Literal["current"]
    type: Annotated[Concept, AfterValidator(_known_type)]
    category: (
        Annotated[
            list[Annotated[Concept, AfterValidator(_known_class)]],
            Field(min_length=1, max_length=1),
        ]
        | None
    ) = None
    subject: Annotated[Reference, AfterValidator(_subject)]
    date: Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_not_from_tomorrow)]
    author: Annotated[
        list[Annotated[Reference, AfterValidator(_author)]], Field(min_length=1, max_length=20)
    ]
    custodian: Annotated[
        Reference | None, AfterValidator(_custodian), Field(validate_default=True)
    ] = None
    security_label: Annotated[Labels, AfterValidator(_labels_together)] = []
    content: Annotated[list[Content], Field(min_length=1, max_length=1)]
    context: Context | None = None
    relates_to: Annotated[list[Relation], Field(max_length=1)] = []


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission, and the bytes that came with it (None for an announced upload)."""

    submission: Submission
    data: bytes | None


def sent(
    told: Mapping[str, Any],
    *,
    now: datetime,
    lenient: bool,
    holder: bool,
    upload: bool = False,
    masked_and_invisible: bool = False,
) -> Sent:
    """A DocumentReference as a submission.

    `lenient` is the stage's identity mode, `holder` says that a patient sends it, `upload` that
    the bytes will follow; `masked_and_invisible` is the rules' parameter. Raises Invalid with every
    fault, TooLarge for too many bytes.
    """
    if told.get("resourceType") != "DocumentReference":
        raise Invalid(*_not_one_document(told, now, lenient=lenient))
    contained = _contained(told)
    reading = Reading(
        now=now,
        upload=upload,
        holder=holder,
        lenient=lenient and _for_test(told, contained),
        contained=contained,
        masked_and_invisible=masked_and_invisible,
    )
    try:
        model = DocumentReference.model_validate(told, context=reading)
    except ValidationError as error:
        raise Invalid(*faults_of(error, AT)) from None
    if deeper(told, _DEEPEST):
        raise Invalid(Fault(AT, "json", f"nested deeper than {_DEEPEST}"))
    try:
        resource = kept(told)
        size = len(resource.encode("utf-8"))
    except ValueError:
        raise Invalid(Fault(AT, "json", "a number or a text that cannot be kept")) from None
    if size > MOST:
        raise Invalid(Fault(AT, "too-large", "256 KiB at most, the attachment left out"))
    return Sent(_submission(model, reading, resource), model.content[0].attachment.data)


_IN_A_LOT = ("attachment", "relatesTo")


def _not_one_document(told: Mapping[str, Any], now: datetime, *, lenient: bool) -> list[Fault]:
    """What to say of another resource. A lot is not taken here; the faults of its documents are
    named all the same, so that its sender learns everything at once."""
    faults = [Fault("resourceType", "resource-type", "a DocumentReference is expected")]
    entries = _dicts(told.get("entry")) if told.get("resourceType") == "Bundle" else []
    for index, entry in enumerate(entries[:_MOST_ENTRIES]):
        one = entry.get("resource")
        if isinstance(one, dict) and one.get("resourceType") == "DocumentReference":
            contained = _contained(one)
            kind = lenient and _for_test(one, contained)
            reading = Reading(now, upload=False, holder=False, lenient=kind, contained=contained)
            try:
                DocumentReference.model_validate(one, context=reading)
            except ValidationError as error:
                found = faults_of(error, f"Bundle.entry[{index}].resource")
                faults += [f for f in found if not any(part in f.path for part in _IN_A_LOT)]
    return faults


def _submission(model: DocumentReference, reading: Reading, resource: str) -> Submission:
    kind = document_type(model.type.pairs)
    assert isinstance(kind, DocumentType)  # noqa: S101 - validated above
    attachment = model.content[0].attachment
    whose = patient_of(_dump(model.subject), reading.contained)
    named = model.category[0].pairs if model.category else []
    replaced = model.relates_to[0].target.reference if model.relates_to else None
    return Submission(
        unique_id=model.master_identifier.value or "",
        type_code=kind.code,
        class_code=document_class(named) or kind.class_code,
        visibility=visibilities(model.security_label),
        title=attachment.title or kind.label,
        dated=model.date,
        media_type=attachment.content_type,
        resource=resource,
        record_id=whose if isinstance(whose, str) else None,
        ins=whose if isinstance(whose, Ins) else None,
        claimed=_claimed(model, reading),
        authors=tuple(_claim(one, reading.contained) for one in model.author),
        custodian=_structure(_named(_dump(model.custodian), reading.contained))
        if model.custodian and not reading.holder
        else None,
        size=attachment.size,
        sha1=attachment.hash,
        replaces=replaced.rpartition("/")[2] if replaced else None,
        archived=archived(model.extension),
        warnings=tuple(reading.warnings),
    )


def _claimed(model: DocumentReference, reading: Reading) -> tuple[tuple[str, Ins], ...]:
    """Every INS that the resource names besides its subject's, with its path."""
    found: list[tuple[str, Ins]] = []
    source = model.context.source_patient_info if model.context else None
    if source is not None:
        ins = patient_of(_dump(source), reading.contained)
        if isinstance(ins, Ins):
            found.append((f"{AT}.context.sourcePatientInfo", ins))
    for index, author in enumerate(model.author):
        ins = patient_of(_dump(author), reading.contained)
        if isinstance(ins, Ins):
            found.append((f"{AT}.author[{index}]", ins))
    return tuple(found)


def _dump(reference: Reference) -> dict[str, Any]:
    return reference.model_dump(by_alias=True, exclude_none=True)


def _contained(told: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        one["id"]: one for one in _dicts(told.get("contained")) if isinstance(one.get("id"), str)
    }


def _for_test(told: Mapping[str, Any], contained: Mapping[str, Any]) -> bool:
    """Whether the subject stands under the test or demonstration OID."""
    subject = told.get("subject")
    whose = patient_of(subject, contained) if isinstance(subject, dict) else None
    return isinstance(whose, Ins) and whose.oid in LENIENT_OIDS
