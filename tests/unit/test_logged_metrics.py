"""Metrics that functions write into their log, as the local cloud reads them."""

from __future__ import annotations

import json

import pytest

from dmp.edge.observability import NAMESPACE, STAGE, count
from infra.local.patches.logged_metrics import Datum, data_of


def test_what_the_house_counts_is_read_as_it_was_counted(capsys, monkeypatch):
    monkeypatch.setenv("DMP_STAGE", "local")
    count("EvaluationErrors")
    count("JournalTampered", 3)
    found = list(data_of(capsys.readouterr().out))
    assert found == [
        Datum(NAMESPACE, "EvaluationErrors", 1.0, "Count", {STAGE: "local"}),
        Datum(NAMESPACE, "JournalTampered", 3.0, "Count", {STAGE: "local"}),
    ]


def test_each_value_counts_under_each_set_of_dimensions():
    told = {
        "_aws": {
            "CloudWatchMetrics": [
                {
                    "Namespace": "n",
                    "Dimensions": [["a"], ["a", "b"]],
                    "Metrics": [{"Name": "m"}, {"Name": "o", "Unit": "Count"}],
                }
            ]
        },
        "a": "1",
        "b": "2",
        "m": [1, 2],
        "o": 5,
    }
    found = list(data_of(f"START\n{json.dumps(told)}\nEND"))
    assert [(one.name, one.value, tuple(one.dimensions)) for one in found] == [
        ("m", 1.0, ("a",)),
        ("m", 2.0, ("a",)),
        ("o", 5.0, ("a",)),
        ("m", 1.0, ("a", "b")),
        ("m", 2.0, ("a", "b")),
        ("o", 5.0, ("a", "b")),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "a line",
        '{"_aws": "none"}',
        '{"_aws": {"CloudWatchMetrics": [{}]}}',
        '{"_aws": {"CloudWatchMetrics": 3}}',
        '["_aws"]',
        '"_aws" and more',
    ],
)
def test_a_line_that_is_no_metric_is_a_line(line):
    assert list(data_of(line)) == []
