"""rights.json is read strictly: a misspelling is refused with the file and the reason."""

from __future__ import annotations

import json

import pytest

from infra.cdk import rights


@pytest.fixture
def area(house):
    """Writes an area and its rights; `area(rights, **modules)`."""

    def write(content, **modules):
        folder = house / "functions/sample"
        folder.mkdir()
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "rights.json").write_text(text)
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        return house

    return write


HANDLER = "def handler(event, context): ...\n"


def test_one_function_per_entry_and_one_per_handler_of_a_task(area):
    root = area(
        {
            "app": {"kind": "http", "rights": {"table:accounts": ["dynamodb:GetItem"]}},
            "tasks": {"kind": "task", "handlers": ["gather", "lay_out"], "layers": ["columnar"]},
            "single": {"kind": "task"},
        },
        app="app = object()\n",
        tasks="def gather(e, c): ...\ndef lay_out(e, c): ...\n",
        single=HANDLER,
    )
    found = {each.name: each for each in rights.read(root)}
    assert sorted(found) == [
        "sample-app",
        "sample-single",
        "sample-tasks-gather",
        "sample-tasks-lay-out",
    ]
    assert found["sample-app"].lambda_handler == "functions.sample.app.app"
    assert found["sample-tasks-lay-out"].lambda_handler == "functions.sample.tasks.lay_out"
    assert found["sample-tasks-lay-out"].substitutions == ("SampleTasksLayOutArn",)
    assert found["sample-single"].substitutions == ("SampleSingleArn", "SampleSingleHandlerArn")
    assert found["sample-tasks-gather"].layers == ("dmp", "vendor", "policies", "columnar")
    assert found["sample-app"].layers == ("dmp", "vendor", "policies")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"kind": "htpp"}, "kind"),
        ({"kind": "http", "memroy": 512}, "memroy"),
        ({"kind": "http", "memory": 64}, "memory"),
        ({"kind": "http", "memory": "512"}, "memory"),
        ({"kind": "http", "timeout": 901}, "timeout"),
        (
            {"kind": "http", "rights": {"table:account": ["dynamodb:GetItem"]}},
            "tables are accounts, ",
        ),
        ({"kind": "http", "rights": {"accounts": ["dynamodb:GetItem"]}}, "<kind>:<name>"),
        ({"kind": "http", "rights": {"table:accounts": ["dynamodb:*"]}}, "no exact action"),
        ({"kind": "http", "rights": {"table:accounts": ["dynamodb:Get*"]}}, "no exact action"),
        ({"kind": "http", "rights": {"table:accounts": ["*"]}}, "no exact action"),
        ({"kind": "http", "rights": {"table:accounts": ["s3:GetObject"]}}, "no action of dynamodb"),
        ({"kind": "http", "rights": {"table:accounts": ["dynamodb:Scan"]}}, "nothing scans"),
        ({"kind": "http", "rights": {"table:accounts": []}}, "no action"),
        (
            {"kind": "http", "rights": {"workflow:nowhere": ["states:StartExecution"]}},
            "nowhere.asl.json",
        ),
        ({"kind": "http", "env": ["DMP_NOWHERE"]}, "no setting"),
        ({"kind": "http", "layers": ["pandas"]}, "no layer"),
        ({"kind": "http", "source": "table:accounts"}, "has no source"),
        ({"kind": "http", "handlers": ["one"]}, "only a task"),
        ({"kind": "http", "batch": 5}, "has no batch"),
        ({"kind": "queue", "source": "queue:uploads", "window": 5}, "has no window"),
        ({"kind": "stream", "source": "table:traces", "window": 301}, "window"),
        ({"kind": "http", "every": "rate(1 hour)"}, "kind schedule"),
        ({"kind": "schedule", "every": "hourly"}, "no schedule"),
        ({"kind": "stream"}, "needs a source"),
        ({"kind": "stream", "source": "queue:uploads"}, "must be a table"),
        ({"kind": "stream", "source": "table:statistics"}, "has no stream"),
        ({"kind": "queue", "source": "queue:nowhere"}, "queues are"),
    ],
)
def test_what_is_not_exact_is_refused_with_the_file_and_the_reason(area, entry, reason):
    root = area({"app": entry}, app="app = handler = object()\n")
    with pytest.raises(rights.RightsError, match=r"functions/sample/rights\.json") as refused:
        rights.read(root)
    assert reason in str(refused.value)


def test_a_module_that_is_not_there_is_named(area):
    root = area({"ghost": {"kind": "task"}})
    with pytest.raises(rights.RightsError, match=r"functions/sample/ghost\.py is not there"):
        rights.read(root)


def test_a_handler_that_is_not_there_is_named(area):
    root = area({"tasks": {"kind": "task", "handlers": ["gather"]}}, tasks=HANDLER)
    with pytest.raises(rights.RightsError, match="defines no 'gather'"):
        rights.read(root)


@pytest.mark.parametrize("text", ["{", "[]", '{"app": {"kind": "http"}, "app": {"kind": "http"}}'])
def test_a_file_that_is_no_object_of_entries_is_refused(area, text):
    with pytest.raises(rights.RightsError, match=r"functions/sample/rights\.json"):
        rights.read(area(text, app="app = object()\n"))
