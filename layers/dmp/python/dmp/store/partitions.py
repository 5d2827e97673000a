"""The history bucket while an extract is being read: pieces that only its own run sees.

    work/<run>/scans/000003.json                     what reading file 3 found
    work/<run>/parts.json                            the parts, which the workflow maps over
    work/<run>/pieces/00017/ER_PHA_F-000042.parquet  part 42's rows of joining shard 17
    work/<run>/joined/00003/000017-0000.parquet      joining shard 17's rows of history shard 3
    work/<run>/rejected/part-000042.parquet          rows set aside by part 42 (`join-…` orphans)
    work/<run>/tallies/part-000042.json              counts (`join-…` of a joining shard)
    shards/00003/<extractId>.parquet                 the result

Keys follow from the input, so that a retry overwrites what a killed worker left. Beneficiaries are
keyed hashes everywhere here: a matricule never leaves the memory of the cleaning step.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dmp.domain.extracts import JoinTally, Part, PartTally, Scan
from dmp.store.landing import LandingBucket
from dmp.store.pseudonyms import Pseudonyms
from dmp.usecases.partition_extract import Run

_AT_ONCE = 16
_PAGE = 1000  # S3's limit for one listing and one deletion


def shard_key(shard: int, extract_id: str) -> str:
    """`shards/00003/rg-2024-06.parquet`"""
    return f"shards/{shard:05d}/{extract_id}.parquet"


@dataclass(frozen=True, slots=True)
class Work:
    """The run's own records: scans, parts, counts."""

    s3: Any
    bucket: str

    def save_scan(self, run: Run, file: int, scan: Scan | None) -> None:
        self._put(f"work/{run.name}/scans/{file:06d}.json", asdict(scan) if scan else None)

    def scans(self, run: Run, files: int) -> list[Scan | None]:
        keys = [f"work/{run.name}/scans/{file:06d}.json" for file in range(files)]
        return [_scan(found) if found else None for found in self._get_all(keys)]

    def save_parts(self, run: Run, groups: Sequence[Sequence[Part]], people: Part | None) -> str:
        """The list that the workflow maps over: one object per group, `people` in each."""
        key = f"work/{run.name}/parts.json"
        told = asdict(people) if people else None
        items = [{"parts": [asdict(part) for part in group], "people": told} for group in groups]
        self._put(key, items)
        return key

    def save_part_tally(self, run: Run, part: int, tally: PartTally) -> None:
        self._put(f"work/{run.name}/tallies/part-{part:06d}.json", asdict(tally))

    def save_join_tally(self, run: Run, shard: int, tally: JoinTally) -> None:
        self._put(f"work/{run.name}/tallies/join-{shard:06d}.json", asdict(tally))

    def part_tallies(self, run: Run) -> list[PartTally]:
        keys = keys_under(self.s3, self.bucket, f"work/{run.name}/tallies/part-")
        return [PartTally(**found) for found in self._get_all(keys)]

    def join_tallies(self, run: Run) -> list[JoinTally]:
        keys = keys_under(self.s3, self.bucket, f"work/{run.name}/tallies/join-")
        return [
            JoinTally(
                found["services"],
                found["duplicates"],
                {int(file): count for file, count in found["orphans"].items()},
            )
            for found in self._get_all(keys)
        ]

    def drop(self, run: Run) -> int:
        dropped = 0
        keys = list(keys_under(self.s3, self.bucket, f"work/{run.name}/"))
        for start in range(0, len(keys), _PAGE):
            page = [{"Key": key} for key in keys[start : start + _PAGE]]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": page, "Quiet": True})
            dropped += len(page)
        return dropped

    def _put(self, key: str, content: Any) -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def _get_all(self, keys: Iterable[str]) -> list[Any]:
        def get(key: str) -> Any:
            return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(get, keys))


