"""`make bench`: every measure in one run, a table each, and `benchmarks/results.json`."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import httpx

from benchmarks import calls, decisions, imports, over_http
from benchmarks.table import show
from tests.e2e.client import Dmp
from tests.support.local_stack import own_cloud

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=("imports", "decisions", "calls", "http"))
    only = parser.parse_args().only
    results: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    if only in (None, "imports"):
        results["imports"] = imports.measure()
        show("Import of each function against boto3.client + pydantic", results["imports"])
    if only in (None, "decisions"):
        results["decisions"], results["consent"] = decisions.measure(), calls.of_consent()
        results["aims"] = decisions.judged(results["decisions"], results["consent"])
        show("Decisions in process against raw cedarpy, processor time", results["decisions"])
        show("AWS calls of a read, and of the stores alone", results["consent"])
        show("Aims", results["aims"])
    if only in (None, "calls"):
        results["calls"] = calls.measure()
        show("AWS calls of each operation, in sequence (stores on moto)", results["calls"])
    if only in (None, "http"):
        with own_cloud() as cloud, httpx.Client(base_url=cloud.stack.api, timeout=60) as http:
            results["http"] = over_http.measure(Dmp(cloud.stack, http))
        show("Warm requests over HTTP on the local cloud, IAM enforced", results["http"])
    if only is None:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(f"written: {RESULTS.name}")


if __name__ == "__main__":
    main()
