"""How a refusal looks from outside: one table, two forms.

`/fhir` answers an OperationOutcome, the rest RFC 9457 problem details. The table is walked up
the error's ancestry, so that a new error has an answer the day it is born.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dmp.domain import errors
from dmp.edge.catalogue import messages

PROBLEM = "application/problem+json"
FHIR = "application/fhir+json"
TYPE_PREFIX = "urn:dmp:problem/"


@dataclass(frozen=True, slots=True)
class Form:
    """The HTTP status of an error and its FHIR issue type (http://hl7.org/fhir/issue-type)."""

    status: int
    issue: str


_FORMS: dict[type[BaseException], Form] = {
    BaseException: Form(500, "exception"),
    errors.Unauthenticated: Form(401, "login"),
    errors.Forbidden: Form(403, "forbidden"),
    errors.NotFound: Form(404, "not-found"),
    errors.Malformed: Form(400, "structure"),
    errors.Invalid: Form(422, "invalid"),
    errors.Conflict: Form(409, "conflict"),
    errors.DocumentAlreadyPublished: Form(409, "duplicate"),
    errors.StaleVersion: Form(412, "conflict"),
    errors.SeveralMatch: Form(412, "multiple-matches"),
    errors.TooLarge: Form(413, "too-long"),
    errors.UnsupportedMedia: Form(415, "not-supported"),
    errors.NotAllowed: Form(405, "not-supported"),
    errors.Busy: Form(503, "transient"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal ready to be sent."""

    status: int
    media_type: str
    body: dict[str, Any]


def form_of(error: BaseException) -> Form:
    """The nearest ancestor's form."""
    return next(_FORMS[kind] for kind in type(error).__mro__ if kind in _FORMS)


def refusal(error: BaseException, path: str, language: str) -> Refusal:
    """The answer to an error, in the form of the path. An unknown error says nothing of itself."""
    form = form_of(error)
    slug = error.slug if isinstance(error, errors.DmpError) else errors.DmpError.slug
    title = messages("problems", language)[slug]
    faults: Sequence[errors.Fault] = getattr(error, "faults", ())
    if is_fhir(path):
        return Refusal(form.status, FHIR, _outcome(form, slug, title, faults))
    return Refusal(form.status, PROBLEM, _problem(form, slug, title, faults))


def is_fhir(path: str) -> bool:
    """Whether a path speaks FHIR."""
    return path == "/fhir" or path.startswith("/fhir/")


def _problem(form: Form, slug: str, title: str, faults: Sequence[errors.Fault]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": f"{TYPE_PREFIX}{slug}", "title": title, "status": form.status}
    if faults:
        body["errors"] = [
            {"field": fault.path, "code": fault.code, "detail": fault.detail} for fault in faults
        ]
    return body


def _outcome(form: Form, slug: str, title: str, faults: Sequence[errors.Fault]) -> dict[str, Any]:
    details = {"coding": [{"system": "urn:dmp:problem", "code": slug}], "text": title}
    if not faults:
        issues = [{"severity": "error", "code": form.issue, "details": details}]
    else:
        issues = [
            {
                "severity": "error",
                "code": _ISSUES.get(fault.code, form.issue),
                "details": details,
                "diagnostics": f"{fault.code}: {fault.detail}",
                "expression": [fault.path],
            }
            for fault in faults
        ]
    return {"resourceType": "OperationOutcome", "issue": issues}


# Faults whose FHIR issue type says more than "invalid".
_ISSUES = {
    "required": "required",
    "missing": "required",
    "unknown-code": "code-invalid",
    "unknown-oid": "code-invalid",
    "matricule-key": "value",
    "matricule-shape": "value",
    "json": "structure",
}
