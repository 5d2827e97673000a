"""Cedar and the plain rules agree, whoever asks for whatever."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmp.access.decide import CedarDecisions
from dmp.access.matrix import load_matrix
from dmp.domain.access import Action
from dmp.domain.actors import AgentRole, Structure, key_of
from dmp.domain.consents import ActorConsents, Decision, Kind, Settings
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.records import RecordStatus
from tests.access import scenes
from tests.access.reference import may

matrix = load_matrix()
decisions = CedarDecisions()

structures = st.sampled_from(
    [
        None,
        scenes.HERE,
        scenes.THERE,
        Structure("510000029", "SA24"),
        Structure("750000018", "SA07"),
    ]
)
professionals = st.builds(
    scenes.professional,
    st.sampled_from(["10", "10", "21", "40", "50", "60", "70", "41", "99"]),
    id=st.sampled_from([scenes.ME, scenes.OTHER]),
    structure=structures,
    specialty=st.sampled_from([None, None, "SM54", "SM25"]),
    emergency_reason=st.sampled_from([None, None, scenes.REASON, "urgence"]),
    regulation=st.sampled_from([False, False, True]),
)
actors = st.one_of(
    professionals,
    professionals,
    st.builds(scenes.person, st.sampled_from([scenes.HOLDER, scenes.STRANGER])),
    st.builds(scenes.agent, st.sampled_from(AgentRole), st.sampled_from(["751", "131"])),
    st.builds(scenes.system, st.sampled_from([scenes.HERE, scenes.THERE])),
    st.just(scenes.feeder),
)
decided = st.builds(
    lambda kinds: ActorConsents(tuple(kinds), 1),
    st.lists(
        st.builds(
            Decision,
            st.sampled_from([Kind.AUTHORISATION, Kind.BLOCK, Kind.MEDECIN_TRAITANT]),
            st.sampled_from([scenes.AGO, scenes.NOW, scenes.NOW + timedelta(days=1)]),
            st.just("patient#" + scenes.HOLDER),
            st.sampled_from([None, None, scenes.NOW, scenes.NOW + timedelta(days=2)]),
            st.sampled_from([True, True, False]),
        ),
        max_size=3,
        unique_by=lambda one: one.kind,
    ),
)
kinds = st.sampled_from(
    [
        *((code, "10") for code in ("11488-4", "11502-2", "68599-0", "83901-9", "99999-9")),
        ("ATTEST-RESID", "52"),
        ("89601-9", "52"),
        ("REMB", "60"),
        ("unknown", None),
        ("unknown", "95"),
    ]
)


@st.composite
def questions(draw):
    actor = draw(actors)
    keys = [key_of(actor), f"professional#{scenes.OTHER}", "feeder#ALIM_AM"]
    action = draw(st.sampled_from(Action))
    document = None
    if action is Action.READ_DOCUMENT or (
        action is Action.PUBLISH_DOCUMENT and draw(st.booleans())
    ):
        code, group = draw(kinds)
        document = scenes.document(
            type_code=code,
            class_code=group,
            author=draw(st.sampled_from(keys)),
            visibility=frozenset(
                draw(st.sets(st.sampled_from(Visibility), min_size=1, max_size=3))
            ),
            stage=draw(st.sampled_from([Stage.FINAL, Stage.FINAL, *Stage])),
            status=draw(st.sampled_from([DocumentStatus.CURRENT, *DocumentStatus])),
        )
    caisse = draw(st.sampled_from([None, "751", "131"]))
    return scenes.asks(
        actor,
        action,
        draw(decided),
        document,
        record=scenes.record(
            status=draw(st.sampled_from([RecordStatus.OPEN, RecordStatus.OPEN, *RecordStatus])),
            holder=draw(st.sampled_from([scenes.HOLDER, scenes.HOLDER, None])),
            opened_by=draw(st.sampled_from(keys)),
            structure=None if caisse else draw(st.sampled_from([None, "510000029", "750000018"])),
            caisse=caisse,
        ),
        settings=Settings(*draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))),
        about=draw(st.sampled_from([None, scenes.ME, scenes.OTHER])),
    )


@settings(
    max_examples=1_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(questions())
def test_cedar_decides_as_the_rules_read(question) -> None:
    assert decisions.decide(question).allowed is may(question, matrix), question
