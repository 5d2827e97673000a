"""Rules of who acts: what counts as a reason for an emergency."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.actors import LEAST_DIFFERENT, LEAST_LETTERS, Professional, gives_reason


def doctor(reason: str | None) -> Professional:
    return Professional("810100997245", "10", emergency_reason=reason)


@pytest.mark.parametrize(
    "reason",
    [
        "Patient inconscient",
        "détresse vitale",
        "Choc anaphylactique !",
        "PERTE DE CONNAISSANCE",
        "coma, Glasgow 5",
    ],
)
def test_words_that_say_what_is_the_matter_are_a_reason(reason):
    assert gives_reason(doctor(reason))


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "",
        "          ",
        "urgence",
        "inconscie",
        "1234567890 12345",
        "aaaaaaaaaaaaaaaa",
        "abcdabcdabcdabcd",
        "! ? . , ; : - _ ( )",
    ],
)
def test_few_letters_or_the_same_ones_again_are_no_reason(reason):
    assert not gives_reason(doctor(reason))


def test_ten_letters_of_five_kinds_are_the_least():
    least = "abcde" * 2
    assert len(least) == LEAST_LETTERS
    assert len(set(least)) == LEAST_DIFFERENT
    assert gives_reason(doctor(least))
    assert not gives_reason(doctor(least[:-1]))
    assert not gives_reason(doctor("abcd" * 3))


def test_accents_and_case_make_no_letter_different():
    four = "éèêëeEÉÈÊË aàâAÀÂ iîïI oôO"
    assert not gives_reason(doctor(four))
    assert gives_reason(doctor(f"{four} u"))


@given(st.text(st.characters(max_codepoint=0x17F)))
def test_what_is_not_a_letter_never_makes_a_reason(text):
    signs = "".join(character for character in text if not character.isalpha())
    assert gives_reason(doctor(text)) == gives_reason(doctor(f" {text} {signs} 0123456789"))
