# ruff: noqa: S608 - the files are the test's own
"""Each row of an extract is typed, or set aside with its line, column and reason."""

from __future__ import annotations

import re
import tempfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmp.domain.extracts import JOINING_KEY, SERVICES, TABLES, Form, Part
from dmp.domain.identity import InsuredNumber, nir_key
from dmp.store.columnar import Engine
from dmp.store.landing import engine_lines
from dmp.store.pseudonyms import Pseudonyms
from tests.support.extracts import KEY, SERVICE, child, csv_of, service

PEOPLE = Pseudonyms(lambda: KEY)


def clean(body: bytes, table: str = "ER_PRS_F", *, lenient: bool = False, people: bytes = b""):
    """(good rows, {line: (column, reason)}) of a file."""
    header = tuple(body.split(b"\n")[0].decode().rstrip("\r").split(";"))
    with tempfile.TemporaryDirectory() as room:
        desk = Path(room)
        (desk / "lines").write_bytes(b"".join(engine_lines([body.partition(b"\n")[2]], "utf-8")))
        known = people.partition(b"\n")
        (desk / "people").write_bytes(b"".join(engine_lines([known[2]], "utf-8")))
        part = Part(0, 0, f"{table}.csv", table, header, "utf-8", "", 0, 0, 2)
        with Engine(desk / "spill") as engine:
            tally = engine.clean(
                part,
                desk / "lines",
                desk / "pieces",
                desk / "rejected",
                key=KEY,
                join_shards=2,
                lenient=lenient,
                people=desk / "people" if people else None,
                people_header=tuple(known[0].decode().split(";")) if people else (),
            )
            good, wrong = [], {}
            if tally.kept:
                good = engine.run(
                    f"SELECT * FROM read_parquet('{desk}/pieces/*/*.parquet') ORDER BY line_no"
                )
                names = [column[0] for column in engine._base.description]
                good = [dict(zip(names, row, strict=True)) for row in good]
            if tally.kept < tally.read:
                found = engine.run(
                    f"SELECT line_no, \"column\", reason FROM read_parquet('{desk}/rejected')"
                )
                wrong = {line: (column, reason) for line, column, reason in found}
        assert tally.read == tally.kept + len(wrong) == len(good) + len(wrong)
        return good, wrong


def only_fault(**changes: str):
    _, wrong = clean(csv_of([service(**changes)]))
    return wrong.get(2)


def test_a_good_row_is_typed_and_its_beneficiary_is_a_keyed_hash():
    (row,), wrong = clean(csv_of([service(PRS_ACT_QTE="2,5", EXE_SOI_DTF="2024-06-04")]))
    assert not wrong
    assert row["insured"] == PEOPLE.insured(InsuredNumber("279035121518989", 1))
    assert row["key"] == "1|2024-07-01|3|2|1|2024-06-06|511CPAM01|1|1"
    assert (row["start"], row["end"]) == (date(2024, 6, 3), date(2024, 6, 4))
    assert row["quantity"] == Decimal("2.5")
    assert row["performer"] == "511000011"


