"""Drafts the runbook page of each alarm: `python -m infra.cdk.runbooks` writes the missing ones.

A page that exists is never touched: people write into it what they learned. `tests/infra` checks
that each alarm has its page, that each page has an alarm, and that it says all four things.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cdk import alarming, definitions, rights
from infra.cdk.packaging import ROOT

if TYPE_CHECKING:
    from infra.cdk.alarming import Alarm
    from infra.cdk.rights import Function

SECTIONS = ("Meaning", "First look", "What to do", "Redrive")
FOLDER = "infra/runbooks"

_LOGS = "aws logs tail /aws/lambda/dmp-$STAGE-{subject} --since 1h --filter-pattern '{{ $.level = \"ERROR\" }}'"
_PEEK = """QUEUE=$(aws sqs get-queue-url --queue-name dmp-$STAGE-{subject} --output text)
aws sqs receive-message --queue-url "$QUEUE" --visibility-timeout 5 --max-number-of-messages 10"""
_MOVE = """ARN=$(aws sqs get-queue-attributes --queue-url "$QUEUE" --attribute-names QueueArn \\
  --query Attributes.QueueArn --output text)
aws sqs start-message-move-task --source-arn "$ARN"
"""

_WHO = {
    "http": "A caller got an answer that is our fault; callers retry, and writes are idempotent.",
    "authorizer": "No token is verified while it fails: every protected request is refused.",
    "stream": "Facts of a table are late or put aside; consumers have not heard of what was written.",
    "queue": "Messages are tried again, and put aside after five attempts.",
    "task": "A workflow step failed; the workflow retries it, and fails when it has no try left.",
    "schedule": "A regular duty did not run; the next turn catches up unless the cause stays.",
}

_ASIDE = {
    "stream": """The batch is in `streams-dead-letters`: its message names the shard and the sequence numbers.
Follow [that page](streams-dead-letters.md).""",
    "queue": """Once the cause is gone, the messages in `{queue}-dead-letters` go back by
[that page](../runbooks/{queue}-dead-letters.md).""",
    "schedule": """Once the cause is gone, run it by hand; it does the work of the missed turns too:

