"""Whatever is searched, what a caller may not see changes nothing: not a count, not a link."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmp.access.decide import CedarDecisions
from dmp.domain.access import Action, Question, Situation
from dmp.domain.actors import Actor, Person, key_of
from dmp.domain.consents import ActorConsents, Decision, Kind, Settings
from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.identity import TEST
from dmp.domain.ids import document_id, ulid_of
from dmp.domain.terminology import TYPES
from dmp.usecases.gate import Gate
from dmp.usecases.recognise_holder import RecogniseHolder
from dmp.usecases.search_documents import SearchDocuments
from functions.documents import app as area
from functions.documents import wiring
from tests.support.documents import COLLEAGUE, DOCTOR
from tests.support.gateway import ask
from tests.support.records import NOW, record

HOLDER = Person("a" * 64, "PAT-TROIS", ("DOMINIQUE",), NOW.date(), "female", "51215")
RECORD = replace(record(), holder=HOLDER.reference)
CODES = list(TYPES)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@cache
def decisions() -> CedarDecisions:
    return CedarDecisions()


def authorised(*kinds: Kind) -> Situation:
    decided = tuple(Decision(kind, NOW - timedelta(days=1), "x") for kind in kinds)
    return Situation(RECORD, ActorConsents(decided, 1), Settings())


READERS: dict[str, tuple[Actor, Situation]] = {
    "authorised": (COLLEAGUE, authorised(Kind.AUTHORISATION)),
    "nurse": (replace(COLLEAGUE, profession="60"), authorised(Kind.AUTHORISATION)),
    "medecin traitant": (COLLEAGUE, authorised(Kind.MEDECIN_TRAITANT)),
    "holder": (HOLDER, authorised()),
    "emergency": (
        replace(COLLEAGUE, emergency_reason="patient inconscient, urgence vitale"),
        authorised(),
    ),
    "nobody": (COLLEAGUE, authorised()),
}


Drawn = tuple[str, DocumentStatus, Stage, Actor, set[Visibility], int]


def document(rank: int, drawn: Drawn) -> Document:
    code, status, stage, author, codes, days = drawn
    moment = FIRST + timedelta(hours=rank)
    return Document(
        id=document_id(RECORD.id, ulid_of(moment, rank)),
        record_id=RECORD.id,
        unique_id=f"urn:oid:1.2.3.{rank}",
        type_code=code,
        class_code=TYPES[code].class_code,
        status=status,
        stage=stage,
        author=key_of(author),
        visibility=frozenset(codes) or frozenset({Visibility.NORMAL}),
        title="Titre",
        dated=FIRST + timedelta(days=days),
        submitted_at=moment,
        content=Content("application/pdf", 3, "x", "k"),
        resource=json.dumps(
            {
                "resourceType": "DocumentReference",
                "masterIdentifier": {"value": f"urn:oid:1.2.3.{rank}"},
                "content": [{"attachment": {"contentType": "application/pdf"}}],
            }
        ),
        updated_at=moment,
    )


class Shelf:
    """Newest first, from the middle on when a page asks for it."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents = sorted(documents, key=lambda one: one.id, reverse=True)

    def of_record(self, record_id: str, before: str | None = None):
        return (one for one in self.documents if before is None or one.id < before)


class Journal(list):
    def write(self, trace) -> None:
        self.append(trace)


class Situations:
    def __init__(self, situation: Situation) -> None:
        self.situation = situation

    def of(self, record_id: str, actor: Actor, document_id: str | None = None):
        return self.situation if record_id == RECORD.id else None


class Finder:
    def find(self, ins):
        return RECORD.id if ins == RECORD.ins else None


class NoHolders:
    def open_records_of(self, traits) -> int:
        return 0

    def bind(self, record, holder, trace):
        raise AssertionError


def seen(monkeypatch, reader: str, documents: list[Document], query: str) -> list[str]:
    """Every page as it goes out, by its next links."""
    actor, situation = READERS[reader]
    gate = Gate(Situations(situation), decisions(), Journal(), RecogniseHolder(NoHolders()))
    monkeypatch.setenv("DMP_API_URL", "https://dmp.test")
    monkeypatch.setattr(
        wiring, "search_documents", lambda: SearchDocuments(gate, Finder(), Shelf(documents))
    )
    pages, url = [], f"/fhir/DocumentReference?{query}"
    while url:
        status, told, headers = ask(area.app, "GET", url, actor)
        pages.append(json.dumps([status, told, sorted(headers.items())]))
        links = {one["relation"]: one["url"] for one in told.get("link", ())}
        place = urlsplit(links.get("next", ""))
        url = f"{place.path}?{place.query}" if place.path else ""
        assert len(pages) < 50
    return pages


