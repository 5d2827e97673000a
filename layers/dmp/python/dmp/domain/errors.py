"""Everything that can be refused, once.

`slug` is the stable end of the problem's `type` at the edge; the sentence an error carries is
for engineers and holds no identity; what people read comes from the message catalogues.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong thing in a request.

    `path` points into what was sent (`traits.birthDate`, `DocumentReference.content[0]`),
    `code` names the fault in the catalogues, `detail` is shown to the caller: it may quote what
    the caller sent, never what we hold.
    """

    path: str
    code: str
    detail: str


class DmpError(Exception):
    """The ancestor of every refusal; the edge walks up to it to find the answer."""

    slug = "internal-error"


class Unauthenticated(DmpError):
    """No token, or one that we do not trust; `reason` is expired, invalid or missing."""

    slug = "unauthorised"

    def __init__(self, reason: str = "missing") -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(DmpError):
    """The right person asked for what their kind may never do."""

    slug = "forbidden"


class NotFound(DmpError):
    """It does not exist, or the caller has no right to know that it does: one answer for both."""

    slug = "not-found"


class Invalid(DmpError):
    """Understood, and wrong: every fault at once."""

    slug = "invalid-request"

    def __init__(self, *faults: Fault) -> None:
        super().__init__(", ".join(fault.code for fault in faults))
        self.faults = faults


class Malformed(DmpError):
    """Not even readable as what it claims to be."""

    slug = "malformed"

    def __init__(self, *faults: Fault) -> None:
        super().__init__(", ".join(fault.code for fault in faults))
        self.faults = faults


class InvalidIns(Invalid):
    slug = "invalid-ins"


class TraitsMismatch(Invalid):
    slug = "traits-mismatch"


class ConsentRequired(Invalid):
    slug = "consent-required"


class NotInsured(Invalid):
    slug = "not-insured"


class SchemeNotServed(Invalid):
    slug = "scheme-not-served"


class Deceased(Invalid):
    slug = "deceased"


class IdempotencyKeyReused(Invalid):
    """The same key came with another body."""

    slug = "idempotency-key-reused"


class Conflict(DmpError):
    """It clashes with what is already there."""

    slug = "conflict"


class RecordExists(Conflict):
    """The person has a record; its id is for the trace of the attempt, never for the answer."""

    def __init__(self, record_id: str) -> None:
        super().__init__()
        self.record_id = record_id


class RecordAlreadyOpen(RecordExists):
    slug = "record-already-open"


class RecordClosed(RecordExists):
    """It is closed: reopening it is another act, with its consent."""

    slug = "record-closed"


class DocumentAlreadyPublished(Conflict):
    """The sender's own identifier already names another document that they sent here."""

    slug = "document-already-published"


class StaleVersion(DmpError):
    """If-Match named a version that is no longer the current one."""

    slug = "stale-version"


class SeveralMatch(DmpError):
    """A conditional request names one thing, and several answer to it."""

    slug = "several-match"


class TooLarge(DmpError):
    slug = "too-large"


class UnsupportedMedia(DmpError):
    slug = "unsupported-media-type"


class NotAllowed(DmpError):
    """The method exists in the protocol and not here."""

    slug = "method-not-allowed"


class Busy(DmpError):
    """A provider or a store would not answer; the same request later may succeed."""

    slug = "temporarily-unavailable"
