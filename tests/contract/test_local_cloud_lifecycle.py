"""A local cloud keeps its state, its ports and its keys, and says clearly what it can't do."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest

from infra.local import lifecycle
from infra.local.checkpoint import in_order, recover
from infra.local.deploy import DeployError
from infra.local.home import Home, HomeError
from infra.local.lifecycle import Running
from infra.local.ports import PortTaken, choose, free_port
from infra.local.stack import Stack
from tests.support import workers
from tests.support.local_stack import inbox, own_cloud, probe_templates, token

ROOT = Path(__file__).resolve().parents[2]
ITEM = {"pk": {"S": "kept"}, "sk": {"S": "1"}}
AGENT = ("agent", "--role", "enrolment", "--caisse", "751")


@pytest.fixture
def probe(tmp_path):
    return probe_templates(tmp_path / "assembly")


def _put(stack):
    table = stack.content["tables"]["things"]
    stack.client("dynamodb").put_item(TableName=table, Item=ITEM)
    stack.client("s3").put_object(
        Bucket=stack.content["buckets"]["vault"], Key="kept", Body=b"bytes"
    )


def _kept(stack):
    found = stack.client("dynamodb").get_item(TableName=stack.content["tables"]["things"], Key=ITEM)
    body = stack.client("s3").get_object(Bucket=stack.content["buckets"]["vault"], Key="kept")
    return found.get("Item") == ITEM and body["Body"].read() == b"bytes"


def _claims(stack, given):
    keys = jwt.PyJWKClient(f"{stack.content['issuers']['agent']}/jwks")
    return jwt.decode(
        given, keys.get_signing_key_from_jwt(given), algorithms=["RS256"], audience="dmp"
    )


def _told(stack, name):
    """Waits until the bus has told of a thing."""
    sqs, queue, seen = stack.client("sqs"), stack.content["queues"]["facts"], ""
    end = time.monotonic() + 20
    while name not in seen:
        assert time.monotonic() < end, f"nothing about {name}"
        for one in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            seen += one["Body"]
    return True


def _delivering(stack, enabled):
    """Lets the changes of the table out, or holds them back."""
    client = stack.client("lambda")
    mapping = next(
        one
        for one in client.list_event_source_mappings()["EventSourceMappings"]
        if ":dynamodb:" in one["EventSourceArn"]
    )
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)


@dataclass
class _Restart:
    """A cloud that ran, ended and runs again: how it was before, how it is, what was asked."""

    before: Stack
    running: Running
    token: str = ""
    execution: str = ""

    @property
    def stack(self):
        return self.running.stack


@pytest.fixture(scope="module")
def restarted(tmp_path_factory):
    """Stopped in the middle of everything, and started again."""
    folder = tmp_path_factory.mktemp("restarted")
    templates = probe_templates(folder / "assembly")
    with own_cloud(folder / "home", templates) as running:
        stack = running.stack
        _put(stack)
        given = token(stack.content, *AGENT)
        assert httpx.get(f"{stack.api}/health").status_code == 200
        _send(stack)
        _hold(stack, "held-message")
        _announce(stack)
        _delivering(stack, enabled=False)
        _make(stack, "held-back")
        execution = _start_waiting(stack)
        stack.client("sqs").send_message(
            QueueUrl=stack.content["queues"]["history-requests"],
            MessageBody="waited",
            DelaySeconds=1,
        )
    with own_cloud(folder / "home", templates) as running:
        yield _Restart(stack, running, given, execution)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Killed after a checkpoint, and started again."""
    folder = tmp_path_factory.mktemp("killed")
    templates = probe_templates(folder / "assembly")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMP_CHECKPOINT_SECONDS", "0.5")
        with own_cloud(folder / "home", templates) as running:
            stack = running.stack
            _put(stack)
            _announce(stack)
            _until_saved(stack.home.state / "dynamodb.json", "three")
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait()
            assert (stack.home.path / "cloud.pid").exists()
            assert stack.home.pid() is None  # the file is stale, and known to be
            _until(lambda: not lifecycle.answers(stack.content["issuers"]["agent"]), 5)
        with own_cloud(folder / "home", templates) as running:
            yield _Restart(stack, running)


