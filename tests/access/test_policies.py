"""Each policy allows and refuses what its sentence says, and none can be taken away unnoticed."""

from __future__ import annotations

import re
from functools import cache

import pytest

from dmp.access.decide import NO_PERMISSION, CedarDecisions, policies_text
from tests.access.cases import CASES, FORBIDS, TABLE, Case

# Prohibitions that no permission reaches: without them the answer stays no. They are kept as a
# second lock, because somebody may add a permission, and because a trace that names them says why.
SECOND_LOCKS = frozenset({"deleted-by-author-alone", "holder-alone-decides", "systems-only-feed"})
ANYTHING = '// Anything goes.\n@id("anything")\npermit (principal, action, resource);\n'


def split() -> dict[str, str]:
    """Each policy's text by its id."""
    texts = re.split(r"(?m)^(?=// )", policies_text())
    return {re.search(r'@id\("([^"]+)"\)', text)[1]: text for text in texts if "@id" in text}


POLICIES = split()


@cache
def in_force() -> CedarDecisions:
    return CedarDecisions()


def fails(decisions: CedarDecisions, case: Case) -> str | None:
    """Why a case does not hold; None when it does."""
    answer = decisions.decide(case.question)
    if answer.allowed is not case.allowed:
        return f"allowed={answer.allowed} by {answer.rules}"
    if case.decides and case.rule not in answer.rules:
        return f"decided by {answer.rules}"
    if not case.decides and case.rule in answer.rules:
        return "decided by the rule that was to leave it alone"
    return None


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}: {case.name}" for case in CASES])
def test_rule(case: Case) -> None:
    assert fails(in_force(), case) is None


def test_every_policy_has_a_case_that_allows_and_one_that_refuses() -> None:
    assert set(TABLE) == set(POLICIES)
    for rule, rows in TABLE.items():
        assert {allowed for allowed, _, _ in rows} == {True, False}, rule
    for rule in POLICIES:
        assert any(case.decides for case in CASES if case.rule == rule), rule


def test_the_cases_know_which_policies_forbid() -> None:
    assert {rule for rule, text in POLICIES.items() if "\nforbid" in text} == FORBIDS


def without(rule: str, *, permitting: str = "") -> CedarDecisions:
    """The policies but one: a mutant that somebody has to notice."""
    return CedarDecisions(
        permitting + "".join(text for one, text in POLICIES.items() if one != rule)
    )


@cache
def answers(permitting: str = "") -> tuple[bool, ...]:
    """What the policies say to every case, with one permission more."""
    whole = CedarDecisions(permitting + "".join(POLICIES.values()))
    return tuple(whole.decide(case.question).allowed for case in CASES)


@cache
def flipped(rule: str, *, permitting: str = "") -> tuple[Case, ...]:
    """The cases that are answered otherwise, yes for no or no for yes, without one policy."""
    mutant = without(rule, permitting=permitting)
    return tuple(
        case
        for case, before in zip(CASES, answers(permitting), strict=True)
        if mutant.decide(case.question).allowed is not before
    )


@pytest.mark.parametrize("rule", POLICIES)
def test_no_policy_can_be_taken_away_unnoticed(rule: str) -> None:
    mutant = without(rule)
    assert any(fails(mutant, case) for case in CASES)


@pytest.mark.parametrize("rule", sorted(set(POLICIES) - SECOND_LOCKS))
def test_without_this_policy_somebody_is_answered_otherwise(rule: str) -> None:
    """Without a prohibition somebody gets in; without a permission somebody stays out."""
    changed = flipped(rule)
    assert changed
    assert {case.allowed for case in changed} == {rule not in FORBIDS}


@pytest.mark.parametrize("rule", sorted(SECOND_LOCKS))
def test_behind_a_second_lock_no_permission_waits(rule: str) -> None:
    assert flipped(rule) == ()


@pytest.mark.parametrize("rule", sorted(FORBIDS))
def test_a_prohibition_holds_whatever_somebody_comes_to_permit(rule: str) -> None:
    """It decides alone, without the help of what is not permitted today."""
    changed = flipped(rule, permitting=ANYTHING)
    assert changed
    assert not any(case.allowed for case in changed)


@pytest.mark.parametrize("rule", sorted(FORBIDS))
def test_a_prohibition_refuses_its_cases_and_no_others(rule: str) -> None:
    alone = CedarDecisions(ANYTHING + POLICIES[rule])
    for case in CASES:
        if case.rule == rule:
            assert alone.decide(case.question).allowed is case.allowed, case.name


def test_every_mutant_dies() -> None:
    killed = {
        rule
        for rule in POLICIES
        if flipped(rule) or (rule in SECOND_LOCKS and flipped(rule, permitting=ANYTHING))
    }
    assert len(killed) == len(POLICIES) == len(TABLE)


def test_what_no_policy_permits_is_refused() -> None:
    nothing = CedarDecisions("")
    for case in CASES:
        answer = nothing.decide(case.question)
        assert (answer.allowed, answer.rules) == (False, (NO_PERMISSION,))
