"""The insurer's extracts: which tables and columns are read, what a row or a file can be refused
for, and what is reported of it.

An extract is a folder of DCIR tables in CSV with a manifest. Source of names and types: the
published schemas of ER_PRS_F and its children. Rows are judged one by one (set aside with file,
line, column and reason), files whole (the extract is refused).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from dmp.domain.history import Detail, ServiceRow

JOINING_KEY = (
    "DCT_ORD_NUM",
    "FLX_DIS_DTD",
    "FLX_EMT_NUM",
    "FLX_EMT_ORD",
    "FLX_EMT_TYP",
    "FLX_TRT_DTD",
    "ORG_CLE_NUM",
    "PRS_ORD_NUM",
    "REM_TYP_AFF",
)
"""The nine columns that join a service with its details, in the order of the alphabet."""

MATRICULE = "BEN_NIR_PSA"
RESEARCH = "NUM_ENQ"
RANK = "BEN_RNG_GEM"

_EXTRACT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class Form(StrEnum):
    """How the text of a column is read."""

    TEXT = "text"
    WHOLE = "whole"  # 12, -3
    AMOUNT = "amount"  # 12.34 or 12,34; at most four decimals are kept
    DAY = "day"  # 31/12/2024 or 2024-12-31


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is read. `needed`: a file without it is refused; `filled`: a row without a
    value in it is set aside."""

    name: str
    form: Form
    needed: bool = False
    filled: bool = False


def _must(name: str, form: Form) -> Column:
    return Column(name, form, needed=True, filled=True)


