"""Where uploads wait for the checks (bucket `quarantine`, versioned, emptied after seven days).

`in/7h3k….01jd…` holds the bytes of one announced document. A form may be used more than once while
it lives, so every step names the version, and the copy into the vault names the ETag: what was
looked at is what is kept.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError

from dmp.domain.documents import Content
from dmp.store.vault import LIFETIME, encryption, status_of
from dmp.usecases.prepare_upload import UploadForm
from dmp.usecases.settle_upload import Arrival

_PREFIX = "in/"
_BLOCK = 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024
_ABSENT = frozenset({404, 405})  # 405: the version is a delete marker
_CHANGED = 412


def key_of(document_id: str) -> str:
    return _PREFIX + document_id


class Quarantine:
    """`Quarantine` of `usecases.prepare_upload` and of `usecases.settle_upload`, on S3."""

    def __init__(self, s3: Any, bucket: str, vault: str, key_arn: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._vault = vault
        self._key_arn = key_arn

    def form(self, document_id: str, content: Content) -> UploadForm:
        """A POST policy on exactly this key, type, size, SHA-1 and encryption."""
        fields = {
            "Content-Type": content.media_type,
            "x-amz-checksum-algorithm": "SHA1",
            "x-amz-checksum-sha1": content.sha1,
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": self._key_arn,
            "x-amz-server-side-encryption-bucket-key-enabled": "true",
        }
        told = self._s3.generate_presigned_post(
            self._bucket,
            key_of(document_id),
            Fields=dict(fields),
            Conditions=[
                *({name: value} for name, value in fields.items()),
                ["content-length-range", content.size, content.size],
            ],
            ExpiresIn=LIFETIME,
        )
        return UploadForm(told["url"], told["fields"])

    def arrived(self, document_id: str, version: str | None) -> Arrival | None:
        """What lies there; None when nothing does (any more)."""
        try:
            head = self._s3.head_object(**self._named(document_id, version))
        except ClientError as error:
            if status_of(error) in _ABSENT:
                return None
            raise
        found = head.get("VersionId", version)
        return Arrival(document_id, found, int(head["ContentLength"]), head["ETag"])

    @contextmanager
    def open(self, arrival: Arrival) -> Iterator[BinaryIO]:
        """The bytes in memory up to 4 MB, beyond on the function's own disk."""
        answer = self._s3.get_object(
            **self._named(arrival.document_id, arrival.version), IfMatch=arrival.tag
        )
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            for block in answer["Body"].iter_chunks(_BLOCK):
                file.write(block)
            file.seek(0)
            yield cast("BinaryIO", file)

    def move(self, arrival: Arrival, key: str, content: Content, sha256: str) -> bool:
        """Copy into the vault, server-side; False when the bytes are not the arrival's any more."""
        try:
            answer = self._s3.copy_object(
                Bucket=self._vault,
                Key=key,
                CopySource=self._named(arrival.document_id, arrival.version),
                CopySourceIfMatch=arrival.tag,
                MetadataDirective="REPLACE",
                ContentType=content.media_type,
                ChecksumAlgorithm="SHA256",
                **encryption(self._key_arn),
            )
        except ClientError as error:
            if status_of(error) == _CHANGED:
                return False
            raise
        kept = answer["CopyObjectResult"].get("ChecksumSHA256")
        return kept is None or kept == b64encode(bytes.fromhex(sha256)).decode("ascii")

    def drop(self, arrival: Arrival) -> None:
        """Remove this version; nothing happens when it is gone."""
        self._s3.delete_object(**self._named(arrival.document_id, arrival.version))

    def _named(self, document_id: str, version: str | None) -> dict[str, str]:
        named = {"Bucket": self._bucket, "Key": key_of(document_id)}
        return named | ({"VersionId": version} if version and version != "null" else {})
