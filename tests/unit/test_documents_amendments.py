"""A change of a document's labels, taken apart into acts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.domain.access import DOCUMENT_CHANGES, Action, Answer
from dmp.domain.amendments import Amendment, acts_of, changes, faults_of, meaning
from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import DmpError
from dmp.domain.terminology import CONFIDENTIALITY, VISIBILITIES, oid_of, visibility
from functions.documents.changing import rewriting
from tests.support.records import NOW

V = Visibility
NORMAL = frozenset({V.NORMAL})


def document(codes=NORMAL, **changed) -> Document:
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "extension": [{"url": "urn:theirs", "valueString": "x"}],
        "securityLabel": labels(codes),
        "content": [{"attachment": {"contentType": "application/pdf", "title": "t"}}],
    }
    told = {
        "id": f"{'a' * 26}.{'0' * 26}",
        "record_id": "a" * 26,
        "unique_id": "urn:oid:1.2.3",
        "type_code": "11488-4",
        "class_code": "10",
        "status": DocumentStatus.CURRENT,
        "stage": Stage.FINAL,
        "author": "professional#810100997245",
        "visibility": frozenset(codes),
        "title": "t",
        "dated": NOW,
        "submitted_at": NOW,
        "content": Content("application/pdf", 3, "x", "k"),
        "resource": json.dumps(resource),
    }
    return Document(**{**told, **changed})


def labels(codes) -> list[dict]:
    return [
        {"coding": [{"system": f"urn:oid:{_system(code)}", "code": code.value}]}
        for code in sorted(codes)
    ]


def _system(code: Visibility) -> str:
    return CONFIDENTIALITY if len(code.value) == 1 else VISIBILITIES


def asked(document: Document, **changed) -> Amendment:
    same = Amendment(document.status, document.visibility, document.archived, document.resource)
    return replace(same, **changed)


@pytest.mark.parametrize(
    ("before", "after", "acts"),
    [
        ({V.NORMAL}, {V.NORMAL, V.HIDDEN_FROM_PROFESSIONALS}, [Action.MASK_DOCUMENT]),
        ({V.HIDDEN_FROM_PROFESSIONALS}, {V.NORMAL}, [Action.UNMASK_DOCUMENT]),
        ({V.NORMAL}, {V.HIDDEN_FROM_PATIENT}, [Action.HIDE_FROM_PATIENT]),
        ({V.HIDDEN_FROM_PATIENT}, {V.NORMAL}, [Action.SHOW_TO_PATIENT]),
        ({V.HIDDEN_FROM_REPRESENTATIVES}, {V.NORMAL}, [Action.SHOW_TO_REPRESENTATIVES]),
        ({V.NORMAL}, {V.VERY_RESTRICTED}, [Action.GRADE_CONFIDENTIALITY]),
        ({V.RESTRICTED}, {V.HIDDEN_FROM_PROFESSIONALS},
         [Action.MASK_DOCUMENT, Action.GRADE_CONFIDENTIALITY]),
        ({V.HIDDEN_FROM_PROFESSIONALS}, {V.HIDDEN_FROM_PATIENT},
         [Action.UNMASK_DOCUMENT, Action.HIDE_FROM_PATIENT]),
        ({V.NORMAL}, {V.NORMAL, V.HIDDEN_FROM_REPRESENTATIVES}, []),
    ],
)  # fmt: skip
def test_each_code_that_comes_or_goes_is_an_act(before, after, acts):
    held = document(before)
    assert acts_of(held, asked(held, visibility=frozenset(after))) == tuple(acts)


def test_archive_state_and_status_are_acts_too():
    held = document()
    aside = asked(held, archived=True)
    assert acts_of(held, aside) == (Action.ARCHIVE_DOCUMENT,)
    assert acts_of(replace(held, archived=True), asked(held)) == (Action.ARCHIVE_DOCUMENT,)
    gone = asked(held, status=DocumentStatus.ENTERED_IN_ERROR)
    assert acts_of(held, gone) == (Action.DELETE_DOCUMENT,)


codes = st.sets(st.sampled_from(list(Visibility)), min_size=1).map(frozenset)
statuses = st.sampled_from(list(DocumentStatus))


@given(before=codes, after=codes, aside=st.booleans(), status=statuses, both=st.booleans())
def test_what_changes_is_an_act_or_a_fault_and_what_does_not_is_neither(
    before, after, aside, status, both
):
    held = document(before)
    wanted = asked(held, visibility=after, archived=aside, status=status)
    acts, faults = acts_of(held, wanted), faults_of(held, wanted, masked_and_invisible=both)
    assert set(acts) <= DOCUMENT_CHANGES
    assert len(set(acts)) == len(acts)
    if not changes(held, wanted):
        assert (acts, faults) == ((), ())
    assert bool(acts or faults) is (
        meaning(after) != meaning(before) or aside or status is not DocumentStatus.CURRENT
    )
    back = asked(held)
    there = replace(held, visibility=after, archived=aside)
    if V.HIDDEN_FROM_REPRESENTATIVES in before - after:
        assert "irreversible" in {f.code for f in faults_of(there, back, masked_and_invisible=True)}


@given(before=codes, after=codes)
def test_a_patch_of_labels_ends_in_the_codes_that_it_said(before, after):
    held = document(before)
    patch = [{"op": "replace", "path": "/securityLabel", "value": labels(after)}]
    amendment = rewriting(patch, "https://dmp.test/fhir")(
        held, Answer(allowed=True, rules=(), matrix="x")
    )
    assert meaning(amendment.visibility) == meaning(after)
    said = json.loads(amendment.resource)
    found = {
        visibility(coding["system"], coding["code"])
        for label in said["securityLabel"]
        for coding in label["coding"]
    }
    assert found == amendment.visibility
    assert (amendment.resource == held.resource) is (meaning(before) == meaning(after))
    assert changes(held, amendment) is bool(
        acts_of(held, amendment) or faults_of(held, amendment, masked_and_invisible=True)
    )
    rest = {name: value for name, value in said.items() if name != "securityLabel"}
    assert rest == {
        name: value for name, value in json.loads(held.resource).items() if name != "securityLabel"
    }


ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
_pointers = st.sampled_from(
    [
        "/status",
        "/securityLabel",
        "/securityLabel/0",
        "/securityLabel/-",
        "/securityLabel/0/coding/0/code",
        "/extension",
        "/extension/0",
        "/extension/-",
        f"/extension[url:'{ARCHIVED}']/valueBoolean",
        f"/extension[url:'{ARCHIVED}']",
        "/extension[url:'urn:theirs']/valueString",
        "/title",
        "",
    ]
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.sampled_from(["N", "R", "MASQUE_PS", "current", "entered-in-error", ARCHIVED])
    | st.just(labels({V.HIDDEN_FROM_PROFESSIONALS})[0])
    | st.just({"url": ARCHIVED, "valueBoolean": True}),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["url", "coding", "code", "valueBoolean"]), inner)
    ),
    max_leaves=4,
)
_patches = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
            "path": _pointers,
            "from": _pointers,
            "value": _json,
        }
    ),
    max_size=3,
)


@given(patch=_patches, before=codes)
def test_whatever_the_patch_it_is_refused_or_changes_labels_archive_and_status_alone(patch, before):
    held = document(before)
    try:
        amendment = rewriting(patch, "https://dmp.test/fhir")(
            held, Answer(allowed=True, rules=(), matrix="x")
        )
    except DmpError:
        return
    was, now = json.loads(held.resource), json.loads(amendment.resource)
    for each in (was, now):
        each.pop("securityLabel", None)
        each.pop("status")
        extensions = [one for one in each.pop("extension", []) if one["url"] != ARCHIVED]
        each["others"] = extensions
    assert now == was
    if amendment.resource != held.resource:
        assert acts_of(held, amendment) or faults_of(held, amendment, masked_and_invisible=False)


@pytest.mark.parametrize(
    ("address", "oid"),
    [
        ("https://smt.esante.gouv.fr/terminologie-tre_a07-statut-visibilite", VISIBILITIES),
        ("https://smt.esante.gouv.fr/fhir/CodeSystem/TRE-A10-NiveauConfidentialite", VISIBILITIES),
        ("https://smt.esante.gouv.fr/fhir/CodeSystem/tre-a99-autre", None),
        ("https://smt.esante.gouv.fr.evil.example/tre-a07", None),
        ("https://mos.esante.gouv.fr/NOS/TRE_A11-IheFormatCode/FHIR/TRE-A11-IheFormatCode", None),
        ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", CONFIDENTIALITY),
    ],
)
def test_a_code_system_is_known_under_the_addresses_that_are_published(address, oid):
    assert oid_of(address) == oid
