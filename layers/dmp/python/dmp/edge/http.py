"""A Chalice area: routes in, use cases called, errors turned into answers in one place.

A handler parses, calls one use case and renders; what it lets escape becomes a problem or an
OperationOutcome by path. Nothing of an exception's text ever leaves, in an answer or in a log.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NoReturn, TypeVar

from chalice.app import Authorizer, Chalice, Request, Response
from pydantic import BaseModel, ValidationError

from dmp.domain.actors import Actor
from dmp.domain.errors import (
    DmpError,
    Fault,
    Invalid,
    Malformed,
    NotAllowed,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from dmp.edge.actors import from_context
from dmp.edge.answers import FHIR, is_fhir, refusal
from dmp.edge.catalogue import language
from dmp.edge.observability import logger

Model = TypeVar("Model", bound=BaseModel)
View = Callable[..., Response]

JSON_TYPES = ["application/json"]
FHIR_TYPES = ["application/fhir+json", "application/json"]
PATCH_TYPES = ["application/json-patch+json"]
PRIVATE = {"Cache-Control": "no-store"}

# Lambda takes 6 MB an event, and the gateway wraps the body once more in base64.
_MAX_BODY = 4_600_000

# Compared as FHIR does: a weak tag names a version as well as a strong one [FHIR R4 http.html].
_TAG = re.compile(r'(?:W/)?"(?P<version>[0-9]{1,9})"')

# What Chalice answers by itself, before a view is reached.
_CHALICE_ERRORS: dict[str, type[DmpError]] = {
    "MethodNotAllowedError": NotAllowed,
    "UnsupportedMediaType": UnsupportedMedia,
}


def etag(version: int) -> str:
    """The tag of a version, as `expected_version` reads it: `W/"3"`."""
    return f'W/"{version}"'


class Bearer(Authorizer):
    """Marks a route as protected; the authorizer itself is the area `functions/authorizer`."""

    name = "bearer"

    def to_swagger(self) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class BytesResponse(Response):
    """Bytes as they are. Chalice encodes only what the Accept header names; a vault does not
    argue about it."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        return {
            "statusCode": self.status_code,
            "headers": self.headers,
            "multiValueHeaders": {},
            "body": base64.b64encode(self.body).decode("ascii"),
            "isBase64Encoded": True,
        }


