"""Reads `infra/workflows/*.asl.json`: what each workflow calls, and so what its role may do.

Substitutions (`${…}`) name what is deployed: a function `${<Area><Module><Handler>Arn}`, a resource
`${TableHistory}`, `${BucketLanding}`, `${QueueUploads}` (URL), `${EventBusFacts}`, another workflow
`${WorkflowInitialHistoryArn}`. The rights of the role are read from the states: a workflow
can do exactly what its definition says, and a definition that calls something not known here is
refused rather than given a wider role.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cdk import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from infra.cdk.rights import Function

_SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_INTEGRATION = re.compile(
    r"arn:aws:states:::(?:aws-sdk:)?(?P<service>[a-z0-9]+):(?P<action>[A-Za-z0-9]+)(?:\.sync(?::2)?|\.waitForTaskToken)?"
)
_NAMES_RESOURCE = {
    "lambda": "FunctionName",
    "dynamodb": "TableName",
    "s3": "Bucket",
    "sqs": "QueueUrl",
    "states": "StateMachineArn",
    "sfn": "StateMachineArn",
}
_ACTIONS = {
    ("lambda", "invoke"): ("lambda:InvokeFunction",),
    ("states", "startExecution"): ("states:StartExecution",),
    ("sfn", "startExecution"): ("states:StartExecution",),
    ("s3", "listObjectsV2"): ("s3:ListBucket",),
    ("s3", "putObject"): (
        "s3:PutObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
    ),
}


class DefinitionError(Exception):
    """A workflow definition that cannot be deployed; the message names the file and the state."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One workflow."""

    name: str
    text: str
    """The definition, minified, with its substitutions still in it."""
    used: frozenset[str]
    """Names of the substitutions in it."""
    rights: tuple[tuple[str, tuple[str, ...]], ...]
    """(substitution of the resource, IAM actions), sorted."""
    distributed: bool
    """It has a Distributed Map, so it starts and follows executions of itself."""


def substitutions(functions: Iterable[Function], workflows: Iterable[str]) -> frozenset[str]:
    """Every name that a definition may use."""
    return frozenset(
        (
            *(name for function in functions for name in function.substitutions),
            *(f"Table{catalogue.pascal(name)}" for name in catalogue.TABLES),
            *(f"Bucket{catalogue.pascal(name)}" for name in catalogue.BUCKETS),
            *(f"Queue{catalogue.pascal(name)}" for name in catalogue.QUEUES),
            *(f"EventBus{catalogue.pascal(name)}" for name in catalogue.BUSES),
            *(f"Workflow{catalogue.pascal(name)}Arn" for name in workflows),
            "Stage",
            "HistoryShards",
            "JoinShards",
        )
    )


def names(root: Path) -> tuple[str, ...]:
    """Names of the workflows that have a definition."""
    return tuple(sorted(path.name.removesuffix(".asl.json") for path in _paths(root)))


def read(root: Path, functions: Iterable[Function]) -> tuple[Definition, ...]:
    """Every workflow, by name. Raises DefinitionError on the first that cannot be deployed."""
    known = substitutions(functions, names(root))
    return tuple(_definition(path, known) for path in _paths(root))


def _paths(root: Path) -> list[Path]:
    return sorted((root / "infra/workflows").glob("*.asl.json"))


def _definition(path: Path, known: frozenset[str]) -> Definition:
    where = f"infra/workflows/{path.name}"
    try:
        body = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from None
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    used = frozenset(_SUBSTITUTION.findall(text))
    unknown = sorted(used - known)
    if unknown:
        raise DefinitionError(
            f"{where}: unknown substitution {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    rights: dict[str, set[str]] = {}
    for state, resource, arguments in _calls(body):
        for subject, actions in _rights(where, state, resource, arguments):
            rights.setdefault(subject, set()).update(actions)
    return Definition(
        name=path.name.removesuffix(".asl.json"),
        text=text,
        used=used,
        rights=tuple(
            (subject, tuple(sorted(actions))) for subject, actions in sorted(rights.items())
        ),
        distributed='"Mode":"DISTRIBUTED"' in text,
    )


def _calls(node: Any, name: str = "") -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(state, Resource, its parameters) of every task, item reader and result writer."""
    if isinstance(node, dict):
        resource = node.get("Resource")
        if isinstance(resource, str):
            yield name, resource, node.get("Parameters") or node.get("Arguments") or {}
        for key, value in node.items():
            yield from _calls(
                value, key if key not in ("States", "Iterator", "ItemProcessor") else name
            )
    elif isinstance(node, list):
        for each in node:
            yield from _calls(each, name)


def _rights(
    where: str, state: str, resource: str, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    direct = _SUBSTITUTION.fullmatch(resource)
    if direct:
        yield direct[1], ("lambda:InvokeFunction",)
        return
    called = _INTEGRATION.fullmatch(resource)
    if called is None:
        raise DefinitionError(
            f"{where}: {state}: {resource!r} is no service integration known here"
        )
    service, action = called["service"], called["action"]
    if (service, action) == ("events", "putEvents"):
        for entry in arguments.get("Entries", ()):
            yield _subject(where, state, entry, "EventBusName"), ("events:PutEvents",)
        return
    wanted = _NAMES_RESOURCE.get(service)
    if wanted is None:
        raise DefinitionError(f"{where}: {state}: {service} is not called by workflows here")
    iam = "states" if service == "sfn" else service
    actions = _ACTIONS.get((service, action), (f"{iam}:{action[:1].upper()}{action[1:]}",))
    yield _subject(where, state, arguments, wanted), actions


def _subject(where: str, state: str, arguments: Mapping[str, Any], wanted: str) -> str:
    value = arguments.get(wanted)
    found = _SUBSTITUTION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise DefinitionError(
            f"{where}: {state}: {wanted} must be a substitution (${{…}}): the role names it"
        )
    return found[1]
