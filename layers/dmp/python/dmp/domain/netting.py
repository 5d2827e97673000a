"""From rows as delivered to services as given: duplicates, corrections, exclusions, reversals.

Every step works on sets and sums, so the order of rows and of deliveries makes no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from dmp.domain.history import Detail, ServiceRow

SUPPLEMENT = 2
NO_SERVICE = 71
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two rows speak of the same service: what was done, when, by and for whom.

    A reversal names the same service under another joining key and in another month, so nothing
    of the key is here.
    """

    on: date
    until: date
    nature: int
    detail: Detail | None
    code: str | None
    performer: str | None
    prescriber: str | None
    structure: str | None


@dataclass(frozen=True, slots=True)
class Service:
    """One service after netting; `quantity` is positive. Amounts are euros."""

    identity: Identity
    quantity: Decimal
    paid: Decimal | None
    base: Decimal | None
    reimbursed: Decimal | None
    performer_speciality: int | None
    prescriber_speciality: int | None


def net(rows: Iterable[ServiceRow]) -> tuple[Service, ...]:
    """The services of one person, in no particular order.

    1. A joining key delivered again, by whatever extract, replaces what it said before: the later
       month counts, then the later extract id.
    2. Rows that are equal in everything but their extract are one.
    3. CPL_MAJ_TOP of 2 or more and DPN_QLF 71 are no services of their own (assumed, common
       practice).
    4. Quantities and amounts of the same service are summed over all months. What comes to zero
       disappears; what comes to less is a reversal whose service has not been delivered, and shows
       nothing until it is.
    """
    groups: dict[Identity, list[ServiceRow]] = defaultdict(list)
    for row in _with_amounts_once(_delivered(rows)):
        groups[identity_of(row)].append(row)
    services = (_service(identity, group) for identity, group in groups.items())
    return tuple(service for service in services if service.quantity > 0)


def identity_of(row: ServiceRow) -> Identity:
    """A care without an end ended the day it began."""
    return Identity(
        on=row.start,
        until=row.end or row.start,
        nature=row.nature,
        detail=row.detail,
        code=row.code,
        performer=row.performer,
        prescriber=row.prescriber,
        structure=row.structure,
    )


def is_service(row: ServiceRow) -> bool:
    """Whether a row is a service of its own."""
    return row.supplement < SUPPLEMENT and row.expense != NO_SERVICE


def quantity_of(row: ServiceRow) -> Decimal:
    """The quantity of the detail (boxes, acts) where there is one, else of the service.

    Extracts put the minus of a reversal on the service, on its detail, or on both.
    """
    if row.detail_quantity is None:
        return row.quantity
    return -abs(row.detail_quantity) if row.quantity < 0 else row.detail_quantity


def _delivered(rows: Iterable[ServiceRow]) -> list[ServiceRow]:
    """Each joining key as last delivered, exact duplicates once, supplements left out."""
    last: dict[str, tuple[str, str]] = {}
    by_delivery: dict[tuple[str, tuple[str, str]], set[ServiceRow]] = defaultdict(set)
    for row in rows:
        delivery = (row.month, row.extract_id)
        last[row.key] = max(delivery, last.get(row.key, delivery))
        by_delivery[row.key, delivery].add(replace(row, extract_id="", month=""))
    return [
        row
        for key, delivery in last.items()
        for row in by_delivery[key, delivery]
        if is_service(row)
    ]


def _with_amounts_once(rows: Iterable[ServiceRow]) -> Iterable[ServiceRow]:
    """Amounts belong to the service: among several details of one, the first by code bears them,
    so that the lines of a person add up to what was paid."""
    services: dict[ServiceRow, list[ServiceRow]] = defaultdict(list)
    for row in rows:
        whole = replace(row, detail=None, code=None, detail_quantity=None, structure=None, line=0)
        services[whole].append(row)
    for details in services.values():
        first, *others = sorted(details, key=_detail_order)
        yield first
        for other in others:
            yield replace(other, paid=None, base=None, reimbursed=None)


def _detail_order(row: ServiceRow) -> tuple[str, str, int, Decimal, str]:
    quantity = row.detail_quantity or _NOTHING
    return row.detail or "", row.code or "", row.line, quantity, row.structure or ""


def _service(identity: Identity, rows: list[ServiceRow]) -> Service:
    """The sums, and the specialities that the last row gives that is no reversal."""
    telling = max(
        rows,
        key=lambda row: (
            quantity_of(row) > 0,
            row.processed_on,
            row.key,
            row.line,
            row.performer_speciality or 0,
            row.prescriber_speciality or 0,
        ),
    )
    return Service(
        identity=identity,
        quantity=sum((quantity_of(row) for row in rows), _NOTHING),
        paid=_sum(rows, lambda row: row.paid),
        base=_sum(rows, lambda row: row.base),
        reimbursed=_sum(rows, lambda row: row.reimbursed),
        performer_speciality=telling.performer_speciality,
        prescriber_speciality=telling.prescriber_speciality,
    )


def _sum(rows: list[ServiceRow], amount: Callable[[ServiceRow], Decimal | None]) -> Decimal | None:
    known = [value for row in rows if (value := amount(row)) is not None]
    return sum(known, _NOTHING) if known else None
