"""Rules of what holders are told, how, and how often."""

from __future__ import annotations

import importlib
import io
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from dmp.domain.errors import Busy
from dmp.domain.identity import TEST, Ins, InsuredNumber, Traits
from dmp.domain.notifications import Channel, Fact, Message, Subject, paris_time
from dmp.domain.records import Channel as OpeningChannel
from dmp.domain.records import Contact, Record, RecordStatus, Scheme
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge.catalogue import LANGUAGES, messages
from dmp.usecases.notify_holder import Claim, NotifyHolder
from functions.notifications.messages import fact_of
from functions.notifications.wording import Wording

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
DOCTOR = "professional#810100997245"
HOLDER = "a" * 64
RECORD_ID = "7h3k0000000000000000000000"
EVENT_ID = "01jd0000000000000000000000"

RECORD = Record(
    id=RECORD_ID,
    ins=Ins("279035121518989", TEST),
    traits=Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
    insured=InsuredNumber("279035121518989"),
    scheme=Scheme.REGIME_GENERAL,
    status=RecordStatus.OPEN,
    channel=OpeningChannel.PHARMACIST,
    opened_at=NOW,
    opened_by=DOCTOR,
    contact=Contact(email="dominique@example.org", mobile="0612345678"),
    holder=HOLDER,
)


@dataclass
class FakeRecords:
    record: Record | None

    def of(self, record_id: str) -> Record | None:
        return self.record if self.record and self.record.id == record_id else None


@dataclass
class FakeNotices:
    """Claims that lapse after a minute, as the table keeps them."""

    claimed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    finished: dict[tuple[str, str], Trace] = field(default_factory=dict)

    def claim(self, fact: Fact, channel: str, now: datetime) -> Claim:
        key = (fact.occasion, channel)
        if key in self.finished:
            return Claim.DONE
        if key in self.claimed and now < self.claimed[key]:
            return Claim.HELD
        self.claimed[key] = now + timedelta(seconds=60)
        return Claim.OURS

    def finish(self, fact: Fact, channel: str, trace: Trace, now: datetime) -> None:
        self.finished[fact.occasion, channel] = trace


@dataclass
class FakeMessengers:
    sent: list[Message] = field(default_factory=list)
    down: bool = False

    def send(self, message: Message) -> None:
        if self.down:
            raise Busy("the provider does not answer")
        self.sent.append(message)


@dataclass
class House:
    record: Record | None = RECORD
    notices: FakeNotices = field(default_factory=FakeNotices)
    messengers: FakeMessengers = field(default_factory=FakeMessengers)

    def tell(self, fact: Fact, now: datetime = NOW) -> list[Message]:
        NotifyHolder(FakeRecords(self.record), self.notices, Wording(), self.messengers)(fact, now)
        return self.messengers.sent


def fact(subject: Subject = Subject.DOCUMENT_PUBLISHED, actor: str | None = DOCTOR) -> Fact:
    return Fact(EVENT_ID, subject, RECORD_ID, NOW, actor)


def test_a_new_document_is_announced_by_email_when_nothing_else_is_preferred() -> None:
    (message,) = House().tell(fact())
    assert (message.channel, message.address) == (Channel.EMAIL, "dominique@example.org")
    assert "nouveau document" in message.title


def test_a_holder_who_prefers_the_mobile_gets_an_sms() -> None:
    house = House(replace(RECORD, contact=replace(RECORD.contact, preferred="mobile")))
    (message,) = house.tell(fact())
    assert (message.channel, message.address) == (Channel.SMS, "0612345678")


def test_a_preference_for_a_way_we_do_not_know_falls_back_to_the_one_we_know() -> None:
    house = House(replace(RECORD, contact=Contact(email="d@example.org", preferred="mobile")))
    (message,) = house.tell(fact())
    assert message.channel is Channel.EMAIL


