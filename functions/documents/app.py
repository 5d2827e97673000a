"""Documents in and out: ITI-105, `$upload`, ITI-67, ITI-68 and the capability statement."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from dmp.domain.actors import Person
from dmp.domain.documents import Document
from dmp.domain.errors import NotAllowed
from dmp.edge.fhir_bundles import parameters, searchset, warning
from dmp.edge.fhir_documents import HIDDEN, resource_of
from dmp.edge.fhir_search import Query, cursor_of, form_query
from dmp.edge.http import PATCH_TYPES, HttpArea, bytes_answer, etag, fhir_answer, redirect
from dmp.edge.settings import settings
from dmp.usecases.publish_document import Published
from functions.documents import wiring
from functions.documents.capabilities import statement
from functions.documents.changing import rewriting
from functions.documents.messages import Sent, sent
from functions.documents.searching import asked, condition

app = HttpArea("documents")

_FORM = "application/x-www-form-urlencoded"


@app.route("/fhir/metadata", methods=["GET"])
def metadata() -> Response:
    """What this build does; anybody may know."""
    return fhir_answer(statement(_fhir_url()))


@app.route("/fhir/DocumentReference", methods=["POST"], authorizer=app.bearer)
def publish() -> Response:
    """ITI-105: a document with its bytes inline."""
    actor, now = app.actor, app.now
    told = _sent()
    published = wiring.publish_document()(actor, told.submission, told.data or b"", now)
    return _published(published)


@app.route("/fhir/DocumentReference/$upload", methods=["POST"], authorizer=app.bearer)
def upload() -> Response:
    """A document whose bytes will follow by the form that is answered."""
    actor, now = app.actor, app.now
    told = _sent(upload=True)
    prepared = wiring.prepare_upload()(actor, told.submission, now)
    resource = resource_of(prepared.document, _fhir_url(), warnings=prepared.warnings)
    return fhir_answer(
        parameters(resource, prepared.form),
        201 if prepared.form else 200,
        {"Location": _location(resource)},
    )


@app.route("/fhir/DocumentReference", methods=["GET"], authorizer=app.bearer)
def search() -> Response:
    """ITI-67 by GET."""
    return _search(app.query)


@app.route(
    "/fhir/DocumentReference/_search",
    methods=["POST"],
    content_types=[_FORM],
    authorizer=app.bearer,
)
def search_by_form() -> Response:
    """ITI-67 by POST: the parameters stay out of addresses and logs."""
    form = form_query(app.bytes())
    return _search({**app.query, **form})


@app.route("/fhir/DocumentReference/{id}", methods=["GET"], authorizer=app.bearer)
def read(id: str) -> Response:  # noqa: A002 - the name of the path's parameter
    """One document's metadata."""
    document, answer = wiring.read_document()(app.actor, id, app.now)
    resource = resource_of(document, _fhir_url(), hidden_from_others=answer.hidden_from_others)
    return fhir_answer(resource, headers={"ETag": etag(document.version)})


@app.route(
    "/fhir/DocumentReference/{id}",
    methods=["PATCH"],
    content_types=PATCH_TYPES,
    authorizer=app.bearer,
)
def change(id: str) -> Response:  # noqa: A002 - the name of the path's parameter
    """Status, security labels and archive state, by JSON Patch."""
    actor, rewrite = app.actor, rewriting(app.json(), _fhir_url())
    changed = wiring.change_document()(actor, id, rewrite, app.expected_version, app.now)
    return _changed(changed)


@app.route(
    "/fhir/DocumentReference",
    methods=["PATCH"],
    content_types=PATCH_TYPES,
    authorizer=app.bearer,
)
def change_by_identifier() -> Response:
    """The same, of the one document that carries a producer's identifier."""
    actor, rewrite = app.actor, rewriting(app.json(), _fhir_url())
    meant = condition(app.query, lenient=settings().lenient_identity)
    changed = wiring.change_document().matching(
        actor, meant, rewrite, app.expected_version, app.now
    )
    return _changed(changed)


@app.route(
    "/fhir/DocumentReference/{id}",
    methods=["PUT", "DELETE"],
    authorizer=app.bearer,
    refused=True,
)
def never(id: str) -> Response:  # noqa: A002 - the name of the path's parameter
    """A document is replaced or withdrawn, never overwritten."""
    raise NotAllowed


@app.route("/fhir/Binary/{id}", methods=["GET"], authorizer=app.bearer)
def content(id: str) -> Response:  # noqa: A002 - the name of the path's parameter
    """ITI-68: the bytes as they were deposited."""
    found = wiring.read_content()(app.actor, id, app.now)
    if found.address is not None:
        return redirect(found.address)
    headers = {"Content-Disposition": found.disposition, "ETag": etag(found.document.version)}
    return bytes_answer(found.data or b"", found.document.content.media_type, headers)


def _sent(*, upload: bool = False) -> Sent:
    return sent(
        app.document(),
        now=app.now,
        lenient=settings().lenient_identity,
        holder=isinstance(app.actor, Person),
        upload=upload,
        masked_and_invisible=wiring.parameters().masked_and_invisible,
    )


def _changed(document: Document) -> Response:
    """The document as it stands now, with its version."""
    resource = resource_of(document, _fhir_url(), hidden_from_others=document.hidden_from_others)
    return fhir_answer(resource, headers={"ETag": etag(document.version)})


def _published(published: Published) -> Response:
    """201 for a new document, 200 with the same resource for one sent before; its version is for
    who may read it."""
    resource = resource_of(published.document, _fhir_url(), warnings=published.warnings)
    headers = {"Location": _location(resource)}
    if published.readable:
        headers["ETag"] = etag(published.document.version)
    return fhir_answer(resource, 201 if published.created else 200, headers)


def _search(query: Query) -> Response:
    told = asked(query, lenient=settings().lenient_identity, strict=app.strict)
    found = wiring.search_documents()(app.actor, told.whose, told.criteria, told.page, app.now)
    resources = [
        resource_of(document, _fhir_url(), hidden_from_others=answer.hidden_from_others)
        for document, answer in found.documents
    ]
    last = found.documents[-1][0].id if found.more else None
    return fhir_answer(
        searchset(
            _fhir_url(),
            "DocumentReference",
            told.used,
            resources,
            total=found.total,
            next_cursor=cursor_of(last, str(found.total)) if last else None,
            outcome=_hidden(resources),
        )
    )


def _hidden(resources: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The warning that goes with documents that not everybody sees."""
    if not any(one["url"] == HIDDEN for each in resources for one in each.get("extension", ())):
        return None
    return warning("hidden-from-others", "Des documents de cette liste sont masqués à d'autres.")


def _fhir_url() -> str:
    return f"{settings().api_url}/fhir"


def _location(resource: dict[str, Any]) -> str:
    return f"{_fhir_url()}/DocumentReference/{resource['id']}"
