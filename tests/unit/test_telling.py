"""Rules of how people are told, and how often."""

from __future__ import annotations

import importlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dmp.domain.consents import Kind
from dmp.domain.errors import Busy
from dmp.domain.notifications import (
    Channel,
    Preferences,
    Recipient,
    Representation,
    Role,
    Subject,
    Topic,
    Way,
    paris_time,
)
from dmp.domain.records import Contact, RecordStatus
from dmp.domain.traces import Act, Mode, Outcome
from dmp.edge.catalogue import LANGUAGES, messages
from functions.notifications.messages import fact_of
from functions.notifications.wording import Wording
from tests.support.telling import (
    BY_HOLDER,
    CHILD,
    DELEGATE,
    DOCTOR,
    EVENT_ID,
    HOLDER,
    LEASE,
    NOW,
    RECORD,
    TREATING,
    House,
    consent,
    fact,
    representative,
)

EMAIL, MOBILE = RECORD.contact.email, RECORD.contact.mobile


def addresses(house):
    return [message.address for message in house.messengers.sent]


# -- on which way ----------------------------------------------------------------------------------


def chosen(*channels, topic=Topic.DOCUMENT_PUBLISHED, contact=RECORD.contact, **more):
    preferences = Preferences({topic: frozenset(channels)}, **more)
    return House(replace(RECORD, contact=contact), preferences)


def test_a_new_document_is_announced_by_email_when_nothing_else_is_preferred() -> None:
    (message,) = House().tell(fact())
    assert (message.channel, message.address) == (Channel.EMAIL, EMAIL)
    assert "nouveau document" in message.title


def test_a_holder_who_prefers_the_mobile_gets_an_sms() -> None:
    house = House(replace(RECORD, contact=replace(RECORD.contact, preferred="mobile")))
    (message,) = house.tell(fact())
    assert (message.channel, message.address) == (Channel.SMS, MOBILE)


def test_a_preference_for_a_way_we_do_not_know_falls_back_to_the_one_we_know() -> None:
    house = House(replace(RECORD, contact=Contact(email="d@example.org", preferred="mobile")))
    (message,) = house.tell(fact())
    assert message.channel is Channel.EMAIL


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ([Channel.SMS], [MOBILE]),
        ([Channel.EMAIL], [EMAIL]),
        ([Channel.EMAIL, Channel.SMS], [EMAIL, MOBILE]),
        ([], []),
    ],
)
def test_a_type_is_told_on_the_ways_that_were_chosen_for_it(channels, told) -> None:
    house = chosen(*channels)
    house.tell(fact())
    assert addresses(house) == told


def test_a_choice_for_one_type_says_nothing_of_another() -> None:
    house = chosen(topic=Topic.CONSENT_CHANGED)
    house.tell(fact(Subject.CONSENT_CHANGED))
    house.tell(fact())
    assert addresses(house) == [EMAIL]


def test_a_choice_whose_ways_are_not_known_is_told_on_the_one_that_works() -> None:
    house = chosen(Channel.SMS, contact=Contact(email=EMAIL))
    house.tell(fact())
    assert addresses(house) == [EMAIL]


def test_nobody_can_choose_not_to_be_told_of_an_emergency() -> None:
    house = chosen(topic=Topic.EMERGENCY_ACCESSED)
    house.tell(access(Subject.EMERGENCY_ACCESSED, mode=Mode.BREAK_GLASS))
    assert addresses(house) == [EMAIL]


@pytest.mark.parametrize("subject", [Subject.RECORD_BOUND, Subject.REPRESENTATIVE_CHANGED])
def test_nobody_can_choose_not_to_be_told_who_got_into_the_record(subject) -> None:
    silent = chosen(topic=subject.topic)
    silent.tell(fact(subject, None))
    assert addresses(silent) == [EMAIL]
    by_message = chosen(Channel.SMS, topic=subject.topic)
    by_message.tell(fact(subject, None))
    assert addresses(by_message) == [MOBILE]