def test_holders_are_not_told_of_the_documents_they_deposit() -> None:
    assert House().tell(fact(actor=f"patient#{HOLDER}")) == []


def test_the_insurer_s_document_is_told_with_the_history_and_not_twice() -> None:
    house = House()
    house.tell(fact(actor="feeder#ALIM_AM"))
    house.tell(replace(fact(Subject.HISTORY_IMPORTED), event_id="01jd2"))
    (message,) = house.messengers.sent
    assert "remboursement" in message.text


def test_another_patient_s_deposit_is_told() -> None:
    assert len(House().tell(fact(actor="patient#" + "b" * 64))) == 1


def test_a_deposit_before_the_holder_is_bound_is_told() -> None:
    assert len(House(replace(RECORD, holder=None)).tell(fact(actor="patient#None"))) == 1


@pytest.mark.parametrize(("actor", "told"), [(f"patient#{HOLDER}", 1), (DOCTOR, 0), (None, 0)])
def test_a_refused_upload_is_told_to_the_holder_only_when_it_was_theirs(actor, told) -> None:
    assert len(House().tell(fact(Subject.UPLOAD_REJECTED, actor))) == told


@pytest.mark.parametrize("subject", [Subject.HISTORY_IMPORTED, Subject.CONSENT_CHANGED])
@pytest.mark.parametrize("actor", [DOCTOR, f"patient#{HOLDER}", None])
def test_history_and_consent_changes_are_told_whoever_made_them(subject, actor) -> None:
    assert len(House().tell(fact(subject, actor))) == 1


def access(subject=Subject.DOCUMENT_ACCESSED, actor=DOCTOR, mode=Mode.NORMAL, **more) -> Fact:
    return replace(fact(subject, actor), mode=mode, **more)


def test_a_professional_s_first_access_is_told_and_the_next_ones_are_not() -> None:
    house = House()
    house.tell(access(event_id="01jd1"))
    house.tell(access(event_id="01jd2", occurred_at=NOW + timedelta(days=90)))
    assert len(house.messengers.sent) == 1
    house.tell(access(event_id="01jd3", actor="professional#899700218896"))
    assert len(house.messengers.sent) == 2


@pytest.mark.parametrize("actor", [f"patient#{HOLDER}", "feeder#ALIM_AM", None])
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
    assert House(replace(RECORD, status=RecordStatus.CLOSED)).tell(fact()) == []


def test_a_fact_about_no_record_says_nothing() -> None:
    assert House(None).tell(fact()) == []


def test_the_same_fact_twice_is_one_message_and_one_trace() -> None:
    house = House()
    house.tell(fact())
    house.tell(fact())
    assert len(house.messengers.sent) == 1
    (trace,) = house.notices.finished.values()
    assert (trace.act, trace.outcome, trace.record_id) == (Act.NOTIFY, Outcome.DONE, RECORD_ID)
    assert trace.target == EVENT_ID


def test_a_provider_that_is_down_gives_the_fact_back_and_a_later_try_sends_it() -> None:
    house = House()
    house.messengers.down = True
    with pytest.raises(Busy):
        house.tell(fact())
    assert house.notices.finished == {}
    house.messengers.down = False
    assert len(house.tell(fact(), NOW + timedelta(minutes=3))) == 1
    assert len(house.notices.finished) == 1


def test_a_crash_between_claim_and_sending_holds_the_fact_up_for_the_lease_only() -> None:
    house = House()
    house.notices.claim(fact(), "email", NOW)
    with pytest.raises(Busy):
        house.tell(fact(), NOW + timedelta(seconds=10))
    assert len(house.tell(fact(), NOW + timedelta(seconds=70))) == 1


def test_a_holder_without_contact_is_not_told_and_the_trace_says_why_once() -> None:
    house = House(replace(RECORD, contact=Contact()))
    assert house.tell(fact()) == []
    assert house.tell(fact()) == []
    (trace,) = house.notices.finished.values()
    assert (trace.outcome, trace.reason) == (Outcome.FAILED, "no-contact-known")