class HttpArea(Chalice):
    """The Chalice app of one area, with the house's answers."""

    def __init__(self, area: str) -> None:
        super().__init__(app_name=area, configure_logs=False)
        self.bearer = Bearer()
        self.journal = logger(area)
        self.api.binary_types = []
        self._refused: set[tuple[str, str]] = set()

    def route(self, path: str, **kwargs: Any) -> Callable[[View], View]:
        """As Chalice's, with the house's errors; bodies are JSON, or FHIR JSON under `/fhir`.

        `refused` methods are routed for their refusal alone (NotAllowed): `Allow` never names
        them, and their bodies are not read.
        """
        if kwargs.pop("refused", False):
            self._refused |= {(path, method) for method in kwargs["methods"]}
            kwargs["content_types"] = []
        if "content_types" not in kwargs:
            reads = {"POST", "PUT", "PATCH"} & set(kwargs.get("methods", ["GET"]))
            fitting = FHIR_TYPES if is_fhir(path) else JSON_TYPES
            kwargs["content_types"] = fitting if reads else []
        protected = kwargs.get("authorizer") is not None
        register = super().route(path, **kwargs)

        def registered(view: View) -> View:
            @wraps(view)
            def answered(**arguments: str) -> Response:
                try:
                    if protected:
                        self.actor  # noqa: B018 - who may not enter is not told what is wrong
                    return view(**arguments)
                except Exception as error:  # noqa: BLE001 - here errors become answers
                    return self._refusal(error)

            register(answered)
            return view

        return registered

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request of the gateway."""
        answer: dict[str, Any] = super().__call__(event, context)
        if answer["statusCode"] in {405, 415} and answer["body"].startswith('{"Code":'):
            code = json.loads(answer["body"])["Code"]
            refused: dict[str, Any] = self._refusal(_CHALICE_ERRORS[code]()).to_dict()
            return refused
        return answer

    @property
    def request(self) -> Request:
        """The request being answered."""
        assert self.current_request is not None, "outside of a request"  # noqa: S101
        return self.current_request

    @property
    def actor(self) -> Actor:
        """Who calls, as the authorizer verified; Unauthenticated when it could not."""
        told = self.request.context.get("authorizer") or {}
        if "actor" not in told:
            raise Unauthenticated(told.get("refusal", "missing"))
        return from_context(told["actor"])

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters; a repeated one keeps every value."""
        found = self.request.query_params
        return {} if found is None else {name: found.getlist(name) for name in found}

    @property
    def language(self) -> str:
        """The language that the caller reads: `fr` or `en`."""
        return language(self.header("accept-language"))

    def header(self, name: str) -> str | None:
        """A request header, in any case."""
        value: str | None = self.request.headers.get(name)
        return value

    @property
    def strict(self) -> bool:
        """Whether the caller would rather be refused than have parameters left out [FHIR search,
        `Prefer: handling=strict`]."""
        told = re.split(r"[,;]", (self.header("prefer") or "").lower())
        return "handling=strict" in {preference.replace(" ", "") for preference in told}

    @property
    def expected_version(self) -> int | None:
        """The version that `If-Match` names (`W/"3"`); None without the header, or for `*`.

        Malformed for what is none of our tags: a condition that cannot be read is not one that
        holds.
        """
        told = (self.header("if-match") or "*").strip()
        if told == "*":
            return None
        found = _TAG.fullmatch(told)
        if found is None:
            raise Malformed(Fault("If-Match", "etag", 'one version, as W/"1"'))
        return int(found["version"])

    def bytes(self) -> bytes:
        """The body's bytes as they are; UnsupportedMedia for a coded body (gzip), TooLarge over
        what one request may bring."""
        if (self.header("content-encoding") or "identity").strip().lower() != "identity":
            raise UnsupportedMedia
        raw = self.request.raw_body or b""
        body = raw if isinstance(raw, bytes) else raw.encode("utf-8")
        if len(body) > _MAX_BODY:
            raise TooLarge
        return body

    def json(self) -> Any:
        """The JSON of the body; Malformed when it is none."""
        try:
            return json.loads(
                self.bytes().decode("utf-8-sig"),  # some partners send a byte order mark
                parse_constant=_no_constant,
                object_pairs_hook=_once,
            )
        except (ValueError, RecursionError):
            raise Malformed(Fault("body", "json", "not readable as JSON in UTF-8")) from None

    def document(self) -> dict[str, Any]:
        """The JSON object of the body; Malformed when it is none."""
        told = self.json()
        if not isinstance(told, dict):
            raise Malformed(Fault("body", "json", "not a JSON object"))
        return told

    def body(self, model: type[Model]) -> Model:
        """The body as a model; every wrong field is named, none of its values repeated."""
        return parsed(model, self.document())

    def _refusal(self, error: Exception) -> Response:
        request = self.current_request
        path = request.context.get("resourcePath", "") if request else ""
        spoken = self.language if request else language(None)
        if not isinstance(error, DmpError):
            self.journal.error(
                "unexpected error", error=type(error).__name__, route=path, at=_place(error)
            )
        told = refusal(error, path, spoken)
        headers: dict[str, str | list[str]] = {
            "Content-Type": told.media_type,
            "Content-Language": spoken,
            **PRIVATE,
        }
        if isinstance(error, Unauthenticated):
            headers["WWW-Authenticate"] = 'Bearer realm="dmp"'
        if isinstance(error, NotAllowed):
            headers["Allow"] = ", ".join(self._allowed(path))
        return Response(told.body, headers, told.status)

    def _allowed(self, path: str) -> list[str]:
        """The methods that a path has an answer for."""
        routed = self.routes.get(path, {})
        return sorted(method for method in routed if (path, method) not in self._refused)


def json_answer(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(
        body, {"Content-Type": "application/json", **PRIVATE, **(headers or {})}, status
    )


def fhir_answer(
    resource: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A FHIR resource that no cache keeps."""
    return Response(resource, {"Content-Type": FHIR, **PRIVATE, **(headers or {})}, status)


def no_answer() -> Response:
    """204: it is done, and there is nothing to say."""
    return Response("", {**PRIVATE}, 204)


def bytes_answer(data: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """Bytes as deposited, under headers that keep a browser from running them."""
    return BytesResponse(
        data,
        {
            "Content-Type": media_type,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            **PRIVATE,
            **(headers or {}),
        },
    )


def redirect(url: str) -> Response:
    """307: look there, with the same method, for as long as the address lives."""
    return Response("", {"Location": url, **PRIVATE}, 307)


def parsed(model: type[Model], told: Any, at: str = "") -> Model:
    """A pydantic model of what came from outside, or Invalid with one fault per wrong field."""
    try:
        return model.model_validate(told)
    except ValidationError as error:
        raise Invalid(*faults_of(error, at)) from None


def faults_of(error: ValidationError, at: str = "") -> list[Fault]:
    """Pydantic's findings as faults, without the values that were sent."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Fault(_path(one["loc"], at), _code(one["type"]), _sentence(one)) for one in found]


def _path(places: tuple[int | str, ...], at: str) -> str:
    path = at
    for place in places:
        path += f"[{place}]" if isinstance(place, int) else f".{place}" if path else str(place)
    return path or "body"


def _code(kind: str) -> str:
    return {"missing": "required", "extra_forbidden": "unknown-field"}.get(
        kind, kind.replace("_", "-")
    )


def _sentence(found: Any) -> str:
    """Pydantic's sentence, unless it was made by code of ours or could quote the value."""
    if found["type"] in {"value_error", "assertion_error"}:
        return str(found["msg"]).partition(", ")[2] or "not valid"
    return str(found["msg"])


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object each of whose members is said once: of two values, nobody knows which counts."""
    told = dict(members)
    if len(told) != len(members):
        raise ValueError("a member is said twice")
    return told


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _place(error: BaseException) -> str:
    """Module and line of the deepest frame: enough to find a fault, nothing of its data."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