def _until(question, seconds=20.0):
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end
        time.sleep(0.05)


def _until_saved(file, text):
    _until(lambda: file.exists() and text in file.read_text())


def _make(stack, name):
    table = stack.content["tables"]["things"]
    item = {"pk": {"S": "thing"}, "sk": {"S": name}}
    stack.client("dynamodb").put_item(TableName=table, Item=item)


def _announce(stack):
    for name in ("one", "two", "three"):
        _make(stack, name)
    assert _told(stack, "three")


def _send(stack):
    """An e-mail and an SMS."""
    ses = stack.client("sesv2")
    ses.create_email_identity(EmailIdentity="dmp@example.test")
    ses.send_email(
        FromEmailAddress="dmp@example.test",
        Destination={"ToAddresses": ["somebody@example.test"]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
    )
    stack.client("sns").publish(PhoneNumber="+33639980001", Message="m")


def _hold(stack, body):
    """A message that somebody took and never finished."""
    sqs, queue = stack.client("sqs"), stack.content["queues"]["dead-letters"]
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    taken = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
    assert [one["Body"] for one in taken] == [body]


def _start_waiting(stack):
    """An execution that waits three seconds; its ARN."""
    states = stack.client("stepfunctions")
    arn = states.start_execution(
        stateMachineArn=stack.content["state_machines"]["waiting"],
        input=json.dumps({"by": "somebody"}),
    )["executionArn"]
    time.sleep(0.5)
    assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
    return arn


def test_a_restart_keeps_data_addresses_and_tokens(restarted):
    before, after = restarted.before, restarted.stack
    kept = {name: value for name, value in after.content.items() if name not in {"api", "fhir"}}
    assert kept.items() <= before.content.items()
    assert restarted.running.reconciled == []
    assert _kept(after)
    assert _claims(after, restarted.token)["caisse"] == "751"
    assert httpx.get(f"{after.api}/health").status_code == 200


def test_a_workflow_goes_on_after_a_restart(restarted):
    states = restarted.stack.client("stepfunctions")

    def described():
        return states.describe_execution(executionArn=restarted.execution)

    _until(lambda: described()["status"] != "RUNNING")
    assert described()["status"] == "SUCCEEDED"
    assert json.loads(described()["output"]) == {"given": "somebody", "passed": "somebody"}


def test_the_inbox_survives_a_restart(restarted):
    kept = inbox(restarted.stack.content)
    assert [(one["channel"], one["text"]) for one in kept] == [("email", "t"), ("sms", "m")]


def test_what_waited_in_a_queue_reaches_its_function_once_that_can_work(restarted):
    client, table = restarted.stack.client("dynamodb"), restarted.stack.content["tables"]["things"]

    def consumed():
        found = client.query(
            TableName=table,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "consumed"}},
        )
        return [one["body"]["S"] for one in found["Items"]] == ["waited"]

    _until(consumed)
    assert "failed processing" not in restarted.stack.home.log.read_text("utf-8")


def test_a_message_that_was_held_is_handed_out_again_after_a_restart(restarted):
    sqs, queue = restarted.stack.client("sqs"), restarted.stack.content["queues"]["dead-letters"]
    taken = sqs.receive_message(QueueUrl=queue, AttributeNames=["ApproximateReceiveCount"])
    (message,) = taken["Messages"]
    assert message["Body"] == "held-message"
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"


def test_changes_that_nobody_was_told_of_are_told_after_a_restart(restarted):
    _delivering(restarted.stack, enabled=True)
    assert _told(restarted.stack, "held-back")
    _make(restarted.stack, "new")
    assert _told(restarted.stack, "new")


def test_a_killed_cloud_finds_what_its_last_checkpoint_saved(killed):
    assert _kept(killed.stack)
    assert httpx.get(f"{killed.stack.api}/health").status_code == 200


