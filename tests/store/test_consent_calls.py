"""What consent costs: the benchmark's counts, kept as a rule. Counts do not depend on machines."""

from __future__ import annotations

from benchmarks import calls


def test_a_consent_check_adds_at_most_one_call_to_a_read():
    found = {row["operation"]: row["added_by_consent"] for row in calls.of_consent()}
    assert set(found) == {"read", "bytes", "list of 20"}
    assert max(found.values()) <= 1
