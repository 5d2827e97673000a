"""The state machine `partition-extract` and the function whose steps it calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from functions.reimbursements.extract import STEPS

PATH = Path(__file__).parents[2] / "infra/workflows/partition-extract.asl.json"
MACHINE = json.loads(PATH.read_text("utf-8"))


def states(machine=MACHINE):
    for name, state in machine["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


TASKS = [(name, state) for name, state in states() if state["Type"] == "Task"]
MAPS = [(name, state) for name, state in states() if state["Type"] == "Map"]


def test_each_step_of_the_function_is_called_and_no_other():
    assert {state["Parameters"]["step"] for _, state in TASKS} == set(STEPS)


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_each_task_knows_its_run_and_is_tried_again_with_patience(name, state):
    assert state["Parameters"]["run.$"] == "$.run"
    (retry,) = state["Retry"]
    assert retry["ErrorEquals"] == ["States.ALL"]
    assert retry["BackoffRate"] > 1
    assert retry["MaxAttempts"] >= 3


@pytest.mark.parametrize(("name", "state"), MAPS)
def test_each_fan_out_is_distributed_bounded_and_returns_nothing_of_size(name, state):
    assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert 0 < state["MaxConcurrency"] <= 1000
    assert state["ResultPath"] is None
    (inner,) = state["ItemProcessor"]["States"].values()
    assert inner["ResultSelector"] == {}
    assert "ToleratedFailurePercentage" not in state


def test_whatever_breaks_for_good_is_reported_beside_the_extract():
    outer = [(n, s) for n, s in MACHINE["States"].items() if s["Type"] in {"Task", "Map"}]
    for name, state in outer:
        (caught,) = state["Catch"]
        # What comes after the extract was accepted or refused cannot undo it.
        after = {"Tidy": "Accepted", "TidyRefused": "Refused", "Abandon": "Failed"}
        assert caught["Next"] == after.get(name, "Abandon"), name
    assert MACHINE["States"]["Abandon"]["Parameters"]["error.$"] == "$.error.Error"


def test_every_state_can_be_reached_and_every_next_exists():
    known, todo, seen = MACHINE["States"], [MACHINE["StartAt"]], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        state = known[name]
        todo += [state[key] for key in ("Next", "Default") if key in state]
        todo += [each["Next"] for each in (*state.get("Catch", ()), *state.get("Choices", ()))]
    assert seen == set(known)
