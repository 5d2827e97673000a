"""A function on a table's stream: partial failures, retries, bisection, dead letters.

Rules: the developer guide of AWS Lambda, "Process DynamoDB records". A function that reports
``batchItemFailures`` is called again from the first record that it names; one that raises is
called again with the same records, halved when ``BisectBatchOnFunctionError`` is set; after
``MaximumRetryAttempts`` or ``MaximumRecordAgeInSeconds`` the records are dropped and their place
in the stream goes to the ``OnFailure`` destination. Without limits they are tried for ever.

MiniStack takes every report for a success (a fact would be lost), never gives up on an error, and
runs all streams one after the other on the thread that polls the queues too.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from infra.local.patches import expect

_PAUSE = 1.0  # seconds between two tries


@dataclass(slots=True)
class _Trouble:
    """The records at the head of a stream that fail: where, how often, how many to take next."""

    position: int
    tries: int
    window: int


def _reported(body: Any) -> set[str]:
    """The sequence numbers that a function reports as failed."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except json.JSONDecodeError:
            return set()
    failures = body.get("batchItemFailures") if isinstance(body, dict) else None
    return {str(one.get("itemIdentifier") or "") for one in failures or []}


def apply() -> None:
    from ministack.services import dynamodb, lambda_svc  # noqa: PLC0415 - settings at import

    expect.function(lambda_svc, "_poll_dynamodb_streams")
    lambda_svc._poll_dynamodb_streams = _Streams(lambda_svc, dynamodb).poll  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class _Batch:
    """Records of a stream for one mapping: all of them, and those that its filters let through."""

    mapping: dict[str, Any]
    function: Any
    records: list[Any]
    wanted: list[Any]
    position: int

    @property
    def id(self) -> str:
        return str(self.mapping["UUID"])

    def without_first(self, count: int) -> _Batch:
        left = self.records[count:]
        return _Batch(
            self.mapping,
            self.function,
            left,
            [one for one in self.wanted if one in left],
            self.position + count,
        )


