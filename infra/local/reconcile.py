"""Sets by API what MiniStack's CloudFormation drops from the template.

For every table and bucket of a deployed stack, what the template asks for is compared with what
the service says, and set where it differs: so that encryption, retention and recovery are the same
as in AWS, and a test that asks the API sees them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local import place
from infra.local.intrinsics import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra.local.deploy import Deployed

_TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")


class Reconciler:
    """Compares and sets; `run` says in one line each what it had to set."""

    def __init__(self, endpoint: str) -> None:
        self._dynamodb = place.client("dynamodb", endpoint)
        self._s3 = place.client("s3", endpoint)
        self._cloudformation = place.client("cloudformation", endpoint)

    def run(self, stacks: Iterable[Deployed]) -> list[str]:
        exports = {
            one["Name"]: one["Value"]
            for page in self._cloudformation.get_paginator("list_exports").paginate()
            for one in page["Exports"]
        }
        set_now: list[str] = []
        for stack in stacks:
            resources = stack.template.resources
            resolver = Resolver(
                stack.physical, {name: one["Type"] for name, one in resources.items()}, exports
            )
            for logical, resource in resources.items():
                name = stack.physical.get(logical)
                if name is None:
                    continue
                properties = resource.get("Properties") or {}
                if resource["Type"] in _TABLES:
                    set_now += self._table(name, _table_wishes(resolver, properties))
                elif resource["Type"] == "AWS::S3::Bucket":
                    set_now += self._bucket(name, properties, resolver)
        return set_now

    def _table(self, name: str, wishes: dict[str, Any]) -> list[str]:
        done = []
        ttl = wishes["ttl"]
        if ttl:
            now = self._dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
            if now.get("TimeToLiveStatus") != "ENABLED" or now.get("AttributeName") != ttl:
                self._dynamodb.update_time_to_live(
                    TableName=name,
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl},
                )
                done.append(f"{name}: time to live on {ttl}")
        if wishes["recovery"]:
            backups = self._dynamodb.describe_continuous_backups(TableName=name)
            recovery = backups["ContinuousBackupsDescription"].get(
                "PointInTimeRecoveryDescription", {}
            )
            if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
                self._dynamodb.update_continuous_backups(
                    TableName=name,
                    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                )
                done.append(f"{name}: point-in-time recovery")
        key = wishes["key"]
        if key:
            table = self._dynamodb.describe_table(TableName=name)["Table"]
            if (table.get("SSEDescription") or {}).get("KMSMasterKeyArn") != key:
                self._dynamodb.update_table(
                    TableName=name,
                    SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
                )
                done.append(f"{name}: encryption")
        return done

    def _bucket(self, name: str, properties: dict[str, Any], resolver: Resolver) -> list[str]:
        done = []
        for what, wish, current, put in self._bucket_settings(name, properties, resolver):
            if wish and self._ask(current) != wish:
                put(wish)
                done.append(f"{name}: {what}")
        return done

    def _ask(self, current: Callable[[], Any]) -> Any:
        """What the service says; None when it says that nothing is set."""
        try:
            return current()
        except self._s3.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:  # noqa: PLR2004 - every "NoSuch...Configuration"
                return None
            raise

    def _bucket_settings(
        self, name: str, properties: dict[str, Any], resolver: Resolver
    ) -> list[tuple[str, Any, Callable[[], Any], Callable[[Any], Any]]]:
        s3, bucket = self._s3, {"Bucket": name}
        lock = properties.get("ObjectLockConfiguration")
        if lock is None and properties.get("ObjectLockEnabled"):
            lock = {"ObjectLockEnabled": "Enabled"}
        return [
            (
                "versioning",
                (properties.get("VersioningConfiguration") or {}).get("Status"),
                lambda: s3.get_bucket_versioning(**bucket).get("Status"),
                lambda wish: s3.put_bucket_versioning(
                    **bucket, VersioningConfiguration={"Status": wish}
                ),
            ),
            (
                "encryption",
                _encryption(resolver.value(properties.get("BucketEncryption"))),
                lambda: s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"],
                lambda wish: s3.put_bucket_encryption(
                    **bucket, ServerSideEncryptionConfiguration=wish
                ),
            ),
            (
                "public access block",
                _all_strings_to_bool(properties.get("PublicAccessBlockConfiguration")),
                lambda: s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"],
                lambda wish: s3.put_public_access_block(
                    **bucket, PublicAccessBlockConfiguration=wish
                ),
            ),
            (
                "ownership",
                properties.get("OwnershipControls"),
                lambda: s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"],
                lambda wish: s3.put_bucket_ownership_controls(**bucket, OwnershipControls=wish),
            ),
            (
                "lifecycle",
                _lifecycle(properties.get("LifecycleConfiguration")),
                lambda: s3.get_bucket_lifecycle_configuration(**bucket)["Rules"],
                lambda wish: s3.put_bucket_lifecycle_configuration(
                    **bucket, LifecycleConfiguration={"Rules": wish}
                ),
            ),
            (
                "object lock",
                _object_lock(lock),
                lambda: s3.get_object_lock_configuration(**bucket)["ObjectLockConfiguration"],
                lambda wish: s3.put_object_lock_configuration(
                    **bucket, ObjectLockConfiguration=wish
                ),
            ),
        ]


def _table_wishes(resolver: Resolver, properties: dict[str, Any]) -> dict[str, Any]:
    """What a table (or the only replica of a global one) is to have: ttl, recovery, key."""
    ttl = properties.get("TimeToLiveSpecification") or {}
    replica = (properties.get("Replicas") or [{}])[0]
    recovery = (
        properties.get("PointInTimeRecoverySpecification")
        or replica.get("PointInTimeRecoverySpecification")
        or {}
    )
    encryption = {
        **(properties.get("SSESpecification") or {}),
        **(replica.get("SSESpecification") or {}),
    }
    key = encryption.get("KMSMasterKeyId")
    return {
        "ttl": ttl.get("AttributeName") if ttl.get("Enabled") else None,
        "recovery": bool(recovery.get("PointInTimeRecoveryEnabled")),
        "key": resolver.value(key) if key else None,
    }


def _encryption(wish: Any) -> Any:
    if not wish:
        return None
    rules = []
    for one in wish["ServerSideEncryptionConfiguration"]:
        default = {
            "SSEAlgorithm": one["ServerSideEncryptionByDefault"]["SSEAlgorithm"],
        }
        key = one["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        if key:
            default["KMSMasterKeyID"] = key
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": default,
                "BucketKeyEnabled": bool(one.get("BucketKeyEnabled")),
            }
        )
    return {"Rules": rules}


def _all_strings_to_bool(wish: Any) -> Any:
    return {key: str(value).lower() == "true" for key, value in wish.items()} if wish else None


def _object_lock(wish: Any) -> Any:
    if not wish:
        return None
    rule = (wish.get("Rule") or {}).get("DefaultRetention")
    found: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if rule:
        found["Rule"] = {
            "DefaultRetention": {
                key: int(value) if key in {"Days", "Years"} else value
                for key, value in rule.items()
            }
        }
    return found


def _lifecycle(wish: Any) -> Any:
    """CloudFormation's rules in the words of S3's API."""
    if not wish:
        return None
    return [_lifecycle_rule(number, rule) for number, rule in enumerate(wish["Rules"])]


def _lifecycle_rule(number: int, rule: dict[str, Any]) -> dict[str, Any]:
    tags = [{"Key": one["Key"], "Value": one["Value"]} for one in rule.get("TagFilters") or []]
    prefix = rule.get("Prefix") or ""
    found: dict[str, Any] = {
        "ID": rule.get("Id") or f"rule-{number}",
        "Status": rule["Status"],
        "Filter": {"And": {"Prefix": prefix, "Tags": tags}} if tags else {"Prefix": prefix},
    }
    if "ExpirationInDays" in rule:
        found["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif rule.get("ExpiredObjectDeleteMarker"):
        found["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    noncurrent = rule.get("NoncurrentVersionExpiration")
    days = (noncurrent or {}).get("NoncurrentDays", rule.get("NoncurrentVersionExpirationInDays"))
    if days is not None:
        found["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(days)}
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort:
        found["AbortIncompleteMultipartUpload"] = {
            "DaysAfterInitiation": int(abort["DaysAfterInitiation"])
        }
    if rule.get("Transitions"):
        found["Transitions"] = [
            {"Days": int(one["TransitionInDays"]), "StorageClass": one["StorageClass"]}
            for one in rule["Transitions"]
        ]
    return found
