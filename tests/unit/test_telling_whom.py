"""Who is told of what: the rules as a table, and a second reading of them in plain Python.

Each column is a family: who the holder is, who represents them, whose the addresses are. Each row
is a fact, with from whom its document is hidden. A cell names whose addresses are written to:
`h` the record's, as the holder's; `m`, `f`, `g` a mother's, a father's, a guardian's, as theirs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmp.domain.errors import Busy
from dmp.domain.notifications import (
    Channel,
    Preferences,
    Representation,
    Role,
    Subject,
    Topic,
    people_to_tell,
)
from dmp.domain.records import Basis, Contact
from dmp.domain.traces import Mode
from tests.support.telling import (
    BY_HOLDER,
    BY_REPRESENTATIVE,
    CHILD,
    DOCTOR,
    LEASE,
    MAJORITY,
    NOW,
    RECORD,
    House,
    fact,
    key_of,
    representative,
)


def at(letter):
    return Contact(email=f"{letter}@example.org")


def family(born=None, record_at="h", **representatives):
    traits = replace(RECORD.traits, birth_date=born) if born else RECORD.traits
    named = tuple(
        representative(
            name, at(name), Basis.GUARDIANSHIP if name == "g" else Basis.PARENTAL_AUTHORITY
        )
        for name in representatives.get("acting", "")
    )
    return replace(RECORD, traits=traits, contact=at(record_at), representatives=named)


YOUNG, GROWN = CHILD.birth_date, date(2008, 7, 14)
FAMILIES = {
    "adult": family(),
    "guarded": family(acting="g"),
    "guarded, one address": family(record_at="g", acting="g"),
    "child": family(YOUNG),
    "child of two": family(YOUNG, acting="mf"),
    "child, one address": family(YOUNG, record_at="m", acting="m"),
    "of age today": family(GROWN, acting="mf"),
}

NOTHING = ("", "", "", "", "", "", "")
EVERYBODY = ("h", "hg", "g", "h", "hmf", "m", "h")
NOT_THEIRS = ("h", "h", "", "", "", "", "h")
"""The holder alone, where nobody else reads."""

PUBLISHED, LISTED = Subject.DOCUMENT_PUBLISHED, Subject.RECORD_ACCESSED
ACCESSED, URGENT = Subject.DOCUMENT_ACCESSED, Subject.EMERGENCY_ACCESSED
REJECTED, MAJOR = Subject.UPLOAD_REJECTED, Subject.MAJORITY_APPROACHING
BOUND, REPRESENTED = Subject.RECORD_BOUND, Subject.REPRESENTATIVE_CHANGED
FEEDER = "feeder#ALIM_AM"

# fact, actor, hidden from (h: the holder, r: representatives), then one cell for each family
TABLE = [
    (PUBLISHED, DOCTOR, "", EVERYBODY),
    (PUBLISHED, DOCTOR, "h", NOTHING),
    (PUBLISHED, DOCTOR, "r", NOT_THEIRS),
    (PUBLISHED, DOCTOR, "hr", NOTHING),
    (PUBLISHED, BY_HOLDER, "", ("", "g", "g", "", "mf", "m", "")),
    (PUBLISHED, BY_HOLDER, "r", NOTHING),
    # Of several representatives it is not known which one it was.
    (PUBLISHED, BY_REPRESENTATIVE, "", ("h", "h", "G", "h", "hmf", "M", "h")),
    (PUBLISHED, FEEDER, "", NOTHING),
    # Shown (H to the holder, R to representatives) only now: to who was not told before.
    (PUBLISHED, DOCTOR, "H", EVERYBODY),
    (PUBLISHED, DOCTOR, "rH", NOT_THEIRS),
    (PUBLISHED, DOCTOR, "R", ("", "g", "g", "h", "hmf", "m", "")),
    (PUBLISHED, DOCTOR, "hR", NOTHING),
    (PUBLISHED, DOCTOR, "HR", EVERYBODY),
    (PUBLISHED, BY_HOLDER, "R", ("", "g", "g", "", "mf", "m", "")),
    (ACCESSED, DOCTOR, "", EVERYBODY),
    (ACCESSED, DOCTOR, "h", NOTHING),
    (ACCESSED, DOCTOR, "r", NOT_THEIRS),
    (ACCESSED, DOCTOR, "hr", NOTHING),
    (ACCESSED, BY_HOLDER, "", NOTHING),
    (ACCESSED, BY_REPRESENTATIVE, "", NOTHING),
    (LISTED, DOCTOR, "", EVERYBODY),
    (LISTED, BY_HOLDER, "", NOTHING),
    # The law has the holder told of every emergency; no message names a document.
    (URGENT, DOCTOR, "", EVERYBODY),
    (URGENT, DOCTOR, "h", EVERYBODY),
    (URGENT, DOCTOR, "r", NOT_THEIRS),
    (URGENT, DOCTOR, "hr", NOT_THEIRS),
    (Subject.CONSENT_CHANGED, DOCTOR, "", EVERYBODY),
    (Subject.CONSENT_CHANGED, BY_HOLDER, "", EVERYBODY),
    (Subject.HISTORY_IMPORTED, None, "", EVERYBODY),
    (REJECTED, BY_HOLDER, "", EVERYBODY),
    (REJECTED, BY_HOLDER, "r", NOT_THEIRS),
    (REJECTED, BY_REPRESENTATIVE, "", EVERYBODY),
    (REJECTED, DOCTOR, "", NOTHING),
    (MAJOR, None, "", ("", "", "", "h", "hmf", "m", "")),
    (BOUND, None, "", EVERYBODY),
    (REPRESENTED, None, "", EVERYBODY),
]


def told_of(whole, record):
    """Letters of the addresses written to; a capital where a representative's address is
    written to as the holder's."""
    house = House(record)
    house.tell(whole)
    written = []
    for one in house.messengers.sent:
        letter = one.address[0]
        as_holder = "votre dossier" in one.text.partition("\n\nPour")[0].lower()
        as_holder = as_holder or "vos données" in one.text.lower()
        assert as_holder or letter != "h", one
        written.append(letter.upper() if as_holder and letter != "h" else letter)
    assert len(set(written)) == len(written), "an address is written to once"
    return "".join(sorted(written)), house


