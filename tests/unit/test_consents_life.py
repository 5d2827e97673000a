"""The life of the decisions about one professional: whatever is done, in whatever order, is held
against a model of a few lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dmp.domain.access import Action
from dmp.domain.consents import OPENING_KINDS, AuthorisationState, Kind, Turn, consent_id
from dmp.domain.errors import Conflict, DmpError, Forbidden, NotFound
from dmp.usecases.grant_access import Wish
from tests.access.scenes import ME, NOW, OTHER, RECORD_ID, STRANGER, person, professional
from tests.unit.test_grant_access import CHILD, MOTHER, House, withdrawn

HOLDERS = {"holder": person(), "representative": MOTHER}
DOCTOR, MEDECIN_TRAITANT = professional(), professional(id=OTHER)
ACTORS = {
    **HOLDERS,
    "professional": DOCTOR,
    "médecin traitant": MEDECIN_TRAITANT,
    "stranger": replace(person(STRANGER), family_name="PAT-AUTRE"),
}
LASTS = timedelta(days=365)
WHO = st.sampled_from(sorted(ACTORS))
WHAT = st.sampled_from(sorted(OPENING_KINDS))


class Life(RuleBasedStateMachine):
    """One minor's record; `OTHER` is médecin traitant throughout, `ME` lives the life.

    `active` is the model: each kind that stands, with its end (None: without).
    """

    def __init__(self) -> None:
        super().__init__()
        self.house = House(record=CHILD)
        self.now = NOW
        self.active: dict[Kind, object] = {}
        self.writes: dict[Kind, int] = {}
        self.house.grant(person(), Wish(RECORD_ID, Kind.MEDECIN_TRAITANT, OTHER), NOW)

    # -- what is done ------------------------------------------------------------------------

    @precondition(lambda self: self.now < NOW + timedelta(days=900))  # the child stays a minor
    @rule(days=st.sampled_from([0, 1, 40, 200, 400]))
    def time_passes(self, days):
        self.now += timedelta(days=days, seconds=1)

    @rule(who=WHO, kind=WHAT, days=st.sampled_from([None, 10, 500]))
    def somebody_opens(self, who, kind, days):
        until = self.now + timedelta(days=days) if days else None
        wish = Wish(RECORD_ID, kind, ME, until=until)
        refusal = self.refusal_of_opening(who, kind)
        done = self.attempt(refusal, lambda: self.house.grant(ACTORS[who], wish, self.now))
        if done:
            self.active[kind] = done.consent.decision.until
            self.count(done, kind)

    @rule(who=WHO)
    def somebody_blocks(self, who):
        refusal = None if who in {*HOLDERS, "médecin traitant"} else NotFound  # nobody themselves
        wish = Wish(RECORD_ID, Kind.BLOCK, ME)
        done = self.attempt(refusal, lambda: self.house.grant(ACTORS[who], wish, self.now))
        if done:
            self.count(done, Kind.BLOCK)
            if done.turn:
                for kind in OPENING_KINDS & self.active.keys():
                    self.writes[kind] += 1
                self.active = {Kind.BLOCK: None}

    @rule(who=WHO, kind=st.sampled_from(sorted({*OPENING_KINDS, Kind.BLOCK})))
    def somebody_ends(self, who, kind):
        known = kind in self.writes
        refusal = None
        if who in {"stranger", "médecin traitant"} or not known:
            refusal = NotFound
        elif who == "professional":
            refusal = NotFound if self.blocked else Forbidden if kind is Kind.BLOCK else None
        name = consent_id(RECORD_ID, kind, ME)
        done = self.attempt(
            refusal, lambda: self.house.change(ACTORS[who], name, withdrawn, self.now)
        )
        if done:
            assert (done.turn is Turn.WITHDRAWN) is (kind in self.active)
            self.count(done, kind)
            self.active.pop(kind, None)

    @precondition(lambda self: Kind.AUTHORISATION in self.active and not self.blocked)
    @rule()
    def the_professional_renews(self):
        before = self.active[Kind.AUTHORISATION]
        wish = Wish(RECORD_ID, Kind.AUTHORISATION, ME)
        done = self.house.grant(DOCTOR, wish, self.now)
        after = done.consent.decision.until
        assert after is None or after >= self.now + LASTS - timedelta(days=1)
        assert after is None or before is None or after >= min(before, after)
        self.count(done, Kind.AUTHORISATION)
        self.active[Kind.AUTHORISATION] = after

    @precondition(lambda self: self.holds(Kind.AUTHORISATION) and not self.blocked)
    @rule()
    def the_professional_repeats(self):
        about = self.house.about(RECORD_ID, ME)
        given = about.of(Kind.AUTHORISATION)
        wish = Wish(RECORD_ID, Kind.AUTHORISATION, ME, until=given.until)
        assert self.house.grant(DOCTOR, wish, self.now).turn is None
        assert self.house.about(RECORD_ID, ME) == about

    # -- what always holds ---------------------------------------------------------------------

    @invariant()
    def a_block_beats_all_and_nothing_else_does(self):
        about = self.house.about(RECORD_ID, ME)
        assert about.blocked(self.now) is self.blocked
        state = about.authorisation(self.now)
        assert (state is AuthorisationState.FORBIDDEN) is self.blocked
        assert (state is AuthorisationState.VALID) is self.holds(Kind.AUTHORISATION)
        assert about.medecin_traitant(self.now) is self.holds(Kind.MEDECIN_TRAITANT)
        assert about.delegate(self.now) is self.holds(Kind.DELEGATE)

    @invariant()
    def who_is_blocked_reads_nothing_and_who_is_let_in_reads(self):
        situation = self.house.of(RECORD_ID, DOCTOR)
        reads = self.house.gate.ask(DOCTOR, Action.LIST_DOCUMENTS, situation, self.now)
        assert reads.answer.allowed is any(map(self.holds, OPENING_KINDS))

    @invariant()
    def each_change_makes_one_version_and_one_line(self):
        about = self.house.about(RECORD_ID, ME)
        assert {one.kind: one.version for one in about.decisions} == self.writes
        mine = [one for one in self.house.changes if one.consent.professional == ME]
        assert len(mine) == sum(self.writes.values())

    @invariant()
    def the_history_replays_to_the_present(self):
        about = self.house.about(RECORD_ID, ME)
        for decision in about.decisions:
            name = consent_id(RECORD_ID, decision.kind, ME)
            lines = self.house.read.history(person(), name, self.now, count=1000).changes
            # Where somebody acts may be said later: that is nobody's decision, and no line.
            latest = lines[0].consent.decision
            assert latest.structure in {None, decision.structure}
            assert replace(latest, structure=decision.structure) == decision
            versions = [one.consent.decision.version for one in lines]
            assert versions == list(range(decision.version, 0, -1))
            active = False
            for line in reversed(lines):
                # Given where nothing stood, changed or ended where something did.
                assert line.turn is Turn.GIVEN or active
                active = line.turn in {Turn.GIVEN, Turn.CHANGED}
                assert line.consent.decision.active is active

    # -- the model -----------------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        return Kind.BLOCK in self.active

    def holds(self, kind: Kind) -> bool:
        if kind not in self.active:
            return False
        until = self.active[kind]
        return until is None or self.now < until

    def refusal_of_opening(self, who, kind):
        if who in HOLDERS:
            return Conflict if self.blocked else None
        if who != "professional" or kind is Kind.DELEGATE or self.blocked:
            return NotFound
        return None

    def attempt(self, refusal: type[DmpError] | None, act):
        """What was done, or None after the refusal that the model expects; a refusal changes
        nothing and leaves a trace."""
        if refusal is None:
            return act()
        held, traces = dict(self.house.held), len(self.house.journal)
        with pytest.raises(refusal):
            act()
        assert self.house.held == held
        assert len(self.house.journal) == traces + 1
        return None

    def count(self, done, kind: Kind) -> None:
        self.writes[kind] = self.writes.get(kind, 0) + (done.turn is not None)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_the_model_is_one_of_a_minor_whose_mother_represents_them():
    """Otherwise the representative of the life above would be a stranger to it."""
    house = House(record=CHILD)
    assert house.grant(MOTHER, Wish(RECORD_ID, Kind.BLOCK, ME), NOW).turn is Turn.GIVEN
    alone = House(record=replace(CHILD, representatives=()))
    with pytest.raises(NotFound):
        alone.grant(MOTHER, Wish(RECORD_ID, Kind.BLOCK, ME), NOW)
