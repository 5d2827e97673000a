"""What was accessed, told on the bus: documents read by others, and every emergency."""

from __future__ import annotations

from collections.abc import Iterator

from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge import facts
from functions.traces.wiring_stream import bus, trace_of_item

ACCESSED = "document.accessed.v1"
EMERGENCY = "emergency.accessed.v1"
_READS = frozenset(
    {
        Act.SEARCH_DOCUMENTS,
        Act.READ_DOCUMENT,
        Act.READ_CONTENT,
        Act.READ_HISTORY,
    }
)
_DOCUMENT_READS = frozenset({Act.READ_DOCUMENT, Act.READ_CONTENT})


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """A new trace of something done in a record; refused attempts are in the journal alone."""
    if not change.inserted or change.new is None:
        return
    trace = trace_of_item(change.new)
    if trace.record_id is None or trace.outcome is not Outcome.DONE:
        return
    if trace.act in _DOCUMENT_READS and trace.target:
        hidden = facts.hidden(trace.hidden_from)
        yield _fact(ACCESSED, trace, {"documentId": trace.target, **hidden})
    if trace.act in _READS and trace.mode is not Mode.NORMAL:
        yield _fact(EMERGENCY, trace, {"act": trace.act.value, **_post(trace)})


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
