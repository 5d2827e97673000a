"""The bytes of documents, encrypted under the clinical key (bucket `vault`).

`documents/7h3k…/<identifier>/<content>`: a key says what lies under it (see
`usecases.publish_document.vault_key`), so what is written twice is the same.
"""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.errors import Busy

LIFETIME = 300
"""Seconds that a presigned address lives."""

_TRIES = 4
_PAUSE = 0.05


class Vault:
    """`usecases.publish_document.Vault` and `usecases.read_content.Vault` on S3."""

    def __init__(self, s3: Any, bucket: str, key_arn: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._encryption = encryption(key_arn)

    def keep(self, key: str, data: bytes, media_type: str, sha256: str) -> None:
        """Put bytes that nobody put before; S3 checks their SHA-256 on arrival."""
        for attempt in range(_TRIES):
            try:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=data,
                    ContentType=media_type,
                    ChecksumSHA256=b64encode(bytes.fromhex(sha256)).decode("ascii"),
                    IfNoneMatch="*",
                    **self._encryption,
                )
            except ClientError as error:
                match status_of(error):
                    case 412:  # the same bytes lie there
                        return
                    case 409:  # somebody is writing them this moment
                        time.sleep(_PAUSE * (attempt + 1))
                    case _:
                        raise
            else:
                return
        raise Busy

    def bytes(self, key: str) -> bytes:
        """All of it: for what is small enough to be answered at once."""
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body

    def address(self, key: str, media_type: str, disposition: str) -> str:
        """A presigned address of five minutes, that answers this type and disposition."""
        url: str = self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentType": media_type,
                "ResponseContentDisposition": disposition,
                "ResponseCacheControl": "no-store",
            },
            ExpiresIn=LIFETIME,
        )
        return url


def encryption(key_arn: str) -> dict[str, Any]:
    """The parameters by which an object is encrypted under a key of ours, with a bucket key."""
    return {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": key_arn,
        "BucketKeyEnabled": True,
    }


def status_of(error: ClientError) -> int:
    """The HTTP status of a refusal of S3."""
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status
