"""Distributed Map: ``ItemBatcher`` and ``ResultWriter``, which MiniStack ignores.

Rules: the Amazon States Language, "ItemBatcher" (a child gets ``{"Items": [...], "BatchInput":
...}``, at most ``MaxItemsPerBatch`` items and ``MaxInputBytesPerBatch`` bytes) and "ResultWriter"
(results go to ``<Prefix>/<map run id>/{SUCCEEDED,FAILED}_0.json`` beside a ``manifest.json``, and
the state's result is ``{"MapRunArn", "ResultWriterDetails": {"Bucket", "Key"}}``). The writer's
``WriterConfig`` is not modelled: results are written untransformed, as without it.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

from infra.local.patches import expect

_MAX_BYTES = 262_144  # an execution's largest input
_RESULT = ("ResultPath", "ResultSelector", "OutputPath")
_AFTER = ("Next", "End")


def _batches(items: list[Any], batcher: dict[str, Any], shared: Any) -> list[dict[str, Any]]:
    most = int(batcher.get("MaxItemsPerBatch") or len(items) or 1)
    largest = int(batcher.get("MaxInputBytesPerBatch") or _MAX_BYTES)
    batches: list[list[Any]] = []
    size = 0
    for item in items:
        weight = len(json.dumps(item)) + 1
        if not batches or len(batches[-1]) >= most or size + weight > largest:
            batches.append([])
            size = 0
        batches[-1].append(item)
        size += weight
    extra = {} if shared is None else {"BatchInput": shared}
    return [{**extra, "Items": batch} for batch in batches]


def apply() -> None:
    from ministack.services import s3, stepfunctions  # noqa: PLC0415 - read settings at import

    maps = _Maps(stepfunctions, s3)

    def run(*given: Any) -> Any:
        return maps.run(_Call(*given))

    stepfunctions._run_distributed_map = run  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class _Call:
    """What MiniStack runs a distributed map with."""

    state: dict[str, Any]
    raw_input: Any
    effective: Any
    iterator: Any
    execution: dict[str, Any]
    context: dict[str, Any]


class _Maps:
    def __init__(self, states: Any, objects: Any) -> None:
        known = expect.function
        self._run = known(
            states,
            "_run_distributed_map",
            "state_def",
            "raw_input",
            "effective",
            "iterator",
            "execution",
            "ctx",
        )
        self._read = known(states, "_read_map_items", "reader", "effective", "ctx")
        self._path = known(states, "_resolve_path_or_ctx", "path", "data", "ctx")
        self._resolve = known(states, "_resolve_params_obj", "template", "data", "ctx")
        self._select = known(states, "_apply_result_selector", "state_def", "data")
        self._place = known(states, "_apply_result_path", "state_def", "original", "result")
        self._output = known(states, "_apply_output_path", "state_def", "data", "ctx")
        self._next = known(states, "_next_or_end", "state_def")
        self._put = known(objects, "_put_object", "bucket_name", "key", "body", "headers")
        self._states = states

    def run(self, call: _Call) -> Any:
        """The output of the state and the name of the next, as MiniStack's own function."""
        call = replace(call, state=copy.deepcopy(call.state))
        if call.state.get("ItemBatcher"):
            call = replace(call, effective=self._batched(call))
        writer = call.state.pop("ResultWriter", None)
        if writer:
            return self._run_and_write(call, writer)
        return self._start(call)

    def _start(self, call: _Call) -> Any:
        return self._run(
            call.state, call.raw_input, call.effective, call.iterator, call.execution, call.context
        )

    def _batched(self, call: _Call) -> Any:
        """The state's input with its items grouped; the state then maps over the groups."""
        state, effective, context = call.state, call.effective, call.context
        batcher = state.pop("ItemBatcher")
        reader, selector = state.pop("ItemReader", None), state.pop("ItemSelector", None)
        path = state.pop("ItemsPath", "$")
        if reader:
            items = self._read(reader, effective, context)
        else:
            items = self._path(path, effective, context)
        items = items if isinstance(items, list) else [items]
        if selector:
            items = [
                self._resolve(
                    selector,
                    effective,
                    {**context, "Map": {"Item": {"Index": index, "Value": item}}},
                )
                for index, item in enumerate(items)
            ]
        shared = batcher.get("BatchInput")
        if shared is not None:
            shared = self._resolve(shared, effective, context)
        state["ItemsPath"] = "$.batches"
        return {"batches": _batches(items, batcher, shared)}

    def _run_and_write(self, call: _Call, writer: dict[str, Any]) -> Any:
        state = call.state
        after = {key: state.pop(key) for key in _RESULT if key in state}
        runs = self._states._map_runs  # noqa: SLF001
        before = set(runs.keys())
        try:
            self._start(call)
        finally:
            own = [
                arn
                for arn, one in list(runs.items())
                if arn not in before and one["executionArn"] == call.execution["executionArn"]
            ]
            details = self._write(call, writer, own[-1])
        result = self._select(after, {"MapRunArn": own[-1], "ResultWriterDetails": details})
        after |= {key: state[key] for key in _AFTER if key in state}
        placed = self._place(after, call.raw_input, result)
        return self._output(after, placed, call.context), self._next(after)

    def _write(self, call: _Call, writer: dict[str, Any], run_arn: str) -> dict[str, str]:
        """Write what the children said; where its manifest stands."""
        wanted = writer.get("Parameters") or writer.get("Arguments") or {}
        target = self._resolve(wanted, call.raw_input, call.context)
        bucket = target["Bucket"]
        above = str(target.get("Prefix") or "").rstrip("/")
        prefix = f"{above}/{run_arn.rsplit(':', 1)[-1]}/".lstrip("/")
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        children = [
            child
            for child in list(self._states._executions.values())  # noqa: SLF001
            if child.get("mapRunArn") == run_arn
        ]
        for status in ("FAILED", "SUCCEEDED"):
            results = [_told(child) for child in children if child["status"] == status]
            if results:
                body, key = json.dumps(results).encode(), f"{prefix}{status}_0.json"
                self._put(bucket, key, body, {})
                files[status].append({"Key": key, "Size": len(body)})
        manifest = {"DestinationBucket": bucket, "MapRunArn": run_arn, "ResultFiles": files}
        self._put(bucket, f"{prefix}manifest.json", json.dumps(manifest).encode(), {})
        return {"Bucket": bucket, "Key": f"{prefix}manifest.json"}


def _told(child: dict[str, Any]) -> dict[str, Any]:
    """A child execution as a result file tells it."""
    told = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "Output": child.get("output"),
        "Error": child.get("error"),
        "Cause": child.get("cause"),
        "StartDate": child.get("startDate"),
        "StopDate": child.get("stopDate"),
        "Status": child["status"],
    }
    return {name: value for name, value in told.items() if value is not None}
