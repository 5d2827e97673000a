"""My patients: which records a professional finds open to them, in which order, and what is not
told; a person's own record, and those of whom they represent. Over HTTP, on moto."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.consents import Change, Consent, Decision, Kind, Turn
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.ids import document_id, new_ulid
from dmp.domain.records import Basis, RecordStatus, Representative
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store.aws import client
from dmp.store.consents import Consents
from dmp.store.documents import document_item
from dmp.store.items import decode, encode
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import Records, record_item, ways_item
from tests.access import scenes
from tests.support.aws import JOURNAL, account
from tests.support.gateway import ask
from tests.support.people import somebody
from tests.support.records import record, traits_of

OFFICIAL = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"
STATE = "urn:dmp:authorisation-state"
TREATING = f"{OFFICIAL}/dmp-medecin-traitant"
AUTHORISED, DOCUMENT = "urn:dmp:last-authorisation", "urn:dmp:last-document"
URL = "/fhir/Patient"
NOW = datetime.now(UTC).replace(microsecond=0)
PSEUDONYMS = Pseudonyms(lambda: b"p" * 64)
_numbers = count(1)


def ago(**span):
    return NOW - timedelta(**span)


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        yield


@pytest.fixture(scope="module")
def app(aws):
    from functions.accounts.app import app as area  # noqa: PLC0415 - its clients are made inside

    return area


@pytest.fixture
def me():
    """A doctor of whom nobody has heard."""
    return Professional(f"8{next(_numbers):011d}", "10", "SM54", Structure("510000029"))


def kept(**changes):
    """A record that lies in the tables."""
    someone = somebody()
    one = record(someone.matricule, **{"traits": traits_of(someone), **changes})
    client("dynamodb").put_item(TableName="accounts", Item=encode(record_item(one)))
    for way in ways_item(one, one.representatives, PSEUDONYMS):
        client("dynamodb").put_item(TableName="accounts", Item=encode(way))
    traits = {"pk": f"TRAITS#{PSEUDONYMS.traits(one.traits)}", "sk": f"REC#{one.id}"}
    told = {**traits, "recordId": one.id, "status": one.status.value}
    client("dynamodb").put_item(TableName="accounts", Item=encode(told))
    return one


def decided(one, professional, *kinds, since=NOW, until=None, active=True):
    consents = Consents(client("dynamodb"), "consents", JOURNAL)
    stood = consents.about(one.id, professional.id)
    new = [Decision(k, since, "patient#x", until, active, recorded_at=since) for k in kinds]
    changes = [
        Change(new_ulid(NOW), NOW, Turn.GIVEN, Consent(one.id, professional.id, each))
        for each in new
    ]
    trace = Trace(new_ulid(NOW), NOW, Act.CHANGE_CONSENT, Outcome.DONE, "patient#x", one.id)
    assert consents.save(stood, stood.having(*new), changes, trace)
    return one


def authorised(professional, since=NOW, **changes):
    return decided(kept(**changes), professional, Kind.AUTHORISATION, since=since)


def lying(one, submitted_at, *codes, **changes):
    """A document in a record, a report by somebody else unless told otherwise."""
    document = scenes.document(
        id=document_id(one.id, new_ulid(submitted_at)),
        record_id=one.id,
        unique_id=f"urn:oid:1.2.3.{next(_numbers)}",
        visibility=frozenset({Visibility.NORMAL, *codes}),
        submitted_at=submitted_at,
        **{"author": "professional#899700024450", **changes},
    )
    client("dynamodb").put_item(TableName="documents", Item=encode(document_item(document)))


def found(app, actor, query="", **headers):
    status, bundle, _ = ask(app, "GET", f"{URL}?{query}" if query else URL, actor, **headers)
    assert (status, bundle["type"]) == (200, "searchset"), bundle
    return bundle


def ids(bundle):
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def extensions(resource):
    return {
        one["url"]: next(value for name, value in one.items() if name.startswith("value"))
        for one in resource["extension"]
    }


def following(bundle):
    """The query of the next page, if there is one."""
    links = {link["relation"]: link["url"] for link in bundle["link"]}
    return urlsplit(links["next"]).query if "next" in links else None


def instant(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- which records ---------------------------------------------------------------------------------


def test_the_records_open_to_me_come_newest_authorisation_first(app, me):
    old, new = authorised(me, ago(days=9)), authorised(me, ago(days=1))
    treated = decided(kept(), me, Kind.MEDECIN_TRAITANT, since=ago(days=5))
    delegated = decided(kept(), me, Kind.DELEGATE, since=ago(days=7))
    bundle = found(app, me)
    assert ids(bundle) == [new.id, treated.id, delegated.id, old.id]
    assert "total" not in bundle


def test_each_patient_says_what_the_list_is_for_and_nobodys_identity(app, me):
    one = decided(authorised(me, ago(days=2)), me, Kind.MEDECIN_TRAITANT, since=ago(days=1))
    lying(one, ago(hours=3))
    (entry,) = found(app, me)["entry"]
    patient = entry["resource"]
    assert set(patient) == {"resourceType", "id", "active", "extension"}
    assert extensions(patient) == {
        TREATING: True,
        STATE: "VALIDE",
        AUTHORISED: instant(ago(days=1)),
        DOCUMENT: instant(ago(hours=3)),
    }
    assert one.traits.family_name not in str(entry)


def test_what_is_closed_blocked_over_withdrawn_or_to_come_is_not_listed(app, me):
    mine = authorised(me)
    authorised(me, status=RecordStatus.CLOSED, closed_at=NOW)
    decided(authorised(me), me, Kind.BLOCK)
    decided(kept(), me, Kind.AUTHORISATION, since=ago(days=9), until=ago(days=1))
    decided(kept(), me, Kind.AUTHORISATION, active=False)
    decided(kept(), me, Kind.AUTHORISATION, since=NOW + timedelta(days=1))
    for sort in ("-last-authorisation", "-last-document"):
        assert ids(found(app, me, f"_sort={sort}")) == [mine.id]


def test_what_another_may_read_is_not_mine(app, me):
    authorised(replace(me, id="899700218896"))
    assert ids(found(app, me)) == []


def test_the_role_of_medecin_traitant_opens_to_doctors_alone(app, me):
    nurse = replace(me, profession="60", specialty=None)
    decided(kept(), nurse, Kind.MEDECIN_TRAITANT)
    mine = decided(kept(), nurse, Kind.DELEGATE)
    assert ids(found(app, nurse)) == [mine.id]


def test_an_occupational_doctor_has_no_patients_here(app, me):
    authorised(me)
    assert ids(found(app, replace(me, specialty="SM25"))) == []


def test_a_record_of_ones_care_team_is_not_listed(app, me):
    one = kept()
    colleague = replace(me, id="810100997245")
    consents = Consents(client("dynamodb"), "consents", JOURNAL)
    given = Decision(Kind.AUTHORISATION, NOW, "patient#x", structure="510000029", recorded_at=NOW)
    change = Change(new_ulid(NOW), NOW, Turn.GIVEN, Consent(one.id, colleague.id, given))
    trace = Trace(new_ulid(NOW), NOW, Act.CHANGE_CONSENT, Outcome.DONE, "patient#x", one.id)
    stood = consents.about(one.id, colleague.id)
    assert consents.save(stood, stood.having(given), [change], trace)
    assert one.id not in ids(found(app, me))
    status, patient, _ = ask(app, "GET", f"{URL}/{one.id}", me)
    assert (status, extensions(patient)[STATE]) == (200, "VALIDE")


def test_an_emergency_adds_nothing_to_the_list(app, me):
    urgent = replace(me, emergency_reason="Patient inconscient, détresse vitale")
    decided(kept(), me, Kind.AUTHORISATION, since=ago(days=9), until=ago(days=1))
    mine = authorised(me)
    assert ids(found(app, urgent)) == [mine.id]


def test_a_withdrawal_holds_at_the_next_request_whatever_the_index_still_says(app, me, monkeypatch):
    from dmp.store.consents import Authorisations  # noqa: PLC0415

    one = authorised(me)
    stale = Authorisations(client("dynamodb"), "consents").of_professional(me.id)
    decided(one, me, Kind.AUTHORISATION, active=False)
    monkeypatch.setattr(Authorisations, "of_professional", lambda *_: stale)
    assert ids(found(app, me)) == []


@pytest.mark.parametrize(
    "actor",
    [
        Agent("clerk", AgentRole.ENROLMENT, "751"),
        Agent("operator", AgentRole.OPERATIONS, "751"),
        System(Structure("750000034")),
    ],
)
def test_agents_and_structures_have_no_patients(app, actor):
    kept(opened_by=f"{actor.kind}#{actor.id}")
    assert ids(found(app, actor)) == []


# -- by the last document --------------------------------------------------------------------------


def test_the_records_with_the_newest_documents_come_first_and_the_empty_ones_last(app, me):
    empty, new, old = (authorised(me, ago(days=n)) for n in (1, 2, 3))
    lying(new, ago(hours=1))
    lying(old, ago(days=400))
    lying(old, ago(days=300))
    assert ids(found(app, me, "_sort=-last-document")) == [new.id, old.id, empty.id]
    assert DOCUMENT not in extensions(found(app, me)["entry"][0]["resource"])


@pytest.mark.parametrize(
    ("codes", "changes"),
    [
        ([Visibility.HIDDEN_FROM_PROFESSIONALS], {}),
        ([], {"stage": Stage.PRELIMINARY}),
        ([], {"stage": Stage.REJECTED}),
        ([], {"status": DocumentStatus.ENTERED_IN_ERROR}),
        ([], {"type_code": "ATTEST-RESID"}),
    ],
    ids=["masked", "preliminary", "rejected", "deleted", "not in the matrix"],
)
def test_a_document_that_i_may_not_see_tells_nothing_not_even_a_date(app, me, codes, changes):
    one, other = authorised(me, ago(days=2)), authorised(me, ago(days=1))
    lying(one, ago(days=10))
    lying(other, ago(days=5))
    before = found(app, me, "_sort=-last-document"), found(app, me)
    for n in range(12):  # more than are read at first
        lying(one, ago(hours=n), *codes, **changes)
    assert (found(app, me, "_sort=-last-document"), found(app, me)) == before
    assert ids(before[0]) == [other.id, one.id]


def test_who_sees_masked_documents_sees_their_date(app, me):
    one = decided(kept(), me, Kind.MEDECIN_TRAITANT)
    lying(one, ago(days=1), Visibility.HIDDEN_FROM_PROFESSIONALS)
    (entry,) = found(app, me)["entry"]
    assert extensions(entry["resource"])[DOCUMENT] == instant(ago(days=1))


def test_a_visible_document_behind_many_hidden_ones_is_found(app, me):
    one = authorised(me)
    lying(one, ago(days=100))
    for n in range(70):
        lying(one, ago(days=n), Visibility.HIDDEN_FROM_PROFESSIONALS)
    (entry,) = found(app, me)["entry"]
    assert extensions(entry["resource"])[DOCUMENT] == instant(ago(days=100))


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["-last-authorisation", "-last-document"])
def test_pages_follow_each_other_without_gap_or_double(app, me, sort):
    ones = [authorised(me, ago(days=n // 2)) for n in range(7)]  # some of one moment
    for n, one in enumerate(ones[:4]):
        lying(one, ago(hours=n // 2))
    decided(ones[5], me, Kind.BLOCK)
    whole = ids(found(app, me, f"_sort={sort}"))
    assert sorted(whole) == sorted(one.id for one in ones if one is not ones[5])
    pages, query = [], f"_sort={sort}&_count=2"
    while query:
        bundle = found(app, me, query)
        pages.append(ids(bundle))
        query = following(bundle)
    assert pages == [whole[:2], whole[2:4], whole[4:]]


def test_a_page_is_filled_though_much_of_the_index_is_not_open_any_more(app, me):
    far = authorised(me, ago(days=90))
    for n in range(30):
        decided(authorised(me, ago(days=n)), me, Kind.BLOCK)
        authorised(me, ago(days=n), status=RecordStatus.CLOSED)
    bundle = found(app, me, "_count=1")
    assert (ids(bundle), following(bundle)) == ([far.id], None)


def test_the_bound_is_on_the_date_of_the_order(app, me):
    recent, old = authorised(me, ago(days=1)), authorised(me, ago(days=30))
    lying(old, ago(days=2))
    since = instant(ago(days=10))
    assert ids(found(app, me, f"_lastUpdated=ge{since}")) == [recent.id]
    assert ids(found(app, me, f"_sort=-last-document&_lastUpdated=ge{since}")) == [old.id]
    assert ids(found(app, me, f"_lastUpdated=lt{since}")) == [old.id]


def test_the_self_link_says_what_was_asked_and_leaves_out_the_rest(app, me):
    bundle = found(app, me, "_sort=-last-document&_count=5&name=x&_format=json")
    (link,) = bundle["link"]
    assert parse_qs(urlsplit(link["url"]).query) == {"_sort": ["-last-document"], "_count": ["5"]}
    status, told, _ = ask(app, "GET", f"{URL}?name=x", me, prefer="handling=strict")
    assert (status, told["issue"][0]["expression"]) == (400, ["name"])


@pytest.mark.parametrize(
    "query",
    [
        "_sort=name",
        "_sort=last-document",
        "_sort=-last-document&_sort=-last-document",
        "_count=0",
        "_lastUpdated=yesterday",
        "_cursor=x",
        "_sort:asc=-last-document",
        "identifier:not=x",
    ],
)
def test_a_list_that_cannot_be_understood_is_refused(app, me, query):
    assert ask(app, "GET", f"{URL}?{query}", me)[0] == 400


def test_a_cursor_is_good_for_its_order_alone_and_only_for_ones_own_list(app, me):
    for n in range(3):
        authorised(me, ago(days=n))
    query = following(found(app, me, "_count=1"))
    cursor = parse_qs(query)["_cursor"][0]
    other = f"_sort=-last-document&_cursor={cursor}"
    assert ask(app, "GET", f"{URL}?{other}", me)[0] == 400
    stranger = replace(me, id="899700000099")
    assert ids(found(app, stranger, query)) == []


# -- one trace -------------------------------------------------------------------------------------


def test_a_list_leaves_one_trace_with_how_many_it_showed(app, me):
    for n in range(3):
        authorised(me, ago(days=n))
    found(app, me, "_count=2")
    answer = boto3.client("dynamodb").query(
        TableName="traces",
        IndexName="by-actor",
        KeyConditionExpression="actorKey = :me",
        ExpressionAttributeValues={":me": {"S": f"professional#{me.id}"}},
    )
    (trace,) = map(decode, answer["Items"])
    assert (trace["act"], trace["outcome"], trace["count"]) == ("patient.list", "done", 2)
    assert "recordId" not in trace


def test_without_a_trace_nothing_is_listed(app, me, monkeypatch):
    from dmp.store.traces import Traces  # noqa: PLC0415

    def broken(self, trace):
        raise OSError

    authorised(me)
    monkeypatch.setattr(Traces, "write", broken)
    status, told, _ = ask(app, "GET", URL, me)
    assert (status, told["resourceType"]) == (500, "OperationOutcome")


# -- people ----------------------------------------------------------------------------------------


def person(traits, reference):
    return Person(
        reference,
        traits.family_name,
        traits.given_names,
        traits.birth_date,
        traits.sex,
        traits.birth_place,
    )


def test_a_person_finds_their_own_record_on_the_first_visit_and_later(app):
    one = kept()
    holder = person(one.traits, "a" * 64)
    for _ in range(2):
        (entry,) = found(app, holder)["entry"]
        assert entry["resource"]["id"] == one.id
        assert entry["resource"]["birthDate"] == one.traits.birth_date.isoformat()
        assert "extension" not in entry["resource"]
    assert Records(client("dynamodb"), "accounts").of(one.id).holder == "a" * 64


def test_a_parent_finds_the_records_of_their_children_and_is_bound_to_none(app):
    mother = traits_of(somebody(year=1985))
    parental = Representative(mother, Basis.PARENTAL_AUTHORITY, ago(days=1), id="p")
    born = {"birth_date": NOW.date() - timedelta(days=3000)}
    children = [
        kept(traits=replace(traits_of(somebody()), **born), representatives=(parental,))
        for _ in range(2)
    ]
    grown = kept(representatives=(parental,))
    mine = kept(traits=mother)
    listed = ids(found(app, person(mother, "c" * 64)))
    assert listed[0] == mine.id
    assert sorted(listed[1:]) == sorted(child.id for child in children)
    assert grown.id not in listed
    records = Records(client("dynamodb"), "accounts")
    assert [records.of(child.id).holder for child in children] == [None, None]


def test_somebody_without_a_record_finds_nothing(app):
    bundle = found(app, person(traits_of(somebody()), "d" * 64))
    assert ids(bundle) == []


# -- TD0.2 -----------------------------------------------------------------------------------------


def exact(one):
    client("dynamodb").put_item(
        TableName="accounts",
        Item=encode(
            {
                "pk": f"INS#{PSEUDONYMS.ins(one.ins)}",
                "sk": "INS",
                "recordId": one.id,
                "status": one.status.value,
            }
        ),
    )
    return f"identifier=urn:oid:{one.ins.oid}|{one.ins.matricule}"


def td02(app, one, actor):
    (entry,) = found(app, actor, exact(one))["entry"]
    return entry["resource"]


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        ({}, "NON_EXISTE"),
        ({"kinds": [Kind.AUTHORISATION]}, "VALIDE"),
        (
            {"kinds": [Kind.AUTHORISATION], "since": ago(days=2), "until": ago(days=1)},
            "EXPIRE",
        ),
        ({"kinds": [Kind.AUTHORISATION, Kind.BLOCK]}, "INTERDIT"),
        ({"kinds": [Kind.BLOCK]}, "INTERDIT"),
    ],
)
def test_td02_tells_the_state_of_the_authorisation(app, me, decision, state):
    one = kept()
    if decision:
        decided(one, me, *decision["kinds"], **{k: v for k, v in decision.items() if k != "kinds"})
    assert extensions(td02(app, one, me)) == {TREATING: False, STATE: state}


def test_td02_tells_doctors_whether_they_are_the_medecin_traitant(app, me):
    one = decided(kept(), me, Kind.MEDECIN_TRAITANT)
    assert extensions(td02(app, one, me))[TREATING] is True
    assert extensions(td02(app, one, replace(me, profession="60")))[TREATING] is False
    assert extensions(td02(app, one, replace(me, id="899700000099")))[TREATING] is False


def test_td02_tells_since_when_a_record_is_closed_as_a_day_in_paris(app, me):
    closed_at = datetime(2026, 7, 13, 22, 30, tzinfo=UTC)
    patient = td02(app, kept(status=RecordStatus.CLOSED, closed_at=closed_at), me)
    assert patient["active"] is False
    assert patient["extension"][0] == {
        "url": f"{OFFICIAL}/dmp-fermeture",
        "extension": [{"url": "dateFermeture", "valueDate": "2026-07-14"}],
    }
    assert f"{OFFICIAL}/dmp-fermeture" not in str(td02(app, kept(), me))


def test_td02_tells_professionals_no_traits(app, me):
    one = authorised(me)
    for patient in (td02(app, one, me), ask(app, "GET", f"{URL}/{one.id}", me)[1]):
        assert not {"name", "gender", "birthDate"} & set(patient)
        assert extensions(patient) == {TREATING: False, STATE: "VALIDE"}


def test_by_its_id_a_record_does_not_exist_for_who_is_blocked(app, me):
    one = decided(authorised(me), me, Kind.BLOCK)
    assert ask(app, "GET", f"{URL}/{one.id}", me)[0] == 404
    assert extensions(td02(app, one, me))[STATE] == "INTERDIT"


def test_a_parent_who_gives_the_exact_number_finds_the_record_of_the_child(app):
    mother = traits_of(somebody(year=1985))
    parental = Representative(mother, Basis.PARENTAL_AUTHORITY, ago(days=1), id="p")
    born = replace(traits_of(somebody()), birth_date=NOW.date() - timedelta(days=3000))
    child = kept(traits=born, representatives=(parental,))
    patient = td02(app, child, person(mother, "e" * 64))
    assert (patient["id"], patient["gender"]) == (child.id, born.sex)
    stranger = person(traits_of(somebody()), "f" * 64)
    assert ids(found(app, stranger, exact(child))) == []
