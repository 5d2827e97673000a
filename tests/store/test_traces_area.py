"""The traces area as its callers meet it, over an account in process, with the rules in force."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import urlsplit

import jwt
import pytest
from joserfc import jws as jose
from joserfc.jwk import ECKey

from dmp.domain.actors import System, key_of
from dmp.domain.consents import Kind
from dmp.domain.documents import Visibility
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge.access_report import holds
from dmp.store.aws import client
from dmp.store.documents import document_item
from dmp.store.items import decode, encode, put, transact
from dmp.store.records import record_item
from dmp.store.traces import Journal, Traces
from dmp.usecases import read_traces
from functions.traces import wiring
from functions.traces.app import app
from tests.access.scenes import (
    HERE,
    OTHER,
    REASON,
    RECORD_ID,
    STRANGER,
    document,
    parent,
    person,
    professional,
    represented,
)
from tests.access.scenes import record as record_of
from tests.support.audit_events import faults
from tests.support.aws import account
from tests.support.gateway import ask

FHIR = "/fhir/AuditEvent"
BASE = "https://dmp.test/fhir"
UNKNOWN = "7h3k0000000000000000000009"
DOCTOR = professional()
COLLEAGUE = professional(id=OTHER)
NOW = datetime.now(UTC)
ulids = count(1)


@pytest.fixture
def aws():
    with account() as environment:
        yield environment


@pytest.fixture
def dynamodb(aws):
    return client("dynamodb")


def keep(dynamodb, record=None):
    record = record or record_of()
    transact(dynamodb, [put("accounts", record_item(record))])
    return record


def decide(dynamodb, ps_id: str, *kinds: Kind, record_id: str = RECORD_ID) -> None:
    since = (NOW - timedelta(days=1)).isoformat()
    decisions = {
        kind.value: {"since": since, "recordedBy": "x", "active": True, "version": 1}
        for kind in kinds
    }
    dynamodb.put_item(
        TableName="consents",
        Item=encode(
            {
                "pk": f"REC#{record_id}",
                "sk": f"ACTOR#{ps_id}",
                "version": 1,
                "decisions": decisions,
            }
        ),
    )


def wrote(dynamodb, actor=DOCTOR, act=Act.SEARCH_DOCUMENTS, **changes) -> Trace:
    """An entry, one minute after the one before, all of them some hours ago."""
    at = changes.pop("at", NOW - timedelta(hours=9) + timedelta(minutes=next(ulids)))
    told = {
        "id": new_ulid(at),
        "at": at,
        "act": act,
        "outcome": Outcome.DONE,
        "actor": key_of(actor),
        "record_id": RECORD_ID,
        "rules": ("authorised-reads",),
        "matrix": "2026.1",
    }
    trace = Trace(**{**told, **changes})
    Traces(dynamodb, wiring.journal()).write(trace)
    return trace


def lay(dynamodb, *codes: Visibility, record_id: str = RECORD_ID) -> str:
    ulid = new_ulid(NOW)
    lying = document(
        id=f"{record_id}.{ulid}",
        record_id=record_id,
        visibility=frozenset({Visibility.NORMAL, *codes}),
    )
    transact(dynamodb, [put("documents", document_item(lying))])
    return lying.id


def search(actor, query: str = f"patient={RECORD_ID}", **headers) -> dict:
    status, told, _ = ask(app, "GET", f"{FHIR}?{query}", actor, **headers)
    assert status == 200, told
    assert told["type"] == "searchset"
    assert "total" not in told
    for entry in told.get("entry", []):
        assert faults(entry["resource"]) == []
    return told


def events(actor, query: str = f"patient={RECORD_ID}") -> list[dict]:
    return [one["resource"] for one in search(actor, query).get("entry", [])]


def ids(actor, query: str = f"patient={RECORD_ID}") -> list[str]:
    return [one["id"].partition(".")[2] for one in events(actor, query)]


def journal(dynamodb, owner: str = f"REC#{RECORD_ID}") -> list[dict]:
    found = dynamodb.query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": owner}),
    )
    return [decode(item) for item in found["Items"]]


def today() -> str:
    return f"NOREC#{datetime.now(UTC).date().isoformat()}"


# -- who sees what


def test_the_holder_sees_everything_newest_first_refused_attempts_too(dynamodb):
    keep(dynamodb)
    first = wrote(dynamodb)
    second = wrote(dynamodb, COLLEAGUE, outcome=Outcome.REFUSED)
    third = wrote(dynamodb, person(), Act.READ_CONSENTS)
    assert ids(person()) == [third.id, second.id, first.id]
    by_holder, refused, read = events(person())[-3:]
    assert by_holder["agent"][0]["who"]["reference"] == f"Patient/{RECORD_ID}"
    assert refused["agent"][0]["who"]["identifier"]["value"] == OTHER
    assert refused["outcome"] == "4"
    assert [one["valueCode"] for one in read["extension"] if one["url"] == "urn:dmp:rule"] == [
        "authorised-reads"
    ]


@pytest.mark.parametrize("kind", [Kind.MEDECIN_TRAITANT, Kind.DELEGATE])
def test_the_medecin_traitant_and_a_delegate_see_everything(dynamodb, kind):
    keep(dynamodb)
    hidden = lay(dynamodb, Visibility.HIDDEN_FROM_PATIENT)
    made = [
        wrote(dynamodb, COLLEAGUE),
        wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=hidden),
        wrote(dynamodb, person(), Act.READ_CONSENTS),
    ]
    decide(dynamodb, DOCTOR.id, kind)
    assert ids(DOCTOR) == [one.id for one in reversed(made)]


def test_an_authorised_professional_sees_their_own_acts_alone(dynamodb):
    keep(dynamodb)
    decide(dynamodb, DOCTOR.id, Kind.AUTHORISATION)
    mine = wrote(dynamodb)
    wrote(dynamodb, COLLEAGUE)
    wrote(dynamodb, person(), Act.READ_CONSENTS)
    assert ids(DOCTOR) == [mine.id]


def test_a_medecin_traitant_in_an_emergency_sees_their_own_acts_alone(dynamodb):
    keep(dynamodb)
    decide(dynamodb, DOCTOR.id, Kind.MEDECIN_TRAITANT)
    mine = wrote(dynamodb)
    wrote(dynamodb, COLLEAGUE)
    assert ids(professional(emergency_reason=REASON)) == [mine.id]


def test_a_record_that_is_none_of_the_caller_s_looks_like_one_that_does_not_exist(dynamodb):
    keep(dynamodb)
    wrote(dynamodb, COLLEAGUE)
    for actor in (DOCTOR, person(STRANGER), System(HERE)):
        known = search(actor)
        unknown = search(actor, f"patient={UNKNOWN}")
        assert "entry" not in known
        known["link"][0]["url"] = known["link"][0]["url"].replace(RECORD_ID, UNKNOWN)
        assert known == unknown


def test_one_s_own_refused_attempts_do_not_tell_which_records_exist(dynamodb):
    keep(dynamodb)
    reader = professional(emergency_reason="x")  # a reason that is none: refused
    search(reader)
    search(reader, f"patient={UNKNOWN}")
    ask(app, "GET", f"{FHIR}/{RECORD_ID}.{new_ulid(NOW)}", reader)
    ask(app, "GET", f"{FHIR}/{UNKNOWN}.{new_ulid(NOW)}", reader)
    assert len(journal(dynamodb)) == 2
    assert len(journal(dynamodb, today())) == 2
    mine = events(DOCTOR, "")
    assert len(mine) == 4
    assert RECORD_ID not in json.dumps(mine)
    for one in mine:
        for name in ("id", "text", "recorded"):
            one.pop(name)
    assert all(one == mine[0] for one in mine)
    assert events(DOCTOR) == []
    assert events(DOCTOR, f"entity=Patient/{RECORD_ID}") == []


def test_a_record_that_is_none_of_the_caller_s_costs_as_many_calls_as_none(dynamodb):
    keep(dynamodb)
    wrote(dynamodb)
    counted = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda **told: counted.append(told["model"].name)
    )

    def calls(url):
        counted.clear()
        ask(app, "GET", url, System(HERE))
        return list(counted)

    calls(f"{FHIR}?patient={RECORD_ID}")
    assert sorted(calls(f"{FHIR}?patient={RECORD_ID}")) == sorted(
        calls(f"{FHIR}?patient={UNKNOWN}")
    )
    ulid = new_ulid(NOW)
    assert sorted(calls(f"{FHIR}/{RECORD_ID}.{ulid}")) == sorted(calls(f"{FHIR}/{UNKNOWN}.{ulid}"))


def test_a_search_that_ends_before_its_end_does_not_tell_which_records_exist(dynamodb, monkeypatch):
    keep(dynamodb)
    for _ in range(4):
        wrote(dynamodb, record_id=None, outcome=Outcome.REFUSED)
    monkeypatch.setattr(read_traces, "_STRETCHES", (1, 2))
    known, unknown = search(DOCTOR), search(DOCTOR, f"patient={UNKNOWN}")
    assert [one["relation"] for one in known["link"]] == ["self", "next"]
    assert [one["relation"] for one in unknown["link"]] == ["self", "next"]
    whole = search(DOCTOR, "_count=100")
    assert len(whole["entry"]) == 3
    following = whole["link"][1]["url"]
    assert len(events(DOCTOR, urlsplit(following).query)) == 3


def test_everybody_reads_their_own_acts_wherever_they_were(dynamodb):
    keep(dynamodb)
    for actor in (DOCTOR, System(HERE), person()):
        here = wrote(dynamodb, actor)
        nowhere = wrote(dynamodb, actor, record_id=None, outcome=Outcome.REFUSED)
        wrote(dynamodb, COLLEAGUE)
        assert ids(actor, "")[-2:] == [nowhere.id, here.id]
    (own,) = [one for one in events(person(), "") if one["outcome"] == "0"][-1:]
    assert own["agent"][0]["who"] == {"display": "Vous"}


def test_how_many_documents_somebody_else_found_is_not_told(dynamodb):
    keep(dynamodb)
    wrote(dynamodb, COLLEAGUE, count=12)
    assert "urn:dmp:count" not in json.dumps(events(person())[-1])
    assert "urn:dmp:count" in json.dumps(events(COLLEAGUE)[-1])


# -- what is hidden


def test_an_entry_about_a_document_that_is_hidden_now_is_left_out_for_the_holder(dynamodb):
    keep(dynamodb)
    hidden = lay(dynamodb, Visibility.HIDDEN_FROM_PATIENT)
    seen = wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=lay(dynamodb))
    wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=hidden)
    wrote(dynamodb, COLLEAGUE, Act.PUBLISH_DOCUMENT, target=hidden)
    wrote(dynamodb, DOCTOR, Act.READ_DOCUMENT, target=hidden, outcome=Outcome.REFUSED)
    assert ids(person()) == [seen.id]
    assert ids(person(), f"patient={RECORD_ID}&entity=DocumentReference/{hidden}") == []


def test_an_entry_shows_when_its_document_is_shown(dynamodb):
    keep(dynamodb)
    hidden = lay(dynamodb, Visibility.HIDDEN_FROM_PATIENT)
    one = wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=hidden, hidden_from=("holder",))
    status, _, _ = ask(app, "GET", f"{FHIR}/{RECORD_ID}.{one.id}", person())
    assert status == 404
    dynamodb.update_item(
        TableName="documents",
        Key=encode({"pk": f"REC#{RECORD_ID}", "sk": f"DOC#{hidden.partition('.')[2]}"}),
        UpdateExpression="SET visibility = :v",
        ExpressionAttributeValues=encode({":v": {"N"}}),
    )
    assert one.id in ids(person())
    status, _, _ = ask(app, "GET", f"{FHIR}/{RECORD_ID}.{one.id}", person())
    assert status == 200


def test_an_announcement_that_was_forgotten_stays_hidden_from_whom_it_was(dynamodb):
    keep(dynamodb)
    never_came, gone = f"{RECORD_ID}.{new_ulid(NOW)}", f"{RECORD_ID}.{new_ulid(NOW)}"
    kept = wrote(dynamodb, COLLEAGUE, Act.ANNOUNCE_DOCUMENT, target=gone)
    hidden_from = ("holder", "representatives")
    hidden = wrote(
        dynamodb, COLLEAGUE, Act.ANNOUNCE_DOCUMENT, target=never_came, hidden_from=hidden_from
    )
    assert ids(person()) == [kept.id]
    assert ask(app, "GET", f"{FHIR}/{RECORD_ID}.{hidden.id}", person())[0] == 404


@pytest.mark.parametrize("hidden_from", [("representatives",), ("holder", "representatives")])
def test_a_deposit_that_failed_stays_hidden_from_whom_it_was(dynamodb, hidden_from):
    keep(dynamodb, represented(birth_date=NOW.date() - timedelta(days=5000)))
    failed, refused = (
        wrote(
            dynamodb, COLLEAGUE, Act.PUBLISH_DOCUMENT, outcome=outcome, hidden_from=hidden_from
        ).id
        for outcome in (Outcome.FAILED, Outcome.REFUSED)
    )
    assert {failed, refused}.isdisjoint(ids(parent()))
    assert refused in ids(person()), "who was refused is told to the holder always"
    assert (failed in ids(person())) is ("holder" not in hidden_from)


def test_a_representative_sees_the_minor_s_entries_but_not_the_secret_ones(dynamodb):
    keep(dynamodb, represented(birth_date=NOW.date() - timedelta(days=5000)))
    secret = lay(dynamodb, Visibility.HIDDEN_FROM_REPRESENTATIVES)
    seen = wrote(dynamodb, COLLEAGUE)
    on_secret = wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=secret)
    marked = wrote(dynamodb, COLLEAGUE, Act.CHANGE_DOCUMENT, hidden_from=("representatives",))
    assert ids(parent()) == [seen.id]
    for one in (on_secret, marked):
        status, _, _ = ask(app, "GET", f"{FHIR}/{RECORD_ID}.{one.id}", parent())
        assert status == 404
    assert {seen.id, on_secret.id, marked.id} <= set(ids(person()))


def test_a_representative_is_named_by_their_part_alone(dynamodb):
    keep(dynamodb, represented(birth_date=NOW.date() - timedelta(days=5000)))
    wrote(dynamodb, parent(), Act.READ_CONSENTS)
    wrote(dynamodb, person(STRANGER), Act.READ_CONSENTS, outcome=Outcome.REFUSED)
    stranger, representative = [one["agent"][0]["who"] for one in events(person())]
    assert representative == {"display": "Un représentant légal"}
    assert stranger == {"display": "Une personne sans droit sur le dossier"}


def test_who_represents_no_more_sees_nothing_of_the_documents_they_once_read(dynamodb):
    keep(dynamodb, represented(birth_date=NOW.date() - timedelta(days=9000)))
    wrote(dynamodb, parent(), Act.READ_CONTENT, target=lay(dynamodb))
    kept = wrote(dynamodb, parent(), Act.READ_CONSENTS)
    assert ids(parent(), "") == [kept.id]


def test_a_page_is_filled_up_after_what_is_hidden_was_taken_away(dynamodb):
    keep(dynamodb)
    hidden = lay(dynamodb, Visibility.HIDDEN_FROM_PATIENT)
    shown = []
    for number in range(130):
        if number % 10 == 0:
            shown.append(wrote(dynamodb, COLLEAGUE).id)
        else:
            wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=hidden)
    shown.reverse()
    found = search(person(), f"patient={RECORD_ID}&_count=8")
    assert [one["resource"]["id"].partition(".")[2] for one in found["entry"]] == shown[:8]
    following = next(one["url"] for one in found["link"] if one["relation"] == "next")
    rest = search(
        person(),
        urlsplit(following).query + f"&date=lt{NOW + timedelta(seconds=-1):%Y-%m-%dT%H:%M:%SZ}",
    )
    assert [one["resource"]["id"].partition(".")[2] for one in rest["entry"]] == shown[8:]
    assert [one["relation"] for one in rest["link"]] == ["self"]


# -- searching


def test_filters_by_date_actor_kind_and_outcome(dynamodb):
    keep(dynamodb)
    old = wrote(dynamodb, at=datetime(2026, 3, 14, 22, 30, tzinfo=UTC))
    refused = wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, outcome=Outcome.REFUSED)
    emergency = wrote(dynamodb, COLLEAGUE, Act.READ_HISTORY, mode=Mode.BREAK_GLASS, reason=REASON)
    given = f"patient={RECORD_ID}"
    assert ids(person(), f"{given}&date=2026-03-14") == [old.id]
    assert ids(person(), f"{given}&date=ge2026-03-14T23:00:00&date=le2026-03-14") == [old.id]
    assert ids(person(), f"{given}&date=2026-03-15") == []
    number = f"agent.identifier=urn:oid:1.2.250.1.71.4.2.1%7C{OTHER}"
    assert ids(person(), f"{given}&{number}") == [emergency.id, refused.id]
    assert ids(person(), f"{given}&{number}&outcome=0") == [emergency.id]
    assert ids(person(), f"{given}&subtype=document.content") == [refused.id]
    told = events(person(), f"{given}&subtype=urn:dmp:act%7Chistory.read")[0]
    assert told["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    assert told["agent"][0]["purposeOfUse"][0]["text"] == REASON


def test_a_form_asks_the_same(dynamodb):
    keep(dynamodb)
    one = wrote(dynamodb)
    status, told, _ = ask(
        app,
        "POST",
        f"{FHIR}/_search",
        person(),
        f"patient={RECORD_ID}&action=E".encode(),
        **{"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert status == 200
    assert told["entry"][-1]["resource"]["id"] == f"{RECORD_ID}.{one.id}"


def test_what_cannot_be_understood_is_refused(dynamodb):
    keep(dynamodb)
    for query in ("action=Z", "outcome:not=0", "_count=0", "_sort=date"):
        status, told, _ = ask(app, "GET", f"{FHIR}?{query}", person())
        assert (status, told["resourceType"]) == (400, "OperationOutcome")
    assert ask(app, "GET", f"{FHIR}?altid=x", person(), Prefer="handling=strict")[0] == 400
    assert ask(app, "GET", f"{FHIR}?altid=x", person())[0] == 200


def test_a_cursor_is_good_for_one_caller_and_one_record(dynamodb):
    keep(dynamodb)
    for _ in range(3):
        wrote(dynamodb, person(), Act.READ_CONSENTS)
    found = search(person(), f"patient={RECORD_ID}&_count=1")
    following = next(one["url"] for one in found["link"] if one["relation"] == "next")
    cursor = urlsplit(following).query.rpartition("_cursor=")[2]
    assert len(events(person(), f"patient={RECORD_ID}&_cursor={cursor}")) == 2
    for actor, query in (
        (person(STRANGER), f"patient={RECORD_ID}&_cursor={cursor}"),
        (person(), f"_cursor={cursor}"),
        (person(), f"patient={UNKNOWN}&_cursor={cursor}"),
    ):
        assert ask(app, "GET", f"{FHIR}?{query}", actor)[0] == 400


# -- one entry


def test_one_entry_is_read_by_who_may_see_it(dynamodb):
    keep(dynamodb)
    one = wrote(dynamodb)
    url = f"{FHIR}/{RECORD_ID}.{one.id}"
    for actor, status in (
        (person(), 200),
        (DOCTOR, 200),
        (COLLEAGUE, 404),
        (person(STRANGER), 404),
    ):
        answered, told, _ = ask(app, "GET", url, actor)
        assert answered == status
        if status == 200:
            assert faults(told) == []
            assert told["id"] == f"{RECORD_ID}.{one.id}"
    for wrong in ("x", f"{RECORD_ID}.x", f"{UNKNOWN}.{one.id}", f"norecord.{one.id}"):
        assert ask(app, "GET", f"{FHIR}/{wrong}", person())[0] == 404
        assert ask(app, "GET", f"{FHIR}/{wrong}", DOCTOR)[0] == 404


def test_one_s_own_refused_attempt_is_read_under_its_own_id_alone(dynamodb):
    keep(dynamodb)
    one = wrote(dynamodb, outcome=Outcome.REFUSED)
    status, told, _ = ask(app, "GET", f"{FHIR}/norecord.{one.id}", DOCTOR)
    assert status == 200
    assert RECORD_ID not in json.dumps(told)
    assert ask(app, "GET", f"{FHIR}/{RECORD_ID}.{one.id}", DOCTOR)[0] == 404
    assert ask(app, "GET", f"{FHIR}/norecord.{one.id}", COLLEAGUE)[0] == 404


# -- traced


def test_reading_traces_is_traced_before_the_answer_and_refusals_too(dynamodb):
    keep(dynamodb)
    wrote(dynamodb, COLLEAGUE)
    search(person())
    search(DOCTOR)
    search(DOCTOR, f"patient={UNKNOWN}")
    search(DOCTOR, "")
    _, read, refused = journal(dynamodb)
    assert (read["act"], read["outcome"], read["count"]) == ("trace.read", "done", 1)
    assert read["rules"] == ["holder-reads"]
    assert (refused["act"], refused["outcome"]) == ("trace.read", "refused")
    assert [one["outcome"] for one in journal(dynamodb, today())] == ["refused", "done"]


def test_without_a_trace_nothing_is_told(dynamodb, monkeypatch):
    keep(dynamodb)
    wrote(dynamodb)

    def broken(self, trace):
        raise RuntimeError

    monkeypatch.setattr(Traces, "write", broken)
    for url in (f"?patient={RECORD_ID}", "", f"/$access-report?patient={RECORD_ID}"):
        status, told, _ = ask(app, "GET", FHIR + url, person())
        assert (status, told["resourceType"]) == (500, "OperationOutcome")


def test_an_entry_that_somebody_forged_is_shown_as_such(dynamodb):
    keep(dynamodb)
    one = wrote(dynamodb)
    forged = replace(one, id=new_ulid(NOW - timedelta(hours=1)), actor=key_of(COLLEAGUE))
    Traces(dynamodb, Journal("traces", lambda: b"x" * 64)).write(forged)
    told = {event["id"].partition(".")[2]: json.dumps(event) for event in events(person())}
    assert "urn:dmp:broken-mark" in told[forged.id]
    assert "urn:dmp:broken-mark" not in told[one.id]


# -- the report


def fetched(actor=None, query: str = f"patient={RECORD_ID}"):
    status, told, headers = ask(app, "GET", f"{FHIR}/$access-report?{query}", actor or person())
    assert status == 200, told
    return told, headers


def published() -> dict:
    status, told, headers = ask(app, "GET", "/.well-known/jwks.json")
    assert status == 200
    assert headers["Cache-Control"] == "public, max-age=3600"
    (key,) = told["keys"]
    return key


def token_of(bundle) -> tuple[str, str]:
    """The detached signature, and the same with its payload in its place."""
    rest = {name: value for name, value in bundle.items() if name != "signature"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    payload = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    token = base64.b64decode(bundle["signature"]["data"]).decode()
    head, middle, tail = token.split(".")
    assert middle == ""
    return token, f"{head}.{payload}.{tail}"


def test_a_report_holds_what_the_search_shows_and_stock_libraries_check_it(dynamodb):
    keep(dynamodb)
    hidden = lay(dynamodb, Visibility.HIDDEN_FROM_PATIENT)
    made = [wrote(dynamodb, COLLEAGUE), wrote(dynamodb, mode=Mode.BREAK_GLASS, reason=REASON)]
    wrote(dynamodb, COLLEAGUE, Act.READ_CONTENT, target=hidden)
    bundle, headers = fetched()
    assert bundle["type"] == "collection"
    shown = [one["resource"]["id"].partition(".")[2] for one in bundle["entry"]]
    assert shown == [one.id for one in reversed(made)]
    assert all(faults(one["resource"]) == [] for one in bundle["entry"])
    assert headers["Content-Disposition"].startswith('attachment; filename="acces-20')
    assert RECORD_ID not in headers["Content-Disposition"]
    key = published()
    _, whole = token_of(bundle)
    told = jwt.decode(whole, jwt.PyJWK(key).key, algorithms=["ES256"])
    assert told["entry"] == bundle["entry"]
    assert jose.deserialize_compact(whole, ECKey.import_key(key), algorithms=["ES256"])
    assert jwt.get_unverified_header(whole)["kid"] == key["kid"]


def test_a_report_that_was_changed_is_found_out(dynamodb):
    keep(dynamodb)
    wrote(dynamodb)
    bundle, _ = fetched()
    key = jwt.PyJWK(published())

    def verify(kid, signed, signature):
        return kid == key.key_id and key.Algorithm.verify(signed, key.key, signature)

    assert holds(bundle, verify)
    assert holds(json.loads(json.dumps(bundle, indent=3)), verify)
    changed = json.loads(json.dumps(bundle))
    changed["entry"][0]["resource"]["recorded"] = "2020-01-01T00:00:00.000Z"
    assert not holds(changed, verify)
    assert not holds({**bundle, "entry": []}, verify)
    assert not holds({name: bundle[name] for name in bundle if name != "signature"}, verify)
    _, whole = token_of(changed)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(whole, key.key, algorithms=["ES256"])


def test_an_export_is_an_act_of_its_own(dynamodb):
    keep(dynamodb)
    wrote(dynamodb)
    fetched()
    fetched(COLLEAGUE)
    fetched(DOCTOR, "")
    exports = [one for one in journal(dynamodb) if one["act"] == "trace.export"]
    assert [one["outcome"] for one in exports] == ["done", "refused"]
    assert exports[0]["count"] == 1
    assert [one["act"] for one in journal(dynamodb, today())] == ["trace.export"]


def test_who_may_not_read_a_record_s_traces_exports_their_own(dynamodb):
    keep(dynamodb)
    mine = wrote(dynamodb)
    wrote(dynamodb, COLLEAGUE)
    bundle, _ = fetched(DOCTOR)
    assert [one["resource"]["id"] for one in bundle["entry"]] == [f"{RECORD_ID}.{mine.id}"]
    assert "entry" not in fetched(person(STRANGER))[0]


def test_a_report_that_does_not_fit_goes_on_in_another_file(dynamodb, monkeypatch):
    keep(dynamodb)
    made = [wrote(dynamodb, COLLEAGUE).id for _ in range(5)]
    small = replace(wiring.export_traces(), most_bytes=8000)
    monkeypatch.setattr(wiring, "export_traces", lambda: small)
    found, query = [], f"patient={RECORD_ID}&date=lt{NOW - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    for _ in range(5):
        bundle, _ = fetched(query=query)
        assert len(json.dumps(bundle["entry"])) < 10_000
        found += [one["resource"]["id"].partition(".")[2] for one in bundle["entry"]]
        following = [one["url"] for one in bundle["link"] if one["relation"] == "next"]
        if not following:
            break
        query = urlsplit(following[0]).query
    assert found == made[::-1]
    assert len(found) == 5