def test_people_are_told_in_the_language_they_chose_and_in_french_otherwise() -> None:
    house = chosen(Channel.EMAIL, language="en")
    assert "A new document" in house.tell(fact())[0].title
    assert "Un nouveau document" in House().tell(fact())[0].title


# -- of what ---------------------------------------------------------------------------------------


def test_holders_are_not_told_of_the_documents_they_deposit() -> None:
    assert House().tell(fact(actor=BY_HOLDER)) == []


def test_the_insurer_s_document_is_told_with_the_history_and_not_twice() -> None:
    house = House()
    house.tell(fact(actor="feeder#ALIM_AM"))
    house.tell(replace(fact(Subject.HISTORY_IMPORTED), event_id="01jd2"))
    (message,) = house.messengers.sent
    assert "remboursement" in message.text


def test_a_deposit_before_the_holder_is_bound_is_told() -> None:
    assert len(House(replace(RECORD, holder=None)).tell(fact(actor="patient#None"))) == 1


@pytest.mark.parametrize(("actor", "told"), [(BY_HOLDER, 1), (DOCTOR, 0), (None, 0)])
def test_a_refused_upload_is_told_only_when_it_came_from_the_record_s_people(actor, told) -> None:
    assert len(House().tell(fact(Subject.UPLOAD_REJECTED, actor))) == told


@pytest.mark.parametrize("subject", [Subject.HISTORY_IMPORTED, Subject.CONSENT_CHANGED])
@pytest.mark.parametrize("actor", [DOCTOR, BY_HOLDER, None])
def test_history_and_consent_changes_are_told_whoever_made_them(subject, actor) -> None:
    assert len(House().tell(fact(subject, actor))) == 1


def access(subject=Subject.DOCUMENT_ACCESSED, actor=DOCTOR, mode=Mode.NORMAL, **more):
    return replace(fact(subject, actor), mode=mode, **more)


def test_a_professional_s_first_access_is_told_and_the_next_ones_are_not() -> None:
    house = House()
    house.tell(access(event_id="01jd1"))
    house.tell(access(event_id="01jd2", occurred_at=NOW + timedelta(days=90)))
    assert len(house.messengers.sent) == 1
    house.tell(access(event_id="01jd3", actor="professional#899700218896"))
    assert len(house.messengers.sent) == 2


@pytest.mark.parametrize("first", [Subject.RECORD_ACCESSED, Subject.DOCUMENT_ACCESSED])
def test_a_list_and_a_document_are_one_first_access_whichever_came_first(first) -> None:
    second = {Subject.RECORD_ACCESSED, Subject.DOCUMENT_ACCESSED} - {first}
    house = House()
    house.tell(access(first))
    house.tell(access(second.pop(), event_id="01jd2"))
    assert len(house.messengers.sent) == 1


def test_the_accesses_after_the_first_cost_one_read_and_no_write() -> None:
    house = House()
    house.tell(access())
    before = house.notices.claims
    for number in range(50):
        house.tell(access(Subject.RECORD_ACCESSED, event_id=f"01jd{number}"))
    assert house.notices.claims == before
    assert house.files.reads == 51


def test_what_nobody_is_told_of_is_not_even_read_about() -> None:
    house = House()
    for each in (
        access(actor=BY_HOLDER),
        access(mode=Mode.BREAK_GLASS),
        fact(actor="feeder#ALIM_AM"),
    ):
        house.tell(each)
    assert house.files.reads == 0


@pytest.mark.parametrize("actor", [BY_HOLDER, "feeder#ALIM_AM", None])
def test_only_professionals_have_a_first_access(actor) -> None:
    assert House().tell(access(actor=actor)) == []


@pytest.mark.parametrize("mode", [Mode.BREAK_GLASS, Mode.CENTRE_15])
def test_an_emergency_is_told_as_such_and_is_no_first_access(mode) -> None:
    house = House()
    house.tell(access(Subject.EMERGENCY_ACCESSED, mode=mode))
    house.tell(access(mode=mode))
    (message,) = house.messengers.sent
    assert "urgence" in message.text


