"""Reads `functions/<area>/rights.json`: which functions there are and what each may do.

    {"stream": {"kind": "stream", "source": "table:accounts",
                "rights": {"bus:facts": ["events:PutEvents"], "key:identity": ["kms:Decrypt"]}}}

One entry per module, one Lambda function per entry (a task with `handlers`: one per handler).
Unknown resources, star actions, unknown keys, missing modules and missing handlers are refused with
the file and the reason, so that nothing is granted by a misspelling.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from infra.cdk import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DEFAULT_LAYERS = ("dmp", "vendor", "policies")
EXTRA_LAYERS = ("columnar",)
SETTINGS = (
    "DMP_STAGE",
    "DMP_API_URL",
    "DMP_SENDER",
    "DMP_LENIENT_IDENTITY",
    "DMP_ISSUERS",
    "DMP_HISTORY_SHARDS",
    "DMP_JOIN_SHARDS",
    "DMP_ATTEMPTS",
)
"""What a function may ask for in `env`, beside what its rights yield."""

_SERVICES = {
    "table": "dynamodb",
    "key": "kms",
    "bucket": "s3",
    "queue": "sqs",
    "bus": "events",
    "secret": "secretsmanager",
    "workflow": "states",
    "topic": "sns",
    "ses": "ses",
    "sns": "sns",
}
_ACTION = re.compile(r"[a-z0-9]+:[A-Z][A-Za-z0-9]+")
_FORBIDDEN = {
    "dynamodb:Scan": "nothing scans: ask the table by key",
    "kms:PutKeyPolicy": "key policies belong to the data stack",
    "kms:CreateGrant": "key policies belong to the data stack",
}
_TIMEOUTS = {"http": 15, "authorizer": 10, "stream": 30, "queue": 30, "task": 60, "schedule": 60}


class RightsError(Exception):
    """A rights.json that cannot be deployed; the message names the file, the function and why."""


class Entry(BaseModel):
    """One module's entry in rights.json."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["http", "stream", "queue", "task", "authorizer", "schedule"]
    source: str | None = None
    handlers: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]] | None = None
    memory: Annotated[int, Field(ge=128, le=10_240)] = 512
    timeout: Annotated[int, Field(ge=1, le=900)] | None = None
    storage: Annotated[int, Field(ge=512, le=10_240)] = 512
    batch: Annotated[int, Field(ge=1, le=10_000)] | None = None
    window: Annotated[int, Field(ge=1, le=300)] | None = None
    """Seconds that a stream waits for a batch to fill."""
    every: str | None = None
    rights: dict[str, list[str]] = {}
    env: list[str] = []
    layers: list[str] = []

    @field_validator("rights")
    @classmethod
    def _exact(cls, rights: dict[str, list[str]]) -> dict[str, list[str]]:
        for resource, actions in rights.items():
            service = _SERVICES[_known(resource)[0]]
            if not actions:
                raise ValueError(f"{resource}: no action; leave the resource out instead")
            for action in actions:
                if not _ACTION.fullmatch(action):
                    raise ValueError(f"{resource}: {action!r} is no exact action (service:Action)")
                if action.partition(":")[0] != service:
                    raise ValueError(f"{resource}: {action!r} is no action of {service}")
                if action in _FORBIDDEN:
                    raise ValueError(f"{resource}: {action} is refused: {_FORBIDDEN[action]}")
        return rights

    @field_validator("env")
    @classmethod
    def _settings(cls, names: list[str]) -> list[str]:
        for name in names:
            # A resource's own variable may be named again, as documentation.
            if name not in SETTINGS and not re.fullmatch(
                r"DMP_(TABLE|BUCKET|QUEUE|WORKFLOW|KEY|SECRET|TOPIC|EVENT)_[A-Z_]+", name
            ):
                raise ValueError(f"{name!r} is no setting; known: {', '.join(SETTINGS)}")
        return names

    @field_validator("layers")
    @classmethod
    def _layers(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in (*DEFAULT_LAYERS, *EXTRA_LAYERS):
                raise ValueError(f"no layer {name!r}; there are {DEFAULT_LAYERS + EXTRA_LAYERS}")
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Entry:
        wanted = {"stream": "table", "queue": "queue"}.get(self.kind)
        if wanted is None and self.source is not None:
            raise ValueError(f"a function of kind {self.kind} has no source")
        if wanted is not None:
            if self.source is None:
                raise ValueError(f"a function of kind {self.kind} needs a source ({wanted}:…)")
            kind, name = _known(self.source)
            if kind != wanted:
                raise ValueError(f"source {self.source} must be a {wanted}")
            if kind == "table" and not catalogue.TABLES[name].stream:
                raise ValueError(f"table {name} has no stream")
        if self.handlers is not None and self.kind != "task":
            raise ValueError("only a task has handlers")
        if (self.every is not None) != (self.kind == "schedule"):
            raise ValueError('"every" goes with kind schedule, and only there')
        if self.every is not None and not re.fullmatch(r"(rate|cron)\(.+\)", self.every):
            raise ValueError(f'{self.every!r} is no schedule: "rate(1 hour)" or "cron(…)"')
        return self

    @model_validator(mode="after")
    def _batches(self) -> Entry:
        for name, kinds in (("batch", ("stream", "queue")), ("window", ("stream",))):
            if getattr(self, name) is not None and self.kind not in kinds:
                raise ValueError(f"a function of kind {self.kind} has no {name}")
        return self


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function to deploy."""

    area: str
    module: str
    handler: str
    """Name in the module; the Lambda handler is `functions.<area>.<module>.<handler>`."""
    name: str
    """`<area>-<module>`, with `-<handler>` when a module has several; unique in the house."""
    timeout_seconds: int
    entry: Entry

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def lambda_handler(self) -> str:
        return f"functions.{self.area}.{self.module}.{self.handler}"

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*DEFAULT_LAYERS, *self.entry.layers)))

    @property
    def rights(self) -> Mapping[str, list[str]]:
        return self.entry.rights

    @property
    def substitutions(self) -> tuple[str, ...]:
        """Names under which a workflow definition calls it: `ReimbursementsTasksGatherArn`."""
        base = catalogue.pascal(self.area) + catalogue.pascal(self.module)
        named = f"{base}{catalogue.pascal(self.handler)}Arn"
        return (named,) if self.entry.handlers else (f"{base}Arn", named)


def _known(resource: str) -> tuple[str, str]:
    """`table:accounts` -> ("table", "accounts"); ValueError when the house owns no such thing."""
    kind, _, name = resource.partition(":")
    if resource in catalogue.SENDERS:
        return kind, name
    owned: dict[str, Iterable[str] | None] = {
        "table": catalogue.TABLES,
        "key": catalogue.KEYS,
        "bucket": catalogue.BUCKETS,
        "queue": (*catalogue.QUEUES, *(f"{each}-dead-letters" for each in catalogue.QUEUES)),
        "bus": catalogue.BUSES,
        "secret": catalogue.SECRETS,
        "topic": catalogue.TOPICS,
        "workflow": None,  # infra/workflows/<name>.asl.json, checked against the files in read()
    }
    if kind not in owned:
        raise ValueError(
            f"unknown resource {resource!r}: a resource is <kind>:<name>, kind one of "
            f"{', '.join((*owned, *catalogue.SENDERS))}"
        )
    names = owned[kind]
    if names is not None and name not in names:
        raise ValueError(f"unknown resource {resource!r}: {kind}s are {', '.join(names)}")
    return kind, name


def read(root: Path) -> tuple[Function, ...]:
    """Every function of every area under `root`/functions, in the order of their names.

    Raises RightsError on the first file that is not exact.
    """
    workflows = {
        path.name.removesuffix(".asl.json")
        for path in (root / "infra/workflows").glob("*.asl.json")
    }
    found: list[Function] = []
    for path in sorted((root / "functions").glob("*/rights.json")):
        where = path.relative_to(root).as_posix()
        for module, raw in _entries(path, where).items():
            try:
                entry = Entry.model_validate(raw)
            except ValidationError as error:
                raise RightsError(f"{where}: {module}: {_sentences(error)}") from None
            for resource in entry.rights:
                kind, _, name = resource.partition(":")
                if kind == "workflow" and name not in workflows:
                    raise RightsError(
                        f"{where}: {module}: unknown resource {resource!r}: "
                        f"there is no infra/workflows/{name}.asl.json"
                    )
            found.extend(_functions(path.parent, module, entry, where))
    return tuple(sorted(found, key=lambda each: each.name))


def _entries(path: Path, where: str) -> dict[str, object]:
    try:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique)
    except ValueError as error:
        raise RightsError(f"{where}: {error}") from None
    if not isinstance(content, dict):
        raise RightsError(f"{where}: must be an object: module -> entry")
    return content


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))} named twice")
    return dict(pairs)


def _functions(folder: Path, module: str, entry: Entry, where: str) -> list[Function]:
    source = folder / f"{module}.py"
    if not source.is_file():
        raise RightsError(
            f"{where}: names {module}, but functions/{folder.name}/{module}.py is not there"
        )
    handlers = entry.handlers or (["app"] if entry.kind == "http" else ["handler"])
    defined = _defined(source)
    for handler in handlers:
        if handler not in defined:
            raise RightsError(
                f"{where}: {module}: functions/{folder.name}/{module}.py defines no {handler!r}"
            )
    stem = f"{folder.name}-{module}".replace("_", "-")
    return [
        Function(
            area=folder.name,
            module=module,
            handler=handler,
            name=f"{stem}-{handler}".replace("_", "-") if entry.handlers else stem,
            timeout_seconds=entry.timeout or _TIMEOUTS[entry.kind],
            entry=entry,
        )
        for handler in handlers
    ]


def _defined(source: Path) -> set[str]:
    """Names that the module binds at its top level, without importing it."""
    names: set[str] = set()
    for node in ast.parse(source.read_text("utf-8"), filename=str(source)).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(
                    each.id
                    for target in targets
                    for each in ast.walk(target)
                    if isinstance(each, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                names.update(alias.asname or alias.name for alias in aliases)
            case _:
                pass
    return names


def _sentences(error: ValidationError) -> str:
    return "; ".join(
        ".".join(str(part) for part in each["loc"]) + (": " if each["loc"] else "") + each["msg"]
        for each in error.errors()
    )
