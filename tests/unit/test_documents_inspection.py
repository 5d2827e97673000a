"""Bytes are what they say they are, whole, harmless, and about the right person."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from io import BytesIO

import pytest

from dmp.domain.identity import NIR, TEST, Ins, InsuredNumber, Traits
from dmp.domain.inspection import identity_faults
from dmp.domain.records import Channel, Record, RecordStatus, Scheme
from dmp.edge.inspect import eicar, inspect
from infra.local.demo.documents import make
from infra.local.demo.documents.make import Holder, cda, embedded, pdf, structured

XML = "text/xml"
LETTER = cda(structured("Rien à signaler."))


def looked(data: bytes, media_type: str):
    return inspect(BytesIO(data), media_type)


def codes(data: bytes, media_type: str) -> list[str]:
    return [fault.code for fault in looked(data, media_type).faults]


def record(oid: str = NIR) -> Record:
    return Record(
        id="7h3kq0v9w2m4n6p8r1t5x7z0ab",
        ins=Ins("279035121518989", oid),
        traits=Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
        insured=InsuredNumber("279035121518989"),
        scheme=Scheme.REGIME_GENERAL,
        status=RecordStatus.OPEN,
        channel=Channel.PHARMACIST,
        opened_at=datetime(2026, 1, 5, tzinfo=UTC),
        opened_by="professional#810100997245",
    )


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (pdf("Bonjour"), "application/pdf"),
        (pdf("Bonjour") + b"%" * 100_000, "application/pdf"),
        (make.jpeg(), "image/jpeg"),
        (make.png(), "image/png"),
        ("été\n".encode(), "text/plain; charset=utf-8"),
        (b"<5 mg/l", "text/plain"),
        (LETTER, "application/xml"),
        (cda(embedded(pdf("Dedans"))), XML),
        (make.presentable(LETTER), XML),
        (b'{"resourceType": "Bundle", "type": "document"}', "application/fhir+json"),
        (b'\xef\xbb\xbf{"resourceType": "Bundle", "type": "document"}', "application/fhir+json"),
    ],
)
def test_a_whole_document_of_its_declared_type_is_taken(data, media_type):
    found = looked(data, media_type)
    assert found.faults == ()
    assert found.size == len(data)


def test_every_file_of_the_demonstration_is_taken():
    kinds = {
        "pdf": "application/pdf",
        "xml": XML,
        "jpg": "image/jpeg",
        "png": "image/png",
        "txt": "text/plain",
    }
    for name, data in make.documents().items():
        assert codes(data, kinds[name.rpartition(".")[2]]) == [], name
        assert (make.HERE / name).read_bytes() == data, name


@pytest.mark.parametrize(
    ("data", "media_type", "code"),
    [
        (b"", "application/pdf", "empty"),
        (b"not a pdf", "application/pdf", "declared-type"),
        (make.png(), "application/pdf", "declared-type"),
        (pdf("x"), "image/jpeg", "declared-type"),
        (pdf("x"), XML, "declared-type"),
        (pdf("x"), "text/plain", "declared-type"),
        (LETTER, "text/plain", "declared-type"),
        (b"<!DOCTYPE html><html></html>", "text/plain", "declared-type"),
        (b"MZ\x90\x00", "application/pdf", "declared-type"),
        (b"%PDF-1.4\nhello", "application/pdf", "truncated"),
        (make.png()[:-12], "image/png", "truncated"),
        (make.jpeg()[:-2], "image/jpeg", "truncated"),
        (b"caf\xe9", "text/plain", "text-encoding"),
        (b"\xc3", "text/plain", "text-encoding"),
        (b"a\x00b", "text/plain", "text-controls"),
        (b"<html/>", "text/html", "media-type"),
        (b"MZ", "application/x-msdownload", "media-type"),
        (b'{"resourceType": "Patient"}', "application/fhir+json", "not-fhir"),
        (b"[1]", "application/fhir+json", "not-fhir"),
        (b'{"a"', "application/fhir+json", "json"),
        (b"[" * 100_000, "application/fhir+json", "json"),
        (b"<note/>", XML, "not-a-cda"),
        (b'<ClinicalDocument xmlns="urn:other"/>', XML, "not-a-cda"),
        (b'<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"/>', XML, "not-a-cda"),
        (LETTER[:-10], XML, "xml"),
        (b"no markup at all", XML, "xml"),
        (LETTER.replace(b'encoding="UTF-8"', b'encoding="EBCDIC-9"'), XML, "xml"),
        (cda(embedded(b"not a pdf")), XML, "declared-type"),
        (cda(embedded(b"%PDF-1.4 cut")), XML, "truncated"),
        (cda(embedded(b"")), XML, "empty"),
        (cda(embedded(pdf("x"))).replace(b"JVBER", b"JV*ER"), XML, "base64"),
    ],
)
def test_what_is_not_what_it_says_is_refused(data, media_type, code):
    assert code in codes(data, media_type)


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (str(n - 1).encode() if n else b"") * 10)
        for n in range(9)
    )
    + b']><ClinicalDocument xmlns="urn:hl7-org:v3">&a8;</ClinicalDocument>'
)
EXTERNAL = (
    b'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    b'<ClinicalDocument xmlns="urn:hl7-org:v3">&x;</ClinicalDocument>'
)
DTD = b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd"><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
DEEP = b"".join(
    (
        b'<ClinicalDocument xmlns="urn:hl7-org:v3">',
        b"<a>" * 5000,
        b"</a>" * 5000,
        b"</ClinicalDocument>",
    )
)
LONG = (
    b'<ClinicalDocument xmlns="urn:hl7-org:v3"><a b="'
    + b"x" * 6_000_000
    + b'"/></ClinicalDocument>'
)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (BOMB, "xml-doctype"),
        (EXTERNAL, "xml-doctype"),
        (DTD, "xml-doctype"),
        (DEEP, "xml-limits"),
        (LONG, "xml-limits"),
    ],
)
def test_xml_that_means_harm_is_refused_where_it_begins(data, code):
    assert codes(data, XML) == [code]


def test_a_cda_with_a_large_embedded_pdf_is_taken_whole():
    whole = pdf("gros") + b"%" * 12_000_000
    assert codes(cda(embedded(whole)), XML) == []


def test_two_documents_in_one_file_are_none():
    inside = LETTER.partition(b"?>\n")[2]
    both = make.presentable(LETTER).replace(b"</xsl:stylesheet>", inside + b"</xsl:stylesheet>")
    assert codes(both, XML) == ["not-a-cda"]


def test_no_fault_repeats_what_the_document_says():
    for data in (LETTER[:-10], EXTERNAL, cda(embedded(b"secret"))):
        assert all(
            "PAT-TROIS" not in f.detail and "secret" not in f.detail
            for f in looked(data, XML).faults
        )


@pytest.mark.parametrize("before", [0, 262_100, 262_144, 262_200])
def test_the_antivirus_stand_in_finds_the_test_file_across_blocks(before):
    test_file = base64.b64decode(
        "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo="
    )
    assert eicar(BytesIO(b"x" * before + test_file + b"y")) == "EICAR-Test-File"
    assert eicar(BytesIO(b"x" * before + test_file[:-1])) is None


def wrongs(data: bytes, *, lenient: bool = False, oid: str = NIR):
    faults, warnings = identity_faults(looked(data, XML), record(oid), lenient=lenient, at="file")
    return [f.code for f in faults], [w.code for w in warnings]


@pytest.mark.parametrize("data", [LETTER, make.presentable(LETTER), cda(embedded(pdf("x")))])
def test_a_cda_about_the_holder_is_taken(data):
    assert wrongs(data) == ([], [])


@pytest.mark.parametrize(
    "holder",
    [
        Holder(matricule="277076322082910"),
        Holder(sex="M"),
        Holder(born="19790329"),
        Holder(born="1979032"),
    ],
)
def test_a_cda_about_somebody_else_is_refused_in_every_mode(holder):
    for lenient in (False, True):
        assert wrongs(cda("", holder), lenient=lenient, oid=TEST)[0] == ["cda-identity"]


def test_whichever_trait_differs_is_not_told():
    def told(holder):
        return identity_faults(looked(cda("", holder), XML), record(), lenient=False, at="file")

    another = Holder(matricule="277076322082910", sex="M", born="19790329")
    assert told(Holder(sex="M")) == told(Holder(born="19790329")) == told(another)
    assert told(Holder(oid="1.2.3.4")) == told(Holder(oid="1.2.3.4", sex="M"))


def test_a_birth_date_known_to_the_month_is_compared_to_the_month():
    assert wrongs(cda("", Holder(born="197903"))) == ([], [])
    assert wrongs(cda("", Holder(born="197904")))[0] == ["cda-identity"]


def test_a_cda_that_says_of_nobody_is_refused_and_in_lenient_mode_warned_of():
    bare = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    assert wrongs(bare)[0] == ["cda-identity-missing"] * 3
    assert wrongs(bare, lenient=True, oid=TEST) == ([], ["cda-identity-missing"] * 3)
    assert wrongs(bare, lenient=True, oid=NIR)[0] == ["cda-identity-missing"] * 3


def test_an_id_outside_the_registers_is_no_ins():
    assert "cda-identity-missing" in wrongs(cda("", Holder(oid="1.2.3.4")))[0]


def test_two_record_targets_are_one_too_many():
    target = LETTER[LETTER.index(b"<recordTarget>") : LETTER.index(b"<author>")]
    twice = LETTER.replace(b"<author>", target + b"<author>", 1)
    assert "cda-identity" in wrongs(twice)[0]
