"""Each policy allows and refuses what its sentence says, and none can be taken away unnoticed."""

from __future__ import annotations

import re
from functools import cache

import pytest

from dmp.access.decide import NO_PERMISSION, CedarDecisions, policies_text
from tests.access.cases import CASES, FORBIDS, TABLE, Case

# Prohibitions that no permission reaches: without them the answer stays no. They are kept as a
# second lock, and because a trace that names them says why.
SECOND_LOCKS = frozenset({"no-authorisation", "systems-only-feed"})


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


@pytest.mark.parametrize("rule", POLICIES)
def test_no_policy_can_be_taken_away_unnoticed(rule: str) -> None:
    mutant = CedarDecisions("".join(text for one, text in POLICIES.items() if one != rule))
    assert any(fails(mutant, case) for case in CASES)


@pytest.mark.parametrize("rule", sorted(FORBIDS - SECOND_LOCKS))
def test_without_this_prohibition_somebody_would_get_in(rule: str) -> None:
    mutant = CedarDecisions("".join(text for one, text in POLICIES.items() if one != rule))
    assert any(mutant.decide(case.question).allowed for case in CASES if not case.allowed)


@pytest.mark.parametrize("rule", sorted(SECOND_LOCKS))
def test_behind_a_second_lock_no_permission_waits(rule: str) -> None:
    mutant = CedarDecisions("".join(text for one, text in POLICIES.items() if one != rule))
    assert not any(mutant.decide(case.question).allowed for case in CASES if not case.allowed)


def test_what_no_policy_permits_is_refused() -> None:
    nothing = CedarDecisions("")
    for case in CASES:
        answer = nothing.decide(case.question)
        assert (answer.allowed, answer.rules) == (False, (NO_PERMISSION,))