def test_an_emergency_is_told_once_a_day_however_much_was_read_in_it() -> None:
    house = House()
    for number in range(5):
        house.tell(access(Subject.EMERGENCY_ACCESSED, event_id=f"01jd{number}"))
    house.tell(access(Subject.EMERGENCY_ACCESSED, occurred_at=NOW + timedelta(days=1)))
    assert len(house.messengers.sent) == 2


def test_nobody_is_told_of_a_record_that_is_closed() -> None:
    house = House(
        replace(RECORD, status=RecordStatus.CLOSED),
        consents=[consent(Kind.MEDECIN_TRAITANT, TREATING)],
        addresses={TREATING: "cabinet@example.org"},
    )
    house.tell(fact())
    house.tell(access(Subject.EMERGENCY_ACCESSED, mode=Mode.BREAK_GLASS))
    assert (house.messengers.sent, house.notices.traces) == ([], [])


def test_a_fact_about_no_record_says_nothing() -> None:
    assert House(None).tell(fact()) == []


# -- a first access through a hidden document ------------------------------------------------------

FAMILY = replace(
    RECORD,
    traits=CHILD,
    contact=Contact(email="dossier@example.org"),
    representatives=(representative("r1", Contact(email="parent@example.org")),),
)


def test_an_access_to_a_secret_document_is_not_the_first_that_representatives_are_told_of() -> None:
    house = House(FAMILY)
    house.tell(access(hidden_from_representatives=True))
    assert addresses(house) == []
    house.tell(access(Subject.RECORD_ACCESSED, event_id="01jd2"))
    assert sorted(addresses(house)) == ["dossier@example.org", "parent@example.org"]


def test_whom_a_document_is_hidden_from_is_told_of_the_next_access_and_the_others_only_once() -> (
    None
):
    guardian = representative("r1", Contact(email="tuteur@example.org"), basis="guardianship")
    house = House(replace(RECORD, representatives=(guardian,)))
    house.tell(access(hidden_from_representatives=True))
    assert addresses(house) == [EMAIL]
    house.tell(access(event_id="01jd2"))
    assert addresses(house) == [EMAIL, "tuteur@example.org"]


# -- professionals ---------------------------------------------------------------------------------

URGENT = access(Subject.EMERGENCY_ACCESSED, mode=Mode.CENTRE_15)
OFFICES = {TREATING: "cabinet@example.org", DELEGATE: "delegue@example.org"}


def watched(*consents, known=OFFICES):
    return House(
        replace(RECORD, contact=Contact(mobile=MOBILE)), consents=list(consents), addresses=known
    )


def offices(house):
    return [one for one in addresses(house) if one != MOBILE]


def test_medecins_traitants_and_delegates_are_told_of_an_emergency() -> None:
    house = watched(consent(Kind.MEDECIN_TRAITANT, TREATING), consent(Kind.DELEGATE, DELEGATE))
    house.tell(URGENT)
    assert sorted(offices(house)) == sorted(OFFICES.values())
    assert house.traced == {
        ("holder.notify", "done", None): 1,
        ("professional.notify", "done", None): 2,
    }
    told = {t.target for t in house.notices.traces if t.act is Act.NOTIFY_PROFESSIONAL}
    assert told == {f"professional.{TREATING}", f"professional.{DELEGATE}"}


@pytest.mark.parametrize(
    "consents",
    [
        [consent(Kind.AUTHORISATION, TREATING)],
        [consent(Kind.MEDECIN_TRAITANT, TREATING, active=False)],
        [consent(Kind.DELEGATE, TREATING, since=NOW - timedelta(days=9), until=NOW)],
        [consent(Kind.MEDECIN_TRAITANT, TREATING, since=NOW + timedelta(days=1))],
        [consent(Kind.MEDECIN_TRAITANT, TREATING), consent(Kind.BLOCK, TREATING)],
        [consent(Kind.BREAK_GLASS_OPPOSITION, None)],
        [],
    ],
    ids=["authorised only", "withdrawn", "over", "not yet", "blocked", "a setting", "nobody"],
)
def test_no_other_professional_is_told(consents) -> None:
    house = watched(*consents)
    house.tell(URGENT)
    assert (offices(house), house.traced) == ([], {("holder.notify", "done", None): 1})


