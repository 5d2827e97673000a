"""The document "Données de remboursement" in CDA R2, template 1.2.250.1.213.1.1.1.36, 2021.01.

Source: the ANS's content volume CNAM-HR and its published rules. Each section has a narrative
table and one coded entry per row; an entry points at its row by ID. A section without lines says
so, in words and in a coded "nothing known". The same history gives the same bytes.

`xml.etree` writes it: no foreign XML is read here, and its import costs a third of lxml's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import Element, tostring

from dmp.domain import remb
from dmp.domain.history import History, HistoryLine, Section
from dmp.domain.identity import PS_OID, STRUCTURE_OID, is_finess, is_rpps
from dmp.domain.nomenclatures import (
    ATC_GROUP,
    ATC_VALENCE,
    CIP13,
    NATURE,
    Concept,
    Kind,
    Nomenclatures,
)
from dmp.domain.records import Record

MEDIA_TYPE = "text/xml"
LOINC = "2.16.840.1.113883.6.1"
ABSENT = "2.16.840.1.113883.5.1150.1"
INSURER = "318003502400041"
"""The national fund (CNAM) as a structure: "3" and its SIRET."""
FEEDER = "518003502400041/1.2.250.1.215.1.2"
"""The fund's feeding software, as the ANS's published example names it."""

_ATC_GROUP_LENGTH = 3
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNKNOWN = "Non communiqué"


def write(history: History, record: Record, nomenclatures: Nomenclatures) -> bytes:
    """The document's bytes, UTF-8."""
    document = _e(
        "ClinicalDocument",
        *_header(history, record),
        _e(
            "component",
            _e(
                "structuredBody",
                _e("component", _notice(history)),
                *(
                    _e("component", _section(part, history.record_id, nomenclatures))
                    for part in remb.parts_of(history)
                ),
            ),
        ),
        **{"xmlns": "urn:hl7-org:v3", "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance"},
    )
    body: str = tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()


