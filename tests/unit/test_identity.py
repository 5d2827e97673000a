"""Numbers and traits: what makes an identity one, and what it forgives."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.contacts import international, is_email
from dmp.domain.identity import (
    DEMONSTRATION,
    NIA,
    NIR,
    TEST,
    Ins,
    InsuredNumber,
    Traits,
    differences,
    fold,
    ins_faults,
    insured_faults,
    is_finess,
    is_ps_id,
    is_rpps,
    key_forgiven,
    luhn,
    mismatch_faults,
    nir_key,
    same_person,
    trait_faults,
)

OFFICIAL = "279035121518989"
DOMINIQUE = Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
TODAY = date(2026, 3, 14)

bodies = st.from_regex(
    r"[1-8][0-9]{2}(0[1-9]|1[0-2]|[2-9][0-9])([0-9]{2}|2A|2B)[0-9]{6}", fullmatch=True
).filter(str.isascii)
names = st.text(st.sampled_from("abcdéèçÏœ'- "), min_size=1, max_size=20)


def codes(faults):
    return [(fault.path, fault.code) for fault in faults]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ("2550814168025", "38"),
        ("2940375120005", "91"),
        ("1531245007231", "60"),
        ("284052A321025", "52"),
        ("2840588321025", "32"),
        ("284052B321025", "79"),
        ("284202B321025", "28"),
        ("284992B321025", "31"),
    ],
)
def test_the_key_of_a_nir_is_what_the_register_says(body, key):
    assert nir_key(body) == key


@pytest.mark.parametrize("number", ["279035121518989", "277076322082910", "155067200010159"])
@pytest.mark.parametrize("oid", [NIR, NIA, TEST, DEMONSTRATION])
def test_official_test_numbers_pass_the_strict_checks(number, oid):
    assert ins_faults(Ins(number, oid), lenient=False) == []


@given(bodies, st.integers(1, 96))
def test_no_other_key_passes(body, shift):
    right = int(nir_key(body))
    wrong = f"{(right - 1 + shift) % 97 + 1:02d}"
    assert ins_faults(Ins(body + nir_key(body), NIR), lenient=False) == []
    assert codes(ins_faults(Ins(body + wrong, NIR), lenient=False)) == [
        ("ins.matricule", "matricule-key")
    ]


@given(st.text(max_size=18))
def test_whatever_is_sent_as_a_number_is_judged_and_never_breaks(text):
    for lenient in (True, False):
        faults = ins_faults(Ins(text, TEST), lenient=lenient)
        assert faults or (text.isascii() and len(text) == 15)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "27903512151898",
        "2790351215189890",
        "979035121518989",
        "079035121518989",
        "279135121518989",
        "279002A21518989",
        "279032C21518989",
        "279032a21518989",
        "２79035121518989",
        "27903512151898٩",
        " 79035121518989",
        "279035121518989\n",
    ],
)
def test_a_number_of_another_shape_is_refused_even_where_identity_is_lenient(number):
    assert codes(ins_faults(Ins(number, TEST), lenient=True)) == [
        ("ins.matricule", "matricule-shape")
    ]


@pytest.mark.parametrize(
    ("oid", "lenient", "passes"),
    [
        (NIR, True, False),
        (NIA, True, False),
        (TEST, True, True),
        (DEMONSTRATION, True, True),
        (TEST, False, False),
        (DEMONSTRATION, False, False),
    ],
)
def test_a_wrong_key_is_forgiven_under_test_registers_alone(oid, lenient, passes):
    wrong = Ins("123456789012345", oid)
    assert (ins_faults(wrong, lenient=lenient) == []) is passes
    assert key_forgiven(wrong) is (oid in {TEST, DEMONSTRATION})


def test_a_right_key_leaves_nothing_to_forgive():
    assert not key_forgiven(Ins(OFFICIAL, TEST))


def test_an_unknown_register_is_no_identity():
    assert codes(ins_faults(Ins(OFFICIAL, "1.2.3"), lenient=True)) == [("ins.oid", "unknown-oid")]


@pytest.mark.parametrize(
    ("number", "rank", "lenient", "wrong"),
    [
        ("2790351215189", 1, False, []),
        ("279035121518989", 9, False, []),
        ("279035121518988", 1, False, ["insured.number"]),
        ("279035121518988", 1, True, []),
        ("27903512151898", 1, True, ["insured.number"]),
        ("Patient_01", 1, False, ["insured.number"]),
        ("Patient_01", 1, True, []),
        ("2790351215189", 0, True, ["insured.birthRank"]),
        ("nobody!", 10, False, ["insured.birthRank", "insured.number"]),
    ],
)
def test_the_insurers_number_is_thirteen_or_fifteen_characters(number, rank, lenient, wrong):
    faults = insured_faults(InsuredNumber(number, rank), lenient=lenient)
    assert [fault.path for fault in faults] == wrong


def test_the_number_and_the_traits_agree_for_the_official_identity():
    assert mismatch_faults(Ins(OFFICIAL, TEST), DOMINIQUE) == []


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"sex": "male"}, "traits.sex"),
        ({"birth_date": date(1979, 4, 28)}, "traits.birthDate"),
        ({"birth_date": date(1978, 3, 28)}, "traits.birthDate"),
    ],
)
def test_a_number_contradicts_another_sex_or_month_of_birth(changed, path):
    faults = mismatch_faults(Ins(OFFICIAL, TEST), replace(DOMINIQUE, **changed))
    assert codes(faults) == [(path, "contradicts-matricule")]


def test_a_month_that_the_register_did_not_know_contradicts_no_month():
    unknown = Ins("279995121518900", TEST)
    assert mismatch_faults(unknown, DOMINIQUE) == []


@pytest.mark.parametrize(
    ("digit", "sex"), list(zip("12345678", ["male", "female"] * 4, strict=True))
)
def test_temporary_and_migrant_numbers_say_the_sex_too(digit, sex):
    ins = Ins(digit + OFFICIAL[1:], TEST)
    wrong = mismatch_faults(ins, replace(DOMINIQUE, sex=sex))
    assert "traits.sex" not in [fault.path for fault in wrong]


@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"family_name": "-"}, "traits.birthFamilyName", "required"),
        ({"given_names": ()}, "traits.birthGivenNames", "required"),
        ({"given_names": ("ANNE", "7")}, "traits.birthGivenNames", "required"),
        ({"birth_date": date(2026, 3, 15)}, "traits.birthDate", "in-the-future"),
        ({"birth_place": "5121"}, "traits.birthPlace", "insee-code"),
        ({"birth_place": "2C004"}, "traits.birthPlace", "insee-code"),
        ({"birth_place": "５1215"}, "traits.birthPlace", "insee-code"),
    ],
)
def test_each_trait_has_its_form(changed, path, code):
    assert codes(trait_faults(replace(DOMINIQUE, **changed), TODAY)) == [(path, code)]


@pytest.mark.parametrize("place", ["51215", "2A004", "2B033", "99100", "97411"])
def test_birth_places_of_every_kind_are_known(place):
    assert trait_faults(replace(DOMINIQUE, birth_place=place), TODAY) == []


@given(names)
def test_folding_twice_changes_nothing(name):
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hélène", "HELENE"),
        ("D'ARTAGNAN", "d artagnan"),
        ("Le-Goff", "LE GOFF"),
        ("Lætitia Cœur", "LAETITIA COEUR"),
        ("  Anne   Marie ", "ANNE MARIE"),
    ],
)
def test_accents_case_and_separators_make_nobody_else(one, other):
    assert fold(one) == fold(other)


def test_given_names_are_the_same_however_a_register_cuts_them():
    cut = replace(DOMINIQUE, given_names=("JEAN", "PIERRE", "MARIE"))
    whole = replace(DOMINIQUE, given_names=("Jean-Pierre", "Marie"))
    assert same_person(cut, whole)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("family_name", "PAT-QUATRE"),
        ("given_names", ("DOMINIQUE", "ANNE")),
        ("birth_date", date(1979, 3, 29)),
        ("sex", "male"),
        ("birth_place", "51216"),
    ],
)
def test_one_other_trait_is_somebody_else(field, value):
    assert not same_person(DOMINIQUE, replace(DOMINIQUE, **{field: value}))


def test_a_card_with_the_first_given_name_alone_contradicts_no_register():
    register = replace(DOMINIQUE, given_names=("DOMINIQUE", "ANNE"))
    assert differences(DOMINIQUE, register) == []
    assert differences(replace(DOMINIQUE, given_names=("ANNE",)), register) == ["birthGivenNames"]


@pytest.mark.parametrize("number", ["10100997245", "99700218896", "99700024450"])
def test_valid_rpps_numbers_pass(number):
    assert is_rpps(number)
    assert is_ps_id(f"8{number}")
    assert not is_ps_id(f"0{number}")


def test_the_invalid_rpps_of_the_official_samples_is_refused():
    assert not is_rpps("10101201234")


@given(st.from_regex(r"[0-9]{10}", fullmatch=True).filter(str.isascii))
def test_ten_digits_have_exactly_one_luhn_key(digits):
    assert sum(luhn(digits + key) for key in "0123456789") == 1


@given(st.text(max_size=13))
def test_whatever_is_sent_as_an_rpps_is_judged_and_never_breaks(text):
    assert is_rpps(text) in {True, False}
    assert is_ps_id(text) in {True, False}


@pytest.mark.parametrize(
    ("number", "known"),
    [("750000018", True), ("2A0000012", True), ("75000001", False), ("7C0000018", False)],
)
def test_finess_numbers_begin_with_a_department(number, known):
    assert is_finess(number) is known


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("patient@example.test", True),
        ("a.b+c@sous.domaine.fr", True),
        ("not an address", False),
        ("a@b", False),
        ("a@@b.fr", False),
        (".a@b.fr", False),
        ("a@-b.fr", False),
        ("a@b.fr\nBcc: x@y.fr", False),
        ("a" * 250 + "@b.fr", False),
    ],
)
def test_an_email_address_has_its_form(text, known):
    assert is_email(text) is known


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("07.12.34.56.78", "+33712345678"),
        ("+33612345678", "+33612345678"),
        ("+32 470 12 34 56", "+32470123456"),
        ("0112345678", None),
        ("612345678", None),
        ("+0612345678", None),
        ("", None),
    ],
)
def test_a_mobile_number_is_kept_in_its_international_form(number, told):
    assert international(number) == told
