"""What leaves the documents' table as a fact, and what stays inside."""

from __future__ import annotations

import pytest

from dmp.edge.facts import Change
from functions.documents.stream import facts_of

RECORD = "7h3kq0v9w2m4n6p8r1t5x7z0ab"
ULID = "01jd3m6q2rk1v0x5e8t9a7bcdf"
AT = "2026-07-14T10:05:00+00:00"


def item(stage: str, **changes):
    return {
        "pk": f"REC#{RECORD}",
        "sk": f"DOC#{ULID}",
        "stage": stage,
        "status": "current",
        "author": "professional#810100997245",
        "updatedAt": AT,
        "title": "secret",
        **changes,
    }


def told(old, new, sk=f"DOC#{ULID}"):
    return list(facts_of(Change(f"REC#{RECORD}", sk, old, new)))


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (None, item("final"), "document.published.v1"),
        (item("preliminary"), item("final"), "document.published.v1"),
        (item("preliminary"), item("entered-in-error"), "upload.rejected.v1"),
    ],
)
def test_a_document_that_became_readable_or_was_rejected_is_told_with_ids_alone(old, new, kind):
    (fact,) = told(old, new)
    assert fact.type == kind
    assert fact.detail == {
        "recordId": RECORD,
        "documentId": f"{RECORD}.{ULID}",
        "author": "professional#810100997245",
        "occurredAt": AT,
    }
    assert told(old, new)[0].id == fact.id


@pytest.mark.parametrize(
    ("old", "new", "sk"),
    [
        (None, item("preliminary"), f"DOC#{ULID}"),
        (item("preliminary"), item("preliminary", version=2), f"DOC#{ULID}"),
        (item("final"), item("final", status="superseded"), f"DOC#{ULID}"),
        (item("final"), None, f"DOC#{ULID}"),
        (None, {"ulid": ULID}, "UID#00"),
    ],
)
def test_announcements_names_and_later_changes_are_nobody_s_business(old, new, sk):
    assert told(old, new, sk) == []
