"""The reimbursement history over HTTP."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.fhir_eob import bundle, question_of
from dmp.edge.http import HttpArea, fhir_answer
from functions.reimbursements import wiring

app = HttpArea("reimbursements")


@app.route("/fhir/ExplanationOfBenefit", methods=["GET"], authorizer=app.bearer)
def search_explanations() -> Response:
    """The netted services of one record, newest first; amounts to the holder alone."""
    question = question_of(app.query, strict=app.strict)
    page = wiring.read_history()(app.actor, question, app.now)
    return fhir_answer(bundle(page, wiring.base(), app.query))
