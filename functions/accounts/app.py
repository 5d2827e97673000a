"""The enrolment counter and the Patient endpoint."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.fhir_bundles import searchset
from dmp.edge.fhir_search import used
from dmp.edge.http import HttpArea, fhir_answer, json_answer
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


@app.route("/fhir/Patient", methods=["GET"], authorizer=app.bearer)
def find_record() -> Response:
    """TD0.2: the record of an exact INS, 0 or 1."""
    actor, now, query = app.actor, app.now, app.query
    ins = messages.identifier_of(query, strict=app.strict)
    found = wiring.find_record()(actor, ins, now)
    patients = [answers.patient(found, actor, now, ins)] if found else []
    asked = used(query, messages.SEARCH)
    return fhir_answer(
        searchset(wiring.fhir_base(), "Patient", asked, patients, total=len(patients))
    )


@app.route("/fhir/Patient/{record_id}", methods=["GET"], authorizer=app.bearer)
def read_patient(record_id: str) -> Response:
    """The Patient of a record, to whoever may follow it."""
    actor, now = app.actor, app.now
    found = wiring.read_record()(actor, record_id, now)
    return fhir_answer(answers.patient(found, actor, now))
