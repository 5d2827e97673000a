"""What the insurance funds know, kept under a keyed hash."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import boto3
import pytest

from dmp.domain.directory import Insured
from dmp.domain.identity import DEMONSTRATION, TEST, Ins, Traits, nir_key
from dmp.domain.records import Contact
from dmp.store.aws import client
from dmp.store.directory import Directory
from dmp.store.pseudonyms import Pseudonyms
from tests.support.aws import account

INS = Ins("279035121518989", TEST)
KNOWN = Insured(
    INS,
    1,
    Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
    "regime-general",
    "751",
    Contact("patient@example.test", "+33612345678"),
    "123456789",
)


@pytest.fixture(scope="module")
def directory():
    with account():
        yield Directory(client("dynamodb"), "directory", Pseudonyms(lambda: b"k" * 32))


def test_what_a_fund_sends_is_what_it_knows(directory):
    directory.save(KNOWN)
    assert directory.of(INS) == KNOWN


def test_the_last_word_counts(directory):
    directory.save(KNOWN)
    directory.save(replace(KNOWN, deceased=True, contact=Contact()))
    assert directory.of(INS) == replace(KNOWN, deceased=True, contact=Contact())


def test_somebody_unknown_is_none(directory):
    directory.save(KNOWN)
    assert directory.of(replace(INS, oid=DEMONSTRATION)) is None


def test_no_key_of_the_directory_holds_a_number(directory):
    directory.save(KNOWN)
    for item in boto3.client("dynamodb").scan(TableName="directory")["Items"]:
        assert INS.matricule not in item["pk"]["S"] + item["sk"]["S"]


def test_many_are_saved_as_one_by_one(directory):
    bodies = [f"8799999{number:06d}" for number in range(60)]
    people = [replace(KNOWN, ins=Ins(body + nir_key(body), TEST)) for body in bodies]
    directory.save_all(people)
    assert [directory.of(person.ins) for person in people] == people
