"""Warm p50 and p95 of each operation over HTTP on a local stack, at 1 and at 8 clients.

The floor is `GET /health`: front, gateway and a function that does nothing. IAM enforcement is
on, as everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import Any

import httpx

from tests.e2e.client import Dmp, pdf, reference
from tests.support.people import opening, somebody

FHIR = "/fhir/DocumentReference"


def operations(dmp: Dmp) -> dict[str, Callable[[], httpx.Response]]:
    """Each operation as one request, on a record that holds twenty documents."""
    person = somebody()
    record = dmp.open(person)
    dmp.consent(dmp.holder(person), record, "authorisation", 11)
    documents = [
        dmp.post(FHIR, dmp.doctor(), json=reference(record, pdf(f"{n}"))).json()["id"]
        for n in range(20)
    ]
    current = {"patient": record, "status": "current", "_count": "20"}
    small = pdf()
    return {
        "health (floor)": lambda: dmp.get("/health"),
        "open": lambda: dmp.post("/enrolment/records", dmp.pharmacist(), json=opening(somebody())),
        "publish": lambda: dmp.post(FHIR, dmp.doctor(), json=reference(record, small)),
        "list of 20": lambda: dmp.get(FHIR, dmp.doctor(11), params=current),
        "read": lambda: dmp.get(f"{FHIR}/{documents[0]}", dmp.doctor(11)),
        "bytes": lambda: dmp.get(f"/fhir/Binary/{documents[0]}", dmp.doctor(11)),
    }


def _timed(request: Callable[[], httpx.Response]) -> float:
    start = time.perf_counter()
    answer = request()
    if answer.status_code >= 300:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
    return time.perf_counter() - start


def measure(dmp: Dmp, requests: int = 80) -> list[dict[str, Any]]:
    """One row per operation and number of clients; milliseconds."""
    rows = []
    for name, request in operations(dmp).items():
        for clients in (1, 8):
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(_timed, [request] * (2 * clients)))  # warm
                start = time.perf_counter()
                times = list(pool.map(_timed, [request] * requests))
                wall = time.perf_counter() - start
            cuts = quantiles(times, n=20)
            rows.append(
                {
                    "operation": name,
                    "clients": clients,
                    "p50_ms": round(cuts[9] * 1000, 1),
                    "p95_ms": round(cuts[18] * 1000, 1),
                    "per_second": round(requests / wall, 1),
                }
            )
    return rows