@pytest.mark.parametrize(
    ("subject", "actor", "hidden", "family_name", "told"),
    [
        pytest.param(subject, actor, hidden, name, cell, id=f"{subject}-{hidden}-{name}-{n}")
        for n, (subject, actor, hidden, cells) in enumerate(TABLE)
        for name, cell in zip(FAMILIES, cells, strict=True)
    ],
)
def test_who_is_told(subject, actor, hidden, family_name, told) -> None:
    mode = Mode.BREAK_GLASS if subject is URGENT else Mode.NORMAL
    whole = fact(
        subject,
        actor,
        mode=mode,
        hidden_from_holder="h" in hidden,
        hidden_from_representatives="r" in hidden,
        shown_to_holder="H" in hidden,
        shown_to_representatives="R" in hidden,
    )
    written, house = told_of(whole, FAMILIES[family_name])
    assert written == "".join(sorted(told))
    assert len(house.notices.traces) == len(written), "as many traces as messages"


def test_the_table_has_every_fact_and_every_hiding_of_a_document() -> None:
    assert {row[0] for row in TABLE} == set(Subject)
    for subject in (PUBLISHED, ACCESSED, URGENT):
        assert {row[2] for row in TABLE if row[0] is subject} >= {"", "h", "r", "hr"}


# -- the end of a representation -------------------------------------------------------------------


def test_a_guardian_whose_term_is_over_is_not_told() -> None:
    over = representative("g", at("g"), Basis.GUARDIANSHIP, until=NOW)
    still = replace(over, until=NOW + timedelta(seconds=1))
    for one, told in ((over, "h"), (still, "gh")):
        assert told_of(fact(), replace(FAMILIES["adult"], representatives=(one,)))[0] == told


