"""The e-mails that were sent are still in the inbox after a restart; MiniStack forgets them."""

from __future__ import annotations

import copy
from typing import Any

from infra.local.patches import expect

_KEY = "dmp_sent_mail"


def apply() -> None:
    from ministack.services import ses  # noqa: PLC0415 - reads its settings at import

    save = expect.function(ses, "get_state")
    load = expect.function(ses, "load_persisted_state", "data")
    sent = ses._sent_emails  # noqa: SLF001

    def get_state() -> dict[str, Any]:
        return {**save(), _KEY: copy.deepcopy(sent)}

    def load_persisted_state(data: dict[str, Any]) -> None:
        load(data)
        sent.update(data.get(_KEY, {}))

    ses.get_state = get_state
    ses.load_persisted_state = load_persisted_state
