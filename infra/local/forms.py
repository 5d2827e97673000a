"""What the gateway says when it refuses, in the form of the path.

``/fhir`` answers an ``OperationOutcome``, everything else an ``application/problem+json`` of RFC
9457 with a stable ``type`` (``urn:dmp:problem:...``). Nothing of the inside shows.
"""

from __future__ import annotations

import json

# status -> (problem, title, FHIR issue type; https://hl7.org/fhir/R4/valueset-issue-type.html)
_REFUSALS = {
    400: ("bad-request", "The request can't be read", "invalid"),
    401: ("unauthorised", "A valid bearer token is needed", "login"),
    403: ("forbidden", "This is not allowed", "forbidden"),
    404: ("not-found", "There is nothing here", "not-found"),
    405: ("method-not-allowed", "This method is not allowed here", "not-supported"),
    413: ("payload-too-large", "The body is too large", "too-long"),
    415: ("unsupported-media-type", "This content type is not accepted", "not-supported"),
    429: ("too-many-requests", "Too many requests; try again later", "throttled"),
    500: ("internal-error", "The service failed", "exception"),
    502: ("internal-error", "The service failed", "exception"),
    503: ("unavailable", "The service is not ready; try again later", "transient"),
    504: ("timeout", "The service took too long", "timeout"),
}


def is_fhir(path: str) -> bool:
    """Whether answers at this path speak FHIR."""
    return path == "/fhir" or path.startswith("/fhir/")


def refusal(status: int, path: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, ASGI headers and body of a refusal by the gateway at ``path``."""
    if status not in _REFUSALS:
        status = 500 if status >= 500 else 400  # noqa: PLR2004 - the class of the status
    problem, title, issue = _REFUSALS[status]
    content: dict[str, object]
    if is_fhir(path):
        media = b"application/fhir+json"
        content = {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "error",
                    "code": issue,
                    "details": {
                        "coding": [{"system": "urn:dmp:problem", "code": problem}],
                        "text": title,
                    },
                }
            ],
        }
    else:
        media = b"application/problem+json"
        content = {"type": f"urn:dmp:problem:{problem}", "title": title, "status": status}
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status == 401:  # noqa: PLR2004
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 503:  # noqa: PLR2004
        headers.append((b"retry-after", b"2"))
    return status, headers, body