statuses = st.sampled_from(list(DocumentStatus))
written = st.tuples(
    st.sampled_from(CODES),
    statuses,
    st.sampled_from([Stage.FINAL, Stage.FINAL, Stage.FINAL, Stage.PRELIMINARY, Stage.REJECTED]),
    st.sampled_from([DOCTOR, COLLEAGUE, HOLDER]),
    st.sets(st.sampled_from(list(Visibility)), max_size=3),
    st.integers(0, 800),
)
token = st.one_of(
    st.sampled_from(CODES),
    st.builds("http://loinc.org|{}".format, st.sampled_from(CODES)),
    st.just("urn:oid:1.2.250.1.213.1.1.4.12|"),
)
dates = st.builds(
    "{}{:%Y-%m-%d}".format,
    st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]),
    st.dates(FIRST.date(), (FIRST + timedelta(days=800)).date()),
)
queries = st.fixed_dictionaries(
    {
        "patient": st.just(RECORD.id),
        "status": st.sets(statuses, min_size=1).map(lambda some: ",".join(sorted(some))),
    },
    optional={
        "type": st.lists(token, min_size=1, max_size=3).map(",".join),
        "category": st.sampled_from(["10", "11", "42", "90,10"]),
        "date": dates,
        "_count": st.sampled_from(["1", "2", "3", "20"]),
        "identifier": st.sampled_from(["urn:oid:1.2.3.0", "urn:oid:1.2.3.1"]),
        "security-label": st.sampled_from(["MASQUE_PS", "N"]),
        "author": st.just("810100997245"),
        "_include": st.just("DocumentReference:relatesto"),
        "_summary": st.sampled_from(["count", "true"]),
        "_total": st.just("accurate"),
    },
).map(urlencode)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=60)
@given(drawn=st.lists(written, max_size=12), query=queries)
def test_what_one_may_not_see_changes_no_answer(reader, drawn, query):
    documents = [document(rank, each) for rank, each in enumerate(drawn)]
    actor, situation = READERS[reader]
    question = Question(actor, Action.READ_DOCUMENT, situation, NOW)
    with pytest.MonkeyPatch.context() as patch:
        shown = [
            one
            for one in documents
            if (one.listed or one.author == key_of(actor)) and _readable(question, one, patch)
        ]
        with_all = seen(patch, reader, documents, query)
        assert with_all == seen(patch, reader, shown, query)


def _readable(question: Question, one: Document, patch) -> bool:
    """By the answer to a read of this very document alone."""
    mode = "break-glass" if getattr(question.actor, "emergency_reason", None) else "normal"
    asked = replace(question, document=one, mode=type(question.mode)(mode))
    return decisions().decide(asked).allowed


def plain(rank: int, *codes: Visibility) -> Document:
    final, current = Stage.FINAL, DocumentStatus.CURRENT
    return document(rank, ("11488-4", current, final, DOCTOR, set(codes), rank))


@pytest.mark.parametrize("reader", ["authorised", "holder"])
def test_by_ins_and_by_id_the_same_is_seen(monkeypatch, reader):
    documents = [
        plain(0, Visibility.NORMAL),
        plain(1, Visibility.HIDDEN_FROM_PROFESSIONALS),
        plain(2, Visibility.HIDDEN_FROM_PATIENT),
    ]
    number = urlencode({"patient.identifier": f"urn:oid:{TEST}|{RECORD.ins.matricule}"})
    totals = []
    for whose in (f"patient={RECORD.id}", number):
        (page,) = seen(monkeypatch, reader, documents, f"{whose}&status=current")
        totals.append(json.loads(page)[1]["total"])
    assert totals == [2, 2]


def test_a_cursor_made_by_hand_shows_no_more(monkeypatch):
    """The place before a masked document, or another total, tells nothing of it."""
    others = [plain(rank) for rank in (0, 1, 3)]
    masked = plain(2, Visibility.HIDDEN_FROM_PROFESSIONALS)
    for place in (masked, others[2]):
        cursor = area.cursor_of(place.id, "9")
        query = f"patient={RECORD.id}&status=current&_cursor={cursor}"
        assert seen(monkeypatch, "authorised", [*others, masked], query) == seen(
            monkeypatch, "authorised", others, query
        )
    other = area.cursor_of(document_id("0" * 26, masked.id.partition(".")[2]), "9")
    for cursor in (other, "x", area.cursor_of("a"), area.cursor_of(masked.id, "-1")):
        query = f"patient={RECORD.id}&status=current&_cursor={cursor}"
        (page,) = seen(monkeypatch, "authorised", [*others, masked], query)
        assert json.loads(page)[0] == 400
        assert masked.id not in page
