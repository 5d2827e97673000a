"""JSON Patch on a resource of which only some members may change."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.errors import DmpError, Invalid, Malformed, NotAllowed, TooLarge
from dmp.edge.json_patch import LARGEST, MOST_OPERATIONS, Patch

ALLOWED = ("/status", "/securityLabel", "/extension", "/provision/period")
MINE = "urn:mine"


def resource() -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "securityLabel": [{"coding": [{"code": "N"}]}],
        "extension": [{"url": "urn:theirs", "valueBoolean": True}, {"url": MINE}],
        "provision": {"type": "permit", "period": {"end": "2027-01-01"}},
        "title": "A title",
    }


def theirs(told: Any) -> Any:
    held = told.get("extension", [])
    if not isinstance(held, list):
        return held
    return [one for one in held if not (isinstance(one, dict) and one.get("url") == MINE)]


def patched(*operations: Any) -> dict[str, Any]:
    return Patch.of(list(operations)).on(resource(), allowed=ALLOWED, kept=theirs)


def op(verb: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": verb, "path": path, **more}


def test_what_may_change_is_changed() -> None:
    told = patched(
        op("test", "/title", value="A title"),
        op("replace", "/status", value="entered-in-error"),
        op("add", "/securityLabel/-", value={"coding": [{"code": "R"}]}),
        op("remove", "/extension/1"),
        op("replace", "/provision/period/end", value="2028-01-01"),
    )
    assert told == resource() | {
        "status": "entered-in-error",
        "securityLabel": [{"coding": [{"code": "N"}]}, {"coding": [{"code": "R"}]}],
        "extension": [{"url": "urn:theirs", "valueBoolean": True}],
        "provision": {"type": "permit", "period": {"end": "2028-01-01"}},
    }


def test_a_patch_that_changes_nothing_is_one() -> None:
    assert patched() == resource()
    assert patched(op("replace", "/status", value="current")) == resource()
    assert patched(op("copy", "/status", **{"from": "/status"})) == resource()


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"op": "replace", "path": "/status", "value": "x"},
        "replace",
        None,
        [1],
        [{}],
        [{"op": "replace", "value": 1}],
        [{"op": "delete", "path": "/status"}],
        [{"op": ["add"], "path": "/status", "value": 1}],
        [{"op": "add", "path": "/status"}],
        [{"op": "test", "path": "/status"}],
        [{"op": "replace", "path": "status", "value": 1}],
        [{"op": "replace", "path": "/sta~2tus", "value": 1}],
        [{"op": "replace", "path": "/status~", "value": 1}],
        [{"op": "replace", "path": 3, "value": 1}],
        [{"op": "copy", "path": "/status"}],
        [{"op": "move", "path": "/status", "from": 3}],
        [{"op": "add", "path": "/status", "value": float("inf")}],
        [{"op": "add", "path": "/status", "value": "\ud800"}],
    ],
)
def test_what_is_no_patch_is_malformed(told: Any) -> None:
    with pytest.raises(Malformed):
        Patch.of(told)


def test_every_fault_of_the_form_is_named() -> None:
    with pytest.raises(Malformed) as caught:
        Patch.of([op("add", "a"), {"op": "copy"}])
    assert [fault.path for fault in caught.value.faults] == [
        "patch[0].path",
        "patch[0].value",
        "patch[1].path",
        "patch[1].from",
    ]


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([op("test", "/status", value="superseded")], "test-failed"),
        ([op("test", "/nowhere/at/all", value=1)], "test-failed"),
        ([op("test", "/extension/0/valueBoolean", value=1)], "test-failed"),
        ([op("remove", "/securityLabel/7")], "patch"),
        ([op("replace", "/securityLabel/-", value={})], "patch"),
        ([op("add", "/securityLabel/x", value={})], "patch"),
        ([op("add", "/securityLabel/" + "9" * 5000, value={})], "patch"),
        ([op("add", "/status/deeper", value={})], "patch"),
        ([op("copy", "/status", **{"from": "/nothing"})], "patch"),
        ([op("move", "/securityLabel/0/coding", **{"from": "/securityLabel"})], "patch"),
    ],
)
def test_what_cannot_be_applied_is_invalid(operations: list[Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        patched(*operations)
    (fault,) = caught.value.faults
    assert (fault.path, fault.code) == ("patch[0]", code)


@pytest.mark.parametrize(
    "operations",
    [
        [op("replace", "/title", value="another")],
        [op("replace", "/title", value="A title")],
        [op("add", "/new", value=1)],
        [op("remove", "/provision")],
        [op("replace", "/provision", value={"type": "permit"})],
        [op("replace", "", value={})],
        [op("add", "/statusReason", value="x")],
        [op("move", "/status", **{"from": "/title"})],
        [op("move", "/title", **{"from": "/status"})],
        [op("copy", "/title", **{"from": "/status"})],
        [op("replace", "/title", value="x"), op("replace", "/title", value="A title")],
        [op("remove", "/extension/0")],
        [op("remove", "/extension")],
        [op("replace", "/extension/0/valueBoolean", value=False)],
        [op("replace", "/extension/0/valueBoolean", value=1)],
        [op("add", "/extension/-", value={"url": "urn:another"})],
    ],
)
def test_what_would_change_anything_else_is_not_allowed(operations: list[Any]) -> None:
    with pytest.raises(NotAllowed):
        patched(*operations)


def test_the_source_of_a_copy_and_a_test_may_be_anywhere() -> None:
    told = patched(
        op("test", "/provision/type", value="permit"),
        op("copy", "/securityLabel/0/coding/0/display", **{"from": "/title"}),
    )
    assert told["securityLabel"] == [{"coding": [{"code": "N", "display": "A title"}]}]


def test_too_many_operations_or_bytes_are_too_large() -> None:
    one = op("test", "/status", value="current")
    patched(*[one] * MOST_OPERATIONS)
    with pytest.raises(TooLarge):
        patched(*[one] * (MOST_OPERATIONS + 1))
    with pytest.raises(TooLarge):
        patched(op("add", "/status", value="x" * LARGEST))


def test_a_list_copied_into_itself_does_not_grow_without_end() -> None:
    with pytest.raises(Invalid) as caught:
        patched(*[op("copy", "/securityLabel/-", **{"from": "/securityLabel"})] * MOST_OPERATIONS)
    assert caught.value.faults[0].code == "too-large"
    into = [op("copy", "/securityLabel/0", **{"from": "/securityLabel"})] * MOST_OPERATIONS
    with pytest.raises(Invalid):
        patched(*into)


def test_a_patch_nested_too_deep_is_malformed() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    with pytest.raises(Malformed):
        patched(op("add", "/status", value=value))


_paths = st.sampled_from(
    (
        "",
        "/",
        "/status",
        "/securityLabel",
        "/securityLabel/0",
        "/securityLabel/-",
        "/extension",
        "/extension/0",
        "/extension/1/url",
        "/title",
        "/provision",
        "/provision/period",
        "/x~1y",
    )
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
_operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": _paths,
        "from": _paths,
        "value": _values,
    }
)


@given(st.lists(_operations, max_size=4))
def test_whatever_the_patch_nothing_else_changes_and_the_input_never(operations: list[Any]) -> None:
    given_resource, given_patch = resource(), deepcopy(operations)
    try:
        told = Patch.of(operations).on(given_resource, allowed=ALLOWED, kept=theirs)
    except DmpError:
        pass
    else:
        for name in ("resourceType", "title"):
            assert json.dumps(told[name]) == json.dumps(resource()[name])
        assert told["provision"]["type"] == "permit"
        assert theirs(told) == theirs(resource())
    assert given_resource == resource()
    assert operations == given_patch
