"""For each policy, a scene in which it decides and the nearest one in which it does not.

A case's name is a rule. `rules` are policies that must be among those that decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from dmp.domain.access import Action, Question
from dmp.domain.actors import AgentRole, Structure
from dmp.domain.consents import CareTeam, Kind, Member, Settings
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.records import Basis
from tests.access import scenes
from tests.access.scenes import (
    HERE,
    ME,
    OTHER,
    REASON,
    STRANGER,
    THERE,
    asks,
    born,
    by,
    document,
    marked,
    parent,
    person,
    professional,
    represented,
    system,
)

READ, LIST, HISTORY = Action.READ_DOCUMENT, Action.LIST_DOCUMENTS, Action.READ_HISTORY
SEE, FIND, PUBLISH = Action.SEE_RECORD, Action.FIND_RECORD, Action.PUBLISH_DOCUMENT
GRANT, BLOCK, SETTLE = (
    Action.GRANT_AUTHORISATION,
    Action.BLOCK_PROFESSIONAL,
    Action.CHANGE_SETTINGS,
)
CONSENTS, TRACES, KNOW = Action.READ_CONSENTS, Action.READ_TRACES, Action.KNOW_DOCUMENT
TREAT, DELEGATE = Action.NAME_MEDECIN_TRAITANT, Action.NAME_DELEGATE
LIFT, WITHDRAW = Action.LIFT_BLOCK, Action.WITHDRAW
MASK, UNMASK, GRADE = (
    Action.MASK_DOCUMENT,
    Action.UNMASK_DOCUMENT,
    Action.GRADE_CONFIDENTIALITY,
)
HIDE, ANNOUNCE, REVEAL = (
    Action.HIDE_FROM_PATIENT,
    Action.SHOW_TO_PATIENT,
    Action.SHOW_TO_REPRESENTATIVES,
)
ARCHIVE, DELETE = Action.ARCHIVE_DOCUMENT, Action.DELETE_DOCUMENT
ALLOW, DENY = True, False


@dataclass(frozen=True, slots=True)
class Case:
    rule: str
    allowed: bool
    name: str
    question: Question

    @property
    def decides(self) -> bool:
        """Whether the rule itself is what decides: a prohibition that denies, a permission that
        allows."""
        return self.allowed is not (self.rule in FORBIDS)


doctor, nurse = professional(), professional("60")
opener = professional(id=OTHER, structure=THERE)
urgent = replace(doctor, emergency_reason=REASON)
regulating = replace(doctor, regulation=True)
authorised, treating = scenes.authorised, scenes.medecin_traitant
trusted = scenes.delegate
both = scenes.decided(Kind.AUTHORISATION, Kind.BLOCK)
masked = marked(Visibility.HIDDEN_FROM_PROFESSIONALS)
unannounced = marked(Visibility.HIDDEN_FROM_PATIENT)
secret = marked(Visibility.HIDDEN_FROM_REPRESENTATIVES)
reimbursements = document(type_code="REMB", class_code="60")
attestation = document(type_code="ATTEST-RESID", class_code="52")
opposed_to_glass = Settings(opposes_break_glass=True)
opposed_to_15 = Settings(opposes_centre_15=True)
child = represented()
grown = represented(scenes.OF_AGE)
ward = represented(scenes.OF_AGE, Basis.GUARDIANSHIP)
mother = parent()
by_fund = scenes.record(structure=None, caisse="751", opened_by="agent#A2")

TABLE: dict[str, list[tuple[bool, str, Question]]] = {
    # -- prohibitions --------------------------------------------------------------------------
    "blocked": [
        (
            DENY,
            "an authorised professional who was blocked lists nothing",
            asks(doctor, LIST, both),
        ),
        (DENY, "a blocked professional feeds nothing", asks(doctor, PUBLISH, scenes.blocked)),
        (DENY, "a blocked professional breaks no glass", asks(urgent, READ, both, document())),
        (DENY, "a blocked professional is no regulator", asks(regulating, LIST, scenes.blocked)),
        (DENY, "a blocked author reads no more", asks(doctor, READ, scenes.blocked, by(doctor))),
        (
            DENY,
            "a blocked professional authorises not even themselves",
            asks(doctor, GRANT, scenes.blocked, about=ME),
        ),
        (
            DENY,
            "a blocked médecin traitant reads no more",
            asks(doctor, LIST, scenes.decided(Kind.MEDECIN_TRAITANT, Kind.BLOCK)),
        ),
        (
            DENY,
            "a blocked delegate reads no traces",
            asks(nurse, TRACES, scenes.decided(Kind.DELEGATE, Kind.BLOCK)),
        ),
        (
            DENY,
            "a blocked author deletes nothing",
            asks(doctor, DELETE, scenes.blocked, by(doctor)),
        ),
        (
            DENY,
            "a block is stronger than a care team",
            asks(doctor, LIST, scenes.blocked, team=scenes.team),
        ),
        (
            DENY,
            "a blocked professional gives nothing back",
            asks(doctor, WITHDRAW, both, about=ME),
        ),
        (ALLOW, "a block that was not taken stops nobody", asks(doctor, LIST, authorised)),
        (
            ALLOW,
            "a block that is over stops nobody",
            asks(doctor, PUBLISH, scenes.decided(Kind.BLOCK, until=scenes.NOW)),
        ),
        (ALLOW, "TD0.2 tells the blocked that they are", asks(doctor, FIND, scenes.blocked)),
    ],
    "closed-record": [
        (
            DENY,
            "the holder reads no closed record",
            asks(person(), READ, document=document(), record=scenes.closed),
        ),
        (DENY, "nobody feeds a closed record", asks(doctor, PUBLISH, record=scenes.closed)),
        (
            DENY,
            "nothing is decided in a closed record",
            asks(person(), BLOCK, record=scenes.closed, about=ME),
        ),
        (DENY, "an emergency opens no closed record", asks(urgent, LIST, record=scenes.closed)),
        (
            DENY,
            "who accessed a closed record cannot be read",
            asks(person(), TRACES, record=scenes.closed),
        ),
        (
            DENY,
            "a closed record's documents stay as they are",
            asks(doctor, DELETE, document=by(doctor), record=scenes.closed),
        ),
        (ALLOW, "the holder sees that it is closed", asks(person(), SEE, record=scenes.closed)),
        (ALLOW, "the holder reads an open record", asks(person(), READ, document=document())),
    ],
    "neither-holder-nor-representative": [
        (
            DENY,
            "a stranger reads not even what they deposited",
            asks(person(STRANGER), READ, document=by(person(STRANGER))),
        ),
        (
            DENY,
            "a stranger deletes not even what they deposited",
            asks(person(STRANGER), DELETE, document=by(person(STRANGER))),
        ),
        (
            DENY,
            "who opened a record in another's name does not follow it",
            asks(person(STRANGER), SEE, record=scenes.record(opened_by=f"patient#{STRANGER}")),
        ),
        (
            DENY,
            "a parent is told nothing any more from the day of majority",
            asks(mother, READ, document=by(mother), record=grown),
        ),
        (
            ALLOW,
            "a parent reads what they deposited until the day before",
            asks(mother, READ, document=by(mother), record=child),
        ),
        (
            ALLOW,
            "the holder reads what they deposited",
            asks(person(), READ, document=by(person())),
        ),
    ],
    "no-authorisation": [
        (DENY, "a doctor without authorisation lists nothing", asks(doctor, LIST)),
        (
            DENY,
            "a doctor whose authorisation is over lists nothing",
            asks(doctor, LIST, scenes.expired),
        ),
        (DENY, "who opened a record may not read it for that", asks(opener, LIST)),
        (DENY, "a doctor without authorisation reads no history", asks(doctor, HISTORY)),
        (
            DENY,
            "a doctor without authorisation masks nothing",
            asks(doctor, MASK, document=document()),
        ),
        (
            DENY,
            "a colleague whose authorisation is over opens nothing",
            asks(
                doctor,
                ARCHIVE,
                document=document(),
                team=CareTeam((Member(OTHER, scenes.AGO, scenes.NOW),)),
            ),
        ),
        (
            ALLOW,
            "a colleague of the authorised lists documents",
            asks(doctor, LIST, team=scenes.team),
        ),
        (
            ALLOW,
            "a colleague of the authorised archives",
            asks(doctor, ARCHIVE, document=document(), team=scenes.team),
        ),
        (ALLOW, "a delegate lists documents", asks(nurse, LIST, trusted)),
        (ALLOW, "an authorised doctor lists documents", asks(doctor, LIST, authorised)),
        (ALLOW, "the author reads without authorisation", asks(doctor, READ, document=by(doctor))),
    ],
    "occupational-or-insurer": [
        (
            DENY,
            "an occupational doctor reads nothing, even authorised",
            asks(replace(doctor, specialty="SM25"), LIST, authorised),
        ),
        (
            DENY,
            "an insurer's doctor reads nothing, even authorised",
            asks(replace(doctor, structure=Structure("510000029", "SA24")), LIST, authorised),
        ),
        (
            DENY,
            "an occupational doctor breaks no glass",
            asks(replace(urgent, specialty="SM25"), LIST),
        ),
        (
            ALLOW,
            "a general practitioner in private practice reads, authorised",
            asks(
                replace(doctor, specialty="SM54", structure=Structure("510000029", "SA07")),
                LIST,
                authorised,
            ),
        ),
    ],
    "break-glass-opposed": [
        (DENY, "an opposition stops break-glass", asks(urgent, LIST, settings=opposed_to_glass)),
        (
            ALLOW,
            "an opposition to centre 15 does not stop break-glass",
            asks(urgent, LIST, settings=opposed_to_15),
        ),
    ],
    "break-glass-without-reason": [
        (
            DENY,
            "nine letters are no reason",
            asks(replace(doctor, emergency_reason="urgence!!!"), LIST),
        ),
        (ALLOW, "a reason is a sentence", asks(urgent, LIST)),
    ],
    "break-glass-profession": [
        (
            DENY,
            "a physiotherapist breaks no glass",
            asks(professional("70", emergency_reason=REASON), LIST),
        ),
        (
            ALLOW,
            "a pharmacist breaks the glass",
            asks(professional("21", emergency_reason=REASON), LIST),
        ),
        (ALLOW, "a midwife does", asks(professional("50", emergency_reason=REASON), LIST)),
        (ALLOW, "a nurse does", asks(professional("60", emergency_reason=REASON), LIST)),
    ],
    "centre-15-opposed": [
        (DENY, "an opposition stops centre 15", asks(regulating, LIST, settings=opposed_to_15)),
        (
            ALLOW,
            "an opposition to break-glass does not stop centre 15",
            asks(regulating, LIST, settings=opposed_to_glass),
        ),
    ],
    "centre-15-profession": [
        (DENY, "a nurse does not regulate", asks(replace(nurse, regulation=True), LIST)),
        (ALLOW, "a doctor regulates", asks(regulating, LIST)),
    ],
    "emergency-decides-nothing": [
        (
            DENY,
            "nobody authorises themselves in an emergency",
            asks(urgent, GRANT, about=ME),
        ),
        (
            DENY,
            "the médecin traitant blocks nobody in an emergency",
            asks(urgent, BLOCK, treating, about=OTHER),
        ),
        (
            DENY,
            "an authorised doctor masks nothing in an emergency",
            asks(urgent, MASK, authorised, document()),
        ),
        (
            DENY,
            "an author deletes nothing in an emergency",
            asks(urgent, DELETE, document=by(doctor)),
        ),
        (DENY, "an emergency is not for reading who accessed", asks(urgent, TRACES, treating)),
        (DENY, "nor is centre 15", asks(regulating, TRACES, treating)),
        (ALLOW, "at the time of care a doctor records consent", asks(doctor, GRANT, about=ME)),
    ],
    "matrix": [
        (
            DENY,
            "a doctor reads no residence certificate",
            asks(doctor, READ, authorised, attestation),
        ),
        (
            DENY,
            "a nurse reads no psychiatric summary",
            asks(nurse, READ, authorised, document(type_code="68599-0", class_code="11")),
        ),
        (
            DENY,
            "the médecin traitant reads what doctors read",
            asks(doctor, READ, treating, attestation),
        ),
        (
            DENY,
            "an emergency does not widen a profession",
            asks(
                replace(nurse, emergency_reason=REASON),
                READ,
                document=document(type_code="89601-9", class_code="52"),
            ),
        ),
        (
            DENY,
            "a delegate reads what their profession reads",
            asks(nurse, READ, trusted, document(type_code="89601-9", class_code="52")),
        ),
        (
            DENY,
            "who may not read a type does not mask it",
            asks(nurse, MASK, authorised, document(type_code="68599-0", class_code="11")),
        ),
        (
            DENY,
            "a profession that the matrix does not know reads nothing",
            asks(professional("99"), READ, authorised, document()),
        ),
        (
            DENY,
            "a social worker reads no reimbursements",
            asks(professional("41"), HISTORY, authorised),
        ),
        (
            ALLOW,
            "a nurse reads biology",
            asks(nurse, READ, authorised, document(type_code="11502-2")),
        ),
        (
            ALLOW,
            "a doctor reads a type that no row names",
            asks(doctor, READ, authorised, document(type_code="00000-0", class_code="00")),
        ),
        (ALLOW, "a nurse reads the history", asks(nurse, HISTORY, authorised)),
        (
            ALLOW,
            "an author deletes what their profession does not read",
            asks(nurse, DELETE, document=by(nurse, type_code="68599-0", class_code="11")),
        ),
    ],
    "hidden-from-professionals": [
        (
            DENY,
            "a masked document is hidden from the authorised",
            asks(doctor, READ, authorised, masked),
        ),
        (DENY, "it stays hidden in an emergency", asks(urgent, READ, document=masked)),
        (DENY, "it stays hidden from centre 15", asks(regulating, READ, document=masked)),
        (
            DENY,
            "the holder's word on emergencies is for emergencies",
            asks(doctor, READ, authorised, masked, settings=Settings(masked_in_emergency=True)),
        ),
        (
            DENY,
            "a nurse whom the holder calls médecin traitant is none",
            asks(nurse, READ, scenes.decided(Kind.AUTHORISATION, Kind.MEDECIN_TRAITANT), masked),
        ),
        (
            DENY,
            "who does not see a masked document does not archive it",
            asks(doctor, ARCHIVE, authorised, masked),
        ),
        (ALLOW, "the médecin traitant sees it", asks(doctor, READ, treating, masked)),
        (ALLOW, "a delegate sees it, whatever the profession", asks(nurse, READ, trusted, masked)),
        (ALLOW, "and learns of it from the traces", asks(nurse, KNOW, trusted, masked)),
        (
            ALLOW,
            "its author sees it",
            asks(doctor, READ, authorised, by(doctor, visibility=masked.visibility)),
        ),
        (
            ALLOW,
            "an emergency shows it when the holder said so",
            asks(urgent, READ, document=masked, settings=Settings(masked_in_emergency=True)),
        ),
        (ALLOW, "the holder sees what professionals do not", asks(person(), READ, document=masked)),
    ],
    "hidden-from-patient": [
        (DENY, "the holder waits for the announcement", asks(person(), READ, document=unannounced)),
        (
            DENY,
            "the traces announce nothing either",
            asks(person(), KNOW, document=unannounced),
        ),
        (
            DENY,
            "a representative waits for the announcement",
            asks(mother, READ, document=unannounced, record=child),
        ),
        (
            DENY,
            "the holder deposits nothing hidden from the holder",
            asks(person(), READ, document=by(person(), visibility=unannounced.visibility)),
        ),
        (DENY, "nor archives what is hidden", asks(person(), ARCHIVE, document=unannounced)),
        (ALLOW, "the doctor does not", asks(doctor, READ, authorised, unannounced)),
    ],
    "hidden-from-representatives": [
        (
            DENY,
            "a parent reads nothing of secret care",
            asks(mother, READ, document=secret, record=child),
        ),
        (
            DENY,
            "a parent learns of secret care from no trace",
            asks(mother, KNOW, document=secret, record=child),
        ),
        (
            DENY,
            "a parent archives nothing of secret care",
            asks(mother, ARCHIVE, document=secret, record=child),
        ),
        (DENY, "nor does a guardian read it", asks(mother, READ, document=secret, record=ward)),
        (ALLOW, "the minor reads it", asks(person(), READ, document=secret, record=child)),
        (ALLOW, "the minor sees who read it", asks(person(), KNOW, document=secret, record=child)),
        (
            ALLOW,
            "the parent reads the rest",
            asks(mother, READ, document=document(), record=child),
        ),
        (ALLOW, "a doctor reads it", asks(doctor, READ, authorised, secret, record=child)),
    ],
    "unfinished-document": [
        (
            DENY,
            "the holder sees no unchecked upload",
            asks(person(), READ, document=document(stage=Stage.PRELIMINARY)),
        ),
        (
            DENY,
            "a doctor sees no rejected upload",
            asks(doctor, READ, authorised, document(stage=Stage.REJECTED)),
        ),
        (
            DENY,
            "nobody else masks what is not checked yet",
            asks(doctor, MASK, authorised, document(stage=Stage.PRELIMINARY)),
        ),
        (
            ALLOW,
            "that it was sent stands in the traces",
            asks(person(), KNOW, document=document(stage=Stage.REJECTED)),
        ),
        (
            ALLOW,
            "its sender sees that it was rejected",
            asks(doctor, READ, document=by(doctor, stage=Stage.REJECTED)),
        ),
        (
            ALLOW,
            "the software that sent it sees where it is",
            asks(system(), READ, document=by(system(), stage=Stage.PRELIMINARY)),
        ),
    ],
    "deleted-document": [
        (
            DENY,
            "nobody else reads a deleted document",
            asks(doctor, READ, treating, document(status=DocumentStatus.ENTERED_IN_ERROR)),
        ),
        (
            DENY,
            "the holder unmasks nothing that was deleted",
            asks(person(), UNMASK, document=document(status=DocumentStatus.ENTERED_IN_ERROR)),
        ),
        (
            ALLOW,
            "that it was deleted stands in the traces",
            asks(person(), KNOW, document=document(status=DocumentStatus.ENTERED_IN_ERROR)),
        ),
        (
            ALLOW,
            "its author does",
            asks(doctor, READ, document=by(doctor, status=DocumentStatus.ENTERED_IN_ERROR)),
        ),
        (
            ALLOW,
            "a replaced document is still read",
            asks(doctor, READ, authorised, document(status=DocumentStatus.SUPERSEDED)),
        ),
    ],
    "deleted-by-author-alone": [
        (DENY, "the holder deletes no report", asks(person(), DELETE, document=document())),
        (
            DENY,
            "nor does the médecin traitant",
            asks(doctor, DELETE, treating, document()),
        ),
        (ALLOW, "its author does", asks(doctor, DELETE, document=by(doctor))),
        (
            ALLOW,
            "the holder deletes what they deposited",
            asks(person(), DELETE, document=by(person())),
        ),
        (
            ALLOW,
            "a parent deletes what they deposited",
            asks(mother, DELETE, document=by(mother), record=child),
        ),
    ],
    "announced-by-professionals": [
        (
            DENY,
            "the holder does not announce to themselves",
            asks(person(), ANNOUNCE, document=by(person())),
        ),
        (
            DENY,
            "nor hides what they deposited from themselves",
            asks(person(), HIDE, document=by(person())),
        ),
        (
            DENY,
            "a parent hides nothing from the child",
            asks(mother, HIDE, document=by(mother), record=child),
        ),
        (ALLOW, "a doctor announces", asks(doctor, ANNOUNCE, authorised, unannounced)),
        (ALLOW, "a doctor hides until then", asks(doctor, HIDE, authorised, document())),
    ],
    "secret-kept-from-representatives": [
        (
            DENY,
            "a parent lifts no secret, not even their own",
            asks(mother, REVEAL, document=by(mother), record=child),
        ),
        (ALLOW, "the minor does", asks(person(), REVEAL, document=secret, record=child)),
        (ALLOW, "a doctor does", asks(doctor, REVEAL, authorised, secret, record=child)),
    ],
    "agents-never-content": [
        (DENY, "an agent lists nothing", asks(scenes.agent(), LIST, record=by_fund)),
        (DENY, "an agent reads no history", asks(scenes.agent(), HISTORY, record=by_fund)),
        (DENY, "an agent feeds nothing", asks(scenes.agent(), PUBLISH, record=by_fund)),
        (DENY, "an agent sees no consents", asks(scenes.agent(), CONSENTS, record=by_fund)),
        (DENY, "an agent reads no traces", asks(scenes.agent(), TRACES, record=by_fund)),
        (
            DENY,
            "an agent changes nothing, not even their own",
            asks(scenes.agent(), DELETE, document=by(scenes.agent()), record=by_fund),
        ),
        (
            DENY,
            "an agent reads nothing, not even their own",
            asks(scenes.agent(), READ, document=by(scenes.agent()), record=by_fund),
        ),
        (ALLOW, "an agent follows what the fund opened", asks(scenes.agent(), SEE, record=by_fund)),
    ],
    "operations-never-a-record": [
        (
            DENY,
            "operations staff see no record",
            asks(scenes.agent(AgentRole.OPERATIONS), SEE, record=by_fund),
        ),
        (ALLOW, "enrolment staff do", asks(scenes.agent(), SEE, record=by_fund)),
    ],
    "systems-only-feed": [
        (DENY, "an establishment's software lists nothing", asks(system(), LIST)),
        (DENY, "nor does it read what others wrote", asks(system(), READ, document=document())),
        (DENY, "nor does it search by INS", asks(system(), FIND)),
        (DENY, "nor does it mask what others wrote", asks(system(), MASK, document=document())),
        (DENY, "nor does it read traces", asks(system(), TRACES)),
        (ALLOW, "it reads what it sent", asks(system(), READ, document=by(system()))),
        (ALLOW, "it deletes what it sent", asks(system(), DELETE, document=by(system()))),
    ],
    "feeder-only-reimbursements": [
        (DENY, "the feeder reads no history", asks(scenes.feeder, HISTORY)),
        (DENY, "the feeder brings no report", asks(scenes.feeder, PUBLISH, document=document())),
        (
            DENY,
            "the feeder reads not even what it brought",
            asks(scenes.feeder, READ, document=by(scenes.feeder, type_code="REMB")),
        ),
        (
            DENY,
            "nor does it delete it",
            asks(scenes.feeder, DELETE, document=by(scenes.feeder, type_code="REMB")),
        ),
        (
            ALLOW,
            "the feeder brings reimbursements",
            asks(scenes.feeder, PUBLISH, document=reimbursements),
        ),
    ],
    "reimbursements-by-feeder-alone": [
        (DENY, "a doctor brings no reimbursements", asks(doctor, PUBLISH, document=reimbursements)),
        (DENY, "nor does the holder", asks(person(), PUBLISH, document=reimbursements)),
        (ALLOW, "a doctor brings a report", asks(doctor, PUBLISH, document=document())),
    ],
    "authorisation-for-oneself": [
        (DENY, "a doctor authorises nobody else", asks(doctor, GRANT, about=OTHER)),
        (
            DENY,
            "not even the médecin traitant does",
            asks(doctor, GRANT, treating, about=OTHER),
        ),
        (DENY, "nor nobody in particular", asks(doctor, GRANT)),
        (
            DENY,
            "a doctor makes nobody else médecin traitant",
            asks(doctor, TREAT, about=OTHER),
        ),
        (
            DENY,
            "a doctor takes nothing back from somebody else",
            asks(doctor, WITHDRAW, treating, about=OTHER),
        ),
        (ALLOW, "a doctor records consent for themselves", asks(doctor, GRANT, about=ME)),
    ],
    "medecin-traitant-is-a-doctor": [
        (DENY, "a nurse is no médecin traitant", asks(nurse, TREAT, about=ME)),
        (ALLOW, "a doctor may be", asks(doctor, TREAT, about=ME)),
    ],
    "holder-alone-decides": [
        (DENY, "no professional lifts a block", asks(doctor, LIFT, authorised, about=OTHER)),
        (DENY, "not even the médecin traitant does", asks(doctor, LIFT, treating, about=OTHER)),
        (
            DENY,
            "the médecin traitant names no delegate",
            asks(doctor, DELEGATE, treating, about=ME),
        ),
        (DENY, "a doctor changes no opposition", asks(doctor, SETTLE, treating)),
        (DENY, "no software lifts a block", asks(system(), LIFT, about=OTHER)),
        (ALLOW, "the holder lifts a block", asks(person(), LIFT, about=ME)),
        (ALLOW, "a parent lifts a block", asks(mother, LIFT, about=ME, record=child)),
    ],
    # -- permissions ---------------------------------------------------------------------------
    "holder-reads": [
        (ALLOW, "the holder lists documents", asks(person(), LIST)),
        (ALLOW, "the holder reads the history", asks(person(), HISTORY)),
        (ALLOW, "the holder reads the consents", asks(person(), CONSENTS)),
        (ALLOW, "the holder finds the record", asks(person(), FIND)),
        (ALLOW, "the holder reads who accessed", asks(person(), TRACES)),
        (ALLOW, "the holder learns what was accessed", asks(person(), KNOW, document=masked)),
        (ALLOW, "a minor reads their own record", asks(person(), LIST, record=child)),
        (DENY, "another patient sees nothing", asks(person(STRANGER), SEE)),
        (DENY, "another patient lists nothing", asks(person(STRANGER), LIST)),
        (DENY, "another patient reads no consents", asks(person(STRANGER), CONSENTS)),
        (
            DENY,
            "nobody holds a record that is not bound",
            asks(person(), LIST, record=scenes.record(holder=None)),
        ),
    ],
    "holder-deposits": [
        (ALLOW, "the holder deposits a document", asks(person(), PUBLISH, document=document())),
        (DENY, "another patient does not", asks(person(STRANGER), PUBLISH, document=document())),
    ],
    "holder-decides": [
        (ALLOW, "the holder authorises", asks(person(), GRANT, about=ME)),
        (ALLOW, "the holder blocks", asks(person(), BLOCK, about=ME)),
        (ALLOW, "the holder opposes", asks(person(), SETTLE)),
        (ALLOW, "the holder names a médecin traitant", asks(person(), TREAT, about=ME)),
        (ALLOW, "the holder names a delegate", asks(person(), DELEGATE, about=ME)),
        (ALLOW, "the holder takes back what was given", asks(person(), WITHDRAW, about=ME)),
        (ALLOW, "the holder lifts a block", asks(person(), LIFT, about=ME)),
        (DENY, "another patient decides nothing", asks(person(STRANGER), GRANT, about=ME)),
    ],
    "holder-changes": [
        (ALLOW, "the holder masks a report", asks(person(), MASK, document=document())),
        (ALLOW, "the holder shows it again", asks(person(), UNMASK, document=masked)),
        (ALLOW, "the holder archives", asks(person(), ARCHIVE, document=document())),
        (
            ALLOW,
            "the holder shows a secret to representatives",
            asks(person(), REVEAL, document=secret, record=child),
        ),
        (DENY, "another patient masks nothing", asks(person(STRANGER), MASK, document=document())),
        (DENY, "the holder grades no report", asks(person(), GRADE, document=document())),
    ],
    "representative-reads": [
        (ALLOW, "a parent lists a minor's documents", asks(mother, LIST, record=child)),
        (ALLOW, "a parent reads the history", asks(mother, HISTORY, record=child)),
        (ALLOW, "a parent reads who accessed", asks(mother, TRACES, record=child)),
        (ALLOW, "a parent reads the consents", asks(mother, CONSENTS, record=child)),
        (
            ALLOW,
            "accents and case make no other parent",
            asks(parent(names=("Camille", "Anné")), LIST, record=child),
        ),
        (ALLOW, "a guardian reads an adult's record", asks(mother, LIST, record=ward)),
        (
            ALLOW,
            "a parent reads a record that no holder ever opened",
            asks(mother, LIST, record=represented(holder=None)),
        ),
        (DENY, "a parent lists nothing from the day of majority", asks(mother, LIST, record=grown)),
        (
            DENY,
            "a guardianship that is over opens nothing",
            asks(
                mother,
                LIST,
                record=represented(scenes.OF_AGE, Basis.GUARDIANSHIP, until=scenes.NOW),
            ),
        ),
        (
            DENY,
            "a guardianship to come opens nothing yet",
            asks(
                mother,
                LIST,
                record=represented(
                    scenes.OF_AGE, Basis.GUARDIANSHIP, scenes.NOW + timedelta(seconds=1)
                ),
            ),
        ),
        (
            DENY,
            "one given name less is somebody else",
            asks(parent(names=("CAMILLE",)), LIST, record=child),
        ),
        (
            DENY,
            "a minor whom nobody represents has no parent",
            asks(mother, LIST, record=born(scenes.MINOR)),
        ),
    ],
    "representative-deposits": [
        (
            ALLOW,
            "a parent deposits a document",
            asks(mother, PUBLISH, document=document(), record=child),
        ),
        (
            DENY,
            "not any more from the day of majority",
            asks(mother, PUBLISH, document=document(), record=grown),
        ),
    ],
    "representative-decides": [
        (ALLOW, "a parent authorises", asks(mother, GRANT, about=ME, record=child)),
        (ALLOW, "a parent opposes", asks(mother, SETTLE, record=child)),
        (ALLOW, "a guardian takes back", asks(mother, WITHDRAW, about=ME, record=ward)),
        (
            DENY,
            "a parent decides nothing for somebody of age",
            asks(mother, BLOCK, about=ME, record=grown),
        ),
    ],
    "representative-changes": [
        (ALLOW, "a parent masks", asks(mother, MASK, document=document(), record=child)),
        (ALLOW, "a parent shows again", asks(mother, UNMASK, document=masked, record=child)),
        (ALLOW, "a guardian archives", asks(mother, ARCHIVE, document=document(), record=ward)),
        (
            DENY,
            "a parent archives nothing for somebody of age",
            asks(mother, ARCHIVE, document=document(), record=grown),
        ),
    ],
    "authorised-reads": [
        (ALLOW, "the authorised read", asks(doctor, READ, authorised, document())),
        (ALLOW, "the authorised see the record's state", asks(doctor, SEE, authorised)),
        (DENY, "an authorisation that is over opens nothing", asks(doctor, SEE, scenes.expired)),
    ],
    "care-team-reads": [
        (ALLOW, "a colleague of the authorised reads", asks(doctor, LIST, team=scenes.team)),
        (
            ALLOW,
            "even when their own authorisation is over",
            asks(doctor, LIST, scenes.expired, team=scenes.team),
        ),
        (
            DENY,
            "one's own authorisation presumes nothing",
            asks(doctor, LIST, team=CareTeam((Member(ME, scenes.AGO),))),
        ),
        (
            DENY,
            "whose authorisation was taken back is presumed nothing",
            asks(doctor, LIST, scenes.withdrawn, team=scenes.team),
        ),
        (
            DENY,
            "ninety days later nothing is presumed",
            asks(
                doctor,
                LIST,
                team=CareTeam((Member(OTHER, scenes.NOW - timedelta(days=90)),)),
            ),
        ),
        (
            DENY,
            "an authorisation to come presumes nothing yet",
            asks(
                doctor,
                LIST,
                team=CareTeam((Member(OTHER, scenes.NOW + timedelta(seconds=1)),)),
            ),
        ),
        (DENY, "a software is no care team", asks(system(), LIST, team=scenes.team)),
    ],
    "medecin-traitant-reads": [
        (ALLOW, "the médecin traitant lists", asks(doctor, LIST, treating)),
        (DENY, "only a doctor is médecin traitant", asks(nurse, LIST, treating)),
        (
            DENY,
            "no longer so, no longer reading",
            asks(doctor, LIST, scenes.decided(Kind.MEDECIN_TRAITANT, until=scenes.NOW)),
        ),
    ],
    "delegate-reads": [
        (ALLOW, "a delegate reads, whatever the profession", asks(nurse, LIST, trusted)),
        (
            DENY,
            "no longer so, no longer reading",
            asks(nurse, LIST, scenes.decided(Kind.DELEGATE, until=scenes.NOW)),
        ),
    ],
    "medecin-traitant-reads-traces": [
        (ALLOW, "the médecin traitant reads who accessed", asks(doctor, TRACES, treating)),
        (ALLOW, "a delegate does", asks(nurse, TRACES, trusted)),
        (
            ALLOW,
            "the médecin traitant learns what was accessed",
            asks(doctor, KNOW, treating, attestation),
        ),
        (DENY, "the authorised do not", asks(doctor, TRACES, authorised)),
        (DENY, "a nurse is no médecin traitant", asks(nurse, TRACES, treating)),
        (DENY, "the authorised learn of nothing", asks(doctor, KNOW, authorised, document())),
    ],
    "professional-finds": [
        (ALLOW, "an exact INS tells whether there is a record", asks(nurse, FIND)),
        (DENY, "an agent searches by no INS", asks(scenes.agent(), FIND)),
    ],
    "author-reads": [
        (ALLOW, "a professional reads what they wrote", asks(nurse, READ, document=by(nurse))),
        (ALLOW, "and knows of it", asks(nurse, KNOW, document=by(nurse))),
        (DENY, "and not what others wrote", asks(nurse, READ, document=document())),
    ],
    "author-changes": [
        (ALLOW, "an author unmasks", asks(nurse, UNMASK, document=by(nurse))),
        (ALLOW, "an author grades confidentiality", asks(nurse, GRADE, document=by(nurse))),
        (ALLOW, "an author deletes", asks(nurse, DELETE, document=by(nurse))),
        (ALLOW, "a software masks what it sent", asks(system(), MASK, document=by(system()))),
        (
            ALLOW,
            "the holder grades what they deposited",
            asks(person(), GRADE, document=by(person())),
        ),
        (DENY, "nobody else deletes", asks(nurse, DELETE, authorised, document())),
        (DENY, "nor grades", asks(nurse, GRADE, authorised, document())),
    ],
    "reader-changes": [
        (
            ALLOW,
            "who reads masks at the patient's request",
            asks(nurse, MASK, authorised, document()),
        ),
        (
            ALLOW,
            "who reads hides until the announcement",
            asks(nurse, HIDE, authorised, document()),
        ),
        (ALLOW, "who reads announces", asks(nurse, ANNOUNCE, authorised, unannounced)),
        (ALLOW, "who reads shows to representatives", asks(nurse, REVEAL, authorised, secret)),
        (ALLOW, "who reads archives", asks(nurse, ARCHIVE, authorised, document())),
        (DENY, "who does not read does not", asks(nurse, MASK, document=document())),
        (DENY, "who reads does not unmask", asks(doctor, UNMASK, authorised, document())),
    ],
    "medecin-traitant-changes": [
        (ALLOW, "the médecin traitant unmasks", asks(doctor, UNMASK, treating, masked)),
        (ALLOW, "a delegate unmasks", asks(nurse, UNMASK, trusted, masked)),
        (ALLOW, "the médecin traitant grades", asks(doctor, GRADE, treating, document())),
        (DENY, "another doctor grades nothing", asks(doctor, GRADE, authorised, document())),
        (DENY, "nor unmasks", asks(doctor, UNMASK, authorised, masked)),
    ],
    "professional-feeds": [
        (ALLOW, "feeding asks no authorisation", asks(nurse, PUBLISH, document=document())),
        (DENY, "an agent never feeds", asks(scenes.agent(), PUBLISH, document=document())),
    ],
    "professional-records-authorisation": [
        (ALLOW, "a nurse records the patient's consent", asks(nurse, GRANT, about=ME)),
        (DENY, "a software records none", asks(system(), GRANT, about=ME)),
    ],
    "doctor-records-medecin-traitant": [
        (ALLOW, "a doctor becomes médecin traitant", asks(doctor, TREAT, about=ME)),
        (DENY, "a software makes nobody so", asks(system(), TREAT, about=ME)),
    ],
    "professional-withdraws": [
        (ALLOW, "a professional gives back", asks(nurse, WITHDRAW, authorised, about=ME)),
        (DENY, "a software takes nothing back", asks(system(), WITHDRAW, about=ME)),
    ],
    "medecin-traitant-blocks": [
        (
            ALLOW,
            "the médecin traitant blocks for the patient",
            asks(doctor, BLOCK, treating, about=OTHER),
        ),
        (ALLOW, "a delegate does", asks(nurse, BLOCK, trusted, about=OTHER)),
        (DENY, "another doctor does not", asks(doctor, BLOCK, authorised, about=OTHER)),
        (DENY, "nor a nurse by the doctor's name", asks(nurse, BLOCK, treating, about=OTHER)),
        (DENY, "nobody blocks themselves", asks(doctor, BLOCK, treating, about=ME)),
        (DENY, "a delegate neither", asks(nurse, BLOCK, trusted, about=ME)),
    ],
    "professional-reads-own-consents": [
        (
            ALLOW,
            "a professional reads what was decided about them",
            asks(nurse, CONSENTS, about=ME),
        ),
        (DENY, "and not about others", asks(nurse, CONSENTS, authorised, about=OTHER)),
        (DENY, "nor about everybody", asks(nurse, CONSENTS, authorised)),
    ],
    "break-glass-reads": [
        (ALLOW, "break-glass reads", asks(urgent, READ, document=document())),
        (ALLOW, "whatever the authorisation was", asks(urgent, HISTORY, scenes.expired)),
        (DENY, "a normal access is no emergency", asks(doctor, READ, document=document())),
    ],
    "centre-15-reads": [
        (ALLOW, "centre 15 reads", asks(regulating, READ, document=document())),
        (DENY, "only the token makes a regulator", asks(doctor, HISTORY)),
    ],
    "establishment-feeds": [
        (ALLOW, "an establishment feeds", asks(system(), PUBLISH, document=document())),
        (DENY, "but no closed record", asks(system(), PUBLISH, record=scenes.closed)),
    ],
    "feeder-feeds": [
        (
            ALLOW,
            "the insurer's feeder feeds",
            asks(scenes.feeder, PUBLISH, document=reimbursements),
        ),
        (
            DENY,
            "but no closed record",
            asks(scenes.feeder, PUBLISH, document=reimbursements, record=scenes.closed),
        ),
    ],
    "opener-follows": [
        (ALLOW, "who opened a record follows it", asks(replace(opener, structure=None), SEE)),
        (DENY, "somebody from nowhere does not", asks(replace(doctor, structure=None), SEE)),
    ],
    "colleagues-follow": [
        (ALLOW, "colleagues of the structure follow", asks(replace(doctor, structure=THERE), SEE)),
        (ALLOW, "its software follows", asks(system(THERE), SEE)),
        (ALLOW, "colleagues of the fund follow", asks(scenes.agent(), SEE, record=by_fund)),
        (DENY, "another structure does not", asks(replace(doctor, structure=HERE), SEE)),
        (DENY, "another fund does not", asks(scenes.agent(caisse="131"), SEE, record=by_fund)),
    ],
}

FORBIDS = frozenset(list(TABLE)[: list(TABLE).index("holder-reads")])

CASES = [
    Case(rule, allowed, name, question)
    for rule, rows in TABLE.items()
    for allowed, name, question in rows
]