def test_the_medecin_traitant_who_acted_is_not_told_of_it() -> None:
    house = watched(consent(Kind.MEDECIN_TRAITANT, TREATING), consent(Kind.DELEGATE, DELEGATE))
    house.tell(replace(URGENT, actor=f"professional#{TREATING}"))
    assert offices(house) == [OFFICES[DELEGATE]]


def test_a_medecin_traitant_without_an_address_is_not_told_and_the_trace_says_so_once() -> None:
    house = watched(consent(Kind.MEDECIN_TRAITANT, TREATING), known={})
    house.tell(URGENT)
    house.tell(replace(URGENT, event_id="01jd2"))
    assert offices(house) == []
    assert house.traced["professional.notify", "failed", "no-contact-known"] == 1


@pytest.mark.parametrize("subject", sorted(set(Subject) - {Subject.EMERGENCY_ACCESSED}))
def test_professionals_are_told_of_emergencies_and_of_nothing_else(subject) -> None:
    house = watched(consent(Kind.MEDECIN_TRAITANT, TREATING))
    house.tell(fact(subject))
    assert offices(house) == []


def test_a_holder_whose_provider_is_down_keeps_no_professional_from_being_told() -> None:
    house = watched(consent(Kind.MEDECIN_TRAITANT, TREATING))
    house.messengers.down = {"mobile"}
    with pytest.raises(Busy):
        house.tell(URGENT)
    assert offices(house) == [OFFICES[TREATING]]


# -- once, and when it fails -----------------------------------------------------------------------


def test_the_same_fact_twice_is_one_message_and_one_trace() -> None:
    house = House()
    house.tell(fact())
    house.tell(fact())
    assert len(house.messengers.sent) == 1
    (trace,) = house.notices.traces
    assert (trace.act, trace.outcome, trace.record_id) == (Act.NOTIFY, Outcome.DONE, RECORD.id)
    assert trace.target == EVENT_ID


def test_the_trace_of_telling_of_a_document_names_it_so_that_who_may_not_know_of_it_sees_none():
    house = House()
    house.tell(fact(document_id=f"{RECORD.id}.01jd"))
    assert house.notices.traces[0].target == f"{RECORD.id}.01jd"


def test_the_trace_of_telling_of_a_secret_document_is_never_shown_to_representatives() -> None:
    house = House()
    house.tell(fact(hidden_from_representatives=True))
    house.tell(fact(event_id="01jd2"))
    assert [trace.hidden_from for trace in house.notices.traces] == [("representatives",), ()]


def test_a_provider_that_is_down_gives_the_fact_back_and_a_later_try_sends_it() -> None:
    house = House()
    house.messengers.down = {"email"}
    with pytest.raises(Busy):
        house.tell(fact())
    assert house.notices.traces == []
    house.messengers.down = set()
    assert len(house.tell(fact(), NOW + timedelta(seconds=1))) == 1, "no claim is waited for"
    assert house.traced == {("holder.notify", "done", None): 1}


def test_of_the_last_attempt_that_fails_the_trace_says_so_and_a_redrive_tells_after_all() -> None:
    house = House()
    house.messengers.down = {"email"}
    with pytest.raises(Busy):
        house.tell(fact(), last=True)
    assert house.traced == {("holder.notify", "failed", "provider-unavailable"): 1}
    house.messengers.down = set()
    assert len(house.tell(fact(), NOW + timedelta(days=2))) == 1
    assert house.traced["holder.notify", "done", None] == 1


def test_who_was_told_before_the_last_attempt_is_not_traced_as_missed() -> None:
    house = chosen(Channel.EMAIL, Channel.SMS)
    house.messengers.down = {"mobile"}
    for late in (False, True):
        with pytest.raises(Busy):
            house.tell(fact(), NOW + LEASE * late, last=late)
    assert addresses(house) == [EMAIL]
    assert house.traced == {
        ("holder.notify", "done", None): 1,
        ("holder.notify", "failed", "provider-unavailable"): 1,
    }