def test_thirteen_and_fifteen_characters_name_the_same_person():
    rows, _ = clean(csv_of([service(), service(BEN_NIR_PSA="279035121518989", DCT_ORD_NUM="2")]))
    assert rows[0]["insured"] == rows[1]["insured"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"EXE_SOI_DTD": "29/02/2023"}, ("EXE_SOI_DTD", "impossible-date")),
        ({"EXE_SOI_DTD": "31/04/2024"}, ("EXE_SOI_DTD", "impossible-date")),
        ({"EXE_SOI_DTD": "01/01/0024"}, ("EXE_SOI_DTD", "impossible-date")),
        ({"EXE_SOI_DTD": "3 juin 2024"}, ("EXE_SOI_DTD", "unreadable-date")),
        ({"EXE_SOI_DTD": "06/03/24"}, ("EXE_SOI_DTD", "unreadable-date")),
        ({"EXE_SOI_DTD": ""}, ("EXE_SOI_DTD", "missing")),
        ({"EXE_SOI_DTD": "01/01/1600"}, ("EXE_SOI_DTD", "missing")),
        ({"PRE_PRE_DTD": "30/02/2024"}, ("PRE_PRE_DTD", "impossible-date")),
        ({"EXE_SOI_DTF": "02/06/2024"}, ("EXE_SOI_DTF", "end-before-start")),
        ({"PRS_ACT_QTE": "1O"}, ("PRS_ACT_QTE", "not-a-number")),
        ({"PRS_ACT_QTE": "1e3"}, ("PRS_ACT_QTE", "not-a-number")),
        ({"PRS_ACT_QTE": "."}, ("PRS_ACT_QTE", "not-a-number")),
        ({"PRS_ACT_QTE": ""}, ("PRS_ACT_QTE", "missing")),
        ({"PRS_PAI_MNT": "douze"}, ("PRS_PAI_MNT", "not-a-number")),
        ({"PRS_NAT_REF": ""}, ("PRS_NAT_REF", "missing")),
        ({"PRS_NAT_REF": "C"}, ("PRS_NAT_REF", "not-a-number")),
        ({"PRS_NAT_REF": "1111.5"}, ("PRS_NAT_REF", "not-a-number")),
        ({"DCT_ORD_NUM": ""}, ("DCT_ORD_NUM", "missing")),
        ({"ORG_CLE_NUM": "  "}, ("ORG_CLE_NUM", "missing")),
        ({"FLX_TRT_DTD": "32/01/2024"}, ("FLX_TRT_DTD", "impossible-date")),
        ({"BEN_NIR_PSA": ""}, ("BEN_NIR_PSA", "missing")),
        ({"BEN_NIR_PSA": "279035121518"}, ("BEN_NIR_PSA", "beneficiary-shape")),
        ({"BEN_NIR_PSA": "9790351215189"}, ("BEN_NIR_PSA", "beneficiary-shape")),
        ({"BEN_NIR_PSA": "279035121518988"}, ("BEN_NIR_PSA", "beneficiary-key")),
        ({"BEN_RNG_GEM": ""}, ("BEN_RNG_GEM", "missing")),
        ({"BEN_RNG_GEM": "x"}, ("BEN_RNG_GEM", "not-a-number")),
        ({"PFS_PRE_NUM": "511;extra"}, (None, "columns")),
    ],
)
def test_a_bad_row_is_set_aside_with_its_column_and_reason(changes, fault):
    assert only_fault(**changes) == fault


def test_the_day_that_says_no_date_is_no_date():
    (row,), _ = clean(csv_of([service(EXE_SOI_DTF="01/01/1600", PRE_PRE_DTD="01/01/1600")]))
    assert row["end"] is None
    assert row["prescribed_on"] is None


def test_wrong_control_keys_are_forgiven_in_lenient_mode_only():
    body = csv_of([service(BEN_NIR_PSA="279035121518988")])
    assert clean(body)[1] == {2: ("BEN_NIR_PSA", "beneficiary-key")}
    (row,), wrong = clean(body, lenient=True)
    assert not wrong
    assert row["insured"] == PEOPLE.insured(InsuredNumber("2790351215189", 1))


def test_control_keys_of_corsica_are_right():
    for body, key in (("284052A321025", "52"), ("284052B321025", "79")):
        assert nir_key(body) == key
        assert only_fault(BEN_NIR_PSA=body + key) is None


def test_line_numbers_are_those_of_an_editor_whatever_the_line_ends():
    good, bad = service(), service(EXE_SOI_DTD="29/02/2023")
    header, one, two = (csv_of([good, bad]).split(b"\n"))[:3]
    assert clean(b"\r\n".join([header, one, b"", b"", two, one]))[1].keys() == {5}
    assert clean(b"\n".join([header, b"", two, b"", one, two]))[1].keys() == {3, 6}


def test_quotes_may_surround_a_field_or_stand_inside_it():
    quoted = service(ORG_CLE_NUM='"511""CPAM;01"', PFS_EXE_NUM='A5"1', PFS_PRE_NUM='"')
    (row,), wrong = clean(csv_of([quoted]))
    assert not wrong
    assert row["key"].split("|")[6] == '511"CPAM;01'
    assert (row["performer"], row["prescriber"]) == ('A5"1', '"')


