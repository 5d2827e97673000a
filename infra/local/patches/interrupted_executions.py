"""A workflow that runs when the cloud stops goes on when it starts again.

In AWS an execution is durable: it outlives whatever it calls. MiniStack runs it on a thread and
gives it up (``States.ServiceRestart``) at the next start. Here it goes on from the state that it
was in, which is entered a second time: as after a fault of a function, whose work must bear being
done twice anyway.
"""

from __future__ import annotations

import contextvars
import copy
import json
import threading
from types import FunctionType
from typing import Any

from infra.local.patches import expect

_RESUME = "(resumed)"
_ENTERED = "stateEnteredEventDetails"

_interrupted: list[tuple[str, str, str]] = []  # account, region, ARN


def apply() -> None:
    from ministack.services import stepfunctions  # noqa: PLC0415 - reads its settings at import

    load = expect.function(stepfunctions, "load_persisted_state", "data")
    expect.function(stepfunctions, "_run_execution", "exec_arn")

    def load_persisted_state(data: dict[str, Any]) -> None:
        before = data.get("executions")
        running = [
            (scope, copy.deepcopy(one))
            for scope, one in (before.all_items() if before is not None else [])
            # The children of a map run are started again by their map.
            if one.get("status") == "RUNNING" and not one.get("mapRunArn")
        ]
        load(data)
        for scope, execution in running:
            stepfunctions._executions.set_scoped(*scope, execution)  # noqa: SLF001
            _interrupted.append(scope)

    stepfunctions.load_persisted_state = load_persisted_state


def resume() -> None:
    """Go on with what was interrupted; to be called once functions can be called."""
    from ministack.core import responses  # noqa: PLC0415
    from ministack.services import stepfunctions  # noqa: PLC0415

    while _interrupted:
        account, region, arn = _interrupted.pop()
        context = contextvars.copy_context()
        context.run(responses._request_account_id.set, account)  # noqa: SLF001
        context.run(responses._request_region.set, region)  # noqa: SLF001
        threading.Thread(
            target=context.run,
            args=(_go_on, stepfunctions, arn),
            name="dmp-resumed-execution",
            daemon=True,
        ).start()


def _go_on(states: Any, arn: str) -> None:
    """Run the execution's definition from the state that it had entered last."""
    execution = states._executions[arn]  # noqa: SLF001
    machine = states._state_machines.get(execution["stateMachineArn"])  # noqa: SLF001
    run = states._run_execution  # noqa: SLF001
    definition = json.loads(machine["definition"]) if machine else {"States": {}}
    entered = [
        event[_ENTERED]
        for event in execution["events"]
        if event.get(_ENTERED, {}).get("name") in definition["States"]
    ]
    if machine and entered:
        definition["States"][_RESUME] = {
            "Type": "Pass",
            "QueryLanguage": "JSONPath",
            "Result": json.loads(entered[-1]["input"]),
            "Next": entered[-1]["name"],
        }
        definition["StartAt"] = _RESUME
        view = {machine["stateMachineArn"]: {**machine, "definition": json.dumps(definition)}}
        # The function looks the definition up by itself: it gets this one.
        run = FunctionType(run.__code__, {**run.__globals__, "_state_machines": view})
    run(arn)