def test_an_address_that_is_refused_is_not_tried_again_and_the_trace_says_so() -> None:
    house = House(replace(RECORD, contact=Contact(email=EMAIL)))
    house.messengers.refused = {EMAIL}
    house.tell(fact())
    house.messengers.refused = set()
    house.tell(fact(), NOW + timedelta(days=1))
    assert addresses(house) == []
    assert house.traced == {("holder.notify", "failed", "address-refused"): 1}


@pytest.mark.parametrize(("refused", "other"), [(EMAIL, MOBILE), (MOBILE, EMAIL)])
def test_when_the_preferred_address_is_refused_the_other_one_is_used(refused, other) -> None:
    preferred = "email" if refused == EMAIL else "mobile"
    house = House(replace(RECORD, contact=replace(RECORD.contact, preferred=preferred)))
    house.messengers.refused = {refused}
    house.tell(fact())
    house.tell(fact())
    assert addresses(house) == [other]
    assert house.traced == {
        ("holder.notify", "failed", "address-refused"): 1,
        ("holder.notify", "done", None): 1,
    }


def test_a_refusal_is_remembered_so_that_after_a_crash_the_other_address_is_still_used() -> None:
    house = House()
    house.messengers.refused, house.messengers.down = {EMAIL}, {"mobile"}
    with pytest.raises(Busy):
        house.tell(fact())
    house.messengers.down = set()
    house.tell(fact(), NOW + LEASE)
    assert addresses(house) == [MOBILE]
    assert house.traced["holder.notify", "failed", "address-refused"] == 1


def test_of_two_chosen_ways_the_one_that_works_is_enough() -> None:
    house = chosen(Channel.EMAIL, Channel.SMS)
    house.messengers.refused = {EMAIL}
    house.tell(fact())
    assert addresses(house) == [MOBILE]


def killed(_message):
    raise RuntimeError("killed")


def test_a_crash_between_claim_and_sending_holds_the_fact_up_for_the_lease_only() -> None:
    house = House()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.messengers, "send", killed)
        with pytest.raises(RuntimeError):
            house.tell(fact())
    with pytest.raises(Busy):
        house.tell(fact(), NOW + timedelta(seconds=10))
    assert house.notices.traces == []
    assert len(house.tell(fact(), NOW + timedelta(seconds=70))) == 1


def test_a_notice_that_another_worker_holds_at_the_last_attempt_is_traced_as_unconfirmed() -> None:
    house = House()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.messengers, "send", killed)
        with pytest.raises(RuntimeError):
            house.tell(fact())
    with pytest.raises(Busy):
        house.tell(fact(), NOW + timedelta(seconds=1), last=True)
    assert house.traced == {("holder.notify", "failed", "delivery-unconfirmed"): 1}


def test_a_holder_without_contact_is_not_told_and_the_trace_says_why_once() -> None:
    house = House(replace(RECORD, contact=Contact()))
    assert house.tell(fact()) == []
    assert house.tell(fact()) == []
    assert house.traced == {("holder.notify", "failed", "no-contact-known"): 1}


# -- words -----------------------------------------------------------------------------------------

NAMED, ENDED = Representation.NAMED, Representation.ENDED
SAID = [
    (subject, role)
    for subject in (set(Subject) - {Subject.REPRESENTATIVE_CHANGED}) | {NAMED, ENDED}
    for role in Role
    if (role is not Role.PROFESSIONAL or subject is Subject.EMERGENCY_ACCESSED)
    and (role is not Role.NEW_REPRESENTATIVE or subject is NAMED)
]
SAID.sort()


def said(subject, role, channel, language, mode=Mode.BREAK_GLASS):
    """`subject` or, of representatives, what became of one."""
    way = Way(channel, "who@example.org" if channel is Channel.EMAIL else "+33612345678")
    recipient = Recipient(f"{role}.x", role, (way,), language=language)
    more = {"mode": mode, "document_id": f"{RECORD.id}.01jd"}
    if isinstance(subject, Representation):
        subject, more["representation"] = Subject.REPRESENTATIVE_CHANGED, subject
    told = fact(subject, **more)
    return Wording().message(told, recipient, way)


