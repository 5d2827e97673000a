"""The words of a notice, from the catalogues `notifications.<language>.json`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.notifications import Channel, Message, Subject, paris_time
from dmp.edge.catalogue import LANGUAGES, messages


@dataclass(frozen=True, slots=True)
class Wording:
    """`usecases.notify_holder.Wording`. The only thing filled into a text is the moment."""

    language: str = LANGUAGES[0]

    def message(self, subject: Subject, when: datetime, channel: Channel, to: str) -> Message:
        texts = messages("notifications", self.language)
        date, time = paris_time(when)
        said = texts[f"{subject.value}.said"].format(date=date, time=time)
        if channel is Channel.SMS:
            return Message(channel, to, "", texts["sms"].format(said=said))
        return Message(
            channel, to, texts[f"{subject.value}.title"], texts["email"].format(said=said)
        )
