"""The one address of the API does what WAF and API Gateway do before a function in AWS."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.local_stack import probe_cloud  # noqa: F401

TOKEN = {"Authorization": "Bearer somebody"}


@pytest.fixture
def api(probe_cloud):  # noqa: F811
    with httpx.Client(base_url=probe_cloud.api, timeout=20) as client:
        yield client


def _problem(answer, status, name):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert content["type"] == f"urn:dmp:problem/{name}"
    assert content["status"] == status
    return content


def _outcome(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/fhir+json"
    content = answer.json()
    assert content["resourceType"] == "OperationOutcome"
    assert [one["code"] for one in content["issue"]] == [code]
    return content


def test_a_public_path_answers_without_a_token(api):
    assert api.get("/health").status_code == 200


def test_a_protected_path_without_a_token_is_401_in_the_form_of_its_path(api):
    answer = api.post("/things", json={})
    _problem(answer, 401, "unauthorised")
    assert answer.headers["www-authenticate"] == 'Bearer realm="dmp"'
    _outcome(api.get("/fhir/DocumentReference"), 401, "login")


def test_an_unknown_path_does_not_say_that_it_is_unknown_to_somebody_without_a_token(api):
    _problem(api.get("/nowhere"), 401, "unauthorised")


def test_an_unknown_path_is_404_in_the_form_of_its_path(api):
    _problem(api.get("/nowhere", headers=TOKEN), 404, "not-found")
    _outcome(api.get("/fhir/Nothing", headers=TOKEN), 404, "not-found")


def test_a_method_that_the_path_does_not_serve_is_405(api):
    _problem(api.delete("/things", headers=TOKEN), 405, "method-not-allowed")
    _outcome(api.put("/fhir/DocumentReference", headers=TOKEN), 405, "not-supported")


def test_a_body_over_ten_megabytes_is_413(api):
    body = b"x" * (10 * 1024 * 1024 + 1)
    _problem(api.post("/things", headers=TOKEN, content=body), 413, "too-large")

    def chunks():
        for _ in range(11):
            yield b"x" * 1024 * 1024

    _problem(api.post("/things", headers=TOKEN, content=chunks()), 413, "too-large")


def test_a_body_of_ten_megabytes_passes(api):
    body = bytes(range(256)) * (5 * 1024 * 4)
    answer = api.post("/binary", headers={**TOKEN, "content-type": "image/jpeg"}, content=body)
    assert answer.status_code == 200
    assert answer.content == body


def test_a_token_that_the_authorizer_denies_is_403_in_the_form_of_its_path(api):
    denied = {"Authorization": "Bearer denied"}
    _problem(api.post("/things", headers=denied), 403, "forbidden")
    _outcome(api.get("/fhir/DocumentReference", headers=denied), 403, "forbidden")


def test_a_function_that_fails_shows_nothing_of_its_inside(api, probe_cloud):  # noqa: F811
    answer = api.get("/boom", headers=TOKEN)
    _problem(answer, 502, "internal-error")
    assert "secret" not in answer.text
    rest = json.loads((probe_cloud.home.path / "front.json").read_text())
    direct = httpx.get(
        f"{probe_cloud.aws_endpoint}/_aws/execute-api/{rest['api_id']}/{rest['stage']}/boom",
        headers=TOKEN,
    )
    assert direct.status_code == 502
    assert "secret" not in direct.text


def test_a_body_framed_in_two_ways_is_refused_in_the_form_of_its_path(api):
    head = (
        f"Host: {api.base_url.host}\r\nAuthorization: Bearer somebody\r\nConnection: close\r\n"
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    for path, media in (
        ("/things", "application/problem+json"),
        ("/fhir/DocumentReference/$upload", "application/fhir+json"),
    ):
        with socket.create_connection((api.base_url.host, api.base_url.port), timeout=20) as wire:
            wire.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode())
            answer = b"".join(iter(lambda: wire.recv(65536), b"")).decode().lower()
        assert answer.startswith("http/1.1 400 ")
        assert f"content-type: {media}" in answer


def test_path_query_headers_and_body_arrive_as_they_were_sent(api):
    answer = api.post(
        "/fhir/DocumentReference/$upload?identifier=urn:oid:1.2%7C42&a=1&a=2&empty=",
        headers={**TOKEN, "X-Forwarded-For": "203.0.113.7", "If-Match": 'W/"3"'},
        json={"name": "é"},
    )
    event = answer.json()["event"]
    assert event["path"] == "/fhir/DocumentReference/$upload"
    assert event["resource"] == "/fhir/DocumentReference/$upload"
    assert event["multiValueQueryStringParameters"] == {
        "identifier": ["urn:oid:1.2|42"],
        "a": ["1", "2"],
        "empty": [""],
    }
    assert event["headers"]["if-match"] == 'W/"3"'
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["isBase64Encoded"] is True


def test_what_the_authorizer_passes_on_reaches_the_function_as_text(api):
    answer = api.get("/things/42", headers=TOKEN)
    event = answer.json()["event"]
    assert event["pathParameters"] == {"id": "42"}
    context = event["requestContext"]["authorizer"]
    assert json.loads(context["actor"]) == {"kind": "patient", "token": "somebody"}
    assert context["count"] == "3"
    assert context["principalId"] == "someone"


def test_a_form_with_a_file_arrives_byte_for_byte(api):
    files = {"file": ("x.bin", bytes(range(256)), "application/octet-stream")}
    answer = api.post("/binary", headers=TOKEN, data={"key": "é"}, files=files)
    assert answer.headers["content-type"].startswith("multipart/form-data")
    assert bytes(range(256)) in answer.content


def test_every_answer_names_its_request_and_the_function_knows_the_name(api):
    known = api.get("/things/1", headers={**TOKEN, "x-request-id": "chosen"})
    assert known.headers["x-request-id"] == known.json()["event"]["headers"]["x-request-id"]
    assert known.headers["x-request-id"] != "chosen"
    refused = api.get("/things/1")
    assert refused.headers["x-request-id"] != known.headers["x-request-id"]


def test_only_programs_may_read_the_controls_of_the_cloud_and_nobody_may_use_them(probe_cloud):  # noqa: F811
    endpoint = probe_cloud.aws_endpoint
    assert httpx.get(f"{endpoint}/_ministack/ses/messages").status_code == 200
    assert httpx.post(f"{endpoint}/_ministack/reset").status_code == 403
    page = {"Origin": "http://elsewhere.example"}
    assert httpx.get(f"{endpoint}/_ministack/ses/messages", headers=page).status_code == 403


def test_everything_listens_on_the_loopback_alone(probe_cloud):  # noqa: F811
    for url in (
        probe_cloud.api,
        probe_cloud.aws_endpoint,
        *probe_cloud.content["issuers"].values(),
    ):
        port = int(url.rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_calls_at_once_are_all_answered(api):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: api.get(f"/things/{n}", headers=TOKEN), range(40)))
    assert [one.json()["event"]["pathParameters"]["id"] for one in answers] == [
        str(n) for n in range(40)
    ]


def test_a_warm_call_is_answered_in_a_few_milliseconds(api):
    took = []
    for _ in range(30):
        started = time.perf_counter()
        api.get("/health")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.03  # seconds
