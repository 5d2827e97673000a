"""One generation at a time, whole or not at all; on moto."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import boto3
import pytest
from botocore.exceptions import ClientError

from dmp.domain.errors import Busy, Conflict, TooLarge
from dmp.domain.history import Section, window_before
from dmp.domain.normalise import fingerprint_of
from dmp.store.histories import PART_BYTES, Histories
from dmp.store.items import decode, encode
from tests.support.aws import account
from tests.support.services import NOW, RECORD, history, line


@pytest.fixture
def dynamodb():
    with account():
        yield boto3.client("dynamodb")


@pytest.fixture
def histories(dynamodb):
    return Histories(dynamodb, "history")


def items(dynamodb):
    return {item["sk"]["S"]: decode(item) for item in dynamodb.scan(TableName="history")["Items"]}


def printed(stored):
    return fingerprint_of(window_before(stored.last + timedelta(days=1)), stored.lines)


def saved(histories, stored):
    return histories.save(stored, printed(stored))


def many(count: int, generation: int = 1):
    """Lines that no compression makes small."""
    chance = random.Random(generation)  # noqa: S311
    return history(
        *(
            line(
                id=f"{n:026d}",
                label="".join(chance.choices("abcdefghijklmnopqrstuvwxyzéèà ", k=200)),
                performer=str(chance.random()),
            )
            for n in range(count)
        ),
        generation=generation,
    )


STAY = line(
    id="1" * 26,
    section=Section.STAYS,
    until=date(2024, 1, 12),
    quantity=Decimal("1.5"),
    structure="510000029",
    paid=None,
    base=Decimal("-0.01"),
    reimbursed=Decimal("1234567.89"),
    performer=None,
    performer_speciality=None,
)


def test_what_is_saved_is_what_is_read(histories):
    stored = history(line(), STAY)
    saved(histories, stored)
    assert histories.of(RECORD) == stored


def test_a_record_without_an_import_has_no_history(histories):
    assert histories.of(RECORD) is None
    assert histories.head(RECORD) is None


def test_an_empty_history_is_a_history(histories):
    head = saved(histories, history())
    assert head.lines == 0
    assert histories.of(RECORD) == history()


def test_the_head_tells_what_stands_without_its_lines(histories):
    stored = history(line(), STAY)
    assert saved(histories, stored) == histories.head(RECORD)
    head = histories.head(RECORD)
    assert (head.generation, head.lines, head.imported_at) == (1, 2, NOW)
    assert (head.fingerprint, head.document) == (printed(stored), None)


def test_a_retry_of_the_same_import_changes_nothing(histories, dynamodb):
    stored = history(line())
    saved(histories, stored)
    before = items(dynamodb)
    later = replace(stored, imported_at=NOW + timedelta(hours=1))
    assert saved(histories, later) == histories.head(RECORD)
    assert items(dynamodb) == before


def test_a_new_generation_replaces_the_one_before_and_leaves_nothing_of_it(histories, dynamodb):
    saved(histories, many(2_500))
    assert sum(sk.startswith("PART#1#") for sk in items(dynamodb)) > 1
    second = history(line(), generation=2)
    saved(histories, second)
    assert set(items(dynamodb)) == {"HEAD", "PART#2#0"}
    assert histories.of(RECORD) == second


def test_no_part_is_larger_than_three_hundred_kilobytes(histories, dynamodb):
    stored = many(3_000)
    saved(histories, stored)
    parts = [item["data"] for sk, item in items(dynamodb).items() if sk.startswith("PART#")]
    assert len(parts) > 1
    assert max(len(data) for data in parts) <= PART_BYTES
    assert histories.of(RECORD) == stored


def test_more_than_a_transaction_holds_is_refused_and_nothing_written(
    histories, dynamodb, monkeypatch
):
    monkeypatch.setattr("dmp.store.histories.PART_BYTES", 2_000)
    with pytest.raises(TooLarge):
        saved(histories, many(300))
    assert items(dynamodb) == {}


@pytest.mark.parametrize("generation", [1, 3])
def test_only_the_next_generation_is_written(histories, generation):
    saved(histories, history(line()))
    with pytest.raises(Conflict):
        saved(histories, history(STAY, generation=generation))
    assert histories.of(RECORD) == history(line())


def test_of_two_imports_at_once_one_is_written_and_the_other_told(histories, dynamodb):
    """Both read that nothing stands; the second to write finds out by the write's condition."""
    slow = Histories(_Racing(dynamodb, lambda: saved(histories, history(line()))), "history")
    with pytest.raises(Conflict):
        saved(slow, history(STAY))
    assert histories.of(RECORD) == history(line())


def test_an_answer_that_got_lost_is_found_again(histories, dynamodb):
    """The write before arrived, and its sender does not know."""
    slow = Histories(_Racing(dynamodb, lambda: saved(histories, history(line()))), "history")
    assert saved(slow, history(line())) == histories.head(RECORD)


def test_a_write_that_fails_leaves_what_stood(histories, dynamodb):
    saved(histories, history(line()))
    failing = Histories(_Failing(dynamodb), "history")
    with pytest.raises(ClientError):
        saved(failing, history(STAY, generation=2))
    assert histories.of(RECORD) == history(line())


def test_an_announced_document_stays_with_its_generation(histories):
    head = saved(histories, history(line()))
    histories.announce(head, f"{RECORD}.doc")
    histories.announce(head, f"{RECORD}.doc")
    assert histories.head(RECORD).document == f"{RECORD}.doc"
    assert histories.of(RECORD) == history(line())


def test_a_document_of_another_generation_is_not_announced(histories):
    head = saved(histories, history(line()))
    saved(histories, history(STAY, generation=2))
    with pytest.raises(Conflict):
        histories.announce(head, f"{RECORD}.doc")
    assert histories.head(RECORD).document is None


def test_a_reader_never_sees_parts_of_two_generations(histories, dynamodb):
    saved(histories, history(line()))
    dynamodb.delete_item(TableName="history", Key=encode({"pk": f"REC#{RECORD}", "sk": "PART#1#0"}))
    with pytest.raises(Busy):
        histories.of(RECORD)


def test_a_reader_that_meets_a_new_generation_reads_again(histories, dynamodb):
    saved(histories, history(line()))
    torn = dynamodb.query(
        TableName="history",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": f"REC#{RECORD}"}),
    )
    torn["Items"] = [item for item in torn["Items"] if item["sk"]["S"] == "HEAD"]
    second = history(STAY, generation=2)
    saved(histories, second)
    assert Histories(_Torn(dynamodb, torn), "history").of(RECORD) == second


class _Around:
    """A client that does as another, but for what its subclass says."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)


class _Racing(_Around):
    """Somebody else is quicker, between the reading and the writing."""

    def __init__(self, client, first):
        super().__init__(client)
        self._first = first

    def transact_write_items(self, **request):
        self._first()
        return self._client.transact_write_items(**request)


class _Failing(_Around):
    def transact_write_items(self, **request):
        raise ClientError({"Error": {"Code": "InternalServerError"}}, "TransactWriteItems")


class _Torn(_Around):
    def __init__(self, client, first):
        super().__init__(client)
        self._answers = [first]

    def query(self, **request):
        return self._answers.pop() if self._answers else self._client.query(**request)
