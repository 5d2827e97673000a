"""The journal of accesses, looked at from outside: is it as it was written?

It reads the bucket `audit`, the public key of the seal, the table and the key of the marks with an
operator's rights; nothing that runs has all of these. The same code looks at the local cloud and
at a stage in AWS.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from infra.local import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dmp.usecases.verify_traces import Finding, Noted, Report

SHOWN = 40
"""Findings on a terminal; `--json` has them all."""
_PATIENCE: dict[str, Any] = {"max_pool_connections": 16}
"""As many as objects are read side by side."""


class TracesError(Exception):
    """The journal can't be looked at as asked; the message says why."""


@contextmanager
def _told_by_aws() -> Iterator[None]:
    """A refusal of AWS in a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - when it is wanted

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise TracesError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a stage keeps its journal: clients by service, and the outputs of its data stack."""

    client: Callable[[str], Any]
    stage: str
    outputs: Mapping[str, str]

    @classmethod
    def local(cls, stack: Mapping[str, Any]) -> Journal:
        """Of the local cloud whose `stack.json` has this content."""
        endpoint = str(stack["aws_endpoint"])
        return cls._found(lambda service: place.client(service, endpoint, **_PATIENCE), "local")

    @classmethod
    def in_aws(cls, stage: str, session: Any) -> Journal:
        """Of a stage, with the rights of a boto3 session."""
        from botocore.config import Config  # noqa: PLC0415 - when it is wanted

        config = Config(**_PATIENCE)
        return cls._found(lambda service: session.client(service, config=config), stage)

    @classmethod
    def _found(cls, client: Callable[[str], Any], stage: str) -> Journal:
        with _told_by_aws():
            told = client("cloudformation").describe_stacks(StackName=f"dmp-{stage}-data")
        (data,) = told["Stacks"]
        return cls(client, stage, {one["OutputKey"]: one["OutputValue"] for one in data["Outputs"]})

    def keys(self) -> list[dict[str, str]]:
        """The public key of the seal, as a JWK."""
        from dmp.store.signing import SigningKey  # noqa: PLC0415 - after the product is importable

        with _told_by_aws():
            return [SigningKey(self.client("kms"), self.outputs["KeySigning"]).public_jwk()]

    def verify(
        self,
        *,
        since: datetime | None = None,
        record: str | None = None,
        noted: Noted | None = None,
        keys: Sequence[Mapping[str, Any]] | None = None,
    ) -> Report:
        """What was found now. `keys` are believed instead of the one that KMS has."""
        from dmp.edge.signatures import verifier  # noqa: PLC0415
        from dmp.store import traces  # noqa: PLC0415
        from dmp.store.pseudonyms import secret_key  # noqa: PLC0415
        from dmp.store.seals import Archive, Entries  # noqa: PLC0415
        from dmp.usecases.verify_traces import VerifyTraces  # noqa: PLC0415

        marks = traces.Journal(
            self.outputs["TableTraces"],
            secret_key(self.client("secretsmanager"), self.outputs["SecretJournal"]),
        )
        look = VerifyTraces(
            Archive(self.client("s3"), self.outputs["BucketAudit"]),
            Entries(self.client("dynamodb"), marks),
            verifier(self.keys() if keys is None else keys),
        )
        with _told_by_aws():
            return look(datetime.now(UTC), since, record, noted)

    def seal(self) -> list[int]:
        """Call the sealer now, instead of within the hour; the numbers of its segments."""
        with _told_by_aws():
            answer = self.client("lambda").invoke(FunctionName=f"dmp-{self.stage}-traces-seal")
            told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise TracesError(f"the sealer failed: {told.get('errorType', 'no reason given')}")
        return list(told["segments"])


def verify_report(path: Path, keys: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a signed report (`GET /fhir/AuditEvent/$access-report`) is as the service signed it.

    Raises TracesError when the file holds none.
    """
    from dmp.edge import access_report  # noqa: PLC0415
    from dmp.edge.signatures import verifier  # noqa: PLC0415

    bundle = read_json(path)
    if bundle.get("resourceType") != "Bundle" or "signature" not in bundle:
        raise TracesError(f"{path} is no signed report")
    return access_report.holds(bundle, verifier(keys))


def read_keys(path: Path) -> list[Mapping[str, Any]]:
    """The keys of a published set (`/.well-known/jwks.json`) in a file."""
    keys = read_json(path).get("keys")
    if not isinstance(keys, list) or not all(isinstance(each, dict) for each in keys):
        raise TracesError(f"{path} is no set of keys")
    return keys


def read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise TracesError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise TracesError(f"{path} is no JSON") from None
    if not isinstance(told, dict):
        raise TracesError(f"{path} is no JSON object")
    return told


def day(text: str) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)


def noted(text: str) -> Noted:
    """`12:<sha256>`, as a report prints it; ValueError for anything else."""
    from dmp.usecases.verify_traces import Noted  # noqa: PLC0415

    number, _, told = text.partition(":")
    if len(bytes.fromhex(told)) != 32:  # noqa: PLR2004 - SHA-256
        raise ValueError(text)
    return Noted(int(number), told.lower())


def as_json(report: Report, seconds: float) -> dict[str, Any]:
    """A report for programs."""
    return {
        "ok": not report.findings,
        "segments": report.segments,
        "parts": report.parts,
        "unsealedParts": report.unsealed,
        "collected": report.collected,
        "entries": report.entries,
        "pending": report.pending,
        "head": f"{report.head.number}:{report.head.sha256}" if report.head else None,
        "sealedAt": report.sealed_at.isoformat() if report.sealed_at else None,
        "seconds": round(seconds, 3),
        "findings": [
            {name: value for name, value in _told(each).items() if value}
            for each in report.findings
        ],
    }


def lines(report: Report, seconds: float) -> Iterator[str]:
    """A report for a terminal."""
    yield (
        f"The journal of accesses: {counted(report.findings) or 'as it was written'}"
        f" ({seconds:.1f} s)"
    )
    last = f"the last at {report.sealed_at:%Y-%m-%d %H:%M} UTC" if report.sealed_at else "none yet"
    yield f"  {'segments':<10} {report.segments:>9,}   {last}"
    yield f"  {'parts':<10} {report.parts:>9,}   {report.unsealed:,} not sealed yet"
    yield (
        f"  {'entries':<10} {report.entries:>9,}   {report.collected:,} collected, "
        f"{report.pending:,} on their way"
    )
    if report.head:
        yield f"  {'head':<10} {report.head.number:>9}:{report.head.sha256}"
    if not report.findings:
        return
    yield ""
    yield f"  {'finding':<17} {'record':<27} {'trace or object'}"
    for each in report.findings[:SHOWN]:
        told = _told(each)
        yield f"  {told['kind']:<17} {told['record'] or '':<27} {told['trace'] or told['object']}"
    if len(report.findings) > SHOWN:
        yield f"  and {len(report.findings) - SHOWN:,} more (--json has them all)"


def counted(findings: Sequence[Finding]) -> str:
    """`2 changed, 1 missing`; empty for none."""
    kinds = Counter(each.kind.value for each in findings)
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))


def timed(look: Callable[[], Report]) -> tuple[Report, float]:
    """What was found, and the seconds that it took."""
    begun = time.monotonic()
    report = look()
    return report, time.monotonic() - begun


def _told(finding: Finding) -> dict[str, str | None]:
    """A finding by ids: the record is what the table's key says, `NOREC#<day>` for none."""
    return {
        "kind": finding.kind.value,
        "record": finding.pk.removeprefix("REC#") if finding.pk else None,
        "trace": finding.trace,
        "object": finding.object,
    }
