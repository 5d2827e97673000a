"""Every file in `events/` is true: facts against their schemas, triggers against their handlers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dmp.domain.ids import is_record_id, split_document_id
from infra.cdk import rights, routes

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
FACTS = sorted(EVENTS.glob("facts/*.schema.json"))
TRIGGERS = sorted(
    path.relative_to(EVENTS).as_posix()
    for path in EVENTS.glob("*/*.json")
    if path.parent.name != "facts"
)
HANDLERS: dict[str, str] = json.loads((EVENTS / "handlers.json").read_text("utf-8"))
ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources"}
SCHEDULED = {"majority.approaching.v1"}
"""What no change of an item tells; `tests/unit/test_majority.py` holds it against its schema."""
SCHEDULED_BY = ROOT / "layers/dmp/python/dmp/usecases/remind_majority.py"
TOLD_WORDS = {
    "name",
    "title",
    "matricule",
    "ins",
    "nir",
    "email",
    "mobile",
    "birth",
    "text",
    "label",
}

# What the official test identities of the samples look like, and anything of their shape.
IDENTITIES = {
    "a matricule": re.compile(r"(?<![0-9a-z])[1-8]\d{4}(?:\d\d|2[AB])\d{6}(?:\d\d)?(?![0-9a-z])"),
    "an e-mail address": re.compile(r"[^\s@\"]+@[^\s@\"]+\.\w+"),
    "a phone number": re.compile(r"(?<![0-9a-z])(?:\+33|0)[1-9](?:[ .]?\d\d){4}(?![0-9a-z])"),
    "a family name": re.compile(r"pat-|dominique", re.IGNORECASE),
}


def read(path: Path):
    return json.loads(path.read_text("utf-8"))


def kind(schema: Path) -> str:
    return schema.name.removesuffix(".schema.json")


def sample(schema: Path):
    return read(schema.with_name(f"{kind(schema)}.json"))


def every_fact(test):
    return pytest.mark.parametrize("schema", FACTS, ids=kind)(test)


def test_every_file_has_its_place() -> None:
    files = {p.relative_to(EVENTS).as_posix() for p in EVENTS.rglob("*") if p.is_file()}
    facts = {f"facts/{kind(schema)}{end}" for schema in FACTS for end in (".json", ".schema.json")}
    assert files == facts | set(TRIGGERS) | {"README.md", "handlers.json"}


def test_every_fact_that_is_published_has_its_schema() -> None:
    published = {
        each
        for path in [*(ROOT / "functions").glob("*/stream.py"), SCHEDULED_BY]
        for each in re.findall(r"\b[a-z]+\.[a-z]+\.v\d+\b", path.read_text("utf-8"))
    }
    assert published == {kind(schema) for schema in FACTS}


@every_fact
def test_a_fact_s_schema_names_every_property_it_allows(schema: Path) -> None:
    told = read(schema)
    Draft202012Validator.check_schema(told)
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert told["type"] == "object"
    assert told["additionalProperties"] is False
    assert {"eventId", "recordId", "occurredAt"} <= set(told["required"])


@every_fact
def test_a_fact_s_schema_has_no_room_for_an_identity_or_content(schema: Path) -> None:
    words = {
        word.lower()
        for name in read(schema)["properties"]
        for word in re.findall(r"[A-Z]?[a-z0-9]+", name)
    }
    assert words & TOLD_WORDS == set()


@every_fact
def test_a_fact_s_example_is_what_eventbridge_delivers_and_fits_its_schema(schema: Path) -> None:
    event = sample(schema)
    assert event.keys() == ENVELOPE | {"detail"}
    assert event["detail-type"] == kind(schema)
    assert re.fullmatch(r"dmp\.[a-z]+", event["source"])
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(read(schema), format_checker=checker).validate(event["detail"])
    assert is_record_id(event["detail"]["recordId"])
    document = event["detail"].get("documentId")
    assert document is None or split_document_id(document)


@every_fact
def test_a_fact_without_a_required_property_or_with_an_unknown_one_is_refused(schema: Path) -> None:
    validator = Draft202012Validator(read(schema))
    detail = sample(schema)["detail"]
    assert not validator.is_valid(detail | {"unknown": "x"})
    for name in read(schema)["required"]:
        assert not validator.is_valid({k: v for k, v in detail.items() if k != name}), name


@every_fact
def test_no_fact_holds_an_identity(schema: Path) -> None:
    text = json.dumps(sample(schema))
    assert [name for name, shape in IDENTITIES.items() if shape.search(text)] == []


def test_every_trigger_s_sample_names_its_handler_and_no_other_is_named() -> None:
    assert sorted(HANDLERS) == TRIGGERS


def test_every_named_handler_is_a_function_that_is_deployed() -> None:
    deployed = {function.lambda_handler for function in rights.read(ROOT)}
    assert set(HANDLERS.values()) - deployed == set()


# Run in a clean child, because functions keep their clients: a handler takes a sample when it
# gets as far as asking AWS for something, or answers without complaint.
TAKE = """
import importlib, json, os, sys
from types import SimpleNamespace
import botocore.client

