"""Makes the product importable from this machine: its layers stand beside this folder."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATHS = (ROOT, ROOT / "layers/dmp/python", ROOT / "layers/policies/python")


def importable() -> None:
    """Put the repository and its layers on the path of this process, once."""
    sys.path[:0] = [str(path) for path in PATHS if str(path) not in sys.path]
