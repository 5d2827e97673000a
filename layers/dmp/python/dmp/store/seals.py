"""The seal of the journal in the bucket `audit`, versioned and under Object Lock.

Keys by example:

| key                                                      | what                                  |
|----------------------------------------------------------|---------------------------------------|
| `parts/2026/03/14/08/<first>-<last>-<sha256>.ndjson`     | changes of one batch of the stream    |
| `segments/0000000001.json`                               | an hour: its parts, chained, signed   |

Nothing is written twice: every put is conditional.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from dmp.domain.seals import PARTS, SEGMENTS, Part, hash_of, segment_key, segment_number
from dmp.store.items import decode
from dmp.store.traces import Journal
from dmp.store.vault import encryption, status_of
from dmp.usecases.verify_traces import Entry, Held

_AT_ONCE = 16
"""Objects read side by side."""
_TRIES, _PAUSE = 4, 0.05
_HIGHEST = 9_999_999_999

_T = TypeVar("_T")


class Archive:
    """`Parts`, `Chain` and `Archive` of the use cases of sealing, on S3."""

    def __init__(self, s3: Any, bucket: str, key_arn: str | None = None) -> None:
        """`key_arn` is for those who write."""
        self._s3 = s3
        self._bucket = bucket
        self._encryption = encryption(key_arn) if key_arn else {}

    # --- what collects and what seals

    def put(self, key: str, data: bytes) -> bool:
        """Put a new object; False when there is one already."""
        for attempt in range(_TRIES):
            try:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=data,
                    ContentType=_media_type(key),
                    ChecksumSHA256=b64encode(bytes.fromhex(hash_of(data))).decode("ascii"),
                    IfNoneMatch="*",
                    **self._encryption,
                )
            except ClientError as error:
                if status_of(error) == 412:  # noqa: PLR2004 - precondition failed
                    return False
                if status_of(error) != 409 or attempt == _TRIES - 1:  # noqa: PLR2004 - being put
                    raise
                time.sleep(_PAUSE * (attempt + 1))
            else:
                return True
        raise AssertionError("unreachable")

    def add(self, number: int, data: bytes) -> bool:
        return self.put(segment_key(number), data)

    def last(self) -> int:
        """By doubling and halving: the numbers have no gap, and there are many of them."""
        low = high = 0
        while self._beyond(high):
            low, high = high + 1, high * 2 + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._beyond(middle) else (low, middle)
        return low

    def _beyond(self, number: int) -> bool:
        """Whether there is a segment with a higher number."""
        if number > _HIGHEST:
            return False
        answer = self._s3.list_objects_v2(
            Bucket=self._bucket, Prefix=SEGMENTS, StartAfter=segment_key(number), MaxKeys=1
        )
        return any(segment_number(each["Key"]) for each in answer.get("Contents", []))

    def segment(self, number: int) -> bytes:
        return self._bytes(segment_key(number))

    def parts(self, after: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=PARTS, StartAfter=after
        )
        return (each["Key"] for page in pages for each in page.get("Contents", []))

    def read(self, keys: Sequence[str]) -> Iterator[Part]:
        for key, data in _side_by_side(keys, self._bytes):
            yield Part(key, hash_of(data), data.count(b"\n"))

    # --- what verifies

    def held(self, prefix: str, since: str = "") -> Iterator[Held]:
        """Versions come newest first; a key's may be on two pages."""
        marker = {"KeyMarker": since} if since else {}
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix, **marker
        )
        current: Held | None = None
        for told in (each for page in pages for each in _in_order(page)):
            key, deleted = told["Key"], "ETag" not in told
            if current is not None and current.key != key:
                yield current
                current = None
            before = current or Held(key, "", 0)
            current = Held(
                key,
                before.version if deleted else told["VersionId"],
                before.versions + (not deleted),
                before.deleted or deleted,
            )
        if current is not None:
            yield current

    def contents(self, held: Iterable[Held]) -> Iterator[tuple[Held, bytes]]:
        """What only a delete marker is left of has no bytes."""
        return _side_by_side(held, lambda one: self._bytes(one.key, one.version))

    def _bytes(self, key: str, version: str | None = None) -> bytes:
        if version == "":
            return b""
        named = {"VersionId": version} if version else {}
        answer = self._s3.get_object(Bucket=self._bucket, Key=key, **named)
        body: bytes = answer["Body"].read()
        return body


class Entries:
    """`usecases.verify_traces.Entries`: an operator's reading of the whole table, by pages. No
    function has this right."""

    def __init__(self, dynamodb: Any, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._journal = journal

    def every(self, record_id: str | None = None) -> Iterator[Entry]:
        asked: dict[str, Any] = {"TableName": self._journal.table, "ConsistentRead": True}
        if record_id is not None:
            asked |= {
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": f"REC#{record_id}"}},
            }
        verb = "scan" if record_id is None else "query"
        for page in self._dynamodb.get_paginator(verb).paginate(**asked):
            for image in page["Items"]:
                item = decode(image)
                yield Entry(item["pk"], item["sk"], digest(image), self._journal.genuine(item))


def digest(image: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of an item's attribute values in one form, whoever read them: from
    a stream (binaries in base64), a table (bytes) or an export to S3. Any type of value has one:
    somebody who tampers chooses it."""
    told = {name: _canonical(value) for name, value in image.items()}
    return hash_of(json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii"))


def _canonical(value: Mapping[str, Any]) -> list[Any]:
    """`{"S": "x"}` as `["S", "x"]`: sets are sorted, numbers plain, binaries in base64."""
    ((kind, content),) = value.items()
    form = _FORMS.get(kind)
    return [kind, form(content) if form else content]


def _number(text: str) -> str:
    return format(Decimal(text).normalize(), "f")


def _base64(content: bytes | str) -> str:
    return content if isinstance(content, str) else b64encode(bytes(content)).decode("ascii")


_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "N": _number,
    "B": _base64,
    "NS": lambda content: sorted(map(_number, content)),
    "BS": lambda content: sorted(map(_base64, content)),
    "SS": sorted,
    "L": lambda content: [_canonical(each) for each in content],
    "M": lambda content: {name: _canonical(each) for name, each in content.items()},
}


def _in_order(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Versions and delete markers of a page by key; the versions of one key, newest first."""
    told = (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    return sorted(told, key=lambda each: each["Key"])


def _side_by_side(wanted: Iterable[_T], read: Callable[[_T], bytes]) -> Iterator[tuple[_T, bytes]]:
    """What is read of each, in order, some at once."""
    left = iter(wanted)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while some := list(islice(left, _AT_ONCE * 4)):
            yield from zip(some, pool.map(read, some), strict=True)


def _media_type(key: str) -> str:
    return "application/json" if key.endswith(".json") else "application/x-ndjson"
