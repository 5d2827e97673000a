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

    mappings = expect.function(lambda_svc, "_iter_all_esms")
    table_of = expect.function(lambda_svc, "_dynamodb_stream_table_from_arn_spec", "spec")
    function_of = expect.function(
        lambda_svc, "_get_func_record_for_qualifier", "name", "qualifier"
    )
    matching = expect.function(lambda_svc, "_apply_filter_criteria", "records", "esm")
    execute = expect.function(lambda_svc, "_execute_function", "func", "event")
    dispatch = expect.function(lambda_svc, "_dispatch_esm_batch", "esm_id", "fn", "args")
    give_up = expect.function(
        lambda_svc,
        "_send_ddb_stream_failure_record",
        "esm",
        "func_rec",
        "batch",
        "stream_arn",
        "result",
        "condition",
    )
    since = expect.function(
        dynamodb, "stream_records_since", "table_name", "position", "limit", "account_id", "region"
    )
    oldest = expect.function(
        dynamodb, "stream_start_position", "table_name", "account_id", "region"
    )
    newest = expect.function(dynamodb, "stream_end_position", "table_name", "account_id", "region")
    expect.function(lambda_svc, "_poll_dynamodb_streams")
    positions = lambda_svc._dynamodb_stream_positions  # noqa: SLF001
    in_flight = lambda_svc._esm_inflight  # noqa: SLF001
    waiting: dict[str, float] = {}  # mapping -> when to try again
    troubles: dict[str, _Trouble] = {}

    def table_name(esm: dict[str, Any]) -> str | None:
        try:
            source = lambda_svc.parse_arn(esm.get("EventSourceArn", ""))
        except lambda_svc.ArnParseError:
            return None
        found = table_of(source) if source.service == "dynamodb" else None
        table = dynamodb._tables.get(found[0]) if found else None  # noqa: SLF001
        if not table or table.get("LatestStreamArn") != esm["EventSourceArn"]:
            return None
        return str(found[0])

    def place(esm: dict[str, Any], table: str) -> int:
        """Where the mapping reads on, after what the stream has already forgotten."""
        start = esm.get("StartingPosition", "LATEST")
        if esm["UUID"] not in positions:
            positions[esm["UUID"]] = oldest(table) if start == "TRIM_HORIZON" else newest(table)
        positions[esm["UUID"]] = max(positions[esm["UUID"]], oldest(table))
        return int(positions[esm["UUID"]])

    def poll_one(esm: dict[str, Any]) -> bool:
        name = esm["UUID"]
        if not esm.get("Enabled", True) or in_flight.get(name):
            return False
        table = table_name(esm)
        if table is None or waiting.get(name, 0) > time.monotonic():
            return False
        function, _config = function_of(esm["FunctionName"], esm.get("Qualifier"))
        if function is None:
            return False
        position = place(esm, table)
        trouble = troubles.get(name)
        if trouble and trouble.position != position:
            del troubles[name]
            trouble = None
        records = since(table, position, trouble.window if trouble else esm.get("BatchSize", 100))
        if not records:
            return False
        wanted = matching(records, esm)
        if not wanted:
            positions[name] = position + len(records)
            return True
        dispatch(name, run, esm, function, records, wanted, position)
        return True

    def run(esm: Any, function: Any, records: list[Any], wanted: list[Any], position: int) -> None:
        result = execute(function, {"Records": wanted})
        if result.get("error"):
            fail(esm, function, records, wanted, position, result)
            return
        failed = (
            _reported(result.get("body"))
            if "ReportBatchItemFailures" in (esm.get("FunctionResponseTypes") or [])
            else set()
        )
        left = records
        if failed:
            numbers = [str(one["dynamodb"].get("SequenceNumber")) for one in records]
            unknown = not failed <= set(numbers)  # an empty or foreign id: the whole batch failed
            first = 0 if unknown else min(numbers.index(one) for one in failed)
            left = records[first:]
            position += first
            positions[esm["UUID"]] = position
            kept = [one for one in wanted if one in left]
            fail(esm, function, left, kept, position, result)
            return
        positions[esm["UUID"]] = position + len(records)
        troubles.pop(esm["UUID"], None)
        esm["LastProcessingResult"] = f"OK - {len(wanted)} records"

    def fail(
        esm: Any, function: Any, records: list[Any], wanted: list[Any], position: int, result: Any
    ) -> None:
        """Count the failure of the records at the head; try again, halve, or give up."""
        name = esm["UUID"]
        esm["LastProcessingResult"] = "FAILED"
        trouble = troubles.setdefault(name, _Trouble(position, 0, len(records)))
        if trouble.position != position:
            trouble = troubles[name] = _Trouble(position, 0, len(records))
        halves = bool(result.get("error")) and esm.get("BisectBatchOnFunctionError")
        if halves and len(records) > 1:
            trouble.window = max(1, len(records) // 2)
            return
        trouble.tries += 1
        attempts = esm.get("MaximumRetryAttempts")
        age = esm.get("MaximumRecordAgeInSeconds")
        created = float(records[0]["dynamodb"].get("ApproximateCreationDateTime", time.time()))
        condition = None
        if attempts is not None and 0 <= int(attempts) < trouble.tries:
            condition = "RetryAttemptsExhausted"
        elif age is not None and 0 < int(age) < time.time() - created:
            condition = "MaxRecordAgeExceeded"
        if condition is None:
            waiting[name] = time.monotonic() + _PAUSE
            return
        give_up(esm, function, wanted, esm["EventSourceArn"], result, condition)
        positions[name] = position + len(records)
        troubles.pop(name, None)

    def poll() -> bool:
        found = False
        for account, region, esm in mappings():
            account_token = lambda_svc._request_account_id.set(account)  # noqa: SLF001
            region_token = lambda_svc._request_region.set(region)  # noqa: SLF001
            try:
                found = poll_one(esm) or found
            finally:
                lambda_svc._request_account_id.reset(account_token)  # noqa: SLF001
                lambda_svc._request_region.reset(region_token)  # noqa: SLF001
        return found

    lambda_svc._poll_dynamodb_streams = poll  # noqa: SLF001
