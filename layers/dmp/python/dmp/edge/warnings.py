"""What an answer warns of, in the caller's language: the request was done, something was odd."""

from __future__ import annotations

from collections.abc import Sequence

from dmp.edge.catalogue import messages


def warnings(codes: Sequence[str], language: str) -> list[dict[str, str]]:
    """`[{"code": "key-forgiven", "detail": "…"}]`, in the order given."""
    catalogue = messages("warnings", language)
    return [{"code": code, "detail": catalogue[code]} for code in codes]
