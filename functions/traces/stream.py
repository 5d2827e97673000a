"""What was accessed, told on the bus: documents, records, and every emergency."""

from __future__ import annotations

from collections.abc import Iterator

from dmp.domain.actors import Professional
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge import facts
from functions.traces.wiring_stream import bus, trace_of_item

ACCESSED = "document.accessed.v1"
RECORD_ACCESSED = "record.accessed.v1"
EMERGENCY = "emergency.accessed.v1"
_READS = frozenset(
    {
        Act.SEARCH_DOCUMENTS,
        Act.READ_DOCUMENT,
        Act.READ_CONTENT,
        Act.READ_HISTORY,
        Act.CHANGE_DOCUMENT,
    }
)
_DOCUMENT_READS = frozenset({Act.READ_DOCUMENT, Act.READ_CONTENT, Act.CHANGE_DOCUMENT})
"""Who changes a document is answered with it."""
_PROFESSIONAL = f"{Professional.kind}#"
_RECORD_READS = _READS - _DOCUMENT_READS
_STATE = frozenset({"professional-finds", "opener-follows", "colleagues-follow"})
"""The rules that show how a record stands to who may not read it."""
_BY_RULES = frozenset({Act.READ_RECORD, Act.READ_TRACES, Act.EXPORT_TRACES})
"""An access if it was a reader's: everybody reads their own traces, by no rule, and many follow
the state of a record without any right to its content."""


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """A new trace of something done in a record; refused attempts are in the journal alone."""
    if not change.inserted or change.new is None:
        return
    trace = trace_of_item(change.new)
    if trace.record_id is None or trace.outcome is not Outcome.DONE:
        return
    hidden = facts.hidden(trace.hidden_from)
    if trace.act in _DOCUMENT_READS and trace.target:
        yield _fact(ACCESSED, trace, {"documentId": trace.target, **hidden})
    if _reads_record(trace) and _may_be_a_first_access(trace):
        yield _fact(RECORD_ACCESSED, trace, {"act": trace.act.value})
    if trace.act in _READS and trace.mode is not Mode.NORMAL:
        yield _fact(EMERGENCY, trace, {"act": trace.act.value, **_post(trace), **hidden})


def _reads_record(trace: Trace) -> bool:
    """Whether something of the record was read that is no single document."""
    by_right = trace.act in _BY_RULES and not _STATE.issuperset(trace.rules)
    return by_right or trace.act in _RECORD_READS


def _may_be_a_first_access(trace: Trace) -> bool:
    """Lists are read often, mostly by holders, who are told of professionals alone; an emergency
    is told as such. The rest is not put on the bus."""
    return trace.mode is Mode.NORMAL and trace.actor.startswith(_PROFESSIONAL)


def _post(trace: Trace) -> dict[str, facts.Told]:
    """As what and where the professional acts, by their codes."""
    told = {"profession": trace.profession, "structure": trace.structure}
    return {name: code for name, code in told.items() if code}


def _fact(kind: str, trace: Trace, more: dict[str, facts.Told]) -> facts.Fact:
    return facts.Fact(
        kind,
        facts.fact_id(trace.at, kind, trace.record_id or "", trace.id),
        {
            "recordId": trace.record_id or "",
            "traceId": trace.id,
            "actor": trace.actor,
            "mode": trace.mode.value,
            **more,
        },
    )


handler = facts.handler("dmp.traces", facts_of, bus)
