"""The demonstration does what it says, and may be played again."""

from __future__ import annotations

import httpx
import pytest

from infra.local.demo.run import main
from tests.e2e.client import Dmp


@pytest.fixture(scope="module")
def played(dmp: Dmp) -> list[tuple[int, list[str]]]:
    """Exit code and lines of two runs on one stack."""
    runs = []
    for _ in range(2):
        lines: list[str] = []
        runs.append((main(dict(dmp.stack.content), lines.append), lines))
    return runs


def test_every_step_does_what_it_should(played):
    code, lines = played[0]
    assert code == 0, "\n".join(lines)
    assert not [line for line in lines if line.startswith(("✗", "–"))]


def test_played_again_it_finds_everything_there(played):
    code, lines = played[1]
    assert code == 0, "\n".join(lines)
    assert sum("there already" in line for line in lines) == 3
    assert sum("open before" in line for line in lines) == 3
    assert "(0 new)" in "\n".join(lines)


def test_the_curl_lines_work_as_printed(played):
    lines = [line for line in played[0][1] if line.startswith("curl ")]
    assert len(lines) == 5
    for line in lines:
        token = line.split("Bearer ")[1].split("'")[0]
        address = line.rsplit("'", 2)[1]
        answer = httpx.get(address, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, line