@dataclass(frozen=True, slots=True)
class Partitions:
    """The columnar engine between the landing and the history bucket.

    `lenient` forgives wrong control keys (test identities); `memory` is the engine's limit, beyond
    which it spills to the function's disk.
    """

    s3: Any
    bucket: str
    landing: LandingBucket
    pseudonyms: Pseudonyms
    join_shards: int
    history_shards: int
    lenient: bool
    memory: str = "1GB"
    room: Path | None = field(default=None)

    def clean(self, run: Run, part: Part, people: Part | None) -> PartTally:
        with self._desk() as (desk, engine):
            source, known = desk / "lines", desk / "people"
            self.landing.fetch(run, part, source)
            if people is not None:
                self.landing.fetch(run, people, known)
            tally: PartTally = engine.clean(
                part,
                source,
                desk / "pieces",
                desk / "rejected.parquet",
                key=self.pseudonyms.key,
                join_shards=self.join_shards,
                lenient=self.lenient,
                people=known if people else None,
                people_header=people.header if people else (),
            )
            stem = f"{part.table}-{part.number:06d}"
            self._upload(
                (
                    (file, f"work/{run.name}/pieces/{shard:05d}/{stem}{tail}")
                    for shard, file, tail in _written(desk / "pieces")
                ),
                (
                    desk / "rejected.parquet",
                    f"work/{run.name}/rejected/part-{part.number:06d}.parquet",
                ),
            )
        return tally

    def join(self, run: Run, shard: int) -> JoinTally:
        with self._desk() as (desk, engine):
            self._download(f"work/{run.name}/pieces/{shard:05d}/", desk / "pieces")
            tally: JoinTally = engine.join(
                desk / "pieces",
                desk / "joined",
                desk / "rejected.parquet",
                shards=self.history_shards,
            )
            self._upload(
                (
                    (file, f"work/{run.name}/joined/{home:05d}/{shard:06d}{tail}")
                    for home, file, tail in _written(desk / "joined")
                ),
                (desk / "rejected.parquet", f"work/{run.name}/rejected/join-{shard:06d}.parquet"),
            )
        return tally

    def sort(self, run: Run, shard: int, extract_id: str) -> int:
        with self._desk() as (desk, engine):
            files = self._download(f"work/{run.name}/joined/{shard:05d}/", desk / "joined")
            rows: int = engine.sort(files, desk / "shard.parquet")
            self._put(desk / "shard.parquet", shard_key(shard, extract_id))
        return rows

    def rejected(self, run: Run, names: Sequence[str], write: Callable[[Path], None]) -> int:
        with self._desk() as (desk, engine):
            files = self._download(f"work/{run.name}/rejected/", desk / "rejected")
            count: int = engine.rejected_csv(files, names, desk / "rejected.csv")
            write(desk / "rejected.csv")
        return count

    @contextmanager
    def _desk(self) -> Iterator[tuple[Path, Any]]:
        """A folder and an engine for one step; both gone afterwards, whatever happened."""
        # 60 ms of import that reading a manifest need not pay
        from dmp.store.columnar import Engine  # noqa: PLC0415

        desk = Path(tempfile.mkdtemp(prefix="extract-", dir=self.room))
        try:
            with Engine(desk / "spill", self.memory) as engine:
                yield desk, engine
        finally:
            shutil.rmtree(desk, ignore_errors=True)

    def _download(self, prefix: str, folder: Path) -> list[Path]:
        folder.mkdir()

        def get(key: str) -> Path:
            target = folder / key.rpartition("/")[2]
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            with target.open("wb") as file:
                shutil.copyfileobj(body, file, 1 << 20)
            return target

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(get, keys_under(self.s3, self.bucket, prefix)))

    def _upload(self, pieces: Iterable[tuple[Path, str]], *others: tuple[Path, str]) -> None:
        wanted = [*pieces, *(pair for pair in others if pair[0].exists())]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda pair: self._put(*pair), wanted))

    def _put(self, file: Path, key: str) -> None:
        with file.open("rb") as body:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)


def keys_under(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Every key under a prefix, in order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            yield found["Key"]


def _written(folder: Path) -> Iterator[tuple[int, Path, str]]:
    """(shard, file, end of its name) of what the engine wrote under `shard=<n>/`."""
    for home in sorted(folder.glob("shard=*")):
        shard = int(home.name.partition("=")[2])
        for rank, file in enumerate(sorted(home.iterdir())):
            yield shard, file, f"-{rank:04d}.parquet"


def _scan(found: dict[str, Any]) -> Scan:
    return Scan(
        sha256=found["sha256"],
        rows=found["rows"],
        header=tuple(found["header"]),
        encoding=found["encoding"],
        etag=found["etag"],
        cuts=tuple((first, size, line) for first, size, line in found["cuts"]),
    )
