"""Functions of the probe stack: each shows one behaviour of the cloud that runs it."""

import base64
import json
import os
import sys
import time

import boto3
import layered

TABLE = os.environ.get("TABLE")
calls = 0


class WorkerBusyError(Exception):
    pass


def authorizer(event, _context):
    token = event["authorizationToken"].removeprefix("Bearer ")
    return {
        "principalId": "someone",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny" if token == "denied" else "Allow",
                    "Resource": f"{event['methodArn'].split('/', 1)[0]}/*",
                }
            ],
        },
        "context": {"actor": json.dumps({"kind": "patient", "token": token}), "count": 3},
    }


def api(event, _context):
    """Says what it was called with; ``/binary`` gives the body back, ``/boom`` raises."""
    if event["resource"] == "/boom":
        raise RuntimeError("secret text of an exception")
    if event["resource"] == "/binary":
        return {
            "statusCode": 200,
            "headers": {"Content-Type": event["headers"].get("content-type", "none")},
            "body": event["body"],
            "isBase64Encoded": True,
        }
    body = json.dumps({"event": event, "layer": layered.WORD})
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }


def task(event, _context):
    """Counts its calls in this environment; takes its time, raises what it is told to."""
    global calls  # noqa: PLW0603
    calls += 1
    time.sleep(event.get("seconds", 0))
    for line in event.get("print", ()):
        print(line)  # noqa: T201 - into the log
    match event.get("raise"):
        case "busy":
            sys.stderr.write("I am busy\n")
            raise WorkerBusyError("try again")
        case "exit":
            os._exit(3)
    return {"calls": calls, "pid": os.getpid(), "event": event}


def outside(_event, _context):
    """What a function can see of the machine that it runs on."""
    found = []
    for name in ("boto3", "ministack", "pytest", "layered"):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    return {
        "importable": found,
        "environment": sorted(os.environ),
        "timezone": os.environ["TZ"],
        "layer": layered.__file__,
    }


def consume(event, _context):
    """Records each message; a message that says ``fail`` is reported as failed."""
    table = boto3.client("dynamodb")
    failures = []
    for record in event["Records"]:
        if "fail" in record["body"]:
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        table.put_item(
            TableName=TABLE,
            Item={
                "pk": {"S": "consumed"},
                "sk": {"S": record["messageId"]},
                "body": {"S": record["body"]},
            },
        )
    return {"batchItemFailures": failures}


def stream(event, _context):
    """Announces each insertion on the bus; ``poison`` is reported, ``explosion`` raises."""
    events = boto3.client("events")
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage", {})
        if "explosion" in image:
            raise RuntimeError("an item that nobody can read")
        if "poison" in image:
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
        events.put_events(
            Entries=[
                {
                    "Source": "dmp.probe",
                    "DetailType": "thing.made.v1",
                    "EventBusName": os.environ["BUS"],
                    "Detail": json.dumps({"id": image["sk"]["S"]}),
                }
            ]
        )
    return {"batchItemFailures": []}


def batch(event, _context):
    if any(item.get("name") == "bad" for item in event["Items"]):
        raise ValueError("a bad row")
    return {"count": len(event["Items"]), "run": event["BatchInput"]["run"]}


def reach(event, _context):
    """Calls AWS with this function's own rights and says how it went."""
    client = boto3.client(event["service"])
    try:
        answer = getattr(client, event["call"])(**event["arguments"])
    except client.exceptions.ClientError as error:
        return {"error": error.response["Error"]["Code"]}
    answer.pop("ResponseMetadata", None)
    return {"ok": json.loads(json.dumps(answer, default=str))}
