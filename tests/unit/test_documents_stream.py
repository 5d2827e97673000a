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
        (item("final"), item("final", archived=True, version=2), f"DOC#{ULID}"),
        (None, {"ulid": ULID}, f"REC#{RECORD}#00"),
    ],
)
def test_announcements_names_and_later_changes_are_nobody_s_business(old, new, sk):
    assert told(old, new, sk) == []


HOLDER, PARENTS, DOCTORS = "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX", "MASQUE_PS"
TO_NONE = {"hiddenFromHolder": True, "hiddenFromRepresentatives": True}
TO_HOLDER = {"hiddenFromRepresentatives": True}


def more(facts) -> list[dict]:
    common = {"recordId", "documentId", "author", "occurredAt"}
    return [
        {name: value for name, value in fact.detail.items() if name not in common}
        for fact in facts
        if fact.type == "document.published.v1"
    ]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"N"}, {}),
        ({"N", DOCTORS}, {}),
        ({"N", HOLDER}, TO_NONE),
        ({"N", PARENTS}, TO_HOLDER),
        ({HOLDER, PARENTS}, TO_NONE),
    ],
)
def test_a_publication_says_from_whom_it_is_hidden(codes, expected):
    new = item("final", visibility=codes)
    assert more(told(None, new)) == more(told(item("preliminary", visibility=codes), new))
    assert more(told(None, new)) == [expected]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({HOLDER}, {"N"}, [{"shownToHolder": True, "shownToRepresentatives": True}]),
        ({HOLDER, PARENTS}, {PARENTS}, [{**TO_HOLDER, "shownToHolder": True}]),
        ({PARENTS}, {"N"}, [{"shownToRepresentatives": True}]),
        ({HOLDER, PARENTS}, {HOLDER}, []),
        ({DOCTORS}, {"N"}, []),
        ({"N"}, {HOLDER}, []),
        ({"N"}, {"R"}, []),
    ],
)
def test_the_day_it_is_shown_those_who_see_it_are_told(before, after, expected):
    later = "2026-07-21T08:30:00+00:00"
    old = item("final", visibility=before)
    new = item("final", visibility=after, version=3, updatedAt=later)
    assert more(told(old, new)) == expected
    for fact in told(old, new):
        assert fact.id not in {one.id for one in told(None, old)}
        assert fact.detail["occurredAt"] == later


def test_nobody_is_told_of_what_is_deleted_or_rejected_in_the_same_breath():
    old = item("final", visibility={HOLDER})
    assert told(old, item("final", visibility={"N"}, status="entered-in-error")) == []
    waiting, rejected = item("preliminary", visibility={HOLDER}), item("entered-in-error")
    (fact,) = told(waiting, rejected)
    assert fact.type == "upload.rejected.v1"
    assert more([fact]) == []