def test_representation_is_judged_when_it_is_told_not_when_it_happened() -> None:
    house = House(replace(FAMILIES["of age today"]))
    house.tell(replace(fact(), occurred_at=NOW - timedelta(days=3)))
    assert [one.address for one in house.messengers.sent] == ["h@example.org"]


def test_a_guardian_is_not_reminded_of_a_majority_that_ends_nothing() -> None:
    guardian = representative("g", at("g"), Basis.GUARDIANSHIP)
    child = replace(FAMILIES["child of two"], representatives=(guardian,))
    assert told_of(fact(MAJOR, None), child)[0] == "h"


def test_each_one_is_told_as_who_they_are_of_a_coming_majority() -> None:
    house = House(FAMILIES["child, one address"])
    (message,) = house.tell(fact(MAJOR, None))
    assert "votre accès à son dossier" in message.text
    (message,) = House(FAMILIES["child"]).tell(fact(MAJOR, None))
    assert "ne dépendra plus que de vous" in message.text


def test_two_parents_of_one_address_are_written_to_once() -> None:
    parents = tuple(representative(name, at("m")) for name in ("r1", "r2"))
    assert told_of(fact(), replace(FAMILIES["child"], representatives=parents))[0] == "hm"


@pytest.mark.parametrize(
    ("holder", "parent", "traced"),
    [
        (Contact(), Contact(), 1),
        (Contact(), at("m"), 0),
        (at("h"), Contact(), 0),
    ],
)
def test_that_nobody_could_be_told_is_traced_only_when_nobody_was(holder, parent, traced) -> None:
    child = replace(
        FAMILIES["child"], contact=holder, representatives=(representative("m", parent),)
    )
    house = House(child)
    house.tell(fact())
    assert house.traced["holder.notify", "failed", "no-contact-known"] == traced


# -- representatives named and ended ---------------------------------------------------------------

NEWLY, LONG_AGO = NOW + timedelta(microseconds=500), NOW - timedelta(days=900)
"""A fact's moment is that of the naming to the millisecond."""


def represented(which="m", what=Representation.NAMED):
    return fact(REPRESENTED, None, representation=what, representative=which)


def parents(*, mother=NEWLY, father=NEWLY, **changes):
    """A child whose parents were named at these moments; None: the mother's term is over."""
    child = FAMILIES["child of two"]
    one, other = child.representatives
    ended = replace(one, until=NOW, contact=Contact())
    named = (replace(one, since=mother) if mother else ended, replace(other, since=father))
    return replace(child, representatives=named, **changes)


def told_as(record, *facts):
    house = House(record)
    for number, each in enumerate(facts):
        house.tell(replace(each, event_id=f"01jd{number}"), NOW + timedelta(seconds=1))
    opening = "Vous représentez le titulaire"
    return sorted(
        one.address[0] + ("!" if one.title.startswith(opening) else "")
        for one in house.messengers.sent
    )


def test_of_the_parents_named_at_an_opening_each_is_told_that_they_are_and_the_holder_once() -> (
    None
):
    assert told_as(parents(), represented("m"), represented("f")) == ["f!", "h", "m!"]


def test_at_the_address_of_a_parent_named_with_them_a_child_is_not_told_twice() -> None:
    child = parents(contact=at("m"))
    assert told_as(child, represented("m"), represented("f")) == ["f!", "m!"]


def test_who_represents_already_is_told_of_another_who_does() -> None:
    assert told_as(parents(father=LONG_AGO), represented("m")) == ["f", "h", "m!"]


def test_who_was_ended_is_not_told_and_the_others_are() -> None:
    over = represented("m", Representation.ENDED)
    assert told_as(parents(mother=None, father=LONG_AGO), over) == ["f", "h"]


def test_who_was_ended_before_they_were_told_that_they_were_named_is_not_told() -> None:
    assert told_as(parents(mother=None, father=LONG_AGO), represented("m")) == ["f", "h"]


