"""An account in process, on moto: the tables, buckets and secret of the data stack, and the
environment that the CDK would give a function.

The clients of `dmp.store.aws` are made anew inside, and forgotten afterwards.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from moto import mock_aws
from moto.kms.utils import ECDSAPrivateKey

import dmp.edge.settings
from dmp.store import aws
from dmp.store.traces import Journal

REGION = "eu-west-3"
TABLES = ("accounts", "consents", "documents", "history", "traces", "statistics", "directory")
INDEXES = {
    "consents": (("by-professional", "professional", "authorisedAt"),),
    "traces": (("by-actor", "actorKey", "sk"),),
}
SECRETS = ("pseudonyms", "journal")
JOURNAL = Journal("traces", lambda: b"j" * 64)
BUCKETS = ("quarantine", "vault", "landing", "history", "audit")
LOCKED = ("audit",)


@contextmanager
def account() -> Iterator[dict[str, str]]:
    """The environment of every function at once; inside, AWS is moto."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setattr(ECDSAPrivateKey, "sign", _sign)
        _forget()
        environment = _made()
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment
        _forget()


def _sign(key: ECDSAPrivateKey, message: bytes, _algorithm: str) -> bytes:
    """moto passes over `MessageType`; this service sends digests and nothing else."""
    signature: bytes = key.private_key.sign(message, ec.ECDSA(Prehashed(SHA256())))
    return signature


def _forget() -> None:
    """Nothing that was made for one account serves another."""
    boto3.DEFAULT_SESSION = None
    roots = [
        module
        for name, module in sys.modules.items()
        if ".wiring" in name or name == "dmp.composition"
    ]
    for module in (aws, dmp.edge.settings, *roots):
        for made in list(vars(module).values()):
            if hasattr(made, "cache_clear"):
                made.cache_clear()


def _made() -> dict[str, str]:
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    for name in TABLES:
        indexes = [
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, partition, sort in INDEXES.get(name, ())
        ]
        keys = {"pk", "sk"} | {key for _, *both in INDEXES.get(name, ()) for key in both}
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": "S"} for k in sorted(keys)],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
    for name in BUCKETS:
        s3.create_bucket(
            Bucket=f"dmp-{name}",
            CreateBucketConfiguration={"LocationConstraint": REGION},
            **({"ObjectLockEnabledForBucket": True} if name in LOCKED else {}),
        )
    kms = boto3.client("kms")
    keys = {
        name: kms.create_key()["KeyMetadata"]["Arn"] for name in ("identity", "clinical", "audit")
    }
    keys["signing"] = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")[
        "KeyMetadata"
    ]["Arn"]
    secrets = {
        name: boto3.client("secretsmanager").create_secret(Name=name, SecretString=name[0] * 64)[
            "ARN"
        ]
        for name in SECRETS
    }
    issuer = {
        "issuer": "https://issuer.test",
        "jwks": "https://issuer.test/jwks",
        "audience": "dmp",
    }
    return {
        "DMP_STAGE": "test",
        "DMP_API_URL": "https://dmp.test",
        "DMP_SENDER": "dmp@example.test",
        "DMP_LENIENT_IDENTITY": "true",
        "DMP_HISTORY_SHARDS": "4",
        "DMP_JOIN_SHARDS": "2",
        "DMP_ATTEMPTS": "5",
        "DMP_EVENT_BUS": "facts",
        "DMP_ISSUERS": json.dumps(
            dict.fromkeys(("patient", "professional", "agent", "system"), issuer)
        ),
        **{f"DMP_TABLE_{name.upper()}": name for name in TABLES},
        **{f"DMP_BUCKET_{name.upper()}": f"dmp-{name}" for name in BUCKETS},
        **{f"DMP_SECRET_{name.upper()}": arn for name, arn in secrets.items()},
        **{f"DMP_KEY_{name.upper()}": arn for name, arn in keys.items()},
    }