@pytest.mark.parametrize("subject", list(Subject))
@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_says_nothing_of_who_what_or_whom(subject, channel, language) -> None:
    record = replace(RECORD, contact=Contact("who@example.org", "0612345678", channel.value))
    messengers = FakeMessengers()
    actor = f"patient#{HOLDER}" if subject is Subject.UPLOAD_REJECTED else DOCTOR
    wording = Wording(language)
    NotifyHolder(FakeRecords(record), FakeNotices(), wording, messengers)(fact(subject, actor), NOW)
    said = messengers.sent[0].title + messengers.sent[0].text
    secrets = ["279035121518989", "PAT-TROIS", "DOMINIQUE", RECORD_ID, EVENT_ID, "810100997245"]
    secrets += [HOLDER, "example.org", "0612345678", "http"]
    assert [secret for secret in secrets if secret.lower() in said.lower()] == []
    assert "{" not in said


@pytest.mark.parametrize("subject", list(Subject))
def test_an_sms_fits_into_one_and_needs_no_other_alphabet(subject) -> None:
    text = Wording().message(subject, NOW, Channel.SMS, "0612345678").text
    gsm = set("@£$¥èéùìòÇ\nØø\rÅåÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà")
    gsm |= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert len(text) <= 160
    assert set(text) - gsm == set()


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
    assert all(
        part in Wording().message(Subject.CONSENT_CHANGED, moment, Channel.SMS, "").text
        for part in told
    )


def test_both_languages_say_the_same_things() -> None:
    french, english = (messages("notifications", language) for language in LANGUAGES)
    assert french.keys() == english.keys()
    assert {f"{s.value}.{part}" for s in Subject for part in ("title", "said")} <= french.keys()


def event(detail_type: str = "document.published.v1", **detail: object) -> str:
    told = {"eventId": EVENT_ID, "recordId": RECORD_ID, "occurredAt": "2026-07-14T10:05:00Z"}
    return json.dumps({"detail-type": detail_type, "detail": told | detail})


def test_a_fact_is_read_from_the_bus_s_envelope() -> None:
    assert fact_of(event(author=DOCTOR, documentId="x")) == fact()


def test_facts_that_holders_are_not_told_about_are_let_pass() -> None:
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
    module = importlib.import_module("functions.notifications.queue")
    house = House()
    monkeypatch.setattr(
        module, "notify_holder", lambda: lambda fact, now: house.tell(fact, now) and None
    )
    return module.handler, house


def message(number: int, body: str) -> dict[str, str]:
    return {"messageId": str(number), "body": body, "eventSource": "aws:sqs"}


def test_of_a_batch_only_what_failed_comes_back(queue) -> None:
    handler, house = queue
    bodies = [event(), "no fact", event("record.opened.v1"), event(eventId="01jd1")]
    answer = handler({"Records": [message(n, body) for n, body in enumerate(bodies)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert len(house.messengers.sent) == 2


def test_when_the_provider_is_down_the_whole_batch_comes_back(queue) -> None:
    handler, house = queue
    house.messengers.down = True
    bodies = [event(eventId=f"01jd{n}") for n in range(3)]
    answer = handler({"Records": [message(n, body) for n, body in enumerate(bodies)]}, None)
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["0", "1", "2"]
    assert house.notices.finished == {}


def test_what_the_log_says_of_a_failure_names_no_address(queue, monkeypatch) -> None:
    handler, house = queue
    log = io.StringIO()
    (stream,) = importlib.import_module("functions.notifications.queue").journal.handlers
    monkeypatch.setattr(stream, "stream", log)
    house.messengers.down = True
    handler({"Records": [message(0, event()), message(1, '{"detail-type": "who@x.fr"}')]}, None)
    assert log.getvalue().count("not told") == 2
    assert "@" not in log.getvalue()
