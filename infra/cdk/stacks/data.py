"""Stack `data`: whatever must outlive a release. Keys, tables, buckets, the secret, the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack, aws_events
from constructs import Construct

from infra.cdk import catalogue
from infra.cdk.catalogue import pascal
from infra.cdk.naming import physical
from infra.cdk.parts import storage

if TYPE_CHECKING:
    from infra.cdk.parts.estate import Estate


class DataStack(Stack):
    """Fills `estate` with keys, tables, buckets, secrets and buses."""

    def __init__(self, scope: Construct, name: str, estate: Estate, **options: object) -> None:
        super().__init__(scope, name, **options)  # type: ignore[arg-type]
        stage = estate.stage
        within = {
            kind: Construct(self, kind)
            for kind in ("keys", "tables", "buckets", "secrets", "buses")
        }
        for each in catalogue.KEYS:
            make = storage.signing_key if each in catalogue.SIGNING_KEYS else storage.key
            estate.keys[each] = make(within["keys"], each, stage)
            CfnOutput(self, f"Key{pascal(each)}", value=estate.keys[each].key_arn)
        for each, table in catalogue.TABLES.items():
            made = storage.table(within["tables"], each, table, estate.keys[table.key], stage)
            estate.tables[each] = made
            CfnOutput(self, f"Table{pascal(each)}", value=made.table_name)
        for each, bucket in catalogue.BUCKETS.items():
            kept = storage.bucket(within["buckets"], each, bucket, estate.keys[bucket.key], stage)
            estate.buckets[each] = kept
            CfnOutput(self, f"Bucket{pascal(each)}", value=kept.bucket_name)
        for each, secret in catalogue.SECRETS.items():
            estate.secrets[each] = storage.secret(
                within["secrets"], each, secret, estate.keys[secret.key], stage
            )
            CfnOutput(self, f"Secret{pascal(each)}", value=estate.secrets[each].secret_arn)
        for each in catalogue.BUSES:
            estate.buses[each] = aws_events.EventBus(
                within["buses"], each, event_bus_name=physical(stage.name, each)
            )
            CfnOutput(self, f"EventBus{pascal(each)}", value=estate.buses[each].event_bus_name)
