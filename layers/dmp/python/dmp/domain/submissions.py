"""What a sender says of a document, before anything of it is believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dmp.domain.actors import Actor, Agent, Person, Professional, System
from dmp.domain.documents import Document, DocumentStatus, Visibility
from dmp.domain.errors import Fault
from dmp.domain.identity import Ins
from dmp.domain.records import Record
from dmp.domain.terminology import PATIENT_CLASS

AT = "DocumentReference"
ATTACHMENT = f"{AT}.content[0].attachment"


class Role(StrEnum):
    """The kinds of author that a document names."""

    PROFESSIONAL = "professional"
    STRUCTURE = "structure"
    PATIENT = "patient"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Claim:
    """An author as the sender names them: PS_IdNat, structure id or matricule (None: unsaid)."""

    role: Role
    id: str | None


@dataclass(frozen=True, slots=True)
class Submission:
    """One DocumentReference, understood and free of faults of its own.

    `record_id` or `ins` say whose it is; `claimed` are all INS it names elsewhere (source
    patient), with the FHIRPath of each; `size` in bytes and `sha1` (base64) are None when the
    sender gives none; `custodian` is the structure id with its prefix (`1` and the FINESS);
    `replaces` is the id of the document that this one replaces; `resource` is the JSON as it was
    sent, without bytes and server's elements.
    """

    unique_id: str
    type_code: str
    class_code: str
    visibility: frozenset[Visibility]
    title: str
    dated: datetime
    media_type: str
    resource: str
    record_id: str | None = None
    ins: Ins | None = None
    claimed: tuple[tuple[str, Ins], ...] = ()
    authors: tuple[Claim, ...] = ()
    custodian: str | None = None
    size: int | None = None
    sha1: str | None = None
    replaces: str | None = None
    archived: bool = False
    warnings: tuple[Fault, ...] = field(default=())


def identity_faults(submission: Submission, record: Record) -> list[Fault]:
    """Where the submission names somebody else than the record's holder.

    The matricule decides; the register only when both sides name one of the real ones, since a
    person keeps the number while the register changes.
    """
    named = list(submission.claimed)
    if submission.ins is not None:
        named.insert(0, (f"{AT}.subject", submission.ins))
    return [
        Fault(path, "patient-mismatch", "not the INS of the record")
        for path, ins in named
        if ins.matricule != record.ins.matricule
    ]


def author_faults(submission: Submission, actor: Actor) -> list[Fault]:
    """Whether the caller may send this in these authors' name.

    A professional sends what they wrote, or what a colleague wrote when the custodian is the
    structure of the caller's token; a structure's software sends under its own custody; a holder
    sends documents of the patient (class 90), in their own name. *Assumed* from the DMP's rule
    that the sender is the author or acts for the author's structure.
    """
    faults: list[Fault] = []
    match actor:
        case Professional():
            home = f"1{actor.structure.finess}" if actor.structure else None
            at_home = home is not None and submission.custodian == home
            if Claim(Role.PROFESSIONAL, actor.id) not in submission.authors and not at_home:
                sentence = "the caller is no author, and the custodian not the caller's structure"
                faults.append(Fault(f"{AT}.author", "author", sentence))
        case System():
            if submission.custodian not in {None, actor.id}:
                sentence = "not the structure of the certificate"
                faults.append(Fault(f"{AT}.custodian", "custodian", sentence))
        case Person():
            if any(claim.role is not Role.PATIENT for claim in submission.authors):
                faults.append(Fault(f"{AT}.author", "author", "the holder is the author"))
        case Agent():
            faults.append(Fault(f"{AT}.author", "author", "this kind of user sends no documents"))
    if isinstance(actor, Person) != (submission.class_code == PATIENT_CLASS):
        sentence = "class 90 is what the holder deposits, and all that the holder deposits"
        faults.append(Fault(f"{AT}.category", "class", sentence))
    return faults


def replacement_faults(
    submission: Submission, replaced: Document | None, author: str, structure: str | None
) -> list[Fault]:
    """Whether the named document may be replaced: a current one of this record, sent by the same
    author or from the same structure. `replaced` is None for one that is hidden from the sender."""
    if submission.replaces is None:
        return []
    at = f"{AT}.relatesTo[0].target"
    if replaced is None or not replaced.listed:
        return [Fault(at, "unknown-document", "no such document in this record")]
    same_home = structure is not None and replaced.author_structure == structure
    if replaced.author != author and not same_home:
        return [Fault(at, "unknown-document", "no such document in this record")]
    if replaced.status is not DocumentStatus.CURRENT:
        return [Fault(at, "not-current", "already replaced or withdrawn")]
    if replaced.unique_id == submission.unique_id:
        sentence = "a replacement has its own identifier"
        return [Fault(f"{AT}.masterIdentifier", "unique-id", sentence)]
    return []


def announcement_faults(submission: Submission, size: int, sha1: str) -> list[Fault]:
    """Where the announced size (bytes) and hash (SHA-1, base64) are not those of the bytes."""
    faults = []
    if submission.size is not None and submission.size != size:
        faults.append(Fault(f"{ATTACHMENT}.size", "size-mismatch", f"the bytes are {size}"))
    if submission.sha1 is not None and submission.sha1 != sha1:
        faults.append(
            Fault(f"{ATTACHMENT}.hash", "hash-mismatch", "not the SHA-1 (base64) of the bytes")
        )
    return faults
