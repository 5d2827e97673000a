"""Where a professional wants to be told of what concerns their patients: MSSanté or another
e-mail address of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from dmp.domain.actors import Actor, Professional
from dmp.domain.contacts import is_email
from dmp.domain.errors import Conflict, DmpError, Fault, Forbidden, Invalid, StaleVersion
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.ports import Traces

_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class OwnContact:
    """`version` 0 means that the professional never said; no address that they said none."""

    email: str | None = None
    version: int = 0


class ContactBook(Protocol):
    def of(self, professional: str) -> OwnContact:
        """Where a professional (PS_IdNat) is told."""

    def save(self, professional: str, contact: OwnContact, trace: Trace) -> bool:
        """Both or neither; False when the version before `contact.version` is not there."""


@dataclass(frozen=True, slots=True)
class ReadOwnContact:
    book: ContactBook
    traces: Traces

    def __call__(self, actor: Actor, now: datetime) -> OwnContact:
        """Forbidden for who is no professional."""
        professional = _professional(actor, Act.READ_PREFERENCES, self.traces, now)
        found = self.book.of(professional.id)
        self.traces.write(trace_of(actor, Act.READ_PREFERENCES, Outcome.DONE, now))
        return found


@dataclass(frozen=True, slots=True)
class ChangeOwnContact:
    book: ContactBook
    traces: Traces

    def __call__(
        self, actor: Actor, email: str | None, now: datetime, *, expected: int | None = None
    ) -> OwnContact:
        """The contact as it stands afterwards; the same address again changes nothing, None takes
        it back.

        Forbidden for who is no professional, Invalid for what is no address, StaleVersion when
        another version than `expected` stands, Conflict when others kept changing it.
        """
        professional = _professional(actor, Act.CHANGE_PREFERENCES, self.traces, now)
        if email is not None and not is_email(email):
            fault = Fault("email", "email-form", "not an e-mail address")
            self._fail(professional, Invalid(fault), now)
        for _ in range(_ATTEMPTS):
            stood = self.book.of(professional.id)
            if expected is not None and expected != stood.version:
                self._fail(professional, StaleVersion(), now)
            trace = trace_of(professional, Act.CHANGE_PREFERENCES, Outcome.DONE, now)
            if email == stood.email:
                self.traces.write(trace)
                return stood
            after = OwnContact(email, stood.version + 1)
            if self.book.save(professional.id, after, trace):
                return after
        return self._fail(professional, Conflict(), now)

    def _fail(self, professional: Professional, error: DmpError, now: datetime) -> NoReturn:
        self.traces.write(trace_of(professional, Act.CHANGE_PREFERENCES, Outcome.FAILED, now))
        raise error


def _professional(actor: Actor, act: Act, traces: Traces, now: datetime) -> Professional:
    if not isinstance(actor, Professional):
        traces.write(trace_of(actor, act, Outcome.REFUSED, now))
        raise Forbidden
    return actor
