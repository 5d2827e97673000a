"""The steps of an import, each taken alone: what they decide and what they leave to others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest

from dmp.domain.errors import NotFound
from dmp.domain.extracts import AcceptedExtract
from dmp.domain.history import Head
from dmp.domain.nomenclatures import Tables
from dmp.domain.records import HistoryStatus, RecordStatus
from dmp.usecases.import_history import (
    BeginImport,
    CompleteImport,
    DocumentHistory,
    FailImport,
    GatherHistory,
    class_of,
)
from tests.support.services import NOW, RECORD, history, line, record, row


class Records:
    def __init__(self, one=None):
        self.one = one
        self.marks = []

    def of(self, record_id):
        return self.one

    def mark_history(self, record_id, status, reason):
        self.marks.append((status, reason))
        self.one = replace(self.one, history=status, history_reason=reason)


@dataclass
class Extracts:
    rows: tuple = ()
    accepted: tuple = ()
    asked: list = field(default_factory=list)

    def extracts(self):
        return self.accepted

    def rows_of(self, insured_hash, first, last):
        self.asked.append((insured_hash, first, last))
        return self.rows


class Histories:
    """In memory, without races."""

    def __init__(self):
        self.stored = None
        self.fingerprint = ""
        self.document = None
        self.writes = 0

    def head(self, record_id):
        if self.stored is None:
            return None
        return Head(
            record_id,
            self.stored.generation,
            len(self.stored.lines),
            self.fingerprint,
            self.stored.imported_at,
            self.document,
        )

    def of(self, record_id):
        return self.stored

    def save(self, stored, fingerprint):
        self.stored, self.fingerprint = stored, fingerprint
        self.document = None
        self.writes += 1
        return self.head(stored.record_id)

    def announce(self, head, document_id):
        self.document = document_id


class Traces:
    def __init__(self):
        self.written = []

    def write(self, trace):
        self.written.append(trace)


def gathering(rows=(), accepted=(), opened_at=NOW, histories=None):
    extracts = Extracts(tuple(rows), tuple(accepted))
    kept = histories or Histories()
    use = GatherHistory(
        Records(record(opened_at=opened_at)),
        lambda insured: f"hash of {insured.number}/{insured.birth_rank}",
        extracts,
        kept,
        Tables({}),
    )
    return use, extracts, kept


def accepted(extract_id, as_of=None):
    return AcceptedExtract(extract_id, "tests", "2024-02", "d", 4, 1, NOW, as_of)


@pytest.mark.parametrize(
    "status", [HistoryStatus.PENDING, HistoryStatus.RUNNING, HistoryStatus.FAILED]
)
def test_an_open_record_without_its_history_is_begun(status):
    records = Records(record(history=status))
    assert BeginImport(records)(RECORD)
    assert records.marks == [(HistoryStatus.RUNNING, None)]


@pytest.mark.parametrize(
    "one",
    [
        None,
        record(status=RecordStatus.CLOSED),
        record(history=HistoryStatus.COMPLETE),
        record(history=HistoryStatus.EMPTY),
    ],
    ids=["unknown", "closed", "complete", "empty"],
)
def test_what_needs_no_import_is_not_begun(one):
    records = Records(one)
    assert not BeginImport(records)(RECORD)
    assert records.marks == []


def test_rows_are_asked_under_the_insurer_s_number_for_the_days_of_the_window():
    use, extracts, _ = gathering()
    use(RECORD, NOW)
    assert extracts.asked == [("hash of 279035121518989/1", date(2022, 3, 15), date(2024, 3, 14))]


def test_the_window_ends_the_day_before_the_opening_as_people_in_france_count_days():
    use, _, histories = gathering(opened_at=datetime(2024, 3, 14, 23, 30, tzinfo=UTC))
    use(RECORD, NOW)
    assert histories.stored.last == date(2024, 3, 14)


def test_the_day_of_the_import_makes_no_difference():
    use, _, histories = gathering()
    use(RECORD, datetime(2029, 1, 1, tzinfo=UTC))
    assert (histories.stored.first, histories.stored.last) == (date(2022, 3, 15), date(2024, 3, 14))


def test_of_a_person_known_from_old_extracts_alone_the_newest_of_their_days_is_today():
    old = row(start=date(2006, 1, 5), extract_id="old")
    use, _, histories = gathering(
        [old], [accepted("old", date(2007, 6, 30)), accepted("other", date(2008, 1, 1))]
    )
    use(RECORD, NOW)
    assert (histories.stored.first, histories.stored.last) == (date(2005, 6, 30), date(2007, 6, 29))
    assert len(histories.stored.lines) == 1


def test_one_row_of_the_present_is_enough_for_the_day_of_opening():
    rows = [row(start=date(2006, 1, 5), key="2", extract_id="old"), row(extract_id="new")]
    use, _, histories = gathering(rows, [accepted("old", date(2007, 6, 30)), accepted("new")])
    use(RECORD, NOW)
    assert histories.stored.last == date(2024, 3, 14)
    assert [one.on for one in histories.stored.lines] == [date(2024, 1, 10)]


def test_a_stored_history_that_says_the_same_is_not_written_again():
    use, _, histories = gathering([row()])
    first = use(RECORD, NOW)
    assert use(RECORD, datetime(2025, 1, 1, tzinfo=UTC)) == first
    assert histories.writes == 1


def test_a_stored_history_without_a_document_is_replaced_when_the_extracts_changed():
    use, extracts, histories = gathering([row()])
    use(RECORD, NOW)
    extracts.rows = (row(), row(key="2", nature=3122))
    assert use(RECORD, NOW).generation == 2
    assert len(histories.stored.lines) == 2


def test_a_history_whose_document_is_announced_stays():
    use, extracts, histories = gathering([row()])
    use(RECORD, NOW)
    histories.document = "announced"
    extracts.rows = (row(), row(key="2", nature=3122))
    assert use(RECORD, NOW).generation == 1
    assert histories.writes == 1


def test_the_history_names_the_extracts_it_was_made_from():
    use, _, histories = gathering([row(extract_id="b"), row(key="2", extract_id="a")])
    use(RECORD, NOW)
    assert histories.stored.extracts == ("a", "b")


@pytest.mark.parametrize("one", [None, record(status=RecordStatus.CLOSED)])
def test_a_record_that_was_closed_meanwhile_is_neither_filled_nor_documented(one):
    histories = Histories()
    with pytest.raises(NotFound):
        GatherHistory(Records(one), str, Extracts(), histories, Tables({}))(RECORD, NOW)
    with pytest.raises(NotFound):
        DocumentHistory(Records(one), histories, None)(RECORD, NOW)
    assert histories.writes == 0


def test_without_a_stored_history_there_is_nothing_to_document_or_complete():
    with pytest.raises(NotFound):
        DocumentHistory(Records(record()), Histories(), None)(RECORD, NOW)
    traces, records = Traces(), Records(record())
    with pytest.raises(NotFound):
        CompleteImport(records, Histories(), traces)(RECORD)
    assert (traces.written, records.marks) == ([], [])


@pytest.mark.parametrize(
    ("lines", "status"), [((line(),), HistoryStatus.COMPLETE), ((), HistoryStatus.EMPTY)]
)
def test_a_history_is_complete_with_lines_and_empty_without(lines, status):
    histories, records = Histories(), Records(record())
    histories.save(history(*lines), "f")
    assert CompleteImport(records, histories, Traces())(RECORD) is status
    assert records.marks == [(status, None)]


def test_completing_twice_writes_the_same_trace():
    histories, traces = Histories(), Traces()
    histories.save(history(line()), "f")
    use = CompleteImport(Records(record()), histories, traces)
    use(RECORD)
    use(RECORD)
    assert traces.written[0] == traces.written[1]


def test_no_trace_no_history():
    class Broken:
        def write(self, trace):
            raise OSError

    histories, records = Histories(), Records(record())
    histories.save(history(line()), "f")
    with pytest.raises(OSError):
        CompleteImport(records, histories, Broken())(RECORD)
    assert records.marks == []


def test_a_failure_is_told_by_its_class():
    records = Records(record(history=HistoryStatus.RUNNING))
    FailImport(records)(RECORD, "Busy")
    assert records.marks == [(HistoryStatus.FAILED, "Busy")]


@pytest.mark.parametrize("one", [None, record(history=HistoryStatus.COMPLETE)])
def test_what_was_brought_does_not_fail_afterwards(one):
    records = Records(one)
    FailImport(records)(RECORD, "Busy")
    assert records.marks == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("Busy", "Busy"),
        ("States.Timeout", "States.Timeout"),
        ("Lambda.Unknown", "Lambda.Unknown"),
        ("PAT-TROIS 279035121518989", "Unknown"),
        ("279035121518989", "Unknown"),
        ("", "Unknown"),
        ("x" * 65, "Unknown"),
    ],
)
def test_a_class_of_errors_is_a_name_and_never_data(error, told):
    assert class_of(error) == told
