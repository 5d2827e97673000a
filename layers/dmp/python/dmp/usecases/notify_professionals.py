"""Tell the médecins traitants and the delegates of an emergency, at once [CSP R1111-48]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.consents import Consent
from dmp.domain.errors import Busy
from dmp.domain.notifications import (
    Fact,
    Subject,
    professional_recipient,
    professionals_to_tell,
)
from dmp.usecases.deliver import Deliver


class Consents(Protocol):
    def of_record(self, record_id: str) -> Sequence[Consent]:
        """Every decision of a record."""


class Addresses(Protocol):
    def of_professionals(self, professionals: Sequence[str]) -> Mapping[str, str]:
        """The e-mail address of each one who gave one."""


@dataclass(frozen=True, slots=True)
class NotifyProfessionals:
    """Each one at the address they gave; of one who gave none the trace says so."""

    consents: Consents
    addresses: Addresses
    deliver: Deliver

    def __call__(self, fact: Fact, now: datetime, *, last: bool) -> None:
        if fact.subject is not Subject.EMERGENCY_ACCESSED:
            return
        found = professionals_to_tell(fact, self.consents.of_record(fact.record_id), now)
        addresses = self.addresses.of_professionals(found) if found else {}
        undone = None
        for one in found:
            recipient = professional_recipient(one, addresses.get(one))
            try:
                self.deliver(fact, recipient, now, last=last)
            except Busy as busy:
                undone = busy
        if undone:
            raise undone
