"""Cedar and the plain rules agree, whoever asks for whatever: 20,000 scenarios in every run."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dmp.access.decide import EVALUATION_ERROR, NO_PERMISSION, CedarDecisions
from dmp.access.matrix import load_matrix
from dmp.access.parameters import load_parameters
from dmp.domain.access import Action
from tests.access import reference
from tests.access.scenarios import scenarios
from tests.access.test_policies import POLICIES, SECOND_LOCKS, without

SEEDS, OF_EACH = 200, 100
"""Hypothesis draws the seeds; a seed is worth a hundred questions."""
LEAST, SECONDS = 10_000, 60
MUTANTS_SEED, MUTANTS_AMONG, FOR_EACH = 3, 10_000, 60

matrix = load_matrix()
decisions = CedarDecisions()


def test_the_reference_knows_the_parameters_in_force() -> None:
    parameters = load_parameters()
    assert parameters.majority == reference.MAJORITY
    assert parameters.care_team.days == reference.CARE_TEAM_DAYS


def test_cedar_decides_as_the_rules_read() -> None:
    seen: set[int] = set()
    answered: Counter[tuple[Action, bool]] = Counter()
    decided: Counter[str] = Counter()

    @settings(max_examples=SEEDS, deadline=None, database=None, phases=[Phase.generate])
    @given(st.integers(0, 2**64 - 1))
    def agree(seed: int) -> None:
        for question in scenarios(seed, OF_EACH):
            answer = decisions.decide(question)
            assert answer.allowed is reference.may(question, matrix), (answer, question)
            seen.add(hash(question))
            answered[question.action, answer.allowed] += 1
            decided.update(answer.rules)

    started = perf_counter()
    agree()
    took = perf_counter() - started
    assert len(seen) >= LEAST, f"{len(seen)} different scenarios"
    assert took < SECONDS, f"{len(seen)} scenarios took {took:.1f} s"
    # Agreement on what was never asked, or always refused, would prove nothing.
    assert set(answered) == {(action, said) for action in Action for said in (True, False)}
    assert set(decided) == {*POLICIES, NO_PERMISSION}
    assert EVALUATION_ERROR not in decided


@pytest.fixture(scope="module")
def touched() -> dict[str, list[tuple]]:
    """For each policy, questions that it had a part in deciding, with what the rules say."""
    found: dict[str, list[tuple]] = {rule: [] for rule in POLICIES}
    for question in scenarios(MUTANTS_SEED, MUTANTS_AMONG):
        rules = decisions.decide(question).rules
        # Where one policy decides alone, its absence is felt.
        if len(rules) == 1 and rules[0] in found and len(found[rules[0]]) < FOR_EACH:
            found[rules[0]].append((question, reference.may(question, matrix)))
    return found


@pytest.mark.parametrize("rule", POLICIES)
def test_the_comparison_misses_a_policy_that_is_gone(rule, touched) -> None:
    mutant = without(rule)
    noticed = any(mutant.decide(question).allowed is not said for question, said in touched[rule])
    # Behind a second lock no permission waits: the answer is the same, only its reason is not.
    assert noticed is (rule not in SECOND_LOCKS)
