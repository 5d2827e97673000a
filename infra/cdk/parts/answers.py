"""What the gateway itself answers, before any function: bodies that read well on either side.

A gateway response cannot know the path, so its body is at once an OperationOutcome and RFC 9457
problem details. The WAF does know the path, so its refusals have the form of the path.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

PROBLEM = "urn:dmp:problem/"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    slug: str
    title: str
    issue: str
    """FHIR issue type."""

    @property
    def outcome(self) -> dict[str, object]:
        return {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "error",
                    "code": self.issue,
                    "details": {
                        "coding": [{"system": "urn:dmp:problem", "code": self.slug}],
                        "text": self.title,
                    },
                }
            ],
        }

    @property
    def problem(self) -> dict[str, object]:
        return {"type": f"{PROBLEM}{self.slug}", "title": self.title, "status": self.status}

    @property
    def both(self) -> str:
        """JSON text of the body that is an OperationOutcome and a problem."""
        return json.dumps({**self.outcome, **self.problem}, separators=(",", ":"))


UNAUTHORISED = Answer(401, "unauthorised", "Authentication required", "login")
FORBIDDEN = Answer(403, "forbidden", "Not allowed", "forbidden")
NOT_FOUND = Answer(404, "not-found", "Resource not found", "not-found")
TOO_LARGE = Answer(413, "too-large", "Content too large", "too-long")
UNSUPPORTED = Answer(415, "unsupported-media-type", "Content type not accepted", "not-supported")
TOO_MANY = Answer(429, "too-many-requests", "Too many requests, try again later", "throttled")
MALFORMED = Answer(400, "malformed", "The request cannot be read", "structure")
INTERNAL = Answer(500, "internal-error", "An internal error occurred", "exception")
UNAVAILABLE = Answer(503, "temporarily-unavailable", "Service temporarily unavailable", "transient")
TIMEOUT = Answer(504, "temporarily-unavailable", "Service temporarily unavailable", "transient")

GATEWAY = {
    "UNAUTHORIZED": UNAUTHORISED,
    "ACCESS_DENIED": FORBIDDEN,
    "WAF_FILTERED": FORBIDDEN,
    "MISSING_AUTHENTICATION_TOKEN": NOT_FOUND,  # API Gateway's name for a path that is not there
    "RESOURCE_NOT_FOUND": NOT_FOUND,
    "REQUEST_TOO_LARGE": TOO_LARGE,
    "UNSUPPORTED_MEDIA_TYPE": UNSUPPORTED,
    "THROTTLED": TOO_MANY,
    "QUOTA_EXCEEDED": TOO_MANY,
    "INTEGRATION_FAILURE": UNAVAILABLE,
    "INTEGRATION_TIMEOUT": TIMEOUT,
    "DEFAULT_4XX": MALFORMED,
    "DEFAULT_5XX": INTERNAL,
}
"""API Gateway response type -> what is answered."""