def _e(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An element; a string among its children is text. Attributes keep their order."""
    element = Element(tag, {name: _clean(value) for name, value in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + _clean(child)
        else:
            last.tail = (last.tail or "") + _clean(child)
    return element


def _clean(text: str) -> str:
    """What XML 1.0 can hold: control characters of a source are dropped."""
    return _NOT_XML.sub("", text)


def _templates(*roots: str) -> list[Element]:
    return [_e("templateId", root=root) for root in roots]


def _typed(tag: str, kind: str, *children: Element) -> Element:
    return _e(tag, *children, **{"xsi:type": kind})


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")


def _french(day: date) -> str:
    return day.strftime("%d/%m/%Y")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")


def _number(quantity: Decimal) -> str:
    """`2`, not `2.0` nor `2E+0`."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# ---------------------------------------------------------------- header


def _header(history: History, record: Record) -> Iterable[Element]:
    moment = _moment(history.imported_at)
    yield _e("realmCode", code="FR")
    yield _e("typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    yield from _templates("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
    yield _e("templateId", root="1.2.250.1.213.1.1.1.36", extension="2021.01")
    yield _e("id", root=remb.unique_id(record.id, history.generation))
    yield _e("code", code=remb.TYPE_CODE, codeSystem=remb.TYPE_SYSTEM, displayName=remb.TITLE)
    yield _e("title", remb.TITLE)
    yield _e("effectiveTime", value=moment)
    yield _e(
        "confidentialityCode",
        code="N",
        displayName="Normal",
        codeSystem="2.16.840.1.113883.5.25",
        codeSystemName="Confidentiality",
    )
    yield _e("languageCode", code="fr-FR")
    yield _e("setId", root=remb.set_id(record.id))
    yield _e("versionNumber", value=str(history.generation))
    yield _e("recordTarget", _patient(record))
    yield _e("author", _e("time", value=moment), _author())
    yield _e(
        "custodian",
        _e(
            "assignedCustodian",
            _e(
                "representedCustodianOrganization",
                _e("id", root=STRUCTURE_OID, extension=INSURER),
                _e("name", "Assurance Maladie"),
            ),
        ),
    )
    yield _e(
        "legalAuthenticator",
        _e("time", value=moment),
        _e("signatureCode", code="S"),
        _e(
            "assignedEntity",
            _e("id", root=PS_OID, extension=FEEDER),
            _e("addr", nullFlavor="NASK"),
            _e("telecom", nullFlavor="NASK"),
            _e("assignedPerson", _e("name", _e("given", "."), _e("family", "Assurance maladie"))),
        ),
    )
    yield _e("documentationOf", _service_event(history))
    yield _e(
        "componentOf",
        _e(
            "encompassingEncounter",
            _e("effectiveTime", nullFlavor="NA"),
            _e(
                "location",
                _e(
                    "healthCareFacility",
                    _e(
                        "code",
                        code="SA24",
                        displayName="Organisme de sécurité sociale",
                        codeSystem="1.2.250.1.71.4.2.4",
                    ),
                ),
            ),
        ),
    )


def _patient(record: Record) -> Element:
    traits = record.traits
    female = traits.sex == "female"
    return _e(
        "patientRole",
        _e("id", extension=record.ins.matricule, root=record.ins.oid),
        _e("addr", nullFlavor="NASK"),
        _e("telecom", nullFlavor="NASK"),
        _e(
            "patient",
            _e(
                "name",
                _e("family", traits.family_name, qualifier="BR"),
                _e("given", " ".join(traits.given_names)),
            ),
            _e(
                "administrativeGenderCode",
                code="F" if female else "M",
                displayName="Féminin" if female else "Masculin",
                codeSystem="2.16.840.1.113883.5.1",
            ),
            _e("birthTime", value=_day(traits.birth_date)),
            _e("birthplace", _e("place", _e("addr", _e("county", traits.birth_place)))),
            classCode="PSN",
        ),
    )


def _author() -> Element:
    return _e(
        "assignedAuthor",
        _e("id", root=PS_OID, extension=FEEDER),
        _e(
            "code",
            code="ALIM_AM",
            displayName=(
                "Alimentation automatique à partir du Système d'Information de l'Assurance Maladie"
            ),
            codeSystem="1.2.250.1.213.1.1.4.6",
        ),
        _e("addr", nullFlavor="NASK"),
        _e("telecom", nullFlavor="NASK"),
        _e(
            "assignedAuthoringDevice",
            _e("manufacturerModelName", "."),
            _e("softwareName", "Assurance Maladie"),
        ),
        _e(
            "representedOrganization",
            _e("id", root=STRUCTURE_OID, extension=INSURER),
            _e("name", "Assurance Maladie"),
        ),
    )


def _service_event(history: History) -> Element:
    return _e(
        "serviceEvent",
        _e(
            "effectiveTime",
            _e("low", value=_day(history.first)),
            _e("high", value=_day(history.last)),
        ),
        _e(
            "performer",
            _e(
                "assignedEntity",
                _e("id", nullFlavor="NA"),
                _e(
                    "representedOrganization",
                    _e(
                        "standardIndustryClassCode",
                        code="AMO",
                        displayName="Organisme d'assurance maladie obligatoire",
                        codeSystem="1.2.250.1.213.1.1.4.9",
                    ),
                ),
            ),
            typeCode="PRF",
        ),
    )


# ---------------------------------------------------------------- sections


def _notice(history: History) -> Element:
    told = [
        sentence.format(first=_french(history.first), last=_french(history.last))
        for sentence in remb.NOTICE
    ]
    if not history.lines:
        told.insert(1, remb.NOTHING_KNOWN)
    return _e(
        "section",
        *_templates(
            "2.16.840.1.113883.10.12.201",
            "1.3.6.1.4.1.19376.1.4.1.2.16",
            "1.2.250.1.213.1.1.2.73",
        ),
        _loinc("55112-7", "Commentaire sur le document"),
        _e("title", remb.NOTICE_TITLE),
        _e("text", *(_e("paragraph", sentence) for sentence in told), ID="mention"),
    )


def _loinc(code: str, name: str, *children: Element) -> Element:
    return _e(
        "code",
        *children,
        code=code,
        displayName=name,
        codeSystem=LOINC,
        codeSystemName="LOINC",
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One line with what its section needs: `ref` is the ID of its label in the narrative."""

    line: HistoryLine
    ref: str
    root: str
    medicine: Concept | None
    group: Concept | None

    @property
    def id(self) -> Element:
        return _e("id", root=self.root, extension=self.line.id)

    @property
    def text(self) -> Element:
        return _e("text", self.reference)

    @property
    def reference(self) -> Element:
        return _e("reference", value=f"#{self.ref}")


@dataclass(frozen=True, slots=True)
class _Form:
    """How one section is written. `columns` are heading and cell; the cell of the label is None."""

    prefix: str
    title: str
    templates: tuple[str, ...]
    code: Element
    columns: tuple[tuple[str, Callable[[_Row], str] | None], ...]
    entry: Callable[[_Row], Element]
    nothing: Callable[[Element], Element]


def _section(part: remb.Part, record_id: str, nomenclatures: Nomenclatures) -> Element:
    form = _FORMS[part.section]
    root = remb.set_id(record_id)
    rows = [
        _row(line, f"{form.prefix}{rank:03d}", root, nomenclatures)
        for rank, line in enumerate(part.lines, 1)
    ]
    head = [
        *_templates(*form.templates),
        _e("id", root=root, extension=part.section.value),
        form.code,
        _e("title", form.title),
    ]
    if not rows:
        missing = f"NO-{form.prefix}"
        text = _e("text", remb.NOTHING_IN_SECTION, ID=missing)
        pointer = _e("text", _e("reference", value=f"#{missing}"))
        return _e("section", *head, text, _e("entry", form.nothing(pointer)))
    entries = (_e("entry", form.entry(row)) for row in rows)
    return _e("section", *head, _e("text", _table(form, rows)), *entries)


def _row(line: HistoryLine, ref: str, root: str, nomenclatures: Nomenclatures) -> _Row:
    medicine = group = None
    if line.system == CIP13:
        medicine = nomenclatures.concept(Kind.MEDICINES, line.code)
    if medicine and medicine.atc:
        vaccine = line.section is Section.VACCINATIONS
        atc = medicine.atc if vaccine else medicine.atc[:_ATC_GROUP_LENGTH]
        group = nomenclatures.concept(Kind.GROUPS, atc) or Concept(atc, atc)
    return _Row(line, ref, root, medicine, group)


def _table(form: _Form, rows: list[_Row]) -> Element:
    return _e(
        "table",
        _e("thead", _e("tr", *(_e("th", heading) for heading, _ in form.columns))),
        _e("tbody", *(_e("tr", *_cells(form, row)) for row in rows)),
        border="0",
    )


def _cells(form: _Form, row: _Row) -> Iterable[Element]:
    for _, cell in form.columns:
        yield _e("td", cell(row) if cell else _e("content", row.line.label, ID=row.ref))


def _on(row: _Row) -> str:
    return _french(row.line.on)


def _stay(row: _Row) -> str:
    if row.line.until is None:
        return f"le {_on(row)}"
    return f"du {_on(row)} au {_french(row.line.until)}"


def _prescriber(row: _Row) -> str:
    return _numbered(row.line.prescriber)


def _performer(row: _Row) -> str:
    return _numbered(row.line.performer)


def _numbered(number: str | None) -> str:
    """Extracts give numbers, no names."""
    return f"n° {number}" if number else _UNKNOWN


def _quantity(row: _Row) -> str:
    return _number(row.line.quantity)


_DELIVERY = (
    ("Prescrit par", _prescriber),
    ("Spécialité du prescripteur", lambda row: row.line.prescriber_speciality or _UNKNOWN),
    ("Établissement", lambda row: _numbered(row.line.structure)),
    ("Délivré par", _performer),
    ("Quantité délivrée", _quantity),
)
_ACT = (
    ("Date de l'acte", _on),
    ("Code de l'acte", lambda row: row.line.code),
    ("Libellé de l'acte", None),
    ("Prescrit par", _prescriber),
    ("Réalisé par", _performer),
    ("Spécialité", lambda row: row.line.performer_speciality or _UNKNOWN),
    ("Établissement", lambda row: _numbered(row.line.structure)),
    ("Quantité", _quantity),
)


# ---------------------------------------------------------------- entries

_MEDICATION = (
    "2.16.840.1.113883.10.20.1.24",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7",
    "1.2.250.1.213.1.1.3.42",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
)
_IMMUNISATION = (
    "2.16.840.1.113883.10.20.1.24",
    "1.3.6.1.4.1.19376.1.5.3.1.4.12",
    "1.2.250.1.213.1.1.3.45",
)
_PRODUCT = (
    "2.16.840.1.113883.10.20.1.53",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7.2",
    "1.2.250.1.213.1.1.3.43",
)
_SUPPLY = (
    "2.16.840.1.113883.10.20.1.34",
    "1.3.6.1.4.1.19376.1.5.3.1.4.7.3",
    "1.2.250.1.213.1.1.3.44",
)
_DEVICE = ("2.16.840.1.113883.10.20.1.34", "1.2.250.1.213.1.1.3.20")
_ENCOUNTER = (
    "2.16.840.1.113883.10.20.1.21",
    "1.3.6.1.4.1.19376.1.5.3.1.4.14",
    "1.2.250.1.213.1.1.3.58",
)
_PROCEDURE = (
    "2.16.840.1.113883.10.20.1.29",
    "1.3.6.1.4.1.19376.1.5.3.1.4.19",
    "1.2.250.1.213.1.1.3.62",
)


def _medicine(row: _Row) -> Element:
    return _e(
        "substanceAdministration",
        *_templates(*_MEDICATION),
        row.id,
        row.text,
        _e("statusCode", code="completed"),
        _typed("effectiveTime", "IVL_TS", _unknown("low"), _unknown("high")),
        _e("effectiveTime", operator="A"),
        _consumable(_material(row, ATC_GROUP)),
        _supply(row),
        classCode="SBADM",
        moodCode="EVN",
    )


def _vaccination(row: _Row) -> Element:
    return _e(
        "substanceAdministration",
        *_templates(*_IMMUNISATION),
        row.id,
        _e(
            "code",
            code="IMMUNIZ",
            displayName="Vaccination sans autres précisions",
            codeSystem="2.16.840.1.113883.5.4",
        ),
        row.text,
        _e("statusCode", code="completed"),
        _unknown("effectiveTime"),
        _consumable(_material(row, ATC_VALENCE)),
        _supply(row),
        classCode="SBADM",
        moodCode="EVN",
        negationInd="false",
    )


def _device(row: _Row) -> Element:
    return _e(
        "supply",
        *_templates(*_DEVICE),
        row.id,
        row.text,
        _typed("effectiveTime", "IVL_TS", _unknown("low")),
        _e("quantity", value=_quantity(row)),
        *_delivered(row),
        _e(
            "participant",
            _e(
                "participantRole",
                _e(
                    "playingDevice",
                    _e("code", _original(row), *_coded("translation", row.line)),
                    classCode="DEV",
                    determinerCode="INSTANCE",
                ),
                classCode="MANU",
            ),
            typeCode="DEV",
        ),
        classCode="SPLY",
        moodCode="EVN",
    )


def _encounter(row: _Row) -> Element:
    line = row.line
    qualifiers = [_e("qualifier", value) for value in _coded("value", line)]
    place = _e("id", nullFlavor="UNK")
    if line.structure and is_finess(line.structure):
        place = _e("id", root=STRUCTURE_OID, extension=f"1{line.structure}")
    return _e(
        "encounter",
        *_templates(*_ENCOUNTER),
        row.id,
        _e(
            "code",
            *qualifiers,
            code="IMP",
            displayName="Hospitalisation",
            codeSystem="2.16.840.1.113883.5.4",
            codeSystemName="ActCode",
        ),
        row.text,
        _e(
            "effectiveTime",
            _e("low", value=_day(line.on)),
            *([_e("high", value=_day(line.until))] if line.until else []),
        ),
        _e(
            "performer",
            _e("assignedEntity", _unknown("id"), _e("representedOrganization", place)),
        ),
        classCode="ENC",
        moodCode="EVN",
    )


def _act(row: _Row) -> Element:
    line = row.line
    coded = _coded("code", line) or [_e("code", _original(row), nullFlavor="OTH")]
    when = _e("effectiveTime", value=_day(line.on))
    if line.until:
        when = _e(
            "effectiveTime", _e("low", value=_day(line.on)), _e("high", value=_day(line.until))
        )
    return _e(
        "procedure",
        *_templates(*_PROCEDURE),
        row.id,
        *coded,
        row.text,
        _e("statusCode", code="completed"),
        when,
        _e(
            "performer",
            _e(
                "assignedEntity",
                *_who(line.performer, line.performer_speciality),
                *_where(line.structure),
            ),
        ),
        classCode="PROC",
        moodCode="EVN",
    )


def _unknown(tag: str) -> Element:
    return _e(tag, nullFlavor="UNK")


def _coded(tag: str, line: HistoryLine) -> list[Element]:
    """The line's code in its nomenclature; nothing when only the nature's number is known."""
    if line.system == NATURE:
        return []
    return [_e(tag, code=line.code, displayName=line.label, codeSystem=line.system)]


def _original(row: _Row) -> Element:
    return _e("originalText", row.reference)


def _consumable(material: Element) -> Element:
    return _e(
        "consumable",
        _e("manufacturedProduct", *_templates(*_PRODUCT), material),
    )


def _material(row: _Row, system: str) -> Element:
    codes = _coded("translation", row.line)
    if row.group:
        codes.append(
            _e(
                "translation",
                code=row.group.code,
                displayName=row.group.label,
                codeSystem=system,
            )
        )
    return _e(
        "manufacturedMaterial", _e("code", _original(row), *codes), _e("name", row.line.label)
    )


def _supply(row: _Row) -> Element:
    return _e(
        "entryRelationship",
        _e(
            "supply",
            *_templates(*_SUPPLY),
            _e("id", root=row.root, extension=f"{row.line.id}.supply"),
            _e("quantity", value=_quantity(row)),
            *_delivered(row),
            classCode="SPLY",
            moodCode="EVN",
        ),
        typeCode="REFR",
        inversionInd="false",
    )


def _delivered(row: _Row) -> list[Element]:
    """Who delivered, who prescribed."""
    line = row.line
    day = _e("time", value=_day(line.on))
    author = _e(
        "author",
        _e("time", value=_day(line.on)),
        _e("assignedAuthor", *_who(line.prescriber, line.prescriber_speciality)),
    )
    performer = _e(
        "performer",
        day,
        _e("assignedEntity", *_who(line.performer, line.performer_speciality)),
        typeCode="PRF",
    )
    return [performer, author]


def _who(number: str | None, speciality: str | None) -> list[Element]:
    """A professional: the national number when it is an RPPS. Extracts also hold the insurer's own
    numbers, which belong to no register; the narrative shows them."""
    known = number is not None and is_rpps(number)
    who = [_e("id", root=PS_OID, extension=f"8{number}") if known else _unknown("id")]
    if speciality:
        who.append(_e("code", _e("originalText", speciality), nullFlavor="OTH"))
    return who


def _where(structure: str | None) -> list[Element]:
    if structure is None or not is_finess(structure):
        return []
    return [
        _e("representedOrganization", _e("id", root=STRUCTURE_OID, extension=f"1{structure}")),
    ]


# ---------------------------------------------------------------- nothing known


def _absent(code: str, name: str) -> Element:
    return _e("code", code=code, displayName=name, codeSystem=ABSENT)


def _no_material() -> Element:
    return _e("manufacturedMaterial", _e("code", nullFlavor="NA"), _e("name", nullFlavor="NA"))


def _no_medicine(pointer: Element) -> Element:
    return _e(
        "substanceAdministration",
        *_templates(*_MEDICATION),
        _e("id", nullFlavor="NA"),
        _absent("no-known-medications", "Pas de traitement médicamenteux connu"),
        pointer,
        _e("statusCode", code="completed"),
        _typed("effectiveTime", "IVL_TS", _unknown("low"), _unknown("high")),
        _e("effectiveTime", operator="A"),
        _consumable(_no_material()),
        classCode="SBADM",
        moodCode="EVN",
    )


def _no_vaccination(pointer: Element) -> Element:
    return _e(
        "substanceAdministration",
        *_templates(*_IMMUNISATION),
        _e("id", nullFlavor="NA"),
        _absent("no-known-immunizations", "Pas de vaccin connu"),
        pointer,
        _e("statusCode", code="completed"),
        _e("effectiveTime", nullFlavor="NA"),
        _consumable(_no_material()),
        classCode="SBADM",
        moodCode="EVN",
        negationInd="false",
    )


def _no_device(pointer: Element) -> Element:
    return _e(
        "supply",
        *_templates(*_DEVICE),
        _e("id", nullFlavor="NA"),
        pointer,
        _typed("effectiveTime", "IVL_TS", _e("low", nullFlavor="NA")),
        _e(
            "participant",
            _e(
                "participantRole",
                _e(
                    "playingDevice",
                    _absent("no-known-devices", "Pas de dispositif médical connu"),
                    classCode="DEV",
                    determinerCode="INSTANCE",
                ),
                classCode="MANU",
            ),
            typeCode="DEV",
        ),
        classCode="SPLY",
        moodCode="EVN",
    )


def _no_stay(pointer: Element) -> Element:
    return _e(
        "encounter",
        *_templates(*_ENCOUNTER),
        _e("id", nullFlavor="NA"),
        _e("code", code="02276797", displayName="Aucun", codeSystem="1.2.250.1.213.2.63"),
        pointer,
        _e("effectiveTime", nullFlavor="NA"),
        classCode="ENC",
        moodCode="EVN",
    )


def _no_act(pointer: Element) -> Element:
    return _e(
        "procedure",
        *_templates(*_PROCEDURE),
        _e("id", nullFlavor="NA"),
        _absent("no-known-procedures", "Pas d'acte ou intervention connu"),
        pointer,
        _e("statusCode", code="completed"),
        _e("effectiveTime", nullFlavor="NA"),
        classCode="PROC",
        moodCode="EVN",
    )


_ACTS = ("1.3.6.1.4.1.19376.1.5.3.1.1.13.2.11", "1.2.250.1.213.1.1.2.118")


def _acts(prefix: str, title: str, code: str, name: str) -> _Form:
    translation = _e("translation", code=code, displayName=name, codeSystem=LOINC)
    return _Form(
        prefix=prefix,
        title=title,
        templates=_ACTS,
        code=_loinc("29554-3", "Actes", translation),
        columns=_ACT,
        entry=_act,
        nothing=_no_act,
    )


_FORMS = {
    Section.MEDICINES: _Form(
        prefix="MED",
        title="Médicaments",
        templates=(
            "2.16.840.1.113883.10.20.1.8",
            "1.3.6.1.4.1.19376.1.5.3.1.3.19",
            "1.2.250.1.213.1.1.2.143",
        ),
        code=_loinc("10160-0", "Médication administrée"),
        columns=(
            ("Date de délivrance", _on),
            ("Libellé du médicament", None),
            ("Groupe thérapeutique", lambda row: row.group.label if row.group else ""),
            (
                "Composants actifs",
                lambda row: (row.medicine.substance or "") if row.medicine else "",
            ),
            *_DELIVERY,
        ),
        entry=_medicine,
        nothing=_no_medicine,
    ),
    Section.VACCINATIONS: _Form(
        prefix="VAC",
        title="Vaccinations",
        templates=(
            "2.16.840.1.113883.10.20.1.6",
            "1.3.6.1.4.1.19376.1.5.3.1.3.23",
            "1.2.250.1.213.1.1.2.147",
        ),
        code=_loinc("11369-6", "Historique des vaccinations"),
        columns=(
            ("Date de délivrance", _on),
            ("Libellé du vaccin", None),
            ("Valence vaccinale", lambda row: row.group.label if row.group else ""),
            *_DELIVERY,
        ),
        entry=_vaccination,
        nothing=_no_vaccination,
    ),
    Section.DEVICES: _Form(
        prefix="DM",
        title="Dispositifs médicaux",
        templates=(
            # The root really lacks a digit in the published template: it is kept as published.
            "2.16.840.1.11383.10.20.1.7",
            "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.5",
            "1.2.250.1.213.1.1.2.1",
        ),
        code=_loinc("46264-8", "Dispositifs médicaux"),
        columns=(
            ("Date de délivrance", _on),
            ("Libellé du dispositif médical", None),
            *_DELIVERY,
        ),
        entry=_device,
        nothing=_no_device,
    ),
    Section.STAYS: _Form(
        prefix="HOSP",
        title="Hospitalisations",
        templates=(
            "2.16.840.1.113883.10.20.1.3",
            "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.3",
            "1.2.250.1.213.1.1.2.76",
        ),
        code=_loinc("46240-8", "Historique des rencontres"),
        columns=(
            ("Période du séjour", _stay),
            ("Nature du séjour", None),
            ("Lieu du séjour", lambda row: _numbered(row.line.structure)),
        ),
        entry=_encounter,
        nothing=_no_stay,
    ),
    Section.CARE: _acts("ACTE", "Soins médicaux et dentaires", "67803-7", "Liste des actes"),
    Section.RADIOLOGY: _acts("RAD", "Radiologie", "18726-0", "Radiologie"),
    Section.BIOLOGY: _acts("BIO", "Biologie", "26436-6", "Biologie"),
}
