"""What people read, by language: French first, from message catalogues."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

LANGUAGES = ("fr", "en")


def language(accept: str | None) -> str:
    """The best of our languages for an Accept-Language header; French when it asks for neither.

    `en-GB,fr;q=0.5` is `en`; a weight of 0 refuses a language.
    """
    best, weight = LANGUAGES[0], 0.0
    for choice in (accept or "").split(","):
        tag, _, quality = choice.strip().partition(";q=")
        code = tag.lower().split("-")[0]
        try:
            asked = float(quality) if quality else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and asked > weight:
            best, weight = code, asked
    return best


@cache
def messages(name: str, code: str) -> dict[str, str]:
    """The catalogue `catalogues/<name>.<code>.json`."""
    text = files("dmp.edge").joinpath("catalogues", f"{name}.{code}.json").read_text("utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue
