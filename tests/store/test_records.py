"""Records in their table: one for a person, one answer for a request, one holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta
from threading import Lock

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.consents import OpeningConsent
from dmp.domain.errors import (
    Busy,
    Conflict,
    IdempotencyKeyReused,
    NotFound,
    RecordAlreadyOpen,
    RecordClosed,
)
from dmp.domain.identity import TEST, Ins
from dmp.domain.ids import new_record_id, new_ulid
from dmp.domain.records import (
    Basis,
    Contact,
    HistoryStatus,
    RecordStatus,
    Representative,
    Scheme,
)
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store import items
from dmp.store.aws import client
from dmp.store.items import decode, encode
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import Holders, Records, Register, record_item, record_key, record_of
from dmp.store.traces import Journal
from dmp.usecases.open_record import Opening, Repeatable
from tests.support.aws import JOURNAL, account
from tests.support.records import NOW, TRAITS, record

CONSENT = OpeningConsent(opening=True, opposes_break_glass=True, opposes_centre_15=False)
PSEUDONYMS = Pseudonyms(lambda: b"k" * 32)
ME = "a" * 64


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        yield


@pytest.fixture(autouse=True)
def empty_tables(aws):
    yield
    dynamodb = boto3.client("dynamodb")
    for name in ("accounts", "consents", "traces"):
        for item in dynamodb.scan(TableName=name)["Items"]:
            dynamodb.delete_item(TableName=name, Key={key: item[key] for key in ("pk", "sk")})


class OneAtATime:
    """DynamoDB as callers see it: each call happens before or after every other. (Moto's
    transactions take a copy of the tables while other threads write to them.)"""

    def __init__(self, dynamodb):
        self._dynamodb = dynamodb
        self._lock = Lock()

    def __getattr__(self, name):
        found = getattr(self._dynamodb, name)
        if name not in {"transact_write_items", "get_item"}:
            return found

        def call(**request):
            with self._lock:
                return found(**request)

        return call


@pytest.fixture
def register():
    dynamodb = OneAtATime(client("dynamodb"))
    return Register(dynamodb, "accounts", "consents", JOURNAL, PSEUDONYMS)


@pytest.fixture
def holders():
    return Holders(OneAtATime(client("dynamodb")), "accounts", JOURNAL, PSEUDONYMS)


def trace(of, act=Act.OPEN_RECORD):
    return Trace(new_ulid(NOW), NOW, act, Outcome.DONE, of.opened_by, record_id=of.id)


def opened(register, one=None, repeatable=None, warnings=()):
    one = one or record()
    return register.open(Opening(one, warnings), CONSENT, trace(one), repeatable)


def table(name):
    return [decode(item) for item in boto3.client("dynamodb").scan(TableName=name)["Items"]]


# -- opening -----------------------------------------------------------------------------------


def test_an_opened_record_is_there_with_everything_it_was_opened_with(register):
    one = opened(register).record
    assert register.of(one.id) == one
    assert register.find(one.ins) == one.id
    (settings,) = [item for item in table("consents") if item["sk"] == "SETTINGS"]
    assert set(settings["decisions"]) == {"break-glass-opposition"}
    (written,) = table("traces")
    assert (written["act"], written["recordId"]) == ("record.open", one.id)


def test_no_key_holds_an_identity(register):
    one = opened(register, repeatable=Repeatable("key-1", "{}")).record
    for item in table("accounts"):
        for identity in (one.ins.matricule, one.traits.family_name, one.contact.email):
            assert identity not in item["pk"] + item["sk"]
    indexes = [item for item in table("accounts") if item["sk"] != "RECORD"]
    assert len(indexes) == 3
    assert one.ins.matricule not in str(indexes)


def test_what_leads_to_a_record_is_written_with_it_or_not_at_all(register):
    parent = replace(TRAITS, family_name="PAT-PARENT")
    parental = Representative(parent, Basis.PARENTAL_AUTHORITY, NOW, id="p")
    one = opened(register, record(representatives=(parental,))).record
    assert register.of(one.id) == one
    ways = {item["pk"].split("#")[0] for item in table("accounts") if item["sk"] == f"REC#{one.id}"}
    assert ways == {"TRAITS", "REPRESENTS", "OFAGE"}
    before = table("accounts")
    with pytest.raises(RecordAlreadyOpen):
        opened(register, record(representatives=(replace(parental, traits=TRAITS),)))
    assert table("accounts") == before


def test_a_person_has_one_record(register):
    first = opened(register).record
    with pytest.raises(RecordAlreadyOpen) as refusal:
        opened(register)
    assert refusal.value.record_id == first.id
    assert len([item for item in table("accounts") if item["sk"] == "RECORD"]) == 1
    assert len(table("traces")) == 1


def test_the_same_number_in_another_register_is_another_person(register):
    first = opened(register).record
    other = record(ins=Ins(first.ins.matricule, "1.2.250.1.213.1.4.11"))
    assert opened(register, other).record.id != first.id


def test_a_closed_record_is_reopened_and_never_opened_again(register):
    first = opened(register).record
    ins = f"INS#{PSEUDONYMS.ins(first.ins)}"
    boto3.client("dynamodb").update_item(
        TableName="accounts",
        Key=encode({"pk": ins, "sk": "INS"}),
        UpdateExpression="SET #s = :closed",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues=encode({":closed": "closed"}),
    )
    with pytest.raises(RecordClosed) as refusal:
        opened(register)
    assert refusal.value.record_id == first.id


def test_twenty_openings_at_once_make_one_record(register):
    def attempt(_):
        try:
            return opened(register).record.id
        except RecordAlreadyOpen:
            return None

    with ThreadPoolExecutor(20) as pool:
        ids = list(pool.map(attempt, range(20)))
    assert len([one for one in ids if one]) == 1
    assert len([item for item in table("accounts") if item["sk"] == "RECORD"]) == 1
    assert len(table("traces")) == 1
    assert len({item["pk"] for item in table("consents")}) == 1


# -- the same request --------------------------------------------------------------------------


def test_the_same_request_under_the_same_key_gets_the_first_answer(register):
    key = Repeatable("key-1", '{"a": 1}')
    first = opened(register, record(scheme=Scheme.MGP), key, ("scheme-of-directory",))
    later = record(opened_at=NOW + timedelta(hours=3))
    again = opened(register, later, key)
    assert again.repeated
    assert again.warnings == first.warnings
    told = ("id", "status", "channel", "opened_at", "history", "scheme")
    assert [getattr(again.record, t) for t in told] == [getattr(first.record, t) for t in told]
    assert len(table("traces")) == 1


def test_another_request_under_the_same_key_is_refused(register):
    opened(register, repeatable=Repeatable("key-1", '{"a": 1}'))
    other = record("277076322082910")
    with pytest.raises(IdempotencyKeyReused):
        opened(register, other, Repeatable("key-1", '{"a": 2}'))
    assert register.find(other.ins) is None


def test_a_key_is_its_callers_own(register):
    opened(register, repeatable=Repeatable("key-1", "{}"))
    other = record("277076322082910", opened_by="professional#899700218896")
    assert not opened(register, other, Repeatable("key-1", "{}")).repeated


def test_another_key_for_the_same_person_is_a_second_opening(register):
    opened(register, repeatable=Repeatable("key-1", "{}"))
    with pytest.raises(RecordAlreadyOpen):
        opened(register, repeatable=Repeatable("key-2", "{}"))


def test_a_key_is_forgotten_after_its_time_even_when_its_item_still_lies_there(register):
    opened(register, repeatable=Repeatable("key-1", "{}"))
    later = record("277076322082910", opened_at=NOW + timedelta(days=8))
    assert not opened(register, later, Repeatable("key-1", '{"a": 2}')).repeated


def test_twins_of_one_request_get_one_answer(register):
    key = Repeatable("key-1", "{}")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: opened(register, repeatable=key), range(10)))
    assert len({answer.record.id for answer in answers}) == 1
    assert [answer.repeated for answer in answers].count(False) == 1


def test_no_item_of_a_key_holds_the_request(register):
    opened(register, repeatable=Repeatable("key-1", '{"matricule": "279035121518989"}'))
    (item,) = [one for one in table("accounts") if one["sk"] == "IDEM"]
    assert "279035121518989" not in str(item)
    assert "key-1" not in str(item)
    assert item["ttl"] > NOW.timestamp()


class Conflicting:
    """A DynamoDB whose transactions meet others a number of times."""

    def __init__(self, times):
        self.real = client("dynamodb")
        self.exceptions = self.real.exceptions
        self.left = times
        self.tried = 0

    def __getattr__(self, name):
        return getattr(self.real, name)

    def transact_write_items(self, **request):
        self.tried += 1
        if self.left > 0:
            self.left -= 1
            raise self.exceptions.TransactionCanceledException(
                {
                    "Error": {"Code": "TransactionCanceledException", "Message": ""},
                    "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
                },
                "TransactWriteItems",
            )
        return self.real.transact_write_items(**request)


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(items, "sleep", lambda _: None)


def test_a_passing_conflict_with_another_transaction_is_tried_again(no_waiting):
    dynamodb = Conflicting(3)
    register = Register(dynamodb, "accounts", "consents", JOURNAL, PSEUDONYMS)
    assert register.of(opened(register).record.id) is not None
    assert dynamodb.tried == 4


def test_a_conflict_that_lasts_is_given_up(no_waiting):
    dynamodb = Conflicting(1000)
    register = Register(dynamodb, "accounts", "consents", JOURNAL, PSEUDONYMS)
    with pytest.raises(Busy):
        opened(register)
    assert dynamodb.tried < 10


def test_a_refusal_by_aws_itself_is_not_taken_for_a_conflict():
    missing = Register(client("dynamodb"), "no-table", "consents", JOURNAL, PSEUDONYMS)
    with pytest.raises(ClientError):
        opened(missing)


# -- reading -----------------------------------------------------------------------------------


def test_an_unknown_record_is_none(register):
    assert register.of(new_record_id()) is None
    assert register.find(Ins("277076322082910", TEST)) is None


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


representatives = st.builds(
    Representative,
    traits=st.builds(replace, st.just(TRAITS), family_name=texts),
    basis=st.sampled_from(Basis),
    since=st.datetimes(timezones=st.just(UTC)),
    contact=st.builds(Contact, email=st.none() | texts, mobile=st.none() | texts),
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
    id=texts,
)


@given(
    names=st.lists(texts, min_size=1, max_size=4),
    email=st.none() | texts,
    closed_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    history=st.sampled_from(HistoryStatus),
    representatives=st.lists(representatives, max_size=4),
    holder=st.none() | texts,
    bound_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    version=st.integers(1, 10**9),
)
def test_a_record_comes_back_from_its_item_as_it_went(
    *, names, email, closed_at, history, representatives, holder, bound_at, version
):
    one = record(
        traits=replace(TRAITS, given_names=tuple(names)),
        contact=Contact(email=email),
        closed_at=closed_at,
        history=history,
        representatives=tuple(representatives),
        holder=holder,
        bound_at=bound_at,
        version=version,
        caisse="751",
        source=None,
    )
    assert record_of(decode(encode(record_item(one)))) == one


# -- how far the history has come --------------------------------------------------------------


@pytest.mark.parametrize("end", [HistoryStatus.COMPLETE, HistoryStatus.EMPTY])
def test_a_history_runs_and_ends_once(register, end):
    records, one = Records(client("dynamodb"), "accounts"), opened(register).record
    for status in (HistoryStatus.RUNNING, HistoryStatus.RUNNING, end, end):
        records.mark_history(one.id, status)
    found = records.of(one.id)
    assert (found.history, found.version) == (end, 3)
    for status in HistoryStatus:
        if status is not end:
            with pytest.raises(Conflict):
                records.mark_history(one.id, status)


def test_a_failed_history_says_why_until_it_runs_again(register):
    records, one = Records(client("dynamodb"), "accounts"), opened(register).record
    records.mark_history(one.id, HistoryStatus.RUNNING)
    records.mark_history(one.id, HistoryStatus.FAILED, "ExtractUnreadable")
    assert records.of(one.id).history_reason == "ExtractUnreadable"
    records.mark_history(one.id, HistoryStatus.RUNNING)
    assert records.of(one.id).history_reason is None


def test_an_import_that_never_began_ends_in_failure_alone(register):
    records, one = Records(client("dynamodb"), "accounts"), opened(register).record
    with pytest.raises(Conflict):
        records.mark_history(one.id, HistoryStatus.COMPLETE)
    records.mark_history(one.id, HistoryStatus.FAILED, "Timeout")


@pytest.mark.parametrize("status", [s for s in HistoryStatus if s is not HistoryStatus.PENDING])
def test_no_record_is_made_by_marking_its_history(status):
    records = Records(client("dynamodb"), "accounts")
    with pytest.raises(NotFound):
        records.mark_history(new_record_id(), status)
    assert table("accounts") == []


# -- the holder --------------------------------------------------------------------------------


def test_a_record_is_bound_once_and_for_good(register, holders):
    one = opened(register).record
    bound = holders.bind(one, ME, trace(one, Act.BIND_HOLDER))
    assert bound == register.of(one.id)
    assert (bound.holder, bound.bound_at, bound.version) == (ME, NOW, 2)
    assert holders.bind(one, "b" * 64, trace(one, Act.BIND_HOLDER)) is None
    assert register.of(one.id).holder == ME


def test_the_same_holder_bound_twice_is_bound(register, holders):
    one = opened(register).record
    first = holders.bind(one, ME, trace(one, Act.BIND_HOLDER))
    assert holders.bind(one, ME, trace(one, Act.BIND_HOLDER)) == first


def test_a_subject_has_one_record(register, holders):
    one = opened(register).record
    other = opened(register, record("277076322082910")).record
    holders.bind(one, ME, trace(one, Act.BIND_HOLDER))
    assert holders.bind(other, ME, trace(other, Act.BIND_HOLDER)) is None
    assert register.of(other.id).holder is None


def test_of_ten_first_visits_at_once_one_binds(register, holders):
    one = opened(register).record

    def visit(number):
        return holders.bind(one, f"{number}" * 64, trace(one, Act.BIND_HOLDER))

    with ThreadPoolExecutor(10) as pool:
        bound = [found for found in pool.map(visit, range(10)) if found]
    assert len(bound) == 1
    assert register.of(one.id).holder == bound[0].holder


def test_a_history_that_moved_on_does_not_keep_the_holder_out(register, holders):
    one = opened(register).record
    Records(client("dynamodb"), "accounts").mark_history(one.id, HistoryStatus.RUNNING)
    bound = holders.bind(one, ME, trace(one, Act.BIND_HOLDER))
    assert (bound.holder, bound.history, bound.version) == (ME, HistoryStatus.RUNNING, 3)


def test_a_record_closed_in_the_meantime_is_bound_to_nobody(register, holders):
    one = opened(register).record
    closed = record_item(replace(one, status=RecordStatus.CLOSED, version=2))
    boto3.client("dynamodb").put_item(TableName="accounts", Item=encode(closed))
    assert holders.bind(one, ME, trace(one, Act.BIND_HOLDER)) is None


def test_nothing_is_bound_without_a_trace(register, holders):
    one = opened(register).record
    broken = Holders(client("dynamodb"), "accounts", Journal("no-table", bytes), PSEUDONYMS)
    with pytest.raises(ClientError):
        broken.bind(one, ME, trace(one, Act.BIND_HOLDER))
    assert register.of(one.id).holder is None


def test_open_records_of_the_same_traits_are_counted(register, holders):
    assert holders.open_records_of(TRAITS) == 0
    opened(register)
    accented = replace(TRAITS, given_names=("Dominique",), family_name="Pat Trois")
    assert holders.open_records_of(accented) == 1
    twin = opened(register, record("277076322082910")).record
    assert holders.open_records_of(TRAITS) == 2
    boto3.client("dynamodb").update_item(
        TableName="accounts",
        Key=encode({"pk": f"TRAITS#{PSEUDONYMS.traits(TRAITS)}", "sk": record_key(twin.id)["pk"]}),
        UpdateExpression="SET #s = :closed",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues=encode({":closed": "closed"}),
    )
    assert holders.open_records_of(TRAITS) == 1