def test_columns_stand_in_any_order_and_unknown_ones_are_ignored():
    names = sorted(SERVICE, reverse=True)
    (mixed,), _ = clean(csv_of([service(XYZ="é;"[0])], [*names[:5], "XYZ", *names[5:]]))
    (usual,), _ = clean(csv_of([service()]))
    assert mixed == usual


def test_optional_columns_may_be_absent():
    optional = {each.name for each in SERVICES.columns if not each.needed}
    (row,), wrong = clean(csv_of([service()], [name for name in SERVICE if name not in optional]))
    assert not wrong
    assert row["paid"] is None
    assert row["performer"] is None


@pytest.mark.parametrize("table", [name for name in TABLES if name != "ER_PRS_F"])
def test_each_child_table_gives_its_code(table):
    (row,), wrong = clean(csv_of([child(table)]), table)
    assert not wrong
    assert row["detail"] == TABLES[table].detail.value
    assert row["code"] == child(table)[TABLES[table].code]


def test_a_stay_without_a_group_has_no_code():
    (row,), _ = clean(csv_of([child("ER_ETE_F", ETE_GHS_NUM="0")]), "ER_ETE_F")
    assert row["code"] is None
    assert row["structure"] == "510000029"


def research(*numbers: str) -> bytes:
    rows = [service(NUM_ENQ=number, DCT_ORD_NUM=str(at)) for at, number in enumerate(numbers)]
    names = ["NUM_ENQ", *(name for name in SERVICE if name != "BEN_NIR_PSA")]
    return csv_of(rows, names)


def test_a_research_number_is_the_insured_number_when_nothing_else_is_known():
    (row,), _ = clean(research("Patient_01"))
    assert row["insured"] == PEOPLE.insured(InsuredNumber("Patient_01", 1))


def test_a_research_number_absent_from_the_correspondence_is_set_aside():
    people = b"NUM_ENQ;BEN_RNG_GEM\nPatient_01;1\n"
    rows, wrong = clean(research("Patient_01", "Patient_02", ""), people=people)
    assert [row["insured"] for row in rows] == [PEOPLE.insured(InsuredNumber("Patient_01", 1))]
    assert wrong == {3: ("NUM_ENQ", "beneficiary-unknown"), 4: ("NUM_ENQ", "missing")}


def test_the_correspondence_may_give_matricules_and_says_when_it_is_ambiguous():
    people = (
        b"BEN_RNG_GEM;NUM_ENQ;BEN_NIR_PSA\n2;A;2790351215189\n2;A;2790351215189\n"
        b"1;B;2790351215189\n1;B;1550672000101\n1;C;nobody\n"
    )
    rows, wrong = clean(research("A", "B", "C"), people=people)
    assert [row["insured"] for row in rows] == [PEOPLE.insured(InsuredNumber("2790351215189", 2))]
    assert wrong == {
        3: ("NUM_ENQ", "beneficiary-unknown"),
        4: ("NUM_ENQ", "beneficiary-shape"),
    }


def test_a_research_number_of_fifteen_characters_keeps_them_all():
    rows, _ = clean(research("PATIENT00000001", "PATIENT00000002"))
    assert len({row["insured"] for row in rows}) == 2


# -- a slow and obvious reading, to compare with


_DAYS = ("%d/%m/%Y", "%Y-%m-%d")
_SHAPES = (r"\d\d/\d\d/\d{4}", r"\d{4}-\d\d-\d\d")


def slow_day(text: str):
    for shape, form in zip(_SHAPES, _DAYS, strict=True):
        if re.fullmatch(shape, text, re.ASCII):
            try:
                day = datetime.strptime(text, form).date()  # noqa: DTZ007
            except ValueError:
                return "impossible-date"
            return day if 1900 <= day.year < 2100 else "impossible-date"
    return "unreadable-date"


def slow_value(form: Form, text: str):
    """The value, or the reason why there is none."""
    if form is Form.TEXT:
        return text
    if form is Form.DAY:
        return slow_day(text)
    whole = r"[+-]?\d{1,18}([.,]0*)?" if form is Form.WHOLE else r"[+-]?\d{0,11}([.,]\d{1,10})?"
    if not re.fullmatch(whole, text, re.ASCII) or not any(c.isdigit() for c in text):
        return "not-a-number"
    number = Decimal(text.replace(",", "."))
    return int(number) if form is Form.WHOLE else number


