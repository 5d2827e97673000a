"""Import time of each function against the floor: a boto3 client and one pydantic model.

Each measure is a process of its own; floor and function alternate, so that a machine whose speed
drifts does not favour either. The ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLOOR = """
import boto3, pydantic
boto3.client("dynamodb", region_name="eu-west-3")
class Message(pydantic.BaseModel):
    name: str
"""
_TIMED = """
import time
start = time.perf_counter()
{code}
print(time.perf_counter() - start)
"""


def _seconds(code: str) -> float:
    paths = [ROOT, ROOT / "layers/dmp/python", ROOT / "layers/policies/python"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "AWS_DEFAULT_REGION": "eu-west-3",
        "PYTHONPYCACHEPREFIX": str(ROOT / ".build" / "pycache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(code=code)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def modules() -> list[str]:
    """Every module that is a function, by its rights."""
    found = []
    for rights in sorted((ROOT / "functions").glob("*/rights.json")):
        told: dict[str, Any] = json.loads(rights.read_text(encoding="utf-8"))
        found += [f"functions.{rights.parent.name}.{name}" for name in told]
    return found


def measure(rounds: int = 7) -> list[dict[str, Any]]:
    """One row per function: median milliseconds of floor and function, and their ratio."""
    rows = []
    for module in modules():
        code = f"import {module}"
        _seconds(FLOOR), _seconds(code)  # the first pair fills the caches
        pairs = [(_seconds(FLOOR), _seconds(code)) for _ in range(rounds)]
        rows.append(
            {
                "function": module.removeprefix("functions."),
                "floor_ms": round(statistics.median(f for f, _ in pairs) * 1000),
                "import_ms": round(statistics.median(m for _, m in pairs) * 1000),
                "ratio": round(statistics.median(m / f for f, m in pairs), 2),
            }
        )
    return rows
