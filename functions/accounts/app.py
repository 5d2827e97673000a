"""The enrolment counter and the Patient endpoint."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.fhir_bundles import searchset
from dmp.edge.fhir_search import Query, used
from dmp.edge.http import HttpArea, fhir_answer, json_answer, no_answer
from functions.accounts import answers, messages, wiring

app = HttpArea("accounts")


@app.route("/enrolment/records", methods=["POST"], authorizer=app.bearer)
def open_record() -> Response:
    """Open a record at a counter, with the person's consent. 201."""
    actor, key = app.actor, app.header("Idempotency-Key")
    application = messages.application_of(app.document(), key)
    opening = wiring.open_record()(actor, application, app.now)
    headers = {"Location": f"/enrolment/records/{opening.record.id}"}
    return json_answer(answers.opening(opening, app.language), 201, headers)


@app.route("/enrolment/records/{record_id}", methods=["GET"], authorizer=app.bearer)
def read_record(record_id: str) -> Response:
    """How a record stands, to whoever may follow it."""
    found = wiring.read_record()(app.actor, record_id, app.now)
    return json_answer(answers.record(found.record))


_REPRESENTATIVES = "/enrolment/records/{record_id}/representatives"


@app.route(_REPRESENTATIVES, methods=["GET"], authorizer=app.bearer)
def read_representatives(record_id: str) -> Response:
    """Who represents the holder, to whoever may follow the record."""
    shown = wiring.read_representatives()(app.actor, record_id, app.now)
    return json_answer(answers.representatives(shown))


@app.route(_REPRESENTATIVES, methods=["POST"], authorizer=app.bearer)
def name_representative(record_id: str) -> Response:
    """Name who represents the holder. 201 when new, 200 when they do already."""
    actor, naming = app.actor, app.body(messages.RepresentativeMessage).told()
    named = wiring.name_representative()(actor, record_id, naming, app.now)
    place = f"/enrolment/records/{record_id}/representatives/{named.representative.id}"
    told = answers.representative(named.representative)
    return json_answer(told, 201 if named.new else 200, {"Location": place})


@app.route(f"{_REPRESENTATIVES}/{{which}}", methods=["DELETE"], authorizer=app.bearer)
def end_representation(record_id: str, which: str) -> Response:
    """End what somebody was named for. 204."""
    wiring.end_representation()(app.actor, record_id, which, app.now)
    return no_answer()


@app.route("/fhir/Patient", methods=["GET"], authorizer=app.bearer)
def search_patients() -> Response:
    """TD0.2, the record of an exact INS, 0 or 1; without `identifier`, the caller's patients."""
    return _found(app.query) if "identifier" in app.query else _listed(app.query)


@app.route("/fhir/Patient/{record_id}", methods=["GET"], authorizer=app.bearer)
def read_patient(record_id: str) -> Response:
    """The Patient of a record, to whoever may follow it."""
    actor, now = app.actor, app.now
    found = wiring.read_record()(actor, record_id, now)
    return fhir_answer(answers.patient(found, actor, now, wiring.parameters()))


def _found(query: Query) -> Response:
    actor, now = app.actor, app.now
    ins = messages.identifier_of(query, strict=app.strict)
    found = wiring.find_record()(actor, ins, now)
    patients = [answers.patient(found, actor, now, wiring.parameters(), ins)] if found else []
    asked = used(query, messages.SEARCH)
    return fhir_answer(
        searchset(wiring.fhir_base(), "Patient", asked, patients, total=len(patients))
    )


def _listed(query: Query) -> Response:
    actor, now = app.actor, app.now
    asked = messages.patients_of(query, strict=app.strict)
    listed = wiring.list_patients()(actor, asked, now)
    return fhir_answer(
        searchset(
            wiring.fhir_base(),
            "Patient",
            used(query, messages.LIST),
            [answers.listed(one, actor, now, wiring.parameters()) for one in listed.patients],
            total=None,
            next_cursor=messages.patients_cursor(asked, listed.next),
        )
    )
