"""What the service keeps, read by root: for rules about what is there once, whatever happened."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.local.stack import Stack


@dataclass(frozen=True, slots=True)
class Inside:
    """The tables, buckets, queues and workflows of a local stack."""

    stack: Stack

    def items(self, table: str, record: str) -> dict[str, dict[str, Any]]:
        """A record's items of a table, by their sort key."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.stack.content["tables"][table],
                KeyConditionExpression="pk = :record",
                ExpressionAttributeValues={":record": {"S": f"REC#{record}"}},
            )
        )
        return {one["sk"]["S"]: one for page in pages for one in page["Items"]}

    def holders_of(self, record: str) -> int:
        """How many INS lead to a record."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.stack.content["tables"]["accounts"])
        )
        return sum(
            one["sk"]["S"] == "INS" and one["recordId"]["S"] == record
            for page in pages
            for one in page["Items"]
        )

    def acts(self, record: str) -> Counter[str]:
        """The traces of a record, counted by what was done."""
        return Counter(
            one["act"]["S"]
            for one in self.items("traces", record).values()
            if one["outcome"]["S"] == "done"
        )

    def objects(self, bucket: str, part: str = "") -> list[str]:
        pages = (
            self.stack.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.stack.content["buckets"][bucket])
        )
        keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        return [key for key in keys if part in key]

    def waiting(self, part: str = "") -> dict[str, int]:
        """The messages of each queue that is not empty, those that somebody holds too."""
        counted = {
            name: sum(int(count) for count in self._attributes(url).values())
            for name, url in self.stack.content["queues"].items()
            if part in name
        }
        return {name: count for name, count in counted.items() if count}

    def _attributes(self, url: str) -> dict[str, str]:
        sqs, wanted = self.stack.client("sqs"), "ApproximateNumberOfMessages"
        told = sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=[wanted, f"{wanted}NotVisible"]
        )
        return dict(told["Attributes"])

    def executions(self, record: str) -> list[dict[str, Any]]:
        """The runs of `initial-history` that were for a record, the latest first."""
        states = self.stack.client("stepfunctions")
        arn = self.stack.content["state_machines"]["initial-history"]
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=arn)
        found = [
            states.describe_execution(executionArn=one["executionArn"])
            for page in pages
            for one in page["executions"]
        ]
        return [one for one in found if record in one["input"]]

    @contextmanager
    def shown_again_soon(self, *queues: str, seconds: int = 2) -> Iterator[None]:
        """Messages that nobody finished are handed out again after some seconds, for a while:
        usually they wait for six times what their function may take."""
        sqs, name = self.stack.client("sqs"), "VisibilityTimeout"
        urls = [self.stack.content["queues"][queue] for queue in queues]
        with contextlib.ExitStack() as after:
            for url in urls:
                usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
                sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(seconds)})
                after.callback(sqs.set_queue_attributes, QueueUrl=url, Attributes=usual)
            yield
