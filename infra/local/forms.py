"""What the front says when it refuses, in the form of the path.

``/fhir`` answers an ``OperationOutcome``, everything else an ``application/problem+json`` of RFC
9457. The words are those of the gateway and the WAF in AWS (`infra.cdk.parts.answers`).
"""

from __future__ import annotations

import json
from dataclasses import replace

from infra.cdk.parts.answers import GATEWAY, INTERNAL, MALFORMED, Answer

_SERVER_ERRORS = 500
_UNAUTHORISED = 401
_UNAVAILABLE = 503
# In AWS every method of a path reaches its function, which answers this by itself.
_METHOD = Answer(405, "method-not-allowed", "Method not allowed", "not-supported")
_BY_STATUS = {answer.status: answer for answer in (*GATEWAY.values(), _METHOD)}


def is_fhir(path: str) -> bool:
    """Whether answers at this path speak FHIR."""
    return path == "/fhir" or path.startswith("/fhir/")


def refusal(status: int, path: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """ASGI headers and body of a refusal with this status at this path."""
    answer = _BY_STATUS.get(status) or (INTERNAL if status >= _SERVER_ERRORS else MALFORMED)
    fhir = is_fhir(path)
    content = answer.outcome if fhir else replace(answer, status=status).problem
    media = b"application/fhir+json" if fhir else b"application/problem+json"
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"access-control-allow-origin", b"*"),
    ]
    if status == _UNAUTHORISED:
        headers.append((b"www-authenticate", b'Bearer realm="dmp"'))
    if status == _UNAVAILABLE:
        headers.append((b"retry-after", b"2"))
    return headers, body
