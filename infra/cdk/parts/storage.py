"""Keys, tables, buckets and secrets: whatever holds data, encrypted under a key of the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy, aws_dynamodb, aws_kms, aws_s3, aws_secretsmanager

from infra.cdk.parts.nag import acknowledge

if TYPE_CHECKING:
    from constructs import Construct

    from infra.cdk import catalogue
    from infra.cdk.stages import Stage


def removal(stage: Stage) -> RemovalPolicy:
    return RemovalPolicy.RETAIN if stage.protected else RemovalPolicy.DESTROY


def key(scope: Construct, name: str, stage: Stage) -> aws_kms.Key:
    """A customer-managed key that rotates each year; its policy delegates to the account alone."""
    return aws_kms.Key(
        scope,
        name,
        alias=f"alias/dmp-{stage.name}-{name}",
        description=f"DMP {stage.name}: {name} data",
        enable_key_rotation=True,
        removal_policy=removal(stage),
    )


def signing_key(scope: Construct, name: str, stage: Stage) -> aws_kms.Key:
    """An asymmetric key for ES256. KMS rotates none of that kind: what it signed is checked against
    its public key for as long as it is kept, and a new key is a deployment."""
    return aws_kms.Key(
        scope,
        name,
        alias=f"alias/dmp-{stage.name}-{name}",
        description=f"DMP {stage.name}: {name}",
        key_spec=aws_kms.KeySpec.ECC_NIST_P256,
        key_usage=aws_kms.KeyUsage.SIGN_VERIFY,
        removal_policy=removal(stage),
    )


def table(
    scope: Construct, name: str, spec: catalogue.Table, encryption: aws_kms.Key, stage: Stage
) -> aws_dynamodb.Table:
    """`pk`, `sk`, `ttl`; on demand, restorable to any second of the last 35 days."""
    string = aws_dynamodb.AttributeType.STRING
    made = aws_dynamodb.Table(
        scope,
        name,
        partition_key=aws_dynamodb.Attribute(name="pk", type=string),
        sort_key=aws_dynamodb.Attribute(name="sk", type=string),
        billing_mode=aws_dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=aws_dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=encryption,
        time_to_live_attribute="ttl",
        stream=aws_dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if spec.stream else None,
        point_in_time_recovery_specification=aws_dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection=stage.protected,
        removal_policy=removal(stage),
    )
    for index, partition, sort in spec.indexes:
        made.add_global_secondary_index(
            index_name=index,
            partition_key=aws_dynamodb.Attribute(name=partition, type=string),
            sort_key=aws_dynamodb.Attribute(name=sort, type=string),
        )
    return made


def bucket(
    scope: Construct, name: str, spec: catalogue.Bucket, encryption: aws_kms.Key, stage: Stage
) -> aws_s3.Bucket:
    """Private, versioned, TLS only, SSE-KMS with a bucket key."""
    rules = [
        aws_s3.LifecycleRule(
            id="unfinished-uploads", abort_incomplete_multipart_upload_after=Duration.days(1)
        )
    ]
    if spec.expires_days is not None:
        days = Duration.days(spec.expires_days)
        rules.append(
            aws_s3.LifecycleRule(
                id="expiry", expiration=days, noncurrent_version_expiration=Duration.days(1)
            )
        )
    made = aws_s3.Bucket(
        scope,
        name,
        encryption=aws_s3.BucketEncryption.KMS,
        encryption_key=encryption,
        bucket_key_enabled=True,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=rules,
        object_lock_enabled=spec.locked or None,
        object_lock_default_retention=_retention(stage) if spec.locked else None,
        cors=[
            aws_s3.CorsRule(
                allowed_methods=[aws_s3.HttpMethods.POST],
                allowed_origins=[stage.public_url],
                allowed_headers=["*"],
                max_age=3600,
            )
        ]
        if spec.uploads
        else None,
        removal_policy=removal(stage),
    )
    if spec.announces:
        # By property: the construct's own switch deploys a custom resource and its function.
        resource = made.node.default_child
        resource.add_property_override(  # type: ignore[union-attr]
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", value=True
        )
    acknowledge(
        made,
        {
            "AwsSolutions-S1": "Every disclosure is written to the traces table before the "
            "answer, with who and why; server access logs would copy object keys into a "
            "bucket that cannot be encrypted with our keys.",
        },
    )
    return made


def _retention(stage: Stage) -> aws_s3.ObjectLockRetention:
    days = Duration.days(stage.audit_lock_days)
    if stage.protected:
        return aws_s3.ObjectLockRetention.compliance(days)
    return aws_s3.ObjectLockRetention.governance(days)


def secret(
    scope: Construct, name: str, spec: catalogue.Secret, encryption: aws_kms.Key, stage: Stage
) -> aws_secretsmanager.Secret:
    """64 random letters and digits, made by AWS and seen by nobody."""
    made = aws_secretsmanager.Secret(
        scope,
        name,
        description=f"DMP {stage.name}: {spec.purpose}",
        encryption_key=encryption,
        generate_secret_string=aws_secretsmanager.SecretStringGenerator(
            password_length=64, exclude_punctuation=True
        ),
        removal_policy=removal(stage),
    )
    acknowledge(made, {"AwsSolutions-SMG4": spec.unrotated})
    return made
