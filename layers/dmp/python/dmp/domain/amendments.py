"""Changing a document in place: status, security labels and archive state, nothing else.

A change is taken apart into acts, each of which is decided on its own; all of them or none.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace

from dmp.domain.access import Action
from dmp.domain.documents import HIDING, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import Fault
from dmp.domain.terminology import VISIBILITIES

AT = "DocumentReference"
LABELS = f"{AT}.securityLabel"

_GRADES = frozenset({Visibility.NORMAL, Visibility.RESTRICTED, Visibility.VERY_RESTRICTED})
_LASTING = HIDING - {Visibility.HIDDEN_FROM_PATIENT}
_BOTH = frozenset({Visibility.HIDDEN_FROM_PROFESSIONALS, Visibility.HIDDEN_FROM_PATIENT})
_MASKS = (
    (Visibility.HIDDEN_FROM_PROFESSIONALS, Action.MASK_DOCUMENT, Action.UNMASK_DOCUMENT),
    (Visibility.HIDDEN_FROM_PATIENT, Action.HIDE_FROM_PATIENT, Action.SHOW_TO_PATIENT),
)


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a document is to be: `resource` is its FHIR JSON with the new labels and archive state,
    as `Document.resource`. Where nothing else changes, it does not either."""

    status: DocumentStatus
    visibility: frozenset[Visibility]
    archived: bool
    resource: str


def changes(document: Document, amendment: Amendment) -> bool:
    """Whether an amendment changes anything."""
    return amendment != Amendment(
        document.status, document.visibility, document.archived, document.resource
    )


def acts_of(document: Document, amendment: Amendment) -> tuple[Action, ...]:
    """The acts of which an amendment consists, in a fixed order."""
    before, after = document.visibility, amendment.visibility
    acts = [
        set_it if code in after else lift
        for code, set_it, lift in _MASKS
        if (code in after) is not (code in before)
    ]
    if Visibility.HIDDEN_FROM_REPRESENTATIVES in before - after:
        acts.append(Action.SHOW_TO_REPRESENTATIVES)
    if _grade(before) != _grade(after):
        acts.append(Action.GRADE_CONFIDENTIALITY)
    if document.archived is not amendment.archived:
        acts.append(Action.ARCHIVE_DOCUMENT)
    if document.status is not amendment.status:
        acts.append(Action.DELETE_DOCUMENT)
    return tuple(acts)


def faults_of(
    document: Document, amendment: Amendment, *, masked_and_invisible: bool
) -> tuple[Fault, ...]:
    """What nobody may change, whoever asks: with every fault.

    A document that representatives see is never hidden from them again; one that is deleted does
    not change any more, nor does one whose bytes are awaited or were rejected.
    """
    faults = []
    if document.status is DocumentStatus.ENTERED_IN_ERROR:
        faults.append(Fault(f"{AT}.status", "deleted", "a deleted document does not change"))
    elif document.stage is not Stage.FINAL:
        sentence = "the document is not published yet"
        faults.append(Fault(f"{AT}.docStatus", "not-final", sentence))
    elif document.status is not amendment.status and (
        document.status is not DocumentStatus.CURRENT
        or amendment.status is not DocumentStatus.ENTERED_IN_ERROR
    ):
        sentence = "a current document becomes entered-in-error by hand, nothing else"
        faults.append(Fault(f"{AT}.status", "status", sentence))
    before, after = document.visibility, amendment.visibility
    if Visibility.HIDDEN_FROM_REPRESENTATIVES in after - before:
        sentence = "what legal representatives see is not hidden from them again"
        faults.append(Fault(LABELS, "irreversible", sentence))
    if not masked_and_invisible and masked_twice(after) and not masked_twice(before):
        faults.append(COMBINATION)
    return tuple(faults)


def inherited(document: Document, replaced: Document | None) -> Document:
    """A document that takes the place of another stays hidden from whom the other was hidden by
    somebody's wish: what the patient masked, and what a minor keeps secret, comes back in no new
    version. When it is announced to the patient is for its sender to say each time. *Assumed.*"""
    if replaced is None:
        return document
    codes = (replaced.visibility & _LASTING) - document.visibility
    if not codes:
        return document
    resource = json.loads(document.resource)
    labels = [
        {"coding": [{"system": f"urn:oid:{VISIBILITIES}", "code": code}]} for code in sorted(codes)
    ]
    resource["securityLabel"] = [*resource.get("securityLabel", ()), *labels]
    return replace(
        document,
        visibility=document.visibility | codes,
        resource=json.dumps(resource, ensure_ascii=False, separators=(",", ":")),
    )


def masked_twice(codes: Collection[Visibility]) -> bool:
    """Whether the codes hide from professionals and from the patient at once."""
    return set(codes) >= _BOTH


COMBINATION = Fault(
    LABELS, "label-combination", "hidden from professionals and from the patient at once"
)


def meaning(codes: frozenset[Visibility]) -> frozenset[Visibility]:
    """What codes say, however it is said: N is meant where no confidentiality is said."""
    return (codes & HIDING) | _grade(codes)


def _grade(codes: frozenset[Visibility]) -> frozenset[Visibility]:
    """The confidentiality that labels say; none said is the normal one."""
    return codes & _GRADES or frozenset({Visibility.NORMAL})
