"""Where a doctor looks for a service, and what it is called."""

from __future__ import annotations

import pytest

from dmp.domain.history import Detail, Section
from dmp.domain.nomenclatures import (
    CCAM,
    CIP13,
    GHS,
    LPP,
    NABM,
    NATURE,
    NGAP,
    Kind,
    is_imaging,
    meaning_of,
    read_table,
    speciality,
)
from dmp.store.nomenclatures import built_in

PHA, CAM, BIO, TIP, ETE = Detail


@pytest.mark.parametrize(
    ("nature", "detail", "code", "section", "system"),
    [
        (3313, PHA, "3400935955838", Section.MEDICINES, CIP13),
        (3331, PHA, "3400900000000", Section.VACCINATIONS, CIP13),
        (3313, PHA, "3400936924642", Section.VACCINATIONS, CIP13),  # ATC J07
        (3522, TIP, "1397790", Section.DEVICES, LPP),
        (2111, ETE, "1940", Section.STAYS, GHS),
        (1352, CAM, "DEQP003", Section.CARE, CCAM),
        (1351, CAM, "ZBQK002", Section.RADIOLOGY, CCAM),
        (1351, CAM, "YYYY600", Section.RADIOLOGY, CCAM),  # the nature says imaging
        (1352, CAM, "ZCQM008", Section.RADIOLOGY, CCAM),  # the code does
        (3211, BIO, "1104", Section.BIOLOGY, NABM),
        (1110, None, None, Section.CARE, NGAP),
        (3122, None, None, Section.CARE, NGAP),
        (1331, None, None, Section.RADIOLOGY, NGAP),
        (3211, None, None, Section.BIOLOGY, NGAP),
        (2111, None, None, Section.STAYS, NGAP),
        (2111, ETE, None, Section.STAYS, NGAP),
        (9999, None, None, Section.CARE, NATURE),
        (9999, PHA, "3400935955838", Section.MEDICINES, CIP13),
    ],
)
def test_a_service_stands_where_it_belongs(nature, detail, code, section, system):
    meaning = meaning_of(nature, detail, code, built_in())
    assert (meaning.section, meaning.system) == (section, system)


@pytest.mark.parametrize("code", ["ZBQK002", "QEQJ001", "ACQH003", "ZCQM008", "PAQL002", "ACQN001"])
def test_examinations_by_image_are_told_by_their_ccam_code(code):
    assert is_imaging(code)


@pytest.mark.parametrize(
    "code", ["DEQP003", "HEQE002", "HBMD053", "BFGA004", "", "ZBQK02", "zbqk002"]
)
def test_other_acts_are_not_imaging(code):
    assert not is_imaging(code)


def test_a_number_is_the_same_code_with_and_without_its_leading_zero():
    with_zero = meaning_of(3211, BIO, "0552", built_in())
    assert with_zero == meaning_of(3211, BIO, "552", built_in())
    assert with_zero.label == "Glycémie"


def test_a_nature_is_named_and_coded_by_its_letter():
    meaning = meaning_of(3122, None, None, built_in())
    assert (meaning.code, meaning.label) == ("AMK", "Acte de masso-kinésithérapie")


def test_a_speciality_is_named_and_an_unknown_one_is_shown_as_it_is():
    assert speciality(3, built_in()) == "Cardiologie"
    assert speciality(98, built_in()) == "98"
    assert [speciality(code, built_in()) for code in (None, 0, 99)] == [None, None, None]


def test_every_nature_of_the_built_in_set_says_its_section():
    natures = built_in().tables[Kind.NATURES].values()
    assert [one.code for one in natures if one.section is None or one.letter is None] == []


def test_every_medicine_of_the_built_in_set_has_a_cip13_with_its_key_and_a_group():
    medicines = built_in().tables[Kind.MEDICINES]
    groups = built_in().tables[Kind.GROUPS]
    assert [code for code in medicines if not _ean13(code)] == []
    assert [one.code for one in medicines.values() if (one.atc or "")[:3] not in groups] == []


def test_a_nomenclature_without_its_columns_is_refused():
    with pytest.raises(KeyError):
        read_table(["code;name", "1;x"])
    with pytest.raises(ValueError, match="unknown"):
        read_table(["code;label;section", "1;x;unknown"])


def _ean13(code):
    digits = [int(one) for one in code]
    total = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits[:12]))
    return len(digits) == 13 and (10 - total % 10) % 10 == digits[12]
