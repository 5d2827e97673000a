"""An upload by form is checked against the checksum that it declares.

In AWS the fields ``x-amz-checksum-<algorithm>`` of a form (POST Object) are what the headers of
the same name are to a PUT: bytes that do not match are refused (``400 BadDigest``) and the
checksum stays with the object. MiniStack ignores the fields.
"""

from __future__ import annotations

import contextvars
from typing import Any

from infra.local.patches import expect

_declared: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar(
    "dmp_form_checksums", default=None
)
_PREFIX = "x-amz-checksum-"


def apply() -> None:
    from ministack.services import s3  # noqa: PLC0415 - reads its settings at import

    post = expect.function(s3, "_post_object", "bucket_name", "body", "headers")
    record = expect.function(s3, "_build_object_record", "body", "headers", "etag", "checksums")
    resolve = expect.function(s3, "_resolve_object_checksums", "body", "headers")
    parse = expect.function(s3, "_parse_multipart_form", "content_type", "body")

    def post_checked(bucket_name: str, body: bytes, headers: dict[str, str]) -> Any:
        fields: dict[str, str] = {}
        content = b""
        for name, _filename, _headers, value in parse(headers.get("content-type", ""), body):
            if name == "file":
                content = value
            elif name.lower().startswith(_PREFIX):
                fields[name.lower()] = value.decode("latin-1")
        fields.pop(f"{_PREFIX}algorithm", None)
        if not fields:
            return post(bucket_name, body, headers)
        checksums, refused = resolve(content, fields)
        if refused is not None:
            return refused
        token = _declared.set(checksums)
        try:
            return post(bucket_name, body, headers)
        finally:
            _declared.reset(token)

    def record_with_checksums(
        body: bytes,
        headers: Any,
        etag: str | None = None,
        checksums: dict[str, str] | None = None,
    ) -> Any:
        return record(body, headers, etag=etag, checksums=checksums or _declared.get())

    s3._post_object = post_checked  # noqa: SLF001
    s3._build_object_record = record_with_checksums  # noqa: SLF001
