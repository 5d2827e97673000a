"""Consent over FHIR."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge import fhir_consent
from dmp.edge.http import HttpArea, fhir_answer
from functions.consents import wiring

app = HttpArea("consents")


@app.route("/fhir/Consent", methods=["POST"], authorizer=app.bearer)
def record_consent() -> Response:
    """Record a decision: 201 when it is new, 200 when it stood already or was changed."""
    actor, now = app.actor, app.now
    done = wiring.grant_access()(actor, fhir_consent.wish_of(app.document()), now)
    headers = fhir_consent.headers(done.consent, wiring.fhir_base())
    return fhir_answer(fhir_consent.resource(done.consent), 201 if done.given else 200, headers)


@app.route("/fhir/Consent", methods=["GET"], authorizer=app.bearer)
def search_consents() -> Response:
    """The decisions of one record that the caller may see, newest first."""
    actor, query = app.actor, app.query
    question = fhir_consent.question_of(query, strict=app.strict)
    found = wiring.read_consents().search(actor, question, app.now)
    return fhir_answer(fhir_consent.bundle(found, wiring.fhir_base(), query))


@app.route("/fhir/Consent/{consent_id}", methods=["GET"], authorizer=app.bearer)
def read_consent(consent_id: str) -> Response:
    """One decision."""
    found = wiring.read_consents().read(app.actor, consent_id, app.now)
    headers = fhir_consent.headers(found, wiring.fhir_base())
    return fhir_answer(fhir_consent.resource(found), headers=headers)
