# ruff: noqa: S608 - tables, columns and paths are ours; what comes from outside is a parameter
"""The columnar engine over local files: extract lines in, sorted service rows out.

Three steps, each a function of its input files alone, so that a second run writes the same rows:
`clean` types the lines of one part and spreads them by joining key, `join` puts a service and its
details together and spreads them by beneficiary, `sort` makes one shard file. DuckDB does the work
on whole columns, within a memory limit, spilling to its own folder. Nothing here knows S3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

from dmp.domain.extracts import (
    MATRICULE,
    RANK,
    RESEARCH,
    TABLES,
    JoinTally,
    Part,
    PartTally,
    RowFault,
)
from dmp.store import dcir
from dmp.store.landing import BLANK

_SEPARATOR = "\x01"  # occurs in no line: `dmp.store.landing` replaces control characters
ROW_GROUP = 4096

# Everything that the engine may do is said here: no extension is fetched, no setting is guessed.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "preserve_insertion_order": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "partitioned_write_max_open_files": 1024,
}

_SERVICE = {
    "insured": "VARCHAR",
    "key": "VARCHAR",
    "start": "DATE",
    "end": "DATE",
    "prescribed_on": "DATE",
    "processed_on": "DATE",
    "nature": "BIGINT",
    "quantity": "DECIMAL(15,4)",
    "paid": "DECIMAL(15,4)",
    "base": "DECIMAL(15,4)",
    "reimbursed": "DECIMAL(15,4)",
    "rate": "DECIMAL(15,4)",
    "performer": "VARCHAR",
    "performer_speciality": "BIGINT",
    "prescriber": "VARCHAR",
    "prescriber_speciality": "BIGINT",
    "supplement": "BIGINT",
    "expense": "BIGINT",
}
_DETAIL = {
    "detail": "VARCHAR",
    "code": "VARCHAR",
    "detail_quantity": "DECIMAL(15,4)",
    "structure": "VARCHAR",
    "line": "BIGINT",
}
_ORIGIN = {"file": "INTEGER", "line_no": "BIGINT"}
ROW = {**_SERVICE, **_DETAIL}
"""The columns of a shard file, in their order, with the engine's types."""


