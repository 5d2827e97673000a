"""Consent over FHIR."""

from __future__ import annotations

from chalice.app import Response

from dmp.domain.errors import NotAllowed
from dmp.edge import fhir_consent
from dmp.edge.http import PATCH_TYPES, HttpArea, fhir_answer
from dmp.edge.json_patch import Patch
from dmp.usecases.grant_access import Recorded
from functions.consents import wiring

app = HttpArea("consents")


@app.route("/fhir/Consent", methods=["POST"], authorizer=app.bearer)
def record_consent() -> Response:
    """Record a decision: 201 when it is new, 200 when it stood already or was changed."""
    actor, now, expected = app.actor, app.now, app.expected_version
    wish = fhir_consent.wish_of(app.document())
    done = wiring.grant_access()(actor, wish, now, expected)
    return _recorded(done, 201 if done.given else 200)


@app.route("/fhir/Consent", methods=["GET"], authorizer=app.bearer)
def search_consents() -> Response:
    """The decisions of one record that the caller may see, newest first."""
    actor, query = app.actor, app.query
    question = fhir_consent.question_of(query, strict=app.strict)
    found = wiring.read_consents().search(actor, question, app.now)
    return fhir_answer(fhir_consent.bundle(found, wiring.fhir_base(), query, actor))


@app.route("/fhir/Consent/{consent_id}", methods=["GET"], authorizer=app.bearer)
def read_consent(consent_id: str) -> Response:
    """One decision."""
    found = wiring.read_consents().read(app.actor, consent_id, app.now)
    headers = fhir_consent.headers(found, wiring.fhir_base())
    return fhir_answer(fhir_consent.resource(found, app.actor), headers=headers)


@app.route(
    "/fhir/Consent/{consent_id}",
    methods=["PATCH"],
    content_types=PATCH_TYPES,
    authorizer=app.bearer,
)
def change_consent(consent_id: str) -> Response:
    """Withdraw a decision, lift a block, or move a period."""
    actor, now, expected = app.actor, app.now, app.expected_version
    amend = fhir_consent.amendment(Patch.of(app.json()), actor)
    return _recorded(wiring.change_consent()(actor, consent_id, amend, now, expected))


@app.route(
    "/fhir/Consent/{consent_id}",
    methods=["PUT", "DELETE"],
    authorizer=app.bearer,
    refused=True,
)
def never(consent_id: str) -> Response:
    """A decision is changed or withdrawn, never overwritten nor removed."""
    raise NotAllowed


@app.route("/fhir/Consent/{consent_id}/_history", methods=["GET"], authorizer=app.bearer)
def consent_history(consent_id: str) -> Response:
    """What one decision became, newest first: who, when and what."""
    actor, query = app.actor, app.query
    count, after = fhir_consent.page_of_history(query, strict=app.strict)
    page = wiring.read_consents().history(actor, consent_id, app.now, count=count, after=after)
    return fhir_answer(fhir_consent.history(page, consent_id, wiring.fhir_base(), query, actor))


def _recorded(done: Recorded, status: int = 200) -> Response:
    headers = fhir_consent.headers(done.consent, wiring.fhir_base())
    return fhir_answer(fhir_consent.resource(done.consent, app.actor), status, headers)