```sh
aws lambda invoke --function-name dmp-$STAGE-{subject} --payload '{{}}' /dev/stdout
```""",
    "task": "Redrive the failed execution, by the page of its workflow (`*-failed.md`).",
    "http": "Nothing to redrive: the caller repeats the request, with its `Idempotency-Key` if it has one.",
    "authorizer": "Nothing to redrive: the caller repeats the request.",
}


def pages(root: Path = ROOT) -> dict[str, str]:
    """File name -> draft of the page, for every alarm of the house."""
    functions = rights.read(root)
    by_name = {function.name: function for function in functions}
    alarms = alarming.every(functions, definitions.names(root))
    return {
        f"{alarm.name}.md": _page(alarm, by_name.get(alarm.subject), root) for alarm in alarms
    }


def _page(alarm: Alarm, function: Function | None, root: Path) -> str:
    family = alarm.family
    if function is not None:
        meaning, look, act, redrive = _of_function(alarm, function, root)
    elif family == "dead-letters":
        meaning, look, act, redrive = _of_dead_letters(alarm.subject)
    elif family == "waiting":
        meaning, look, act, redrive = _of_waiting(alarm.subject)
    elif family == "workflow":
        meaning, look, act, redrive = _of_workflow(alarm)
    else:
        meaning, look, act, redrive = _of_api(alarm)
    parts = zip(SECTIONS, (meaning, look, act, redrive), strict=True)
    return f"# {alarm.name}\n\n" + "\n\n".join(f"## {title}\n{text}" for title, text in parts) + "\n"


def _shell(command: str) -> str:
    return f"```sh\n{command.strip()}\n```"


def _of_function(alarm: Alarm, function: Function, root: Path) -> tuple[str, str, str, str]:
    source = f"functions/{function.area}/{function.module}.py"
    duty = (ast.get_docstring(ast.parse((root / source).read_text("utf-8"))) or "").split("\n\n")[0]
    duty = " ".join(duty.split())
    what = {
        "errors": "raised an error or timed out",
        "throttles": "was refused a start: the account's or the function's concurrency is used up",
        "slow": f"took more than 80 % of its {function.timeout_seconds} s in two periods of 5 minutes",
        "lag": "is more than 5 minutes behind its table's stream",
    }[alarm.family]
    meaning = f"`{source}` {what}. {_WHO[function.kind]}" + (f"\n\nIts duty: {duty}" if duty else "")
    look = _shell(_LOGS.format(subject=function.name))
    act = {
        "errors": "The log line names the error, the module and the line, never a person. One error since "
        "a release: roll the release back. An AWS error (throttled, access denied, KMS): see the service's "
        "health and the last change of `rights.json`. One record id again and again: its data; open an "
        "incident with the id.",
        "throttles": "Look for the function that uses the concurrency (dashboard, *Functions*). A flood of "
        "calls: lower the throttling of the API stage or let the WAF refuse. Honest growth: ask AWS for "
        "more concurrency.",
        "slow": "Compare with the dashboard's p95 of DynamoDB, S3 and KMS calls in the trace (X-Ray). Cold "
        "starts alone: raise `memory` in `rights.json`. A larger input than ever: raise `timeout`, then "
        "look why.",
        "lag": "Errors too: that page first, one bad batch holds its shard back. No errors: the writes grew; "
        "raise `batch` in `rights.json`.",
    }[alarm.family]
    queue = (function.entry.source or "").partition(":")[2]
    return meaning, look, act, _ASIDE[function.kind].format(subject=function.name, queue=queue)


def _of_dead_letters(name: str) -> tuple[str, str, str, str]:
    look = _shell(_PEEK.format(subject=name))
    if name == "streams-dead-letters":
        return (
            "A table's stream function failed five times on a batch and went on without it: facts were not "
            "published. A stream keeps its records for 24 hours.",
            look,
            "`functionArn` says which function, its log says why. Correct it within 24 hours; after that, the "
            "facts have to be published again from the items.",
            "A batch is read again from the stream, with the shard and first sequence number of the message, "
            "and given to the function:\n\n"
            + _shell(
                "IT=$(aws dynamodbstreams get-shard-iterator --stream-arn $STREAM --shard-id $SHARD \\\n"
                "  --shard-iterator-type AT_SEQUENCE_NUMBER --sequence-number $FIRST \\\n"
                "  --query ShardIterator --output text)\n"
                "aws dynamodbstreams get-records --shard-iterator $IT --limit 25 > batch.json\n"
                "aws lambda invoke --function-name $FUNCTION --payload fileb://batch.json /dev/stdout"
            ),
        )
    if name in alarming.SHARED_DEAD_LETTERS:
        source = "EventBridge rule" if name.startswith("rules") else "schedule"
        return (
            f"An {source} could not reach its target for a day of attempts."
            if source.startswith("E")
            else "A scheduled function could not be invoked, or failed three times.",
            look,
            "The message attributes name the rule or schedule, the target and the error. Usually a right was "
            "lost in a release: compare the template with the last one that worked.",
            "The message body is what the target should have got. Send it there, then delete it:\n\n"
            + _shell(
                "aws sqs send-message --queue-url $TARGET --message-body \"$BODY\"\n"
                "aws sqs delete-message --queue-url \"$QUEUE\" --receipt-handle $HANDLE"
            ),
        )
    source = name.removesuffix("-dead-letters")
    return (
        f"A message of the queue `{source}` failed five times and was put aside. It is kept 14 days.",
        look,
        f"The function that consumes `{source}` logged why, five times. Correct the cause first: a message "
        "that goes back unchanged fails again. Consumers are idempotent, nothing is done twice.",
        _shell(_PEEK.format(subject=name).splitlines()[0] + "\n" + _MOVE),
    )


def _of_waiting(name: str) -> tuple[str, str, str, str]:
    return (
        f"The oldest message of the queue `{name}` waited for more than 15 minutes.",
        _shell(
            f"QUEUE=$(aws sqs get-queue-url --queue-name dmp-$STAGE-{name} --output text)\n"
            'aws sqs get-queue-attributes --queue-url "$QUEUE" --attribute-names All'
        ),
        "Messages in flight and the consumer without errors: more arrive than it handles; raise `batch` in "
        "`rights.json` or the account's concurrency. None in flight: its event source mapping is off or "
        "its function is throttled (dashboard, *Functions*).",
        "Nothing to redrive: messages stay in the queue for four days and are handled in time.",
    )


def _of_workflow(alarm: Alarm) -> tuple[str, str, str, str]:
    how = "ran out of time" if alarm.name.endswith("timed-out") else "failed"
    status = "TIMED_OUT" if alarm.name.endswith("timed-out") else "FAILED"
    arn = f"arn:aws:states:$REGION:$ACCOUNT:stateMachine:dmp-$STAGE-{alarm.subject}"
    return (
        f"An execution of `infra/workflows/{alarm.subject}.asl.json` {how}. What it had not finished is "
        "unchanged: nothing is half-written.",
        _shell(
            f"aws stepfunctions list-executions --status-filter {status} \\\n  --state-machine-arn {arn}\n"
            "aws stepfunctions get-execution-history --reverse-order --max-results 5 --execution-arn $EXECUTION"
        ),
        "The history names the state and the error class; the log of that state's function says where. A "
        "transient error of AWS: redrive. A refused input: tell who sent it. A fault of ours: correct, "
        "deploy, redrive.",
        "The execution goes on from the state that failed (within 14 days):\n\n"
        + _shell("aws stepfunctions redrive-execution --execution-arn $EXECUTION"),
    )


def _of_api(alarm: Alarm) -> tuple[str, str, str, str]:
    slow = alarm.name.endswith("slow")
    return (
        "One answer in twenty takes 3 seconds or more, for 15 minutes."
        if slow
        else "Five answers or more in 5 minutes were 5xx.",
        _shell(
            "aws logs tail /aws/apigateway/dmp-$STAGE-access --since 30m --filter-pattern "
            + ("'{ $.milliseconds > 3000 }'" if slow else "'{ $.status = 5* }'")
        ),
        "The route tells the area. "
        + (
            "`integrationMilliseconds` near `milliseconds`: the function, see its `-slow` page and its trace; "
            "far below: the authorizer or the network."
            if slow
            else "`refusal` filled in: the gateway or the authorizer; empty: the function, see its `-errors` page."
        ),
        "Nothing to redrive: callers repeat their requests.",
    )


def main() -> None:
    """Write the pages that are missing; say which pages have no alarm any more."""
    folder = ROOT / FOLDER
    drafts = pages()
    for name, text in drafts.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, "utf-8")
            print(f"drafted {FOLDER}/{name}")  # noqa: T201
    for path in sorted(folder.glob("*.md")):
        if path.name not in drafts and path.name != "README.md":
            print(f"no alarm for {FOLDER}/{path.name}")  # noqa: T201


if __name__ == "__main__":
    main()
