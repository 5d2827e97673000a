"""The enrolment counter and the Patient endpoint, as API Gateway calls them, on moto."""

from __future__ import annotations

from urllib.parse import parse_qs

import boto3
import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.ids import new_record_id
from dmp.store.items import decode
from dmp.usecases.open_record import OpenRecord
from tests.support.aws import account
from tests.support.gateway import ask
from tests.support.logs import written_by
from tests.support.people import opening, somebody

PHARMACY = Structure("750000018", "SA33")
PHARMACIST = Professional("810100997245", "21", structure=PHARMACY)
COLLEAGUE = Professional("899700024450", "21", structure=PHARMACY)
ELSEWHERE = Professional("899700000013", "21", structure=Structure("750000026"))
DOCTOR = Professional("899700218896", "10")
OCCUPATIONAL = Professional("899700218896", "10", specialty="SM25")
CLERK = Agent("clerk", AgentRole.ENROLMENT, "751")
SAME_FUND = Agent("other-clerk", AgentRole.ENROLMENT, "751")
OTHER_FUND = Agent("third-clerk", AgentRole.ENROLMENT, "641")
OPERATOR = Agent("operator", AgentRole.OPERATIONS, "751")
HOSPITAL = System(Structure("750000034"))
RECORDS = "/enrolment/records"
OFFICIAL = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        yield


@pytest.fixture(scope="module")
def app(aws):
    from functions.accounts import wiring  # noqa: PLC0415 - its clients are made inside
    from functions.accounts.app import app as area  # noqa: PLC0415

    yield area
    for name in dir(wiring):
        if hasattr(getattr(wiring, name), "cache_clear"):
            getattr(wiring, name).cache_clear()


@pytest.fixture
def opened(app):
    """A record just opened: the person, and its id."""

    def by(actor=PHARMACIST, someone=None):
        someone = someone or somebody()
        status, told, _ = ask(app, "POST", RECORDS, actor, opening(someone))
        assert status == 201, told
        return someone, told["recordId"]

    return by


def visitor(someone, reference=None):
    """The person themselves, as their token tells them."""
    return Person(
        reference or f"{someone.matricule:0<64}",
        someone.family_name,
        someone.given_names,
        someone.birth_date,
        someone.sex,
        someone.birth_place,
    )


def identifier(someone):
    return f"/fhir/Patient?identifier=urn:oid:{someone.oid}|{someone.matricule}"


def traces(record_id):
    answer = boto3.client("dynamodb").query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"REC#{record_id}"}},
    )
    found = [decode(item) for item in answer["Items"]]
    return sorted((t["act"], t["outcome"], t["actorKey"].split("#")[0]) for t in found)


def test_an_opening_answers_what_the_contract_says(app):
    status, told, headers = ask(app, "POST", RECORDS, PHARMACIST, opening(somebody()))
    assert status == 201
    assert set(told) == {"recordId", "status", "channel", "openedAt", "history"}
    assert (told["status"], told["channel"]) == ("open", "pharmacist")
    assert told["history"] == {"status": "pending"}
    assert told["openedAt"].endswith("Z")
    assert headers["Location"] == f"{RECORDS}/{told['recordId']}"


def test_a_second_opening_is_a_conflict_without_the_records_id(app, opened):
    someone, record_id = opened()
    status, told, _ = ask(app, "POST", RECORDS, DOCTOR, opening(someone))
    assert (status, told["type"]) == (409, "urn:dmp:problem/record-already-open")
    assert record_id not in str(told)
    assert ("record.open", "refused", "professional") in traces(record_id)


def test_the_same_request_is_answered_word_for_word(app):
    body, key = opening(somebody()), {"Idempotency-Key": "key-1"}
    first = ask(app, "POST", RECORDS, PHARMACIST, body, **key)
    again = ask(app, "POST", RECORDS, PHARMACIST, dict(reversed(body.items())), **key)
    assert (first[0], first[1]) == (again[0], again[1]) == (201, first[1])
    other = ask(app, "POST", RECORDS, PHARMACIST, opening(somebody()), **key)
    assert (other[0], other[1]["type"]) == (422, "urn:dmp:problem/idempotency-key-reused")
    assert other[1]["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("key", ["", "k" * 256, "clé"])
def test_a_key_that_is_none_is_a_fault(app, key):
    status, told, _ = ask(
        app, "POST", RECORDS, PHARMACIST, opening(somebody()), **{"Idempotency-Key": key}
    )
    assert (status, [e["field"] for e in told["errors"]]) == (422, ["Idempotency-Key"])


def test_a_forgiven_key_is_warned_of_in_the_readers_language(app):
    someone = somebody()
    body = opening(someone)
    body["ins"]["matricule"] = (
        someone.matricule[:-2] + f"{int(someone.matricule[-2:]) % 97 + 1:02d}"
    )
    status, told, _ = ask(app, "POST", RECORDS, PHARMACIST, body, **{"Accept-Language": "en"})
    assert status == 201
    (warning,) = told["warnings"]
    assert warning["code"] == "key-forgiven"
    assert "tolerated" in warning["detail"]


@pytest.mark.parametrize("actor", [OPERATOR, visitor(somebody())])
def test_who_may_not_open_is_told_so_before_anything_else(app, actor):
    status, told, _ = ask(app, "POST", RECORDS, actor, {})
    assert (status, told["type"]) == (403, "urn:dmp:problem/forbidden")


def test_an_empty_request_names_every_part(app):
    status, told, _ = ask(app, "POST", RECORDS, PHARMACIST, {})
    assert status == 422
    assert {e["field"] for e in told["errors"]} == {"ins", "traits", "scheme", "consent", "source"}


# -- following a record --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opener", "reader"),
    [
        (PHARMACIST, PHARMACIST),
        (PHARMACIST, COLLEAGUE),
        (CLERK, CLERK),
        (CLERK, SAME_FUND),
        (HOSPITAL, HOSPITAL),
    ],
)
def test_the_opener_and_their_colleagues_follow_the_record(app, opened, opener, reader):
    _, record_id = opened(opener)
    status, told, _ = ask(app, "GET", f"{RECORDS}/{record_id}", reader)
    assert (status, told["recordId"], told["status"]) == (200, record_id, "open")
    assert ("record.read", "done", reader.kind) in traces(record_id)