_KEY_FORMS = {"FLX_DIS_DTD": Form.DAY, "FLX_TRT_DTD": Form.DAY, "ORG_CLE_NUM": Form.TEXT}
_KEY = tuple(_must(name, _KEY_FORMS.get(name, Form.WHOLE)) for name in JOINING_KEY)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the extract.

    A child names the columns of its `code`, `quantity`, order (`line`) and `structure`; the
    central table has `detail` None and its columns are named in `columns` alone.
    """

    name: str
    columns: tuple[Column, ...]
    detail: Detail | None = None
    code: str | None = None
    quantity: str | None = None
    line: str | None = None
    structure: str | None = None

    def missing(self, header: Iterable[str]) -> tuple[str, ...]:
        """The needed columns that a header lacks."""
        there = set(header)
        lacking = [each.name for each in self.columns if each.needed and each.name not in there]
        if self.detail is None:
            if not there & {MATRICULE, RESEARCH}:
                lacking.append(MATRICULE)
            if RANK not in there:
                lacking.append(RANK)
        return tuple(lacking)


SERVICES = Table(
    "ER_PRS_F",
    (
        *_KEY,
        _must("EXE_SOI_DTD", Form.DAY),
        _must("PRS_NAT_REF", Form.WHOLE),
        _must("PRS_ACT_QTE", Form.AMOUNT),
        Column("CPL_MAJ_TOP", Form.WHOLE, needed=True),
        Column("DPN_QLF", Form.WHOLE, needed=True),
        Column("EXE_SOI_DTF", Form.DAY),
        Column("PRE_PRE_DTD", Form.DAY),
        Column("PRS_PAI_MNT", Form.AMOUNT),
        Column("BSE_REM_BSE", Form.AMOUNT),
        Column("BSE_REM_MNT", Form.AMOUNT),
        Column("RGO_REM_TAU", Form.AMOUNT),
        Column("PSE_SPE_COD", Form.WHOLE),
        Column("PSP_SPE_COD", Form.WHOLE),
        Column("PFS_EXE_NUM", Form.TEXT),
        Column("PFS_PRE_NUM", Form.TEXT),
    ),
)
"""One row per service."""


def _child(
    name: str,
    detail: Detail,
    code: Column,
    *,
    quantity: Column | None = None,
    line: str | None = None,
    structure: Column | None = None,
) -> Table:
    order = Column(line, Form.WHOLE) if line else None
    read = (*_KEY, *(each for each in (code, quantity, order, structure) if each))
    return Table(
        name,
        read,
        detail,
        code.name,
        quantity.name if quantity else None,
        line,
        structure.name if structure else None,
    )


_CHILDREN = (
    _child(
        "ER_PHA_F",
        Detail.MEDICINE,
        _must("PHA_PRS_C13", Form.TEXT),
        quantity=Column("PHA_ACT_QSN", Form.AMOUNT, needed=True),
        line="PHA_ORD_NUM",
    ),
    _child("ER_CAM_F", Detail.ACT, _must("CAM_PRS_IDE", Form.TEXT), line="CAM_ORD_NUM"),
    _child(
        "ER_BIO_F",
        Detail.BIOLOGY,
        _must("BIO_PRS_IDE", Form.TEXT),
        quantity=Column("BIO_ACT_QSN", Form.AMOUNT),
        line="BIO_ORD_NUM",
    ),
    _child(
        "ER_TIP_F",
        Detail.DEVICE,
        _must("TIP_PRS_IDE", Form.TEXT),
        quantity=Column("TIP_ACT_QSN", Form.AMOUNT, needed=True),
        line="TIP_ORD_NUM",
    ),
    _child(
        "ER_ETE_F",
        Detail.STAY,
        Column("ETE_GHS_NUM", Form.TEXT, needed=True),
        structure=Column("ETB_EXE_FIN", Form.TEXT, needed=True),
    ),
)

TABLES: Mapping[str, Table] = {table.name: table for table in (SERVICES, *_CHILDREN)}
"""The tables that become service rows, by name."""

CORRESPONDENCE = "IR_BEN_R"
"""Says whom a research number (`NUM_ENQ`) stands for."""


class RowFault(StrEnum):
    """Why a row is set aside."""

    COLUMNS = "columns"  # more or fewer fields than the header
    MISSING = "missing"
    DATE_FORM = "unreadable-date"
    DATE = "impossible-date"
    NUMBER = "not-a-number"
    BENEFICIARY = "beneficiary-shape"
    BENEFICIARY_KEY = "beneficiary-key"
    BENEFICIARY_UNKNOWN = "beneficiary-unknown"  # absent from IR_BEN_R, or there for two people
    BACKWARDS = "end-before-start"
    ORPHAN = "orphan"  # a detail whose service is not in the extract, or was set aside


class FileFault(StrEnum):
    """Why an extract is refused whole."""

    MANIFEST = "manifest"
    NO_SERVICES = "no-services"
    ID_TAKEN = "extract-id-taken"
    MISSING = "missing-file"
    EMPTY = "empty-file"
    CHECKSUM = "checksum"
    ROWS = "row-count"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What made an extract inadmissible; `detail` names columns or counts, never a value."""

    file: str
    reason: FileFault
    detail: str


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """`rows` counts the lines after the header, blank ones left out; None when nobody counted."""

    name: str
    table: str
    sha256: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a source says it delivers. `as_of` is the day that stands for today when the extract is
    an old one (see `today_of`)."""

    extract_id: str
    source: str
    month: str
    files: tuple[ManifestFile, ...]
    as_of: date | None = None

    @property
    def digest(self) -> str:
        return digest_of(self.files)


@dataclass(frozen=True, slots=True)
class AcceptedExtract:
    """An extract whose rows can be read. `shards` is the number of shards it was written in."""

    id: str
    source: str
    month: str
    digest: str
    shards: int
    services: int
    accepted_at: datetime
    as_of: date | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What one reading of a file found. `cuts` are the whole lines after the header, in pieces of
    bounded size: (first byte, bytes, number of the first line); `rows` leaves blank lines out."""

    sha256: str
    rows: int
    header: tuple[str, ...]
    encoding: str
    etag: str
    cuts: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Some whole lines of one file of an extract.

    `first` and `size` are bytes of the object whose entity tag is `etag`; `line` is the number of
    its first line, counted from 1 with the header. `file` is the rank of the file in the manifest.
    """

    number: int
    file: int
    name: str
    table: str
    header: tuple[str, ...]
    encoding: str
    etag: str
    first: int
    size: int
    line: int


@dataclass(frozen=True, slots=True)
class PartTally:
    """What became of the lines of one part; `rejected` counts them by reason."""

    file: int
    read: int
    kept: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JoinTally:
    """What became of one joining shard; `orphans` counts details by the rank of their file."""

    services: int
    duplicates: int
    orphans: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileTally:
    """Rows of one file: `read` = `kept` + those in `rejected`, by reason."""

    name: str
    table: str
    read: int
    kept: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows of an extract. `duplicates` are rows equal to another one of the same table, kept once;
    `services` are the service rows written, one per service and detail."""

    files: tuple[FileTally, ...]
    duplicates: int
    services: int

    @property
    def read(self) -> int:
        return sum(each.read for each in self.files)

    @property
    def kept(self) -> int:
        return sum(each.kept for each in self.files)

    @property
    def reasons(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for each in self.files:
            for reason, count in each.rejected.items():
                sums[reason] = sums.get(reason, 0) + count
        return dict(sorted(sums.items()))


def is_extract_id(text: str) -> bool:
    """Letters, digits, `.`, `_` and `-`, at most 96: it becomes part of object keys."""
    return _EXTRACT_ID.fullmatch(text) is not None


def digest_of(files: Iterable[ManifestFile]) -> str:
    """What an extract contains, whatever its files are called: SHA-256 of the sorted tables and
    checksums."""
    told = sorted(f"{each.table}\x1f{each.sha256.lower()}" for each in files)
    return sha256("\n".join(told).encode()).hexdigest()


def shard_of(insured: str, shards: int) -> int:
    """The shard of a keyed hash: its first 32 bits, modulo the number of shards."""
    return int(insured[:8], 16) % shards


def today_of(
    opening: date, rows: Iterable[ServiceRow], extracts: Iterable[AcceptedExtract]
) -> date:
    """The day that stands for today in one person's history.

    It is the day of the opening, unless all that is known of the person comes from extracts given
    as of an older day (`dmp import --as-of`): then it is the latest of those days, so that an old
    extract shows what it would have shown at its time. One row from a present-day extract is
    enough for the day of the opening.
    """
    spoken = {each.id: each.as_of for each in extracts}
    days = {spoken.get(extract_id) for extract_id in {row.extract_id for row in rows}}
    old = [day for day in days if day is not None]
    return max(old) if old and len(old) == len(days) else opening