def slow_fault(row: dict[str, str]):  # noqa: C901, PLR0911 - obvious, not short
    """The first thing wrong with a service row, column by column."""
    values = {}
    for column in SERVICES.columns:
        text = row[column.name].strip(" ")
        absent = not text or (column.form is Form.DAY and text in {"01/01/1600", "1600-01-01"})
        if absent:
            if column.filled:
                return column.name, "missing"
            continue
        value = slow_value(column.form, text)
        if column.form is not Form.TEXT and isinstance(value, str):
            return column.name, value
        values[column.name] = value
    number, rank = row["BEN_NIR_PSA"].strip(" ").upper(), row["BEN_RNG_GEM"].strip(" ")
    shape = r"[1-8]\d\d(0[1-9]|1[0-2]|[2-9]\d)(\d\d|2A|2B)\d{6}(\d\d)?"
    if not number:
        return "BEN_NIR_PSA", "missing"
    if not re.fullmatch(shape, number, re.ASCII):
        return "BEN_NIR_PSA", "beneficiary-shape"
    if len(number) == 15 and nir_key(number[:13]) != number[13:]:
        return "BEN_NIR_PSA", "beneficiary-key"
    if not rank:
        return "BEN_RNG_GEM", "missing"
    if not isinstance(slow_value(Form.WHOLE, rank), int) or slow_value(Form.WHOLE, rank) < 0:
        return "BEN_RNG_GEM", "not-a-number"
    if values.get("EXE_SOI_DTF") and values["EXE_SOI_DTF"] < values["EXE_SOI_DTD"]:
        return "EXE_SOI_DTF", "end-before-start"
    return None


day_texts = st.one_of(
    st.dates(date(1890, 1, 1), date(2110, 1, 1)).map(lambda day: f"{day:%d/%m/%Y}"),
    st.dates(date(1999, 1, 1), date(2030, 1, 1)).map(date.isoformat),
    st.builds(
        lambda d, m, y: f"{d:02}/{m:02}/{y}",
        st.integers(0, 32), st.integers(0, 13), st.integers(2022, 2025),
    ),
    st.sampled_from(["", " ", "01/01/1600", "29/02/2023", "29/02/2024", "1/2/2024", "abc"]),
)  # fmt: skip
number_texts = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.decimals(-999, 999, places=2).map(str),
    st.text("0123456789+-., eE'", max_size=6),
)
people_texts = st.one_of(
    st.sampled_from(["279035121518989", "2790351215189", "155067200010159", "284052a32102552"]),
    st.text("0123456789AB ", max_size=16),
)


def rows_strategy():
    forms = {Form.DAY: day_texts, Form.TEXT: st.text("A1é ", max_size=4)}
    changes = {each.name: forms.get(each.form, number_texts) for each in SERVICES.columns}
    changes["BEN_NIR_PSA"], changes["BEN_RNG_GEM"] = people_texts, number_texts
    one = st.sampled_from(sorted(changes)).flatmap(
        lambda name: changes[name].map(lambda text: {name: text})
    )
    several = st.lists(one, max_size=2).map(
        lambda given: {name: text for each in given for name, text in each.items()}
    )
    return st.lists(several.map(lambda given: service(**given)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows_strategy())
def test_columns_at_once_judge_as_rows_one_by_one(rows):
    good, wrong = clean(csv_of(rows))
    expected = {line: fault for line, row in enumerate(rows, 2) if (fault := slow_fault(row))}
    assert wrong == expected
    for read, row in zip(good, (row for row in rows if not slow_fault(row)), strict=True):
        rank = int(slow_value(Form.WHOLE, row["BEN_RNG_GEM"].strip()))
        number = row["BEN_NIR_PSA"].strip().upper()
        assert read["insured"] == PEOPLE.insured(InsuredNumber(number, rank))
        assert read["start"] == slow_day(row["EXE_SOI_DTD"].strip())
        exact = slow_value(Form.AMOUNT, row["PRS_ACT_QTE"].strip())
        assert abs(read["quantity"] - exact) <= Decimal("0.00005")
        assert len(read["key"].split("|")) == len(JOINING_KEY)
