"""Names of what is deployed.

Functions, queues, workflows and alarms are named, so that logs, alarms and runbooks read well and
stacks need no exports for them. Tables, buckets and keys, which hold data, get their names from
CloudFormation and can be replaced.
"""

from __future__ import annotations


def physical(stage: str, name: str) -> str:
    """`dmp-prod-accounts-app`: of a function, queue, workflow, rule, schedule, topic or alarm."""
    return f"dmp-{stage}-{name}"


def page(stage: str, alarm: str) -> str:
    """The runbook of an alarm: its name without the stage.

    >>> page("prod", "dmp-prod-accounts-app-errors")
    'accounts-app-errors.md'
    """
    return f"{alarm.removeprefix(f'dmp-{stage}-')}.md"