@pytest.mark.parametrize("reader", [ELSEWHERE, DOCTOR, OTHER_FUND, OPERATOR, HOSPITAL])
def test_to_anybody_else_the_record_does_not_exist(app, opened, reader):
    _, record_id = opened(PHARMACIST)
    theirs = ask(app, "GET", f"{RECORDS}/{record_id}", reader)
    nobodys = ask(app, "GET", f"{RECORDS}/{new_record_id()}", reader)
    assert theirs == nobodys
    assert theirs[0] == 404
    assert ("record.read", "refused", reader.kind) in traces(record_id)


def test_the_holder_is_recognised_on_the_first_visit_and_follows_the_record(app, opened):
    someone, record_id = opened()
    status, told, _ = ask(app, "GET", f"{RECORDS}/{record_id}", visitor(someone))
    assert (status, told["recordId"]) == (200, record_id)
    assert ("record.bind", "done", "patient") in traces(record_id)


def test_somebody_of_the_same_traits_who_comes_second_is_not_the_holder(app, opened):
    someone, record_id = opened()
    ask(app, "GET", f"{RECORDS}/{record_id}", visitor(someone))
    second = visitor(someone, reference="b" * 64)
    assert ask(app, "GET", f"{RECORDS}/{record_id}", second)[0] == 404


# -- TD0.2 ---------------------------------------------------------------------------------------


def test_an_exact_ins_tells_a_professional_that_there_is_a_record(app, opened):
    someone, record_id = opened()
    status, bundle, headers = ask(app, "GET", identifier(someone), DOCTOR)
    assert (status, headers["Content-Type"]) == (200, "application/fhir+json")
    assert (bundle["resourceType"], bundle["type"], bundle["total"]) == ("Bundle", "searchset", 1)
    patient = bundle["entry"][0]["resource"]
    assert patient == {
        "resourceType": "Patient",
        "id": record_id,
        "identifier": [{"system": f"urn:oid:{someone.oid}", "value": someone.matricule}],
        "active": True,
        "extension": [
            {"url": f"{OFFICIAL}/dmp-medecin-traitant", "valueBoolean": False},
            {"url": "urn:dmp:authorisation-state", "valueCode": "NON_EXISTE"},
        ],
    }
    assert bundle["entry"][0]["fullUrl"].endswith(f"/fhir/Patient/{record_id}")
    assert ("record.read", "done", "professional") in traces(record_id)


@pytest.mark.parametrize("reader", [CLERK, HOSPITAL, OPERATOR, OCCUPATIONAL])
def test_who_may_not_know_finds_the_same_nothing(app, opened, reader):
    someone, record_id = opened()
    known = ask(app, "GET", identifier(someone), reader)
    unknown = ask(app, "GET", identifier(somebody()), reader)
    assert (known[0], known[1]["total"]) == (200, 0)
    for _, told, _ in (known, unknown):  # the self links say what each was asked
        assert [link["relation"] for link in told.pop("link")] == ["self"]
    assert known == unknown
    assert ("record.read", "refused", reader.kind) in traces(record_id)


def test_the_holder_finds_their_own_record_and_nobody_elses(app, opened):
    someone, record_id = opened()
    other, _ = opened()
    mine = ask(app, "GET", identifier(someone), visitor(someone))[1]
    assert [entry["resource"]["id"] for entry in mine["entry"]] == [record_id]
    patient = mine["entry"][0]["resource"]
    assert patient["name"][0]["family"] == someone.family_name
    assert patient["birthDate"] == someone.birth_date.isoformat()
    assert ask(app, "GET", identifier(other), visitor(someone))[1]["total"] == 0