class Engine(AbstractContextManager["Engine"]):
    """One database in memory, for one step."""

    def __init__(self, spill: Path, memory: str = "1GB") -> None:
        spill.mkdir(parents=True, exist_ok=True)
        config = _SETTINGS | {"memory_limit": memory, "temp_directory": str(spill)}
        self._base = duckdb.connect(":memory:", config=config)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._base.close()

    def run(self, sql: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        return list(self._base.execute(sql, parameters).fetchall())

    def clean(
        self,
        part: Part,
        source: Path,
        pieces: Path,
        rejected: Path,
        *,
        key: bytes,
        join_shards: int,
        lenient: bool,
        people: Path | None = None,
        people_header: tuple[str, ...] = (),
    ) -> PartTally:
        """Type the lines of `source` into Parquet under `pieces`/shard=<n>/, and those that cannot
        be typed into `rejected`, when there are any.

        `key` is that of the pseudonyms; a beneficiary leaves this function as their keyed hash.
        `people` are the lines of the correspondence file. `lenient` forgives wrong control keys.
        """
        table = TABLES[part.table]
        self._read_lines("lines", source, part.line)
        if people is not None:
            self._read_people(people, people_header)
        judged = dcir.judged(table, part, people_header, lenient=lenient)
        self.run(f"CREATE TEMP TABLE judged AS {judged}")
        for name, pad in zip(("inner_pad", "outer_pad"), dcir.pads(key), strict=True):
            self.run(f"SET VARIABLE {name} = unhex(?)", [pad])
        self.run(
            f"COPY (SELECT {dcir.typed(table, part.file)},"
            f" {dcir.join_shard(join_shards)} AS shard"
            " FROM judged WHERE fault IS NULL)"
            f" TO '{pieces}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard))"
        )
        counts = self.run(
            "SELECT split_part(fault, ':', 2) AS reason, count(*) FROM judged GROUP BY 1 ORDER BY 1"
        )
        wrong = {str(reason): int(count) for reason, count in counts if reason is not None}
        read = sum(int(count) for _, count in counts)
        if wrong:
            self.run(
                f"COPY (SELECT {part.file}::INTEGER AS file, line_no,"
                " nullif(split_part(fault, ':', 1), '') AS \"column\","
                " split_part(fault, ':', 2) AS reason"
                " FROM judged WHERE fault IS NOT NULL ORDER BY line_no)"
                f" TO '{rejected}' (FORMAT parquet)"
            )
        return PartTally(part.file, read, read - sum(wrong.values()), wrong)

    def join(self, pieces: Path, joined: Path, rejected: Path, *, shards: int) -> JoinTally:
        """Put services and details together under `joined`/shard=<n>/, orphans into `rejected`.

        `pieces` holds the Parquet files of one joining shard; those of services are named
        `ER_PRS_F-…`. Rows equal in everything but their place are one.
        """
        self._gather("services", {**_SERVICE, **_ORIGIN}, sorted(pieces.glob("ER_PRS_F-*")))
        others = sorted(set(pieces.iterdir()) - set(pieces.glob("ER_PRS_F-*")))
        self._gather("details", {"key": "VARCHAR", **_DETAIL, **_ORIGIN}, others)
        service, detail = _quoted(_SERVICE), _quoted(_DETAIL)
        self.run(f"CREATE TEMP TABLE service AS SELECT DISTINCT {service} FROM services")
        self.run(
            f"CREATE TEMP TABLE detail AS SELECT DISTINCT key, {detail} FROM details"
            " SEMI JOIN service USING (key)"
        )
        self.run(
            "CREATE TEMP TABLE orphan AS SELECT file, line_no FROM details"
            " ANTI JOIN service USING (key)"
        )
        if self._count("orphan"):
            self.run(
                'COPY (SELECT file, line_no, NULL::VARCHAR AS "column",'
                f" '{RowFault.ORPHAN.value}' AS reason FROM orphan ORDER BY file, line_no)"
                f" TO '{rejected}' (FORMAT parquet)"
            )
        self.run(
            f"COPY (SELECT {_quoted(_SERVICE, 's')}, {_quoted(_DETAIL, 'd')},"
            f" (('0x' || s.insured[1:8])::BIGINT % {shards})::INTEGER AS shard"
            " FROM service s LEFT JOIN detail d USING (key))"
            f" TO '{joined}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard))"
        )
        orphans = self.run("SELECT file, count(*) FROM orphan GROUP BY file ORDER BY file")
        kept = self._count("services") + self._count("details") - self._count("orphan")
        services = self.run("SELECT count(*) FROM service s LEFT JOIN detail d USING (key)")[0][0]
        return JoinTally(
            services=int(services),
            duplicates=kept - self._count("service") - self._count("detail"),
            orphans={int(file): int(count) for file, count in orphans},
        )

    def sort(self, joined: Iterable[Path], target: Path) -> int:
        """One shard file: every column is part of the order, so equal rows make equal bytes.

        Small row groups with their statistics let a reader fetch one person's alone. Returns the
        number of rows, which may be zero: an empty shard is a file too.
        """
        self._gather("rows", ROW, sorted(joined))
        first = '"insured", "start", "key"'
        rest = _quoted([name for name in ROW if name not in ("insured", "start", "key")])
        self.run(
            f"COPY (SELECT * FROM rows ORDER BY {first}, {rest}) TO '{target}'"
            f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        )
        return self._count("rows")

    def rejected_csv(self, rejected: Sequence[Path], names: Sequence[str], target: Path) -> int:
        """`file;line;column;reason` of every row set aside, in the order of the manifest."""
        schema = {"file": "INTEGER", "line_no": "BIGINT", "column": "VARCHAR", "reason": "VARCHAR"}
        self._gather("refused", schema, sorted(rejected))
        self.run("CREATE TEMP TABLE names (file INTEGER, name VARCHAR)")
        for rank, name in enumerate(names):
            self.run("INSERT INTO names VALUES (?, ?)", [rank, name])
        self.run(
            'COPY (SELECT name AS file, line_no AS line, "column", reason FROM refused'
            f" JOIN names USING (file) ORDER BY refused.file, line_no) TO '{target}'"
            " (FORMAT csv, HEADER, DELIMITER ';')"
        )
        return self._count("refused")

    def rows_of(self, file: Path, insured: str, first: str, last: str) -> list[tuple[Any, ...]]:
        """One person's rows of a shard file whose care began between two ISO days."""
        return self.run(
            f"SELECT {_quoted(ROW)} FROM read_parquet('{file}')"
            ' WHERE "insured" = ? AND "start" BETWEEN ?::DATE AND ?::DATE',
            [insured, first, last],
        )

    def row_groups(self, file: Path, insured: str) -> tuple[int, int] | None:
        """The bytes (first, after the last) of the row groups that may hold a person's rows; reads
        the footer alone. None when there is no such group."""
        groups = self.run(
            "SELECT row_group_id,"
            " min(CASE WHEN path_in_schema = 'insured' THEN stats_min_value END) AS low,"
            " max(CASE WHEN path_in_schema = 'insured' THEN stats_max_value END) AS high,"
            " min(least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0),"
            " data_page_offset))) AS first,"
            " max(least(data_page_offset, coalesce(nullif(dictionary_page_offset, 0),"
            " data_page_offset)) + total_compressed_size) AS after"
            f" FROM parquet_metadata('{file}') GROUP BY row_group_id"
        )
        held = [
            (int(first), int(after))
            for _, low, high, first, after in groups
            if low is None or low <= insured <= high
        ]
        return (min(f for f, _ in held), max(a for _, a in held)) if held else None

    def _count(self, table: str) -> int:
        return int(self.run(f"SELECT count(*) FROM {table}")[0][0])

    def _gather(self, table: str, schema: Mapping[str, str], files: Sequence[Path]) -> None:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in schema.items())
        self.run(f"CREATE TEMP TABLE {table} ({columns})")
        if files:
            self.run(
                f"INSERT INTO {table} SELECT {_quoted(schema)} FROM read_parquet(?)",
                [[str(file) for file in files]],
            )

    def _read_lines(self, table: str, source: Path, first_line: int) -> None:
        """`line_no`: line number; `l`: the line."""
        self.run(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM ("
            f"SELECT {first_line} - 1 + row_number() OVER () AS line_no, l"
            f" FROM read_csv('{source}', columns = {{'l': 'VARCHAR'}}, delim = '{_SEPARATOR}',"
            " quote = '', escape = '', comment = '', nullstr = '\x02', header = false,"
            f" auto_detect = false)) WHERE l <> '{BLANK}'"
        )

    def _read_people(self, source: Path, header: tuple[str, ...]) -> None:
        """One row per research number; `number` is NULL where it stands for several people."""
        self._read_lines("people_lines", source, 2)
        place = {name: rank for rank, name in enumerate(header, 1)}
        number = dcir.value(place, MATRICULE) if MATRICULE in place else "enq"
        rank = dcir.value(place, RANK) if RANK in place else "NULL::VARCHAR"
        self.run(
            "CREATE TEMP TABLE people AS SELECT enq, min(number) AS number, min(rank) AS rank,"
            " count(DISTINCT (number, rank)) AS several"
            f" FROM (SELECT {dcir.value(place, RESEARCH)} AS enq, upper({number}) AS number,"
            f" {rank} AS rank FROM (SELECT {dcir.fields()} AS f FROM people_lines))"
            " WHERE enq IS NOT NULL GROUP BY enq"
        )


def _quoted(columns: Iterable[str], table: str = "") -> str:
    prefix = f"{table}." if table else ""
    return ", ".join(f'{prefix}"{name}"' for name in columns)
