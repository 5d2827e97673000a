"""The directory's file: good lines are loaded, bad ones are named without what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmp.domain.identity import TEST, Ins
from dmp.domain.records import Contact
from infra.local import directory
from infra.local.directory import COLUMNS, DirectoryError, read

DEMONSTRATION = Path(directory.__file__).parent / "demo/directory.csv"
HEADER = ";".join(COLUMNS)
GOOD = {
    "matricule": "279035121518989",
    "oid": TEST,
    "birthRank": "1",
    "birthFamilyName": "PAT-TROIS",
    "birthGivenNames": "DOMINIQUE, ANNE",
    "birthDate": "1979-03-28",
    "sex": "female",
    "birthPlace": "51215",
    "scheme": "regime-general",
    "caisse": "511",
    "email": "patient@example.test",
    "mobile": "06 39 98 00 03",
    "vitaleSerial": "8025000001",
    "deceased": "",
}


def line(**changes):
    return ";".join({**GOOD, **changes}[name] for name in COLUMNS)


@pytest.fixture
def file(tmp_path):
    def write(*lines, header=HEADER, encoding="utf-8"):
        path = tmp_path / "directory.csv"
        path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return path

    return write


def test_a_good_line_is_a_person(file):
    (person,) = read(file(line())).people
    assert person.ins == Ins("279035121518989", TEST)
    assert person.traits.given_names == ("DOMINIQUE", "ANNE")
    assert person.contact == Contact("patient@example.test", "+33639980003")
    assert (person.birth_rank, person.vitale_serial, person.deceased) == (1, "8025000001", False)


def test_what_may_be_empty_may_be_empty(file):
    empty = dict.fromkeys(("birthRank", "email", "mobile", "vitaleSerial", "deceased"), "")
    (person,) = read(file(line(**empty))).people
    assert (person.birth_rank, person.contact, person.vitale_serial) == (1, Contact(), None)


@pytest.mark.parametrize(
    ("told", "dead"),
    [("", False), ("false", False), ("true", True), ("2024-02-29", True), ("Oui", True)],
)
def test_the_dead_are_told_from_the_living(file, told, dead):
    assert read(file(line(deceased=told))).people[0].deceased is dead


def test_a_scheme_that_is_not_served_is_known_all_the_same(file):
    assert read(file(line(scheme="msa"))).people[0].scheme == "msa"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("matricule", "27903512151898"),
        ("oid", "1.2.3"),
        ("birthRank", "0"),
        ("birthRank", "one"),
        ("birthFamilyName", ""),
        ("birthGivenNames", ""),
        ("birthDate", "28/03/1979"),
        ("birthDate", "1979-02-31"),
        ("birthDate", "2979-03-28"),
        ("birthDate", ""),
        ("sex", "F"),
        ("sex", "male"),
        ("birthPlace", "Reims"),
        ("scheme", ""),
        ("caisse", "5"),
        ("email", "nowhere"),
        ("mobile", "0102030405"),
        ("vitaleSerial", "é"),
        ("deceased", "perhaps"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_number_and_its_column(file, column, value):
    reading = read(
        file(line(matricule="277076322082910", birthDate="1977-07-14"), line(**{column: value}))
    )
    assert len(reading.people) == 1
    assert {(bad.line, bad.column) for bad in reading.bad} == {(3, column)}


def test_a_line_is_told_everything_that_is_wrong_with_it(file):
    reading = read(file(line(sex="F", caisse="5", birthDate="never", email="nowhere")))
    assert {bad.column for bad in reading.bad} == {"sex", "caisse", "birthDate", "email"}


def test_no_reason_repeats_what_the_line_holds(file):
    secret = "SECRET-VALUE"
    for column in COLUMNS:
        reading = read(file(line(**{column: secret})))
        assert secret not in " ".join(map(str, reading.bad))


def test_the_same_person_twice_is_one_person(file):
    reading = read(file(line(), line(email="other@example.test")))
    assert [person.contact.email for person in reading.people] == ["patient@example.test"]
    assert [str(bad) for bad in reading.bad] == ["line 3, matricule: the person of line 2 again"]


def test_a_line_of_another_length_is_no_person(file):
    reading = read(file(line() + ";more", "279035121518989;" + TEST))
    assert reading.people == ()
    assert {bad.line for bad in reading.bad} == {2, 3}


def test_empty_lines_are_no_lines(file):
    assert len(read(file("", line(), ";;;", "")).people) == 1


def test_columns_may_stand_in_any_order(file):
    turned = list(reversed(COLUMNS))
    path = file(";".join(GOOD[name] for name in turned), header=";".join(turned))
    assert len(read(path).people) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_name_with_accents_is_read_in_either_encoding(file, encoding):
    (person,) = read(file(line(birthFamilyName="LÉGER"), encoding=encoding)).people
    assert person.traits.family_name == "LÉGER"


@pytest.mark.parametrize(
    "header", ["", "matricule;oid", HEADER + ";shoeSize", HEADER.replace("sex", "gender")]
)
def test_another_header_is_another_file(file, header):
    with pytest.raises(DirectoryError):
        read(file(line(), header=header))


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(DirectoryError, match="No such file"):
        read(tmp_path / "nowhere.csv")


def test_the_demonstration_holds_official_test_identities_alone():
    reading = read(DEMONSTRATION)
    assert reading.bad == ()
    assert {person.ins.matricule for person in reading.people} == {
        "279035121518989",
        "277076322082910",
        "155067200010159",
    }
    assert {person.ins.oid for person in reading.people} == {TEST}
