"""A handler that raises: its class is the error's type, and its environment lives on.

In AWS the payload of a failed invocation is ``{"errorMessage", "errorType", "requestId",
"stackTrace"}`` with the exception's class, so that Retry and Catch of a workflow match by name,
and the environment serves the next call. MiniStack answers ``Runtime.HandlerError`` for every
class and kills the worker. It also waits 50 ms for log lines after each silent call: here the
worker marks the end of its lines instead (a warm call: 56 ms before, 4 to 9 ms after).
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from infra.local.patches import expect

MARK = "\x1eend-of-invocation"
_LOG_WAIT = 0.25  # seconds; only a worker that died writes no mark
_RESULT = '_real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")'
_CALL = f"            result = handler_fn(event, context)\n            {_RESULT}\n"
_RAISED = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_INIT = '{"status": "error", "error": str(e)}'

_local = threading.local()


def _payload(failure: dict[str, Any], request_id: str) -> dict[str, Any]:
    """What AWS's payload says of a failure and MiniStack's does not."""
    if "raised" in failure:
        return {
            "errorType": failure["raised"],
            "requestId": request_id,
            "stackTrace": str(failure.get("trace", "")).splitlines(keepends=True),
        }
    if str(failure.get("error", "")).startswith("Task timed out"):
        return {}  # MiniStack says Sandbox.Timedout
    # Whatever else it says (a pipe that broke, no answer): the process is gone.
    return {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited",
    }


def _ended_while_starting(error: Exception) -> bool:
    """Whether the process went away before it was ready: this environment is lost, and no other.

    MiniStack ends every environment of the function then, with what they were doing.
    """
    return isinstance(error, OSError) or "exited immediately" in str(error)


def _drain(worker: Any, *_waits: float) -> str:
    """The lines that the worker logged in this invocation: up to its mark."""
    lines: list[str] = []
    end = time.monotonic() + _LOG_WAIT
    while (left := end - time.monotonic()) > 0:
        try:
            line = worker._stderr_queue.get(timeout=left)  # noqa: SLF001
        except queue.Empty:
            break
        if MARK in line:
            break
        lines.append(line)
    return "\n".join(lines)


def apply() -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415 - reads its settings at import
    from ministack.services import lambda_svc  # noqa: PLC0415

    where = "lambda_runtime._PYTHON_WORKER_SCRIPT"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001
    mark = MARK.encode("unicode_escape").decode()
    marked = (
        "            try:\n                result = handler_fn(event, context)\n"
        f'            finally:\n                sys.stderr.write("{mark}\\n")\n'
        f"                sys.stderr.flush()\n            {_RESULT}\n"
    )
    raised = (
        '{"status": "ok", "raised": type(e).__name__, "error": str(e), '
        '"trace": traceback.format_exc()}'
    )
    script = expect.replaced(script, _CALL, marked, where)
    script = expect.replaced(script, _RAISED, raised, where)
    script = expect.replaced(
        script, _INIT, '{"status": "error", "error": type(e).__name__ + ": " + str(e)}', where
    )
    worker = lambda_runtime.Worker
    expect.function(
        worker, "_drain_stderr_bounded", "self", "first_line_wait", "idle_confirm", "hard_cap"
    )
    invoke = expect.function(
        worker,
        "invoke",
        "self",
        "event",
        "request_id",
        "trace_id",
        "depth",
        "durable",
        "invoked_function_arn",
    )
    warm = expect.function(lambda_svc, "_execute_function_warm", "func", "event", "request_id")

    def invoke_keeping_worker(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            response: dict[str, Any] = invoke(self, *args, **kwargs)
        except (RuntimeError, OSError) as error:
            if not _ended_while_starting(error):
                raise
            response = {"status": "error", "error": str(error), "log": ""}
        if "raised" in response:
            response["status"] = "error"
        _local.failure = response if response.get("status") == "error" else None
        return response

    def warm_with_class(func: Any, event: Any, request_id: str) -> dict[str, Any]:
        _local.failure = None
        result: dict[str, Any] = warm(func, event, request_id)
        if result.get("error") and _local.failure is not None:
            result["body"] |= _payload(_local.failure, request_id)
        return result

    lambda_runtime._PYTHON_WORKER_SCRIPT = script  # noqa: SLF001
    worker._drain_stderr_bounded = _drain  # noqa: SLF001
    worker.invoke = invoke_keeping_worker
    lambda_svc._execute_function_warm = warm_with_class  # noqa: SLF001
