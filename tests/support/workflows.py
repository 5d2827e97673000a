"""Runs a workflow's definition in process: the states that ours use, and nothing more.

Task (a function of ours, Parameters, ResultPath, Retry, Catch), Choice on a boolean, Succeed, Fail.
What is not understood is an error, never passed over. Waits are not waited for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).parents[2] / "infra/workflows"
_UNDERSTOOD = {
    "Task": {
        "Type",
        "Comment",
        "Resource",
        "Parameters",
        "ResultPath",
        "TimeoutSeconds",
        "Retry",
        "Catch",
        "Next",
        "End",
    },
    "Choice": {"Type", "Comment", "Choices", "Default"},
    "Succeed": {"Type", "Comment"},
    "Fail": {"Type", "Comment", "Error", "Cause"},
}
Function = Callable[[dict[str, Any], Any], Any]


@dataclass
class Run:
    """`ended` is `SUCCEEDED` or the error of a Fail state; `states` those entered, in order, a
    state once more for each retry."""

    ended: str
    states: list[str] = field(default_factory=list)


@dataclass
class Workflow:
    """`functions` by the substitution that names them. `after` is asked when a function has done
    its work, and raises to play one that died before it could say so."""

    name: str
    functions: Mapping[str, Function]
    after: Callable[[str], None] = lambda _: None

    def __call__(self, given: dict[str, Any]) -> Run:
        told = json.loads((WORKFLOWS / f"{self.name}.asl.json").read_text("utf-8"))
        data, name, run = json.loads(json.dumps(given)), told["StartAt"], Run("")
        while True:
            state = told["States"][name]
            unknown = set(state) - _UNDERSTOOD[state["Type"]]
            assert not unknown, (name, unknown)
            match state["Type"]:
                case "Succeed":
                    run.states.append(name)
                    run.ended = "SUCCEEDED"
                    return run
                case "Fail":
                    run.states.append(name)
                    run.ended = state["Error"]
                    return run
                case "Choice":
                    run.states.append(name)
                    name = _chosen(state, data)
                case "Task":
                    name = self._task(name, state, data, run)
                    if not name:
                        run.ended = "SUCCEEDED"
                        return run

    def _task(self, name: str, state: dict[str, Any], data: dict[str, Any], run: Run) -> str:
        tries = [0] * len(state.get("Retry", ()))
        while True:
            run.states.append(name)
            try:
                result = self._invoke(state, data)
            except Exception as error:
                kind = type(error).__name__
                rank = _matching(state.get("Retry", ()), kind)
                if rank is not None and tries[rank] < state["Retry"][rank]["MaxAttempts"]:
                    tries[rank] += 1
                    continue
                rank = _matching(state.get("Catch", ()), kind)
                if rank is None:
                    raise
                catcher = state["Catch"][rank]
                _put(data, catcher["ResultPath"], {"Error": kind, "Cause": "a stack trace"})
                return str(catcher["Next"])
            _put(data, state.get("ResultPath", "$"), result)
            return "" if state.get("End") else str(state["Next"])

    def _invoke(self, state: dict[str, Any], data: dict[str, Any]) -> Any:
        named = state["Resource"].removeprefix("${").removesuffix("}")
        given = {
            name.removesuffix(".$"): _get(data, value) if name.endswith(".$") else value
            for name, value in state["Parameters"].items()
        }
        result = json.loads(json.dumps(self.functions[named](given, None)))
        self.after(named)
        return result


def _matching(rules: Any, kind: str) -> int | None:
    for rank, rule in enumerate(rules):
        if kind in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]:
            return rank
    return None


def _chosen(state: dict[str, Any], data: dict[str, Any]) -> str:
    for choice in state["Choices"]:
        assert set(choice) == {"Variable", "BooleanEquals", "Next"}, choice
        if _get(data, choice["Variable"]) is choice["BooleanEquals"]:
            return str(choice["Next"])
    return str(state["Default"])


def _get(data: Any, path: str) -> Any:
    for name in path.removeprefix("$").split(".")[1:]:
        data = data[name]
    return data


def _put(data: dict[str, Any], path: str | None, value: Any) -> None:
    if path is None:
        return
    name = path.removeprefix("$.")
    assert name.isidentifier(), path
    data[name] = value
