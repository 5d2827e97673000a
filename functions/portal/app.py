"""The public pages: is the service up, and how does one speak to it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from chalice.app import Response

from dmp.edge.http import HttpArea, json_answer

app = HttpArea("portal")


@app.route("/health", methods=["GET"])
def health() -> Response:
    """200 `{"status": "pass"}` as soon as the gateway reaches a function; no store is asked."""
    return json_answer({"status": "pass"})


@app.route("/openapi.json", methods=["GET"])
def openapi() -> Response:
    """The OpenAPI 3.1 document that the build made from the routes and the messages."""
    headers: dict[str, str | list[str]] = {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=300",
    }
    return Response(_document(), headers, 200)


@cache
def _document() -> str:
    return Path(__file__).with_name("openapi.json").read_text("utf-8")
