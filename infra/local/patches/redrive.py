"""``StartMessageMoveTask``: dead letters go back to where they came from, as the runbooks say.

Rules: the API reference of Amazon SQS. The source is a queue that others use for their dead
letters; each message goes to the queue that it came from, or to ``DestinationArn``. It arrives as a
new message: another id, another date, no receipts counted. ``ListMessageMoveTasks`` tells of the
last ten. MiniStack knows neither; here a move is over when it is answered.
"""

from __future__ import annotations

import copy
import time
import uuid
from typing import Any

from infra.local.patches import expect

_KEPT = 10  # tasks told of, as in AWS
_CAME_FROM = "DeadLetterQueueSourceArn"


def apply() -> None:
    from ministack.services import sqs  # noqa: PLC0415 - reads its settings at import

    moves = _Moves(sqs)
    handlers = expect.mapping(sqs, "_HANDLERS", "SendMessage", "ReceiveMessage")
    for action, handler in (("Start", moves.start), ("List", moves.told)):
        name = f"{action}MessageMoveTask{'s' if action == 'List' else ''}"
        if name in handlers:
            msg = f"sqs knows {name} by now: the patch is not needed any more"
            raise expect.PatchError(msg)
        handlers[name] = handler


class _Moves:
    def __init__(self, queues: Any) -> None:
        self._queue_of = expect.function(queues, "_queue_by_arn", "arn")
        self._expire = expect.function(queues, "_expire_retained", "q")
        self._error = expect.function(queues, "_Err", "code", "message", "status")
        self._wake = expect.function(queues.esm_wake, "set")
        self._tasks: dict[str, list[dict[str, Any]]] = {}

    def start(self, data: dict[str, Any], _url: str) -> dict[str, Any]:
        """Move what can be received now; what somebody holds stays."""
        source_arn, wanted = str(data.get("SourceArn") or ""), data.get("DestinationArn")
        source = self._known(source_arn)
        self._expire(source)
        now, stay, moved = time.time(), [], 0
        for message in source["messages"]:
            origin = wanted or message.get("sys", {}).get(_CAME_FROM)
            target = self._known(origin) if origin and message["visible_at"] <= now else None
            if target is None:
                stay.append(message)
                continue
            target["messages"].append(_as_new(message, now))
            moved += 1
        source["messages"] = stay
        self._wake()
        task = {
            "TaskHandle": str(uuid.uuid4()),
            "Status": "COMPLETED",
            "SourceArn": source_arn,
            "ApproximateNumberOfMessagesMoved": moved,
            "ApproximateNumberOfMessagesToMove": moved,
            "StartedTimestamp": int(now * 1000),
        } | ({"DestinationArn": wanted} if wanted else {})
        self._tasks.setdefault(source_arn, []).insert(0, task)
        del self._tasks[source_arn][_KEPT:]
        return {"TaskHandle": task["TaskHandle"]}

    def told(self, data: dict[str, Any], _url: str) -> dict[str, Any]:
        """The last tasks of a source, the newest first; one unless more are asked for."""
        source = str(data.get("SourceArn") or "")
        self._known(source)
        most = int(data.get("MaxResults") or 1)
        # A task that is over has no handle any more.
        tasks = [dict(one) for one in self._tasks.get(source, ())][:most]
        return {"Results": [{k: v for k, v in one.items() if k != "TaskHandle"} for one in tasks]}

    def _known(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self._queue_of(arn)
        if found is None:
            code = "ResourceNotFoundException"
            raise self._error(code, f"The resource {arn} doesn't exist.", 404)
        return found


def _as_new(message: dict[str, Any], now: float) -> dict[str, Any]:
    new = copy.deepcopy(message)
    new["sys"].pop(_CAME_FROM, None)
    new["sys"]["SentTimestamp"] = str(int(now * 1000))
    return {
        **new,
        "id": str(uuid.uuid4()),
        "receipt_handle": None,
        "receive_count": 0,
        "first_receive_at": None,
        "sent_at": now,
        "visible_at": now,
    }