def test_who_was_named_later_is_not_told_of_what_was_before_them() -> None:
    over = represented("m", Representation.ENDED)
    later = parents(mother=None, father=NOW + timedelta(milliseconds=1))
    house = House(later)
    house.tell(over, NOW + timedelta(days=1))
    assert [one.address for one in house.messengers.sent] == ["h@example.org"]


def test_an_adult_is_told_that_somebody_represents_them_and_that_somebody_does_no_more() -> None:
    guardian = replace(representative("g", at("g"), Basis.GUARDIANSHIP), since=NEWLY)
    named = replace(FAMILIES["adult"], representatives=(guardian,))
    assert told_as(named, represented("g")) == ["g!", "h"]
    ended = replace(named, representatives=(replace(guardian, until=NEWLY, contact=Contact()),))
    assert told_as(ended, represented("g", Representation.ENDED)) == ["h"]


def test_named_ended_and_named_again_is_told_three_times() -> None:
    again = replace(represented("n"), occurred_at=NOW + timedelta(hours=1))
    house = House(FAMILIES["child"])
    for each in (represented(), represented(what=Representation.ENDED), again):
        house.tell(each)
        house.tell(each)
    assert len(house.messengers.sent) == 3


# -- a second reading ------------------------------------------------------------------------------

CONTACTS = st.builds(
    Contact,
    email=st.none() | st.sampled_from(["one@example.org", "two@example.org"]),
    mobile=st.none() | st.sampled_from(["+33612345678", "+33612345679"]),
    preferred=st.none() | st.sampled_from(["email", "mobile"]),
)
RECORDS = st.builds(
    lambda born, contact, representatives: replace(
        RECORD,
        traits=replace(RECORD.traits, birth_date=born),
        contact=contact,
        representatives=tuple(
            replace(representative(f"r{n}", other), basis=basis)
            for n, (other, basis) in enumerate(representatives)
        ),
    ),
    born=st.sampled_from([YOUNG, GROWN, RECORD.traits.birth_date]),
    contact=CONTACTS,
    representatives=st.lists(st.tuples(CONTACTS, st.sampled_from(Basis)), max_size=3),
)
FACTS = st.builds(
    fact,
    subject=st.sampled_from(Subject),
    actor=st.sampled_from([DOCTOR, BY_HOLDER, BY_REPRESENTATIVE, FEEDER, None]),
    mode=st.sampled_from(Mode),
    hidden_from_holder=st.booleans(),
    hidden_from_representatives=st.booleans(),
    shown_to_holder=st.sampled_from([False, False, True]),
    shown_to_representatives=st.sampled_from([False, False, True]),
    representative=st.sampled_from(["r0", "r1", "gone"]),
)
PREFERENCES = st.builds(
    Preferences,
    channels=st.dictionaries(
        st.sampled_from(Topic), st.frozensets(st.sampled_from(Channel)), max_size=3
    ),
)


def addresses_of(*contacts):
    return {a for one in contacts for a in (one.email, one.mobile) if a}


@settings(max_examples=600, deadline=None)
@given(FACTS, RECORDS, PREFERENCES)
def test_whatever_the_family_no_message_reaches_whom_the_document_is_hidden_from(
    whole, record, preferences
) -> None:
    grown = record.traits.birth_date <= GROWN
    acting = [one for one in record.representatives if not grown or one.basis is Basis.GUARDIANSHIP]
    theirs = addresses_of(*(one.contact for one in acting))
    ended = addresses_of(
        *(one.contact for one in record.representatives if one not in acting)
    ) - addresses_of(record.contact)
    told = people_to_tell(whole, record, preferences, NOW, MAJORITY)
    written = [way.address for one in told for way in one.ways]
    reached = {way.address for one in told for way in (*one.ways, *one.spare)}
    assert len(set(written)) == len(written)
    assert reached <= theirs | addresses_of(record.contact)
    assert not reached & (ended - theirs)
    assert {one.name for one in told if one.role is Role.HOLDER} <= {"holder"}
    if whole.hidden_from_representatives:
        assert not reached & theirs
        assert grown or not reached
    if whole.hidden_from_holder and whole.subject is not URGENT:
        assert not told
    always = whole.subject in (URGENT, BOUND, REPRESENTED)
    if preferences.channels.get(whole.subject.topic) == frozenset() and not always:
        assert not told
    if always and not whole.hidden and addresses_of(record.contact) | theirs:
        assert written


