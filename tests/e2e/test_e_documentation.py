"""What the documentation tells people to paste works as printed.

Every `sh` block of these pages runs, page by page in one shell, against the stack on which the
demonstration was played. An answer that is no success fails its page.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.demo.run import main
from tests.e2e.client import Dmp

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/http.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def demonstrated(dmp: Dmp) -> Dmp:
    """A stack that holds what the demonstration leaves."""
    lines: list[str] = []
    assert main(dict(dmp.stack.content), lines.append) == 0, "\n".join(lines)
    return dmp


@pytest.fixture
def desk(tmp_path: Path, demonstrated: Dmp) -> Path:
    """A folder that looks like the checkout to whoever pastes."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    curl = shutil.which("curl")
    assert curl, "the lines of the documentation need curl"
    python = shlex.quote(sys.executable)
    for name, command in (
        ("dmp", f"PYTHONPATH={shlex.quote(str(ROOT))} exec {python} -P -m infra.local"),
        ("python", f"exec {python}"),
        ("curl", f"exec {curl} --show-error --fail-with-body --max-time 60"),
    ):
        program = programs / name
        program.write_text(f'#!/bin/sh\n{command} "$@"\n')
        program.chmod(0o755)
    (tmp_path / ".local").symlink_to(demonstrated.stack.home.path)
    return tmp_path


def blocks(page: str) -> list[str]:
    return _BLOCK.findall((ROOT / page).read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_line_to_paste_works_as_printed(page, desk: Path, demonstrated: Dmp):
    script = "\n".join(blocks(page))
    assert "curl" in script
    ran = subprocess.run(
        ["sh", "-eu", "-c", script.replace("http://127.0.0.1:8080", demonstrated.stack.api)],
        cwd=desk,
        env={**os.environ, "PATH": f"{desk}/.venv/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
