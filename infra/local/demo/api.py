"""The service as a partner's software calls it: HTTP, and nothing of the inside."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from infra.local.demo.story import Unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

FHIR = "application/fhir+json"
_PAUSE = 0.2  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Api:
    """`base` is the API's address; paths start with a slash."""

    base: str
    http: httpx.Client

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if "json" in more and path.startswith("/fhir"):
            headers.setdefault("Content-Type", FHIR)
        url = path if path.startswith("http") else self.base + path
        return self.http.request(method, url, headers=headers, **more)

    def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return self.call("GET", path, token, **more)

    def post(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, token, **more)

    def search(self, kind: str, token: str, **parameters: str) -> list[dict[str, Any]]:
        """Every match of a searchset, page after page; a warning that goes along is none."""
        found: list[dict[str, Any]] = []
        answer = expect(self.get(f"/fhir/{kind}", token, params=parameters), 200)
        while True:
            bundle = answer.json()
            resources = [entry["resource"] for entry in bundle.get("entry", [])]
            found += [one for one in resources if one["resourceType"] == kind]
            following = [one["url"] for one in bundle.get("link", []) if one["relation"] == "next"]
            if not following:
                return found
            answer = expect(self.get(following[0], token), 200)

    def bytes(self, document: str, token: str) -> bytes:
        """The content of a document; a redirection is followed without the token."""
        answer = self.get(f"/fhir/Binary/{document}", token)
        if answer.status_code == httpx.codes.TEMPORARY_REDIRECT:
            answer = self.http.get(answer.headers["location"])
        return expect(answer, 200).content


def expect(answer: httpx.Response, *statuses: int) -> httpx.Response:
    """The answer, when its status is one of these; Unexpected with what it said otherwise."""
    if answer.status_code not in statuses:
        wanted = " or ".join(str(status) for status in statuses)
        raise Unexpected(f"{answer.status_code} instead of {wanted}: {said(answer)}")
    return answer


def said(answer: httpx.Response) -> str:
    """What a refusal says of itself, in one line."""
    try:
        told = answer.json()
    except ValueError:
        return answer.text[:200].replace("\n", " ")
    if told.get("resourceType") == "OperationOutcome":
        issue = told["issue"][0]
        text = issue.get("details", {}).get("text", issue["code"])
        return " ".join(filter(None, [text, issue.get("diagnostics")]))
    fields = [f"{each['field']} {each['code']}" for each in told.get("errors", [])]
    return ", ".join([str(told.get("title", told)), *fields])


def eventually(question: Callable[[], Any], within: float, what: str) -> Any:
    """The first true answer to a question; Unexpected when none came in `within` seconds."""
    end = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Unexpected(f"{what} after {within:.0f} s")
        time.sleep(_PAUSE)