class _Streams:
    """Reads every mapped stream, one batch at a time each, and keeps count of what fails."""

    def __init__(self, functions: Any, tables: Any) -> None:
        known = expect.function
        self._mappings = known(functions, "_iter_all_esms")
        self._table_of = known(functions, "_dynamodb_stream_table_from_arn_spec", "spec")
        self._function_of = known(functions, "_get_func_record_for_qualifier", "name", "qualifier")
        self._matching = known(functions, "_apply_filter_criteria", "records", "esm")
        self._execute = known(functions, "_execute_function", "func", "event")
        self._dispatch = known(functions, "_dispatch_esm_batch", "esm_id", "fn", "args")
        self._set_aside = known(
            functions,
            "_send_ddb_stream_failure_record",
            "esm",
            "func_rec",
            "batch",
            "stream_arn",
            "result",
            "condition",
        )
        scope = ("account_id", "region")
        self._since = known(
            tables, "stream_records_since", "table_name", "position", "limit", *scope
        )
        self._oldest = known(tables, "stream_start_position", "table_name", *scope)
        self._newest = known(tables, "stream_end_position", "table_name", *scope)
        self._functions = functions
        self._tables = tables
        self._positions = functions._dynamodb_stream_positions  # noqa: SLF001
        self._in_flight = functions._esm_inflight  # noqa: SLF001
        self._waiting: dict[str, float] = {}  # mapping -> when to try again
        self._troubles: dict[str, _Trouble] = {}

    def poll(self) -> bool:
        """Start what can be started; whether anything was."""
        account_of, region_of = (
            self._functions._request_account_id,  # noqa: SLF001
            self._functions._request_region,  # noqa: SLF001
        )
        found = False
        for account, region, mapping in self._mappings():
            account_token, region_token = account_of.set(account), region_of.set(region)
            try:
                found = self._poll_one(mapping) or found
            finally:
                account_of.reset(account_token)
                region_of.reset(region_token)
        return found

    def _poll_one(self, mapping: dict[str, Any]) -> bool:
        name = mapping["UUID"]
        if not mapping.get("Enabled", True) or self._in_flight.get(name):
            return False
        if self._waiting.get(name, 0) > time.monotonic():
            return False
        batch = self._next(mapping)
        if batch is None:
            return False
        if batch.wanted:
            self._dispatch(name, self._run, batch)
        else:
            self._positions[name] = batch.position + len(batch.records)
        return True

    def _next(self, mapping: dict[str, Any]) -> _Batch | None:
        """The records that the mapping's function is to be called with now."""
        table = self._table(mapping)
        function, _ = self._function_of(mapping["FunctionName"], mapping.get("Qualifier"))
        if table is None or function is None:
            return None
        position = self._place(mapping, table)
        trouble = self._troubles.get(mapping["UUID"])
        if trouble is not None and trouble.position != position:
            del self._troubles[mapping["UUID"]]
            trouble = None
        most = trouble.window if trouble else mapping.get("BatchSize", 100)
        records = self._since(table, position, most)
        if not records:
            return None
        return _Batch(mapping, function, records, self._matching(records, mapping), position)

    def _table(self, mapping: dict[str, Any]) -> str | None:
        """The table whose stream the mapping reads; None for another source or a closed stream."""
        try:
            source = self._functions.parse_arn(mapping.get("EventSourceArn", ""))
        except self._functions.ArnParseError:
            return None
        found = self._table_of(source) if source.service == "dynamodb" else None
        if found is None:
            return None
        table = self._tables._tables.get(found[0])  # noqa: SLF001
        if not table or table.get("LatestStreamArn") != mapping["EventSourceArn"]:
            return None
        return str(found[0])

    def _place(self, mapping: dict[str, Any], table: str) -> int:
        """Where the mapping reads on: within what the stream still has.

        Before that are records a day old; after it, those of a cloud that was killed between
        saving the one and the other.
        """
        name, oldest, newest = mapping["UUID"], self._oldest(table), self._newest(table)
        if name not in self._positions:
            from_start = mapping.get("StartingPosition", "LATEST") == "TRIM_HORIZON"
            self._positions[name] = oldest if from_start else newest
        self._positions[name] = min(max(self._positions[name], oldest), newest)
        return int(self._positions[name])

    def _run(self, batch: _Batch) -> None:
        """Call the function and take what it says of the batch."""
        result = self._execute(batch.function, {"Records": batch.wanted})
        if result.get("error"):
            self._fail(batch, result)
            return
        reports = "ReportBatchItemFailures" in (batch.mapping.get("FunctionResponseTypes") or [])
        failed = _reported(result.get("body")) if reports else set()
        if failed:
            numbers = [str(one["dynamodb"].get("SequenceNumber")) for one in batch.records]
            # An empty or a foreign number says that the whole batch failed.
            known = failed <= set(numbers)
            left = batch.without_first(min(map(numbers.index, failed)) if known else 0)
            self._positions[batch.id] = left.position
            self._fail(left, result)
            return
        self._pass(batch)
        batch.mapping["LastProcessingResult"] = f"OK - {len(batch.wanted)} records"

    def _pass(self, batch: _Batch) -> None:
        self._positions[batch.id] = batch.position + len(batch.records)
        self._troubles.pop(batch.id, None)

    def _fail(self, batch: _Batch, result: Any) -> None:
        """Count the failure of the records at the head: try again, halve, or set them aside."""
        batch.mapping["LastProcessingResult"] = "FAILED"
        trouble = self._troubles.get(batch.id)
        if trouble is None or trouble.position != batch.position:
            trouble = self._troubles[batch.id] = _Trouble(batch.position, 0, len(batch.records))
        halves = result.get("error") and batch.mapping.get("BisectBatchOnFunctionError")
        if halves and len(batch.records) > 1:
            trouble.window = len(batch.records) // 2
            return
        trouble.tries += 1
        condition = _over(batch, trouble.tries)
        if condition is None:
            self._waiting[batch.id] = time.monotonic() + _PAUSE
            return
        source = batch.mapping["EventSourceArn"]
        self._set_aside(batch.mapping, batch.function, batch.wanted, source, result, condition)
        self._pass(batch)


def _over(batch: _Batch, tries: int) -> str | None:
    """Why the batch is not to be tried again; None when it is."""
    attempts = batch.mapping.get("MaximumRetryAttempts")
    if attempts is not None and 0 <= int(attempts) < tries:
        return "RetryAttemptsExhausted"
    longest = batch.mapping.get("MaximumRecordAgeInSeconds")
    now = time.time()
    created = float(batch.records[0]["dynamodb"].get("ApproximateCreationDateTime", now))
    if longest is not None and 0 < int(longest) < now - created:
        return "MaxRecordAgeExceeded"
    return None