# -- at least once, in practice once ---------------------------------------------------------------


class Killed(BaseException):
    """The function dies here: nothing of it is caught."""


class Perilous:
    """A house whose functions die at the steps that are named, before or after their effect."""

    def __init__(self, record, deaths):
        self.house = House(record, Preferences({Topic.DOCUMENT_PUBLISHED: frozenset(Channel)}))
        self.deaths = list(deaths)
        self.excused = {}
        notices, messengers = self.house.notices, self.house.messengers
        self._wrap(notices, "claim")
        self._wrap(messengers, "send")
        self._wrap(notices, "finish")
        self._wrap(self.house.files, "settle")

    def _wrap(self, port, name):
        real = getattr(port, name)

        def step(*arguments):
            death = self.deaths.pop(0) if self.deaths else None
            if name == "claim":
                self.held = key_of(arguments[0])
            if death == "before":
                if name == "finish":
                    self._excuse()
                raise Killed
            done = real(*arguments)
            if death == "after":
                if name == "send":
                    self._excuse()
                raise Killed
            return done

        setattr(port, name, step)

    def _excuse(self):
        """The provider took the message and nobody wrote it down: the one window there is."""
        self.excused[self.held] = self.excused.get(self.held, 0) + 1

    def deliver(self, whole, now):
        try:
            self.house.tell(whole, now)
        except (Killed, Busy):
            return False
        return True


ONE_OF_EACH = [
    fact(PUBLISHED, document_id="d"),
    replace(fact(ACCESSED), event_id="01jd2", hidden_from_representatives=True),
    replace(fact(LISTED), event_id="01jd3"),
    replace(fact(URGENT), event_id="01jd4", mode=Mode.BREAK_GLASS),
]


@settings(max_examples=400, deadline=None)
@given(
    deliveries=st.lists(
        st.tuples(st.integers(0, len(ONE_OF_EACH) - 1), st.integers(0, 90)), max_size=25
    ),
    deaths=st.lists(st.sampled_from([None, None, "before", "after"]), max_size=30),
    name=st.sampled_from(["guarded", "child of two"]),
)
def test_whatever_comes_twice_late_or_dies_each_one_is_told_once_but_for_the_one_window(
    deliveries, deaths, name
) -> None:
    perilous = Perilous(FAMILIES[name], deaths)
    clock = NOW
    for which, seconds in deliveries:
        clock += timedelta(seconds=seconds)
        perilous.deliver(ONE_OF_EACH[which], clock)
    # Nothing dies any more, and the queue gives back what was not told.
    perilous.deaths.clear()
    for whole in ONE_OF_EACH:
        clock += 2 * LEASE
        assert perilous.deliver(whole, clock)
    house = perilous.house
    people = {"guarded": "hg", "child of two": "hmf"}[name]
    occasions = len({whole.occasion for whole in ONE_OF_EACH})
    sent = len(house.messengers.sent)
    assert len(house.notices.endings) == occasions * len(people)
    assert sent == len(house.notices.endings) + sum(perilous.excused.values())
    assert len(house.notices.traces) == len(house.notices.endings)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(ONE_OF_EACH) - 1), min_size=1, max_size=12))
def test_a_second_worker_in_the_middle_of_a_delivery_sends_nothing_twice(order) -> None:
    house = House(FAMILIES["child of two"])
    sending = house.messengers.send

    def interrupted(message):
        house.messengers.send = sending
        for which in order:
            with suppress(Busy):
                house.tell(ONE_OF_EACH[which])
        sending(message)

    house.messengers.send = interrupted
    house.tell(ONE_OF_EACH[0])
    for whole in ONE_OF_EACH:
        house.tell(whole, NOW + 2 * LEASE)
    assert len(house.messengers.sent) == len(house.notices.endings)