def test_a_killed_cloud_tells_of_changes_again_after_its_restart(killed):
    _make(killed.stack, "new")
    assert _told(killed.stack, "new")


def test_two_clouds_run_side_by_side(tmp_path, probe):
    with own_cloud(tmp_path / "one", probe) as one, own_cloud(tmp_path / "two", probe) as two:
        _put(one.stack)
        ours = {one.stack.api, one.stack.aws_endpoint, *one.stack.content["issuers"].values()}
        theirs = {two.stack.api, two.stack.aws_endpoint, *two.stack.content["issuers"].values()}
        assert not ours & theirs
        found = two.stack.client("dynamodb").get_item(
            TableName=two.stack.content["tables"]["things"], Key=ITEM
        )
        assert "Item" not in found
        with pytest.raises(HomeError, match="already running"):
            lifecycle.start(one.stack.home, progress=print, templates=probe)
        with pytest.raises(HomeError, match="dmp down"):
            one.stack.home.wipe()


def test_a_port_that_somebody_else_has_is_refused(tmp_path, probe):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} is taken"):
            lifecycle.start(Home.at(tmp_path / "home"), port=port, progress=print, templates=probe)
    assert Home.at(tmp_path / "home").pid() is None


def test_ports_are_those_of_the_last_start_unless_somebody_took_them():
    kept = choose(free_port(), None)
    again = {
        "api": kept.api_url,
        "aws_endpoint": kept.aws_url,
        "issuers": {kind: kept.issuer_url(kind) for kind in kept.issuers},
    }
    assert choose(None, again) == kept
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", kept.aws))
        taken.listen()
        moved = choose(None, again)
    assert moved.aws != kept.aws
    assert (moved.api, dict(moved.issuers)) == (kept.api, dict(kept.issuers))


def test_the_parameters_of_a_template_say_where_things_are(restarted):
    running = restarted.running
    stacks = running.stack.client("cloudformation").describe_stacks(StackName="dmp-probe")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
    assert outputs["UrlGiven"] == running.stack.api
    issuers = json.loads(outputs["IssuersGiven"])
    assert set(issuers) == {"patient", "professional", "agent", "system"}
    agent = running.stack.content["issuers"]["agent"]
    assert issuers["agent"] == {"issuer": agent, "jwks": f"{agent}/jwks", "audience": "dmp"}


def test_a_changed_template_updates_the_stack_and_keeps_its_data(tmp_path):
    def change(template):
        template["Resources"]["HealthMethod"]["Properties"]["AuthorizationType"] = "CUSTOM"
        template["Resources"]["HealthMethod"]["Properties"]["AuthorizerId"] = {
            "Ref": "TokenAuthorizer"
        }
        secret = template["Resources"]["Secret"]["Properties"]
        secret["Description"] = "changed"

    home = tmp_path / "home"
    with own_cloud(home, probe_templates(tmp_path / "first")) as running:
        _put(running.stack)
        secret = _output(running.stack, "SecretRef")
        assert httpx.get(f"{running.stack.api}/health").status_code == 200
    with own_cloud(home, probe_templates(tmp_path / "second", change)) as running:
        assert _kept(running.stack)
        assert _output(running.stack, "SecretRef") == secret
        assert httpx.get(f"{running.stack.api}/health").status_code == 401


def _output(stack, key):
    stacks = stack.client("cloudformation").describe_stacks(StackName="dmp-probe")["Stacks"]
    return next(one["OutputValue"] for one in stacks[0]["Outputs"] if one["OutputKey"] == key)


def test_a_stack_that_fails_names_the_resource_and_leaves_nothing_running(tmp_path):
    def change(template):
        template["Resources"]["Broken"] = {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {"RestApiId": {"Ref": "Rest"}, "ResponseType": "NO_SUCH_TYPE"},
        }

    home = Home.at(tmp_path / "home")
    with pytest.raises(DeployError, match="Broken"):
        lifecycle.start(
            home,
            port=free_port(),
            progress=print,
            templates=probe_templates(tmp_path / "assembly", change),
        )
    assert home.pid() is None
    with own_cloud(home.path, probe_templates(tmp_path / "mended")) as running:
        assert httpx.get(f"{running.stack.api}/health").status_code == 200


