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
from typing import Any

from infra.local.patches import expect

_MAX_BYTES = 262_144  # an execution's largest input
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

    run = expect.function(
        stepfunctions,
        "_run_distributed_map",
        "state_def",
        "raw_input",
        "effective",
        "iterator",
        "execution",
        "ctx",
    )
    read = expect.function(stepfunctions, "_read_map_items", "reader", "effective", "ctx")
    resolve_path = expect.function(stepfunctions, "_resolve_path_or_ctx", "path", "data", "ctx")
    resolve = expect.function(stepfunctions, "_resolve_params_obj", "template", "data", "ctx")
    select = expect.function(stepfunctions, "_apply_result_selector", "state_def", "data")
    place = expect.function(stepfunctions, "_apply_result_path", "state_def", "original", "result")
    output = expect.function(stepfunctions, "_apply_output_path", "state_def", "data", "ctx")
    following = expect.function(stepfunctions, "_next_or_end", "state_def")
    put = expect.function(s3, "_put_object", "bucket_name", "key", "body", "headers")

    def batched(state: dict[str, Any], effective: Any, ctx: dict[str, Any]) -> Any:
        """The state's input with its items grouped; the state then maps over the groups."""
        batcher = state.pop("ItemBatcher")
        reader, selector = state.pop("ItemReader", None), state.pop("ItemSelector", None)
        path = state.pop("ItemsPath", "$")
        items = read(reader, effective, ctx) if reader else resolve_path(path, effective, ctx)
        items = items if isinstance(items, list) else [items]
        if selector:
            items = [
                resolve(
                    selector, effective, {**ctx, "Map": {"Item": {"Index": index, "Value": item}}}
                )
                for index, item in enumerate(items)
            ]
        shared = batcher.get("BatchInput")
        shared = resolve(shared, effective, ctx) if shared is not None else None
        state["ItemsPath"] = "$.batches"
        return {"batches": _batches(items, batcher, shared)}

    def written(writer: dict[str, Any], source: Any, run_arn: str, ctx: Any) -> dict[str, str]:
        """Write what the children said; where its manifest stands."""
        target = resolve(writer.get("Parameters") or writer.get("Arguments") or {}, source, ctx)
        bucket = target["Bucket"]
        prefix = f"{str(target.get('Prefix') or '').rstrip('/')}/{run_arn.rsplit(':', 1)[-1]}/"
        prefix = prefix.lstrip("/")
        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        children = [
            child
            for child in list(stepfunctions._executions.values())  # noqa: SLF001
            if child.get("mapRunArn") == run_arn
        ]
        for status in ("FAILED", "SUCCEEDED"):
            results = [
                {
                    "ExecutionArn": child["executionArn"],
                    "Input": child["input"],
                    "InputDetails": {"Included": True},
                    "Name": child["name"],
                    "Output": child.get("output"),
                    "Error": child.get("error"),
                    "Cause": child.get("cause"),
                    "StartDate": child.get("startDate"),
                    "StopDate": child.get("stopDate"),
                    "Status": status,
                }
                for child in children
                if child["status"] == status
            ]
            if results:
                body = json.dumps(
                    [{k: v for k, v in one.items() if v is not None} for one in results]
                ).encode()
                key = f"{prefix}{status}_0.json"
                put(bucket, key, body, {})
                files[status].append({"Key": key, "Size": len(body)})
        manifest = {"DestinationBucket": bucket, "MapRunArn": run_arn, "ResultFiles": files}
        put(bucket, f"{prefix}manifest.json", json.dumps(manifest).encode(), {})
        return {"Bucket": bucket, "Key": f"{prefix}manifest.json"}

    def run_as_in_aws(
        state_def: Any, raw_input: Any, effective: Any, iterator: Any, execution: Any, ctx: Any
    ) -> Any:
        state = copy.deepcopy(state_def)
        if state.get("ItemBatcher"):
            effective = batched(state, effective, ctx)
        writer = state.pop("ResultWriter", None)
        if not writer:
            return run(state, raw_input, effective, iterator, execution, ctx)
        after = {key: state.pop(key) for key in ("ResultPath", "ResultSelector") if key in state}
        if "OutputPath" in state:
            after["OutputPath"] = state.pop("OutputPath")
        runs = stepfunctions._map_runs  # noqa: SLF001
        before = set(runs.keys())
        try:
            run(state, raw_input, effective, iterator, execution, ctx)
        finally:
            own = [
                arn
                for arn, one in list(runs.items())
                if arn not in before and one["executionArn"] == execution["executionArn"]
            ]
            details = written(writer, raw_input, own[-1], ctx)
        result = select(after, {"MapRunArn": own[-1], "ResultWriterDetails": details})
        after |= {key: state[key] for key in _AFTER if key in state}
        return output(after, place(after, raw_input, result), ctx), following(after)

    stepfunctions._run_distributed_map = run_as_in_aws  # noqa: SLF001
