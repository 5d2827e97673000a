"""The whole way from an extract's rows to the lines that a doctor reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256

from dmp.domain.history import HistoryLine, ServiceRow, Window
from dmp.domain.ids import fingerprint_id
from dmp.domain.netting import Identity, Service, net
from dmp.domain.nomenclatures import Nomenclatures, meaning_of, speciality


def lines_of(
    record_id: str, rows: Iterable[ServiceRow], window: Window, nomenclatures: Nomenclatures
) -> tuple[HistoryLine, ...]:
    """The lines of one person within the window, newest first.

    A service belongs to the day its care began: a stay that began before the window and ended in
    it is left out. Rows from outside the window are welcome: what they correct inside counts.
    """
    inside = (service for service in net(rows) if window.holds(service.identity.on))
    lines = [_line(record_id, service, nomenclatures) for service in inside]
    return tuple(sorted(lines, key=newest_first))


def newest_first(line: HistoryLine) -> tuple[int, str]:
    """The order of every list of lines; the id settles equal days."""
    return -line.on.toordinal(), line.id


def line_id(record_id: str, identity: Identity) -> str:
    """26 characters that follow from the record and the service, and say nothing of either."""
    told = (
        record_id,
        identity.on.isoformat(),
        identity.until.isoformat(),
        str(identity.nature),
        identity.detail or "",
        identity.code or "",
        identity.performer or "",
        identity.prescriber or "",
        identity.structure or "",
    )
    return fingerprint_id("\x1f".join(told))


def fingerprint_of(window: Window, lines: Iterable[HistoryLine]) -> str:
    """SHA-256 of what a reader sees; equal for equal histories, whatever they were made from."""
    told = [window.first.isoformat(), window.last.isoformat()]
    told += [json.dumps([str(value) for value in _content(line)]) for line in lines]
    return sha256("\n".join(told).encode()).hexdigest()


def _content(line: HistoryLine) -> tuple[object, ...]:
    amounts = (line.quantity, line.paid, line.base, line.reimbursed)
    return (
        line.id,
        line.section,
        line.on,
        line.until,
        line.label,
        line.system,
        line.code,
        line.nature,
        line.prescriber,
        line.prescriber_speciality,
        line.performer,
        line.performer_speciality,
        line.structure,
        *(None if amount is None else f"{amount.normalize():f}" for amount in amounts),
    )


def _line(record_id: str, service: Service, nomenclatures: Nomenclatures) -> HistoryLine:
    what = service.identity
    meaning = meaning_of(what.nature, what.detail, what.code, nomenclatures)
    return HistoryLine(
        id=line_id(record_id, what),
        section=meaning.section,
        on=what.on,
        until=what.until if what.until != what.on else None,
        label=meaning.label,
        system=meaning.system,
        code=meaning.code,
        nature=what.nature,
        quantity=service.quantity,
        prescriber=what.prescriber,
        prescriber_speciality=speciality(service.prescriber_speciality, nomenclatures),
        performer=what.performer,
        performer_speciality=speciality(service.performer_speciality, nomenclatures),
        structure=what.structure,
        paid=service.paid,
        base=service.base,
        reimbursed=service.reimbursed,
    )