def test_a_folder_that_holds_something_else_is_never_wiped(tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("text")
    with pytest.raises(HomeError, match="nothing was removed"):
        Home.at(tmp_path).wipe()
    assert precious.exists()


def _dmp(*arguments, home):
    return subprocess.run(
        [sys.executable, "-m", "infra.local", *arguments, "--home", home],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def written(tmp_path, probe):
    probe(print)
    return tmp_path / "assembly"


def test_the_command_starts_reports_and_stops(tmp_path, written):
    home = tmp_path / "home"
    start = ("up", "--detach", "--port", str(free_port()), "--assembly", str(written))
    try:
        first = _dmp(*start, home=home)
        assert first.returncode == 0, first.stderr
        status = _dmp("status", "--json", home=home)
        state = json.loads(status.stdout)
        assert (status.returncode, state["pid"]) == (0, Home.at(home).pid())
        assert all(one["answers"] for one in state["up"].values())
        again = _dmp(*start, home=home)
        assert again.returncode == 1
        assert "already running" in again.stderr
        assert "Traceback" not in again.stderr
        given = _dmp("token", *AGENT, home=home)
        assert len(given.stdout.strip().split(".")) == 3
        assert _dmp("inbox", "--json", home=home).stdout.strip() == "[]"
    finally:
        stopped = _dmp("down", home=home)
    assert (stopped.returncode, stopped.stdout.strip()) == (0, "stopped")
    assert _dmp("down", home=home).stdout.startswith("nothing was running")
    assert _dmp("status", home=home).returncode == 3
    refused = _dmp("token", *AGENT, home=home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "dmp up" in refused.stderr


@pytest.fixture
def foreground(tmp_path, written):
    """``dmp up`` as a user runs it, once it is up."""
    home = Home.at(tmp_path / "home")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "infra.local", "up", "--home", str(home.path)),
            *("--port", str(free_port()), "--assembly", str(written)),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not home.stack_file.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    yield process, home
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_command_saves_and_stops_everything(foreground, signalled):
    process, home = foreground
    process.send_signal(signalled)
    assert process.wait(timeout=30) == 0
    assert home.pid() is None
    assert "dmp-probe" in (home.state / "cloudformation.json").read_text()


def test_a_cloud_does_not_outlive_the_command_that_started_it(foreground):
    process, home = foreground
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while home.pid() is not None:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_save_counts_as_a_whole_or_not_at_all(tmp_path):
    (tmp_path / "sqs.json").write_text("old")
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "sqs.json").write_text("new")
    recover(tmp_path)  # killed before it was complete
    assert (tmp_path / "sqs.json").read_text() == "old"
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "sqs.json").write_text("new")
    (tmp_path / "next" / "complete").touch()
    recover(tmp_path)  # killed after it was complete, before the files had their places
    assert (tmp_path / "sqs.json").read_text() == "new"
    assert not (tmp_path / "next").exists()


def test_who_hands_work_over_is_saved_before_who_takes_it():
    names = ("ses", "dynamodb", "s3", "stepfunctions", "sqs", "kms", "lambda")
    order = in_order(dict.fromkeys(names))
    assert sorted(order) == sorted(names)
    handed = ("lambda", "sqs", "stepfunctions", "dynamodb", "ses")  # stream, queue, workflow, item
    assert [name for name in order if name in handed] == list(handed)


def test_a_cloud_without_its_identity_providers_stops(tmp_path, probe):
    with own_cloud(tmp_path / "one", probe) as cloud:
        (issuers,) = workers.named("infra.local.issuers", str(cloud.stack.home.keys))
        os.kill(issuers, signal.SIGKILL)
        assert cloud.process.wait(timeout=60) == 0