def test_a_search_says_what_it_was_asked_and_leaves_out_the_rest(app, opened):
    someone, _ = opened()
    url = f"{identifier(someone)}&_format=json&name=x"
    status, told, _ = ask(app, "GET", url, DOCTOR)
    (link,) = told["link"]
    asked = parse_qs(link["url"].partition("?")[2])
    assert (status, asked) == (200, {"identifier": [f"urn:oid:{someone.oid}|{someone.matricule}"]})
    assert ask(app, "GET", url, DOCTOR, prefer="handling=strict")[0] == 400
    assert ask(app, "GET", f"{identifier(someone)}&identifier:not=x", DOCTOR)[0] == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?identifier=", 400),
        ("?identifier=279035121518989", 400),
        ("?identifier=urn:oid:1.2.250.1.213.1.4.10|", 400),
        ("?identifier=http://ins|279035121518989", 400),
        ("?identifier=urn:oid:1.2.250.1.213.1.4.8|279035121518989&identifier=x|y", 400),
        ("?identifier=urn:oid:1.2.3|279035121518989", 422),
        ("?identifier=urn:oid:1.2.250.1.213.1.4.8|279035121518988", 422),
    ],
)
def test_an_identifier_that_is_none_is_an_operation_outcome(app, query, status):
    answered, told, _ = ask(app, "GET", f"/fhir/Patient{query}", DOCTOR)
    assert (answered, told["resourceType"]) == (status, "OperationOutcome")
    assert told["issue"][0]["expression"][0].startswith("identifier")


def test_the_patient_of_a_record_is_read_by_its_holder(app, opened):
    someone, record_id = opened()
    status, patient, _ = ask(app, "GET", f"/fhir/Patient/{record_id}", visitor(someone))
    assert (status, patient["id"], patient["active"]) == (200, record_id, True)
    assert patient["name"][0]["given"] == list(someone.given_names)
    refused = ask(app, "GET", f"/fhir/Patient/{record_id}", DOCTOR)
    unknown = ask(app, "GET", f"/fhir/Patient/{new_record_id()}", DOCTOR)
    assert refused == unknown
    assert (refused[0], refused[1]["resourceType"]) == (404, "OperationOutcome")


@pytest.mark.parametrize("reader", [PHARMACIST, COLLEAGUE])
def test_no_answer_carries_a_matricule_that_was_not_sent(app, opened, reader):
    someone, record_id = opened(PHARMACIST)
    for path in (f"/fhir/Patient/{record_id}", f"{RECORDS}/{record_id}"):
        for actor in (reader, visitor(someone)):
            status, told, _ = ask(app, "GET", path, actor)
            assert status == 200
            assert someone.matricule not in str(told)


@pytest.mark.parametrize("name", ["x", "..", "%00", "REC%23x", "é"])
def test_an_id_that_can_be_no_records_is_not_found(app, name):
    assert ask(app, "GET", f"/fhir/Patient/{name}", DOCTOR)[0] == 404


# -- calls to AWS ----------------------------------------------------------------------------------


@pytest.fixture
def calls():
    """The AWS calls made since, by name."""
    from dmp.store.aws import client  # noqa: PLC0415

    made = []

    def note(model, **_):
        made.append(model.name)

    events = client("dynamodb").meta.events
    events.register("before-call.dynamodb", note, unique_id="count")
    yield made
    events.unregister("before-call.dynamodb", unique_id="count")


def test_an_opening_is_two_calls(app, calls):
    assert ask(app, "POST", RECORDS, PHARMACIST, opening(somebody()))[0] == 201
    assert calls == ["GetItem", "TransactWriteItems"]


def test_following_a_record_is_one_read_and_one_trace(app, opened, calls):
    _, record_id = opened()
    calls.clear()
    ask(app, "GET", f"{RECORDS}/{record_id}", PHARMACIST)
    assert calls == ["BatchGetItem", "PutItem"]


def test_td02_is_a_look_up_one_read_and_one_trace(app, opened, calls):
    someone, _ = opened()
    calls.clear()
    ask(app, "GET", identifier(someone), DOCTOR)
    assert calls == ["GetItem", "BatchGetItem", "PutItem"]


def test_no_log_holds_an_identity_even_when_something_breaks(app, monkeypatch):
    someone = somebody()

    def broken(self, actor, application, now):
        raise ValueError(repr(application))

    with written_by(app.journal) as log:
        ask(app, "POST", RECORDS, PHARMACIST, opening(someone))
        ask(app, "POST", RECORDS, PHARMACIST, opening(someone))
        ask(app, "GET", identifier(someone), DOCTOR)
        monkeypatch.setattr(OpenRecord, "__call__", broken)
        assert ask(app, "POST", RECORDS, PHARMACIST, opening(someone))[0] == 500
    assert "ValueError" in log.getvalue()
    for identity in (someone.matricule, someone.family_name, "example.test"):
        assert identity not in log.getvalue()
