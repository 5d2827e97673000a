"""The words of a notice, from the catalogues `notifications.<language>.json`."""

from __future__ import annotations

from dataclasses import dataclass

from dmp.domain.notifications import (
    Channel,
    Fact,
    Message,
    Recipient,
    Role,
    Way,
    paris_time,
)
from dmp.domain.traces import Mode
from dmp.edge.catalogue import messages


@dataclass(frozen=True, slots=True)
class Wording:
    """`usecases.deliver.Wording`.

    What is filled into a text is the moment; for a professional, who has other patients too, also
    the record's opaque reference and the mode of the access. A coming majority has no day: it
    would tell the day of birth.
    """

    def message(self, fact: Fact, recipient: Recipient, way: Way) -> Message:
        texts = messages("notifications", recipient.language)
        became = fact.representation
        what = f"representative.{became}" if became else fact.subject.topic
        name = f"{what}.{recipient.role}"
        date, time = paris_time(fact.occurred_at)
        filled = {"date": date, "time": time}
        if recipient.role is Role.PROFESSIONAL and fact.mode is not Mode.NORMAL:
            filled |= {"record": fact.record_id, "mode": texts[f"mode.{fact.mode}"]}
        said = texts[f"{name}.said"].format(**filled)
        if way.channel is Channel.SMS:
            return Message(way.channel, way.address, "", texts["sms"].format(said=said))
        text = texts[f"email.{recipient.role}"].format(said=said)
        return Message(way.channel, way.address, texts[f"{name}.title"], text)
