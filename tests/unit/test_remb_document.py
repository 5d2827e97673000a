"""The document "Données de remboursement" against its own rules (CDA R2, CNAM-HR 2021.01)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dmp.domain import remb
from dmp.domain.documents import Visibility
from dmp.domain.history import Section
from dmp.domain.inspection import identity_faults
from dmp.domain.nomenclatures import CCAM, CIP13, GHS, LPP, NABM, NATURE, NGAP
from dmp.edge import cda_remb
from dmp.edge.inspect import inspect
from dmp.edge.remb_document import RembDocuments, reference
from dmp.store.nomenclatures import built_in
from tests.support.services import NOW, RECORD, history, line, record

V3 = {"v3": "urn:hl7-org:v3"}
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
OIDS = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")

SECTIONS = [
    (
        "55112-7",
        None,
        {"2.16.840.1.113883.10.12.201", "1.3.6.1.4.1.19376.1.4.1.2.16", "1.2.250.1.213.1.1.2.73"},
    ),
    (
        "10160-0",
        None,
        {
            "2.16.840.1.113883.10.20.1.8",
            "1.3.6.1.4.1.19376.1.5.3.1.3.19",
            "1.2.250.1.213.1.1.2.143",
        },
    ),
    (
        "11369-6",
        None,
        {
            "2.16.840.1.113883.10.20.1.6",
            "1.3.6.1.4.1.19376.1.5.3.1.3.23",
            "1.2.250.1.213.1.1.2.147",
        },
    ),
    (
        "46264-8",
        None,
        {
            "2.16.840.1.11383.10.20.1.7",
            "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.5",
            "1.2.250.1.213.1.1.2.1",
        },
    ),
    (
        "46240-8",
        None,
        {
            "2.16.840.1.113883.10.20.1.3",
            "1.3.6.1.4.1.19376.1.5.3.1.1.5.3.3",
            "1.2.250.1.213.1.1.2.76",
        },
    ),
    ("29554-3", "67803-7", {"1.3.6.1.4.1.19376.1.5.3.1.1.13.2.11", "1.2.250.1.213.1.1.2.118"}),
    ("29554-3", "18726-0", {"1.3.6.1.4.1.19376.1.5.3.1.1.13.2.11", "1.2.250.1.213.1.1.2.118"}),
    ("29554-3", "26436-6", {"1.3.6.1.4.1.19376.1.5.3.1.1.13.2.11", "1.2.250.1.213.1.1.2.118"}),
]
ENTRIES = {
    "10160-0": (
        "substanceAdministration",
        {
            "2.16.840.1.113883.10.20.1.24",
            "1.3.6.1.4.1.19376.1.5.3.1.4.7",
            "1.2.250.1.213.1.1.3.42",
            "1.3.6.1.4.1.19376.1.5.3.1.4.7.1",
        },
    ),
    "11369-6": (
        "substanceAdministration",
        {
            "2.16.840.1.113883.10.20.1.24",
            "1.3.6.1.4.1.19376.1.5.3.1.4.12",
            "1.2.250.1.213.1.1.3.45",
        },
    ),
    "46264-8": ("supply", {"2.16.840.1.113883.10.20.1.34", "1.2.250.1.213.1.1.3.20"}),
    "46240-8": (
        "encounter",
        {
            "2.16.840.1.113883.10.20.1.21",
            "1.3.6.1.4.1.19376.1.5.3.1.4.14",
            "1.2.250.1.213.1.1.3.58",
        },
    ),
    "29554-3": (
        "procedure",
        {
            "2.16.840.1.113883.10.20.1.29",
            "1.3.6.1.4.1.19376.1.5.3.1.4.19",
            "1.2.250.1.213.1.1.3.62",
        },
    ),
}
# The order of the elements of a CDA act [POCD_MT000040], as far as these entries use them.
ORDER = {
    "substanceAdministration": [
        "templateId",
        "id",
        "code",
        "text",
        "statusCode",
        "effectiveTime",
        "consumable",
        "entryRelationship",
    ],
    "supply": [
        "templateId",
        "id",
        "text",
        "effectiveTime",
        "quantity",
        "performer",
        "author",
        "participant",
    ],
    "encounter": ["templateId", "id", "code", "text", "effectiveTime", "performer"],
    "procedure": ["templateId", "id", "code", "text", "statusCode", "effectiveTime", "performer"],
    "section": ["templateId", "id", "code", "title", "text", "entry"],
    "assignedEntity": [
        "id",
        "code",
        "addr",
        "telecom",
        "assignedPerson",
        "representedOrganization",
    ],
    "assignedAuthor": [
        "id",
        "code",
        "addr",
        "telecom",
        "assignedAuthoringDevice",
        "representedOrganization",
    ],
    "ClinicalDocument": [
        "realmCode",
        "typeId",
        "templateId",
        "id",
        "code",
        "title",
        "effectiveTime",
        "confidentialityCode",
        "languageCode",
        "setId",
        "versionNumber",
        "recordTarget",
        "author",
        "custodian",
        "legalAuthenticator",
        "documentationOf",
        "componentOf",
        "component",
    ],
    "patientRole": ["id", "addr", "telecom", "patient"],
    "patient": ["name", "administrativeGenderCode", "birthTime", "birthplace"],
}

DOLIPRANE = line(
    id="a" * 26,
    section=Section.MEDICINES,
    system=CIP13,
    code="3400935955838",
    nature=3313,
    label="Doliprane 1000 mg, comprimé",
    quantity=Decimal("2.0000"),
    prescriber="10100997245",
    prescriber_speciality="Médecine générale",
    performer="330780115",
    performer_speciality="Pharmacie d'officine",
)
FULL = history(
    DOLIPRANE,
    line(
        id="b" * 26,
        section=Section.VACCINATIONS,
        system=CIP13,
        code="3400936924642",
        nature=3331,
        label="HBVaxPro",
    ),
    line(
        id="c" * 26,
        section=Section.DEVICES,
        system=LPP,
        code="1397790",
        nature=3515,
        label="Compresses & <autres>",
    ),
    line(
        id="d" * 26,
        section=Section.STAYS,
        system=GHS,
        code="1940",
        nature=2111,
        label="Séjour",
        structure="510000029",
        until=date(2024, 1, 14),
    ),
    line(id="e" * 26),
    line(id="f" * 26, on=date(2023, 5, 2), nature=9999, system=NATURE, code="9999", label="9999"),
    line(
        id="g" * 26,
        section=Section.RADIOLOGY,
        system=CCAM,
        code="ZBQK002",
        nature=1351,
        label="Radiographie du thorax",
    ),
    line(
        id="h" * 26,
        section=Section.BIOLOGY,
        system=NABM,
        code="1104",
        nature=3211,
        label="Hémogramme",
        performer=None,
        performer_speciality=None,
    ),
)


def parsed(stored=FULL, whose=None):
    return etree.fromstring(cda_remb.write(stored, whose or record(), built_in()))


def sections(document):
    return document.findall("v3:component/v3:structuredBody/v3:component/v3:section", V3)


def attributes(document, path):
    return dict(document.find(path, V3).attrib)


def name_of(element):
    return etree.QName(element).localname


def documents():
    return pytest.mark.parametrize("stored", [FULL, history()], ids=["full", "empty"])


# ------------------------------------------------------------ header


def test_the_header_says_what_the_document_is():
    document = parsed()
    assert name_of(document) == "ClinicalDocument"
    assert [dict(one.attrib) for one in document.findall("v3:templateId", V3)] == [
        {"root": "2.16.840.1.113883.2.8.2.1"},
        {"root": "1.2.250.1.213.1.1.1.1"},
        {"root": "1.2.250.1.213.1.1.1.36", "extension": "2021.01"},
    ]
    assert document.findtext("v3:title", namespaces=V3) == "Données de remboursement"
    assert attributes(document, "v3:code") == {
        "code": "REMB",
        "codeSystem": "1.2.250.1.213.1.1.4.12",
        "displayName": "Données de remboursement",
    }
    assert attributes(document, "v3:languageCode") == {"code": "fr-FR"}


def test_the_header_says_whose_it_is_so_that_the_vault_can_check_it():
    found = inspect(BytesIO(cda_remb.write(FULL, record(), built_in())), "text/xml")
    assert found.faults == ()
    assert identity_faults(found, record(), lenient=False, at="x") == ([], [])
    name = parsed().find("v3:recordTarget/v3:patientRole/v3:patient/v3:name", V3)
    assert [(name_of(part), part.text) for part in name] == [
        ("family", "PAT-TROIS"),
        ("given", "DOMINIQUE"),
    ]


def test_the_author_is_the_insurer_s_feeder_and_the_insurer_answers_for_it():
    document = parsed()
    author = document.find("v3:author/v3:assignedAuthor", V3)
    assert author.find("v3:code", V3).get("code") == "ALIM_AM"
    answers = document.find("v3:legalAuthenticator/v3:assignedEntity", V3)
    assert answers.findtext("v3:assignedPerson/v3:name/v3:family", namespaces=V3) == (
        "Assurance maladie"
    )
    custodian = document.find(
        "v3:custodian/v3:assignedCustodian/v3:representedCustodianOrganization", V3
    )
    assert custodian.findtext("v3:name", namespaces=V3) == "Assurance Maladie"


def test_the_period_is_the_window_and_the_place_is_the_insurance():
    document = parsed()
    event = document.find("v3:documentationOf/v3:serviceEvent", V3)
    assert attributes(event, "v3:effectiveTime/v3:low") == {"value": "20220315"}
    assert attributes(event, "v3:effectiveTime/v3:high") == {"value": "20240314"}
    industry = event.find(".//v3:standardIndustryClassCode", V3)
    assert (industry.get("code"), industry.get("codeSystem")) == ("AMO", "1.2.250.1.213.1.1.4.9")
    facility = document.find("v3:componentOf//v3:healthCareFacility/v3:code", V3)
    assert (facility.get("code"), facility.get("codeSystem")) == ("SA24", "1.2.250.1.71.4.2.4")


# ------------------------------------------------------------ sections


@documents()
def test_every_section_is_there_in_its_order_with_its_code_and_templates(stored):
    found = []
    for section in sections(parsed(stored)):
        code = section.find("v3:code", V3)
        translation = code.find("v3:translation", V3)
        templates = {one.get("root") for one in section.findall("v3:templateId", V3)}
        told = translation.get("code") if translation is not None else None
        found.append((code.get("code"), told, templates))
    assert found == SECTIONS


@documents()
def test_every_entry_has_the_templates_of_its_section(stored):
    for section in sections(parsed(stored))[1:]:
        tag, templates = ENTRIES[section.find("v3:code", V3).get("code")]
        entries = section.findall("v3:entry", V3)
        assert entries
        for entry in entries:
            (act,) = entry
            assert name_of(act) == tag
            assert {one.get("root") for one in act.findall("v3:templateId", V3)} == templates


@documents()
def test_elements_stand_in_the_order_that_cda_gives_them(stored):
    for element in parsed(stored).iter("{urn:hl7-org:v3}*"):
        order = ORDER.get(name_of(element))
        if order and not (
            name_of(element) == "supply" and "REFR" in str(element.getparent().attrib.values())
        ):
            ranks = [order.index(name_of(child)) for child in element]
            assert ranks == sorted(ranks), name_of(element)


@documents()
def test_rows_and_entries_refer_to_each_other_one_to_one(stored):
    for section in sections(parsed(stored))[1:]:
        text = section.find("v3:text", V3)
        anchors = [one.get("ID") for one in text.iter() if one.get("ID")]
        pointed = [
            entry.find(".//v3:text/v3:reference", V3).get("value")
            for entry in section.findall("v3:entry", V3)
        ]
        assert pointed == [f"#{anchor}" for anchor in anchors]
        rows = text.findall("v3:table/v3:tbody/v3:tr", V3)
        assert len(rows) in {0, len(anchors)}


@documents()
def test_no_id_is_used_twice_and_every_reference_leads_somewhere(stored):
    document = parsed(stored)
    anchors = document.xpath("//@ID")
    assert len(anchors) == len(set(anchors))
    pointed = {
        value.removeprefix("#") for value in document.xpath("//v3:reference/@value", namespaces=V3)
    }
    assert pointed <= set(anchors)
    named = [
        (one.get("root"), one.get("extension"))
        for one in document.xpath("//v3:entry//v3:id[@extension]", namespaces=V3)
        if one.get("root") == remb.set_id(RECORD)
    ]
    assert len(named) == len(set(named))


@documents()
def test_every_root_and_code_system_is_an_oid(stored):
    document = parsed(stored)
    oids = document.xpath("//@root | //@codeSystem")
    assert [oid for oid in oids if not OIDS.fullmatch(oid)] == []


@documents()
def test_every_row_has_as_many_cells_as_its_table_has_headings(stored):
    for table in parsed(stored).iter("{urn:hl7-org:v3}table"):
        headings = table.findall("v3:thead/v3:tr/v3:th", V3)
        for row in table.findall("v3:tbody/v3:tr", V3):
            assert len(row) == len(headings)


def test_a_medicine_is_coded_grouped_and_counted():
    (entry,) = sections(parsed())[1].findall("v3:entry", V3)
    material = entry.find(".//v3:manufacturedMaterial", V3)
    assert [
        (one.get("codeSystem"), one.get("code"))
        for one in material.findall("v3:code/v3:translation", V3)
    ] == [(CIP13, "3400935955838"), ("1.2.250.1.215.200.1.2.1", "N02")]
    assert material.findtext("v3:name", namespaces=V3) == "Doliprane 1000 mg, comprimé"
    supply = entry.find(".//v3:supply", V3)
    assert {one.get("root") for one in supply.findall("v3:templateId", V3)} == {
        "2.16.840.1.113883.10.20.1.34",
        "1.3.6.1.4.1.19376.1.5.3.1.4.7.3",
        "1.2.250.1.213.1.1.3.44",
    }
    assert supply.find("v3:quantity", V3).get("value") == "2"
    prescriber = supply.find("v3:author/v3:assignedAuthor/v3:id", V3)
    assert dict(prescriber.attrib) == {"root": "1.2.250.1.71.4.2.1", "extension": "810100997245"}


def test_a_vaccination_says_immuniz_and_its_valence():
    (entry,) = sections(parsed())[2].findall("v3:entry", V3)
    act = entry.find("v3:substanceAdministration", V3)
    assert act.find("v3:code", V3).get("code") == "IMMUNIZ"
    valence = act.findall(".//v3:translation", V3)[1]
    assert (valence.get("code"), valence.get("codeSystem")) == (
        "J07BC01",
        "1.2.250.1.215.200.1.2.2",
    )


def test_a_device_is_coded_by_lpp():
    (entry,) = sections(parsed())[3].findall("v3:entry", V3)
    coded = entry.find(".//v3:playingDevice/v3:code/v3:translation", V3)
    assert (coded.get("codeSystem"), coded.get("code")) == (LPP, "1397790")
    assert coded.get("displayName") == "Compresses & <autres>"


def test_a_stay_says_its_group_its_days_and_its_place():
    (entry,) = sections(parsed())[4].findall("v3:entry", V3)
    code = entry.find("v3:encounter/v3:code", V3)
    assert code.get("code") == "IMP"
    group = code.find("v3:qualifier/v3:value", V3)
    assert (group.get("codeSystem"), group.get("code")) == (GHS, "1940")
    time = entry.find("v3:encounter/v3:effectiveTime", V3)
    assert [(name_of(one), one.get("value")) for one in time] == [
        ("low", "20240110"),
        ("high", "20240114"),
    ]
    place = entry.find(".//v3:representedOrganization/v3:id", V3)
    assert place.get("extension") == "1510000029"


def test_acts_are_coded_in_their_nomenclature_and_others_by_their_row():
    care, radiology, biology = sections(parsed())[5:]
    codes = [one.find("v3:procedure/v3:code", V3) for one in care.findall("v3:entry", V3)]
    assert (codes[0].get("codeSystem"), codes[0].get("code")) == (NGAP, "G")
    assert (codes[1].get("nullFlavor"), codes[1].get("codeSystem")) == ("OTH", None)
    assert radiology.find(".//v3:procedure/v3:code", V3).get("codeSystem") == CCAM
    assert biology.find(".//v3:procedure/v3:code", V3).get("codeSystem") == NABM


# ------------------------------------------------------------ nothing known


def test_a_section_without_lines_says_so_in_words_and_in_code():
    stored = history(DOLIPRANE)
    for section in sections(parsed(stored))[2:]:
        assert section.find("v3:text", V3).text == remb.NOTHING_IN_SECTION
        assert section.find("v3:text/v3:table", V3) is None
    absent = parsed(stored).xpath("//@code[starts-with(., 'no-known') or . = '02276797']")
    assert absent == [
        "no-known-immunizations",
        "no-known-devices",
        "02276797",
        *["no-known-procedures"] * 3,
    ]


def test_an_empty_history_is_said_in_the_notice_and_nowhere_else():
    notice = "".join(sections(parsed(history()))[0].itertext())
    assert remb.NOTHING_KNOWN in notice
    assert remb.NOTHING_KNOWN not in "".join(parsed().itertext())


# ------------------------------------------------------------ never, always


money = st.decimals("1000", "9999", places=2)


@given(money, money, money)
@settings(deadline=None)
def test_no_amount_is_ever_in_the_document(paid, base, reimbursed):
    stored = history(replace(DOLIPRANE, paid=paid, base=base, reimbursed=reimbursed))
    data = cda_remb.write(stored, record(), built_in()).decode()
    without = cda_remb.write(
        history(replace(DOLIPRANE, paid=None, base=None, reimbursed=None)), record(), built_in()
    ).decode()
    assert data == without


def test_the_same_history_gives_the_same_bytes():
    assert cda_remb.write(FULL, record(), built_in()) == cda_remb.write(FULL, record(), built_in())


texts = st.text(max_size=40)


@given(label=texts, code=texts, number=texts)
@settings(deadline=None, max_examples=200)
def test_whatever_an_extract_holds_the_document_is_well_formed(label, code, number):
    lines = [
        line(
            id=f"{n:026d}",
            section=section,
            label=label,
            code=code,
            performer=number,
            prescriber=number,
            structure=number,
        )
        for n, section in enumerate(Section)
    ]
    document = parsed(history(*lines))
    assert len(sections(document)) == 8


def test_quantities_are_written_as_people_write_them():
    for quantity, written in [
        ("1", "1"),
        ("2.0000", "2"),
        ("0.5", "0.5"),
        ("1E+1", "10"),
        ("100", "100"),
    ]:
        stored = history(replace(DOLIPRANE, quantity=Decimal(quantity)))
        assert parsed(stored).find(".//v3:quantity", V3).get("value") == written


def test_long_cares_have_two_days():
    stored = history(line(until=date(2024, 1, 20)))
    time = parsed(stored).find(".//v3:procedure/v3:effectiveTime", V3)
    assert [one.get("value") for one in time] == ["20240110", "20240120"]


# ------------------------------------------------------------ identifiers and reference


def test_identifiers_follow_from_record_and_generation():
    first, again = history(), history()
    assert remb.document_of(first) == remb.document_of(again)
    assert remb.unique_id(RECORD, 1) == remb.unique_id(RECORD, 1)
    assert remb.unique_id(RECORD, 1) != remb.unique_id(RECORD, 2)
    assert remb.unique_id(RECORD, 1) != remb.unique_id("0" * 26, 1)
    assert remb.document_of(first) != remb.document_of(replace(first, generation=2))
    assert OIDS.fullmatch(remb.unique_id(RECORD, 1))


def test_the_unique_id_is_a_uuid_under_the_arc_of_uuids():
    number = int(remb.unique_id(RECORD, 1).removeprefix("2.25."))
    assert number < 1 << 128
    assert number >> 76 & 0xF == 8
    assert number >> 62 & 0x3 == 2


def test_the_document_s_own_id_is_the_one_of_its_reference():
    document = parsed()
    named = reference(FULL, record())["masterIdentifier"]["value"]
    assert named == f"urn:oid:{document.find('v3:id', V3).get('root')}"


def test_the_reference_says_everything_that_pdsm_asks_for():
    told = reference(FULL, record())
    assert told["category"][0]["coding"][0]["code"] == "60"
    assert told["securityLabel"][0]["coding"][0]["code"] == Visibility.NORMAL.value
    assert told["subject"] == {"reference": f"Patient/{RECORD}"}
    (content,) = told["content"]
    assert content["attachment"] == {
        "contentType": "text/xml",
        "language": "fr-FR",
        "title": "Données de remboursement",
        "creation": NOW.isoformat(timespec="seconds"),
    }
    assert content["format"]["code"] == "urn:asip:ci-sis:hr:2019"
    assert told["context"]["period"] == {"start": "2022-03-15", "end": "2024-03-14"}
    assert {"author", "custodian", "date", "status", "type"} <= set(told)


def test_a_document_is_announced_before_it_is_published_and_after_it_is_made():
    happened = []

    def publish(record_id, document_id, resource, data, now):
        happened.append(("published", document_id, now))

    later = NOW + timedelta(hours=1)
    documents = RembDocuments(publish, built_in())
    documents.publish(FULL, record(), lambda name: happened.append(("announced", name)), later)
    name = remb.document_of(FULL)
    assert happened == [("announced", name), ("published", name, later)]


def test_a_document_that_cannot_be_made_is_not_announced():
    broken = replace(FULL, lines=(replace(DOLIPRANE, quantity=None),))
    announced = []
    with pytest.raises(TypeError):
        RembDocuments(lambda *_: None, built_in()).publish(
            broken, record(), announced.append, datetime.now(UTC)
        )
    assert announced == []
