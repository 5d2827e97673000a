"""Who accessed what: AuditEvent over FHIR, the signed access report and the key that signs it."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.access_report import canonical, report, signed, weight
from dmp.edge.answers import FHIR
from dmp.edge.fhir_audit import resource
from dmp.edge.fhir_bundles import links, searchset
from dmp.edge.fhir_search import Query, form_query, used
from dmp.edge.http import PRIVATE, HttpArea, fhir_answer
from functions.traces import wiring
from functions.traces.messages import READ, REPORT, cursor, question_of, report_of

app = HttpArea("traces")

_FORM = "application/x-www-form-urlencoded"
_KEYS = {"Content-Type": "application/json", "Cache-Control": "public, max-age=3600"}


@app.route("/fhir/AuditEvent", methods=["GET"], authorizer=app.bearer)
def search() -> Response:
    """The entries of one record, or of one's own acts, newest first."""
    return _search(app.query)


@app.route(
    "/fhir/AuditEvent/_search", methods=["POST"], content_types=[_FORM], authorizer=app.bearer
)
def search_by_form() -> Response:
    """The same by POST: the parameters stay out of addresses and logs."""
    form = form_query(app.bytes())
    return _search({**app.query, **form})


@app.route("/fhir/AuditEvent/$access-report", methods=["GET"], authorizer=app.bearer)
def access_report() -> Response:
    """The entries of one record, or of one's own acts, as a signed file."""
    actor, now, base, spoken = app.actor, app.now, wiring.fhir_base(), app.language
    question = report_of(app.query, actor, strict=app.strict)
    page = wiring.export_traces()(actor, question, lambda one: weight(one, base, spoken), now)
    url = f"{base}/AuditEvent/$access-report"
    told = links(url, used(app.query, REPORT), cursor(page, question, actor))
    whole = signed(report(page.entries, told, base, spoken, now), wiring.signing_key(), base, now)
    name = f'attachment; filename="acces-{now:%Y-%m-%d}.json"'
    headers: dict[str, str | list[str]] = {
        "Content-Type": FHIR,
        "Content-Disposition": name,
        **PRIVATE,
    }
    return Response(canonical(whole).decode("utf-8"), headers, 200)


@app.route("/fhir/AuditEvent/{id}", methods=["GET"], authorizer=app.bearer)
def read(id: str) -> Response:  # noqa: A002 - the name of the path's parameter
    """One entry."""
    entry = wiring.read_traces().read(app.actor, id, app.now)
    return fhir_answer(resource(entry, wiring.fhir_base(), app.language))


@app.route("/.well-known/jwks.json", methods=["GET"])
def keys() -> Response:
    """The public keys that check what the service signs (RFC 7517); anybody may know."""
    return Response({"keys": [wiring.signing_key().public_jwk()]}, dict(_KEYS), 200)


def _search(query: Query) -> Response:
    actor, base = app.actor, wiring.fhir_base()
    question = question_of(query, actor, strict=app.strict)
    page = wiring.read_traces().search(actor, question, app.now)
    return fhir_answer(
        searchset(
            base,
            "AuditEvent",
            used(query, READ),
            [resource(entry, base, app.language) for entry in page.entries],
            total=None,
            next_cursor=cursor(page, question, actor),
        )
    )