@pytest.mark.parametrize(("subject", "role"), SAID)
@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_says_nothing_of_who_what_or_whom(subject, role, channel, language) -> None:
    message = said(subject, role, channel, language)
    whole = message.title + message.text
    secrets = [RECORD.ins.matricule, "PAT-TROIS", "DOMINIQUE", EVENT_ID, "810100997245"]
    secrets += [HOLDER, "example.org", "612345678", "http", "01jd"]
    if role is not Role.PROFESSIONAL:
        secrets.append(RECORD.id)
    assert [secret for secret in secrets if secret.lower() in whole.lower()] == []
    assert "{" not in whole


@pytest.mark.parametrize("mode", [Mode.BREAK_GLASS, Mode.CENTRE_15])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_professional_learns_which_record_when_and_in_which_mode(mode, language) -> None:
    text = said(Subject.EMERGENCY_ACCESSED, Role.PROFESSIONAL, Channel.EMAIL, language, mode).text
    assert all(part in text for part in (RECORD.id, "14/07/2026", "12:05"))
    assert messages("notifications", language)[f"mode.{mode}"] in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", [Role.HOLDER, Role.REPRESENTATIVE])
def test_a_coming_majority_tells_no_day_which_would_be_that_of_birth(role, language) -> None:
    message = said(Subject.MAJORITY_APPROACHING, role, Channel.EMAIL, language)
    assert not any(character.isdigit() for character in message.title + message.text)


GSM = set("@£$¥èéùìòÇ\nØø\rÅåÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà")
GSM |= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@pytest.mark.parametrize(
    ("subject", "role"), [pair for pair in SAID if pair[1] is not Role.PROFESSIONAL]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sms_fits_into_one_and_needs_no_other_alphabet(subject, role, language) -> None:
    text = said(subject, role, Channel.SMS, language).text
    assert len(text) <= 160
    assert set(text) - GSM == set()


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 7, 14, 10, 5, tzinfo=UTC), ("14/07/2026", "12:05")),
        (datetime(2026, 1, 1, 8, 0, tzinfo=UTC), ("01/01/2026", "09:00")),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), ("01/01/2027", "00:30")),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), ("29/03/2026", "03:00")),
    ],
)
def test_people_read_french_time(moment, told) -> None:
    assert paris_time(moment) == told
    (message,) = House().tell(replace(fact(), occurred_at=moment))
    assert all(part in message.text for part in told)


def test_both_languages_say_the_same_things_and_nothing_that_nobody_reads() -> None:
    french, english = (messages("notifications", language) for language in LANGUAGES)
    wanted = {
        f"representative.{s}.{r}.{part}"
        if isinstance(s, Representation)
        else f"{s.topic}.{r}.{part}"
        for s, r in SAID
        for part in ("title", "said")
    }
    wanted |= {f"email.{role}" for role in Role} | {"sms", "mode.break-glass", "mode.centre-15"}
    assert french.keys() == english.keys() == wanted


# -- the queue -------------------------------------------------------------------------------------


def event(detail_type: str = "document.published.v1", **detail: object) -> str:
    told = {"eventId": EVENT_ID, "recordId": RECORD.id, "occurredAt": "2026-07-14T10:05:00Z"}
    return json.dumps({"detail-type": detail_type, "detail": told | detail})


def test_a_fact_is_read_from_the_bus_s_envelope() -> None:
    assert fact_of(event(author=DOCTOR)) == fact()
    hidden = event(actor=DOCTOR, documentId="x.y", hiddenFromHolder=True, mode="normal")
    assert fact_of(hidden) == fact(document_id="x.y", hidden_from_holder=True)
    shown = event(actor=DOCTOR, shownToHolder=True, shownToRepresentatives=True)
    assert fact_of(shown) == fact(shown_to_holder=True, shown_to_representatives=True)
    secret = event("emergency.accessed.v1", actor=DOCTOR, hiddenFromRepresentatives=True)
    assert fact_of(secret) == fact(Subject.EMERGENCY_ACCESSED, hidden_from_representatives=True)