class Asked(BaseException):
    pass

facts = []

def ask(self, operation, arguments):
    if operation == "PutEvents":
        facts.extend(arguments["Entries"])
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "0"}] * len(arguments["Entries"])}
    raise Asked(f"{self.meta.service_model.service_name}:{operation}")

botocore.client.BaseClient._make_api_call = ask
context = SimpleNamespace(
    aws_request_id="0", function_name="sample", memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-3:000000000000:function:sample",
    get_remaining_time_in_millis=lambda: 10_000,
)
os.environ |= {f"DMP_WORKFLOW_{name}": "arn:aws:states:eu-west-3:0:stateMachine:x" for name in json.loads(sys.argv[2])}
verdicts = {}
for sample, handler, path in json.loads(sys.argv[1]):
    module, _, name = handler.rpartition(".")
    event = json.load(open(path, encoding="utf-8"))
    facts.clear()
    try:
        answer = getattr(importlib.import_module(module), name)(event, context)
        verdicts[sample] = {"answer": answer, "facts": list(facts)}
    except Asked as asked:
        verdicts[sample] = {"asked": str(asked)}
    except Exception as error:
        verdicts[sample] = {"error": f"{type(error).__name__}: {error}"}
print("\\n" + json.dumps(verdicts))
"""


@pytest.fixture(scope="module")
def verdicts():
    asked = [[name, HANDLERS[name], str(EVENTS / name)] for name in TRIGGERS if name in HANDLERS]
    workflows = [
        path.name.removesuffix(".asl.json").upper().replace("-", "_")
        for path in (ROOT / "infra/workflows").glob("*.asl.json")
    ]
    told = routes.child(ROOT, TAKE, [json.dumps(asked), json.dumps(workflows)])
    return json.loads(told.splitlines()[-1])


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_handler_takes_its_sample(name: str, verdicts) -> None:
    verdict = verdicts[name]
    assert "error" not in verdict, verdict
    answer = verdict.get("answer")
    if isinstance(answer, dict):
        assert answer.get("statusCode", 200) < 400, answer
        assert answer.get("batchItemFailures", []) == []


@pytest.mark.parametrize(
    "name", [name for name in TRIGGERS if HANDLERS[name].endswith(".stream.handler")]
)
def test_what_a_stream_publishes_fits_the_schema_and_names_nobody(name: str, verdicts) -> None:
    facts = verdicts[name]["facts"]
    assert facts, "a stream's sample tells at least one fact"
    for fact in facts:
        schema = EVENTS / "facts" / f"{fact['DetailType']}.schema.json"
        detail = json.loads(fact["Detail"])
        Draft202012Validator(
            read(schema), format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(detail)
        assert fact["Source"] == sample(schema)["source"]
        assert [n for n, shape in IDENTITIES.items() if shape.search(fact["Detail"])] == []


def test_every_fact_is_told_by_a_stream_s_sample(verdicts) -> None:
    told = {
        fact["DetailType"] for verdict in verdicts.values() for fact in verdict.get("facts", [])
    }
    assert told == {kind(schema) for schema in FACTS} - SCHEDULED
