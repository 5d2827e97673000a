"""How properties are tried, and what runs beside what.

A busy machine is no finding, and CI tries the same examples. What shares a local cloud, or
templates, stays in one process; the other tests go by their files.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "house",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")

TOGETHER = ("e2e", "contract", "infra")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder, *_ = Path(item.path).relative_to(Path(__file__).parent).parts
        group = folder if folder in TOGETHER else Path(item.path).stem
        item.add_marker(pytest.mark.xdist_group(group))
