"""The insurer's history, readable person by person.

    extracts/index.json                     the accepted extracts; nothing else can be read
    shards/00003/rg-2024-06.parquet         one file per shard and extract, sorted by keyed hash

A read costs, per accepted extract, one ranged GET of the file's end (its footer: which row groups
hold which hashes) and, when the person may be in it, one of those row groups' bytes.
"""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.errors import Busy, Conflict
from dmp.domain.extracts import AcceptedExtract, shard_of
from dmp.domain.history import Detail, ServiceRow, window_before
from dmp.store.partitions import shard_key

INDEX = "extracts/index.json"
_TAIL = 64 << 10
_TRAILER = 8  # length of the footer, then PAR1 [Parquet format]
_AT_ONCE = 8
_ATTEMPTS = 10
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_RACED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_CENT = Decimal("0.01")


@dataclass(slots=True)
class Reads:
    """What reading cost: requests and bytes."""

    gets: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Shards:
    """The accepted extracts and their rows.

    `reads` counts requests and bytes for measurements.
    """

    s3: Any
    bucket: str
    reads: Reads = field(default_factory=Reads)

    def extracts(self) -> tuple[AcceptedExtract, ...]:
        """The accepted extracts, oldest month first."""
        return self._index()[0]

    def accept(self, extract: AcceptedExtract) -> AcceptedExtract:
        """Make an extract's rows readable; what the index holds of it afterwards.

        Accepting it again changes nothing. Conflict when its id names other content; Busy when the
        index would not stay still.
        """
        for _ in range(_ATTEMPTS):
            known, etag = self._index()
            for each in known:
                if each.id == extract.id:
                    if each.digest != extract.digest:
                        raise Conflict("the extract's id names other content")
                    return each
            order = sorted((*known, extract), key=lambda each: (each.month, each.id))
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            try:
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=INDEX,
                    Body=json.dumps(
                        {"extracts": [_told(each) for each in order]}, indent=1
                    ).encode(),
                    ContentType="application/json",
                    **condition,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in _RACED:
                    raise
                continue
            return extract
        raise Busy("the index of extracts changes too often")

    def rows_of(self, insured_hash: str, first: date, last: date) -> tuple[ServiceRow, ...]:
        """Every row of a person (`Pseudonyms.insured`) whose care began from `first` to `last`,
        over all accepted extracts: corrections and repetitions included, netting is the domain's.

        Of an extract given as of an older day, the rows of the 24 months before that day; whether
        they are shown is for `dmp.domain.extracts.today_of`.
        """
        extracts = self.extracts()
        if not extracts:
            return ()
        with ThreadPoolExecutor(min(_AT_ONCE, len(extracts))) as pool:
            found = pool.map(lambda each: self._read(each, insured_hash, first, last), extracts)
            return tuple(row for rows in found for row in rows)

    def _read(
        self, extract: AcceptedExtract, insured: str, first: date, last: date
    ) -> list[ServiceRow]:
        from dmp.store.columnar import ROW, Engine  # noqa: PLC0415 - asked by few functions

        if extract.as_of is not None:
            window = window_before(extract.as_of)
            first, last = window.first, window.last
        key = shard_key(shard_of(insured, extract.shards), extract.id)
        with tempfile.TemporaryDirectory(prefix="shard-") as room:
            # A file of the right size that holds only the bytes asked for: the engine reads the
            # footer, then the one person's row groups, and no others.
            copy = Path(room, "shard.parquet")
            self._fetch_footer(key, copy)
            with Engine(Path(room, "spill"), "256MB") as engine:
                held = engine.row_groups(copy, insured)
                if held is None:
                    return []
                self._fetch(key, copy, *held)
                rows = engine.rows_of(copy, insured, first.isoformat(), last.isoformat())
        names = tuple(ROW)
        return [_row(extract, dict(zip(names, row, strict=True))) for row in rows]

    def _fetch_footer(self, key: str, copy: Path) -> None:
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=-{_TAIL}")
        tail = answer["Body"].read()
        size = int(answer["ContentRange"].rpartition("/")[2])
        self._count(len(tail))
        with copy.open("wb") as file:
            file.truncate(size)
            file.seek(size - len(tail))
            file.write(tail)
        footer = int.from_bytes(tail[-_TRAILER:-4], "little") + _TRAILER
        if footer > len(tail):
            self._fetch(key, copy, size - footer, size - len(tail))

    def _fetch(self, key: str, copy: Path, first: int, after: int) -> None:
        answer = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{after - 1}")
        body = answer["Body"].read()
        self._count(len(body))
        with copy.open("r+b") as file:
            file.seek(first)
            file.write(body)

    def _index(self) -> tuple[tuple[AcceptedExtract, ...], str | None]:
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=INDEX)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return (), None
            raise
        body = answer["Body"].read()
        self._count(len(body))
        return tuple(_extract(told) for told in json.loads(body)["extracts"]), answer["ETag"]

    def _count(self, size: int) -> None:
        self.reads.gets += 1
        self.reads.bytes += size


def _told(extract: AcceptedExtract) -> dict[str, Any]:
    return {
        "id": extract.id,
        "source": extract.source,
        "month": extract.month,
        "digest": extract.digest,
        "shards": extract.shards,
        "services": extract.services,
        "acceptedAt": extract.accepted_at.isoformat(),
        "asOf": extract.as_of.isoformat() if extract.as_of else None,
    }


def _extract(told: dict[str, Any]) -> AcceptedExtract:
    return AcceptedExtract(
        id=told["id"],
        source=told["source"],
        month=told["month"],
        digest=told["digest"],
        shards=told["shards"],
        services=told["services"],
        accepted_at=datetime.fromisoformat(told["acceptedAt"]),
        as_of=date.fromisoformat(told["asOf"]) if told["asOf"] else None,
    )


def _row(extract: AcceptedExtract, found: dict[str, Any]) -> ServiceRow:
    del found["insured"]
    found["detail"] = Detail(found["detail"]) if found["detail"] else None
    found["line"] = found["line"] or 0
    for name in ("quantity", "detail_quantity", "rate"):
        found[name] = _plain(found[name])
    for name in ("paid", "base", "reimbursed"):
        found[name] = _euros(found[name])
    return ServiceRow(extract_id=extract.id, month=extract.month, **found)


def _plain(number: Decimal | None) -> Decimal | None:
    """Without the zeros that the file's scale adds: 1.0000 is 1, 10.0000 is 10."""
    if number is None:
        return None
    return (
        number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
    )


def _euros(amount: Decimal | None) -> Decimal | None:
    """With two decimals, more only where there are more."""
    if amount is None:
        return None
    cents = amount.quantize(_CENT)
    return cents if cents == amount else amount.normalize()
