"""For each policy, a scene in which it decides and the nearest one in which it does not.

A case's name is a rule. `rules` are policies that must be among those that decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dmp.domain.access import Action, Question
from dmp.domain.actors import AgentRole, Structure
from dmp.domain.consents import Kind, Settings
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from tests.access import scenes
from tests.access.scenes import (
    HERE,
    ME,
    OTHER,
    REASON,
    STRANGER,
    THERE,
    asks,
    by,
    document,
    marked,
    person,
    professional,
    system,
)

READ, LIST, HISTORY = Action.READ_DOCUMENT, Action.LIST_DOCUMENTS, Action.READ_HISTORY
SEE, FIND, PUBLISH = Action.SEE_RECORD, Action.FIND_RECORD, Action.PUBLISH_DOCUMENT
GRANT, BLOCK, SETTLE = (
    Action.GRANT_AUTHORISATION,
    Action.BLOCK_PROFESSIONAL,
    Action.CHANGE_SETTINGS,
)
CONSENTS = Action.READ_CONSENTS
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
both = scenes.decided(Kind.AUTHORISATION, Kind.BLOCK)
masked = marked(Visibility.HIDDEN_FROM_PROFESSIONALS)
unannounced = marked(Visibility.HIDDEN_FROM_PATIENT)
reimbursements = document(type_code="REMB", class_code="60")
attestation = document(type_code="ATTEST-RESID", class_code="52")
opposed_to_glass = Settings(opposes_break_glass=True)
opposed_to_15 = Settings(opposes_centre_15=True)
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
        (ALLOW, "a block that was not taken stops nobody", asks(doctor, LIST, authorised)),
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
        (ALLOW, "the holder sees that it is closed", asks(person(), SEE, record=scenes.closed)),
        (ALLOW, "the holder reads an open record", asks(person(), READ, document=document())),
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
        (ALLOW, "the médecin traitant sees it", asks(doctor, READ, treating, masked)),
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
        (ALLOW, "the doctor does not", asks(doctor, READ, authorised, unannounced)),
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
    "agents-never-content": [
        (DENY, "an agent lists nothing", asks(scenes.agent(), LIST, record=by_fund)),
        (DENY, "an agent reads no history", asks(scenes.agent(), HISTORY, record=by_fund)),
        (DENY, "an agent feeds nothing", asks(scenes.agent(), PUBLISH, record=by_fund)),
        (DENY, "an agent sees no consents", asks(scenes.agent(), CONSENTS, record=by_fund)),
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
        (ALLOW, "it reads what it sent", asks(system(), READ, document=by(system()))),
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
        (ALLOW, "a doctor records consent for themselves", asks(doctor, GRANT, about=ME)),
    ],
    # -- permissions ---------------------------------------------------------------------------
    "holder-reads": [
        (ALLOW, "the holder lists documents", asks(person(), LIST)),
        (ALLOW, "the holder reads the history", asks(person(), HISTORY)),
        (ALLOW, "the holder reads the consents", asks(person(), CONSENTS)),
        (ALLOW, "the holder finds the record", asks(person(), FIND)),
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
        (DENY, "another patient decides nothing", asks(person(STRANGER), GRANT, about=ME)),
        (DENY, "a doctor changes no opposition", asks(doctor, SETTLE, treating)),
    ],
    "authorised-reads": [
        (ALLOW, "the authorised read", asks(doctor, READ, authorised, document())),
        (ALLOW, "the authorised see the record's state", asks(doctor, SEE, authorised)),
        (DENY, "an authorisation that is over opens nothing", asks(doctor, SEE, scenes.expired)),
    ],
    "medecin-traitant-reads": [
        (ALLOW, "the médecin traitant lists", asks(doctor, LIST, treating)),
        (
            DENY,
            "no longer so, no longer reading",
            asks(doctor, LIST, scenes.decided(Kind.MEDECIN_TRAITANT, until=scenes.NOW)),
        ),
    ],
    "professional-finds": [
        (ALLOW, "an exact INS tells whether there is a record", asks(nurse, FIND)),
        (DENY, "an agent searches by no INS", asks(scenes.agent(), FIND)),
    ],
    "author-reads": [
        (ALLOW, "a professional reads what they wrote", asks(nurse, READ, document=by(nurse))),
        (DENY, "and not what others wrote", asks(nurse, READ, document=document())),
    ],
    "professional-feeds": [
        (ALLOW, "feeding asks no authorisation", asks(nurse, PUBLISH, document=document())),
        (DENY, "an agent never feeds", asks(scenes.agent(), PUBLISH, document=document())),
    ],
    "professional-records-authorisation": [
        (ALLOW, "a nurse records the patient's consent", asks(nurse, GRANT, about=ME)),
        (DENY, "a software records none", asks(system(), GRANT, about=ME)),
    ],
    "medecin-traitant-blocks": [
        (
            ALLOW,
            "the médecin traitant blocks for the patient",
            asks(doctor, BLOCK, treating, about=OTHER),
        ),
        (DENY, "another doctor does not", asks(doctor, BLOCK, authorised, about=OTHER)),
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
