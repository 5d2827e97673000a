"""Whatever else a partner writes comes back, and whatever else arrives is refused, never broken."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import Invalid, Malformed, TooLarge
from dmp.edge.fhir_documents import resource_of
from dmp.edge.fhir_search import cursor_of, read_cursor
from dmp.usecases.search_documents import Page
from functions.documents.messages import sent
from functions.documents.searching import asked
from tests.support.documents import reference

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
RECORD = "7h3kq0v9w2m4n6p8r1t5x7z0ab"
ID = f"{RECORD}.01jd3m6q2rk1v0x5e8t9a7bcdf"

text = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
ELEMENTS = (
    "resourceType", "meta", "contained", "extension", "masterIdentifier", "identifier", "status",
    "type", "category", "subject", "date", "author", "custodian", "securityLabel", "content",
    "context", "relatesTo", "text", "description",
)  # fmt: skip
UNREAD = st.sampled_from(
    ["text", "identifier", "authenticator", "description", "language", "_date"]
)


def document(resource: str) -> Document:
    return Document(
        id=ID, record_id=RECORD, unique_id="u", type_code="11488-4", class_code="10",
        status=DocumentStatus.CURRENT, stage=Stage.FINAL, author="professional#810100997245",
        visibility=frozenset({Visibility.NORMAL}), title="t", dated=NOW, submitted_at=NOW,
        content=Content("application/pdf", 3, "x" * 27 + "=", "k"), resource=resource,
    )  # fmt: skip


@given(st.dictionaries(UNREAD, values, max_size=4))
def test_every_element_that_is_not_the_server_s_comes_back_as_it_was(extra):
    told = reference(f"Patient/{RECORD}") | extra
    made = sent(told, now=NOW, lenient=False, holder=False)
    back = json.loads(json.dumps(resource_of(document(made.submission.resource), "https://x/fhir")))
    for element, value in told.items():
        if element == "meta":
            assert back["meta"].items() >= value.items()
        elif element != "content":
            assert back[element] == value
    assert set(back) - set(told) == {"id", "docStatus"}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(ELEMENTS), values, max_size=6), st.booleans(), st.booleans())
def test_no_shape_of_a_resource_breaks_the_reading_nor_what_is_told_of_it(change, upload, holder):
    told = reference(f"Patient/{RECORD}") | change
    with suppress(Invalid, TooLarge):
        made = sent(told, now=NOW, lenient=True, holder=holder, upload=upload)
        json.dumps(resource_of(document(made.submission.resource), "https://x/fhir"))


@pytest.mark.parametrize("element", ["meta", "extension"])
@pytest.mark.parametrize("shape", [None, 3, "x", True, [3], [{"url": []}], {"url": "x"}])
def test_what_the_server_adds_to_has_its_shape(element, shape):
    if (element, shape) == ("meta", {"url": "x"}):
        return
    told = reference(f"Patient/{RECORD}") | {element: shape}
    with pytest.raises(Invalid) as refusal:
        sent(told, now=NOW, lenient=False, holder=False)
    assert {fault.path.partition("[")[0] for fault in refusal.value.faults} == {
        f"DocumentReference.{element}"
    }


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["patient", "patient.identifier", "status", "type", "category", "date",
                         "_count", "_cursor", "x:y"]),
        st.lists(text | st.from_regex(r"(ge|lt)?[0-9]{4}-[0-9]{2}(-[0-9]{2})?", fullmatch=True),
                 max_size=2),
    )
)  # fmt: skip
def test_no_query_breaks_the_search(query):
    with suppress(Malformed):
        asked({"patient": [RECORD], "status": ["current"], **query}, lenient=True, strict=False)


def page_after(*parts):
    query = {"patient": [RECORD], "status": ["current"], "_cursor": [cursor_of(*parts)]}
    return asked(query, lenient=False, strict=True).page


@given(st.integers(0, 10**9))
def test_a_cursor_comes_back(total):
    assert page_after(ID, str(total)) == Page(20, ID, total)


@given(text)
def test_a_cursor_that_was_not_made_here_is_none(cursor):
    assert read_cursor(cursor) is None or cursor_of(*read_cursor(cursor)) == cursor


@pytest.mark.parametrize("total", ["", "-1", "x", "٣", "9" * 5000])
def test_a_cursor_counts_in_plain_digits(total):
    with pytest.raises(Malformed):
        page_after(ID, total)


@pytest.mark.parametrize("odd", [float("inf"), "\ud800", json.loads("[" * 900 + "]" * 900)])
def test_what_cannot_be_kept_is_refused(odd):
    with pytest.raises(Invalid) as refusal:
        sent(reference(f"Patient/{RECORD}", text=odd), now=NOW, lenient=False, holder=False)
    assert [fault.code for fault in refusal.value.faults] == ["json"]