def test_what_became_of_which_representative_is_read_and_of_no_other_fact() -> None:
    named = {"representativeId": "r0", "change": "named"}
    assert fact_of(event("representative.changed.v1", **named)) == fact(
        Subject.REPRESENTATIVE_CHANGED, None
    )
    assert fact_of(event("consent.changed.v1", change="given")) == fact(
        Subject.CONSENT_CHANGED, None
    )
    assert fact_of(event("record.bound.v1")) == fact(Subject.RECORD_BOUND, None)


def test_facts_that_nobody_is_told_about_are_let_pass() -> None:
    assert fact_of(event("record.opened.v1")) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        event(eventId=""),
        event(recordId=None),
        event(occurredAt="yesterday"),
        event(occurredAt="2026-07-14T10:05:00"),
        event(hiddenFromHolder="true"),
        event(hiddenFromRepresentatives=None),
        event("representative.changed.v1"),
        event("representative.changed.v1", change="named"),
        event("representative.changed.v1", representativeId="r0", change="given"),
    ],
)
def test_what_is_no_fact_is_refused_and_so_ends_among_the_dead_letters(body) -> None:
    with pytest.raises(ValueError):
        fact_of(body)


@pytest.fixture
def queue(monkeypatch):
    """The handler over the house with its fakes."""
    for name in ("DMP_STAGE", "DMP_TABLE_ACCOUNTS"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("DMP_ATTEMPTS", "5")
    module = importlib.import_module("functions.notifications.queue")
    importlib.import_module("dmp.edge.settings").settings.cache_clear()
    house = House()
    monkeypatch.setattr(module, "tell", lambda: house.use)
    yield module.handler, house
    importlib.import_module("dmp.edge.settings").settings.cache_clear()


def message(number: int, body: str, received: int = 1) -> dict[str, object]:
    attributes = {"ApproximateReceiveCount": str(received)}
    told = {"messageId": str(number), "body": body, "attributes": attributes}
    return told | {"eventSource": "aws:sqs"}


def test_of_a_batch_only_what_failed_comes_back(queue) -> None:
    handler, house = queue
    bodies = [event(), "no fact", event("record.opened.v1"), event(eventId="01jd1")]
    answer = handler({"Records": [message(n, body) for n, body in enumerate(bodies)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert len(house.messengers.sent) == 2


def test_when_the_provider_is_down_the_whole_batch_comes_back(queue) -> None:
    handler, house = queue
    house.messengers.down = {"email"}
    bodies = [event(eventId=f"01jd{n}") for n in range(3)]
    answer = handler({"Records": [message(n, body) for n, body in enumerate(bodies)]}, None)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["0", "1", "2"]
    assert house.notices.traces == []


@pytest.mark.parametrize(("received", "traced"), [(1, 0), (4, 0), (5, 1), (6, 1)])
def test_the_trace_says_it_failed_at_the_queue_s_last_attempt_and_not_before(
    queue, received, traced
) -> None:
    handler, house = queue
    house.messengers.down = {"email"}
    answer = handler({"Records": [message(0, event(), received)]}, None)
    assert len(answer["batchItemFailures"]) == 1
    assert house.traced["holder.notify", "failed", "provider-unavailable"] == traced


def test_what_the_log_says_of_a_failure_names_no_address(queue, monkeypatch) -> None:
    handler, house = queue
    log = io.StringIO()
    (stream,) = importlib.import_module("functions.notifications.queue").journal.handlers
    monkeypatch.setattr(stream, "stream", log)
    house.messengers.down = {"email"}
    handler({"Records": [message(0, event()), message(1, '{"detail-type": "who@x.fr"}')]}, None)
    assert log.getvalue().count("not told") == 2
    assert "@" not in log.getvalue()
