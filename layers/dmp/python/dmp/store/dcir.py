# ruff: noqa: S608 - columns come from `dmp.domain.extracts`, never from a file
"""The SQL that types the lines of an extract and says what is wrong with them.

Fields are taken from a line by their place in the header; a value that cannot be read as its
column's form, an empty needed one, a beneficiary that is none: the first such fault sets the row
aside. All of it works on whole columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from dmp.domain.extracts import (
    JOINING_KEY,
    MATRICULE,
    RANK,
    RESEARCH,
    Column,
    Form,
    Part,
    RowFault,
    Table,
)
from dmp.store import pseudonyms

_WEIGHTS = {"DCT_ORD_NUM": 31, "PRS_ORD_NUM": 17, "FLX_EMT_NUM": 7, "FLX_EMT_ORD": 5}
_BLOCK = 64  # of SHA-256, in bytes
_SERVICE_COLUMNS = {
    "start": "EXE_SOI_DTD",
    "end": "EXE_SOI_DTF",
    "prescribed_on": "PRE_PRE_DTD",
    "processed_on": "FLX_TRT_DTD",
    "nature": "PRS_NAT_REF",
    "quantity": "PRS_ACT_QTE",
    "paid": "PRS_PAI_MNT",
    "base": "BSE_REM_BSE",
    "reimbursed": "BSE_REM_MNT",
    "rate": "RGO_REM_TAU",
    "performer": "PFS_EXE_NUM",
    "performer_speciality": "PSE_SPE_COD",
    "prescriber": "PFS_PRE_NUM",
    "prescriber_speciality": "PSP_SPE_COD",
    "supplement": "CPL_MAJ_TOP",
    "expense": "DPN_QLF",
}

_OF_FORM = {
    Form.TEXT: "{0}",
    Form.WHOLE: (
        "CASE WHEN regexp_full_match({0}, '[+-]?[0-9]{{1,18}}([.,]0*)?')"
        " THEN try_cast(split_part(replace({0}, ',', '.'), '.', 1) AS BIGINT) END"
    ),
    Form.AMOUNT: (
        "CASE WHEN regexp_full_match({0}, '[+-]?[0-9]{{0,11}}([.,][0-9]{{1,10}})?')"
        " THEN try_cast(replace({0}, ',', '.') AS DECIMAL(15,4)) END"
    ),
    Form.DAY: (
        "CASE WHEN regexp_full_match({0}, '[0-9]{{2}}/[0-9]{{2}}/[0-9]{{4}}')"
        " THEN try_strptime({0}, '%d/%m/%Y')::DATE"
        " WHEN regexp_full_match({0}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
        " THEN try_strptime({0}, '%Y-%m-%d')::DATE END"
    ),
}
_DAY_SHAPE = "[0-9]{2}/[0-9]{2}/[0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ABSENT_DAY = "DATE '1600-01-01'"  # how the insurer writes "no date"
_FIRST_DAY = "DATE '1900-01-01'"
_LAST_DAY = "DATE '2100-01-01'"

# A field may stand between quotes, doubled inside; a quote elsewhere is a character like others.
_UNQUOTE = (
    'list_transform(regexp_extract_all(l || \';\', \'("(?:[^"]|"")*"|[^;]*);\', 1), lambda x:'
    " CASE WHEN length(x) > 1 AND starts_with(x, '\"') AND ends_with(x, '\"')"
    " THEN replace(x[2:-2], '\"\"', '\"') ELSE x END)"
)


def fields() -> str:
    """The fields of the line `l`, as a list."""
    return f"CASE WHEN contains(l, '\"') THEN {_UNQUOTE} ELSE string_split(l, ';') END"


def value(place: Mapping[str, int], column: str) -> str:
    """A column's text in the fields `f`: without blanks around it, NULL when empty."""
    return f"nullif(trim(f[{place[column]}]), '')"


def pads(key: bytes) -> tuple[str, str]:
    """The inner and outer pads of HMAC-SHA-256 [RFC 2104], in hexadecimal."""
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block).hex(), bytes(b ^ 0x5C for b in block).hex()


def judged(table: Table, part: Part, people_header: tuple[str, ...], *, lenient: bool) -> str:
    """The lines of `lines` with their typed columns, the joining key, and the first thing that is
    wrong: `COLUMN:reason`, or NULL."""
    place = {name: rank for rank, name in enumerate(part.header, 1)}
    read = [column for column in table.columns if column.name in place]
    raw = [f'{value(place, column.name)} AS "r_{column.name}"' for column in read]
    faults = [_fault(column) for column in read]
    source = f"(SELECT line_no, {fields()} AS f FROM lines)"
    typed = [f'{_of_form(column)} AS "{column.name}"' for column in read]
    if table.detail is None:
        raw += _beneficiary(place, people_header)
        faults += _beneficiary_faults(place, people_header, lenient=lenient)
        if people_header and MATRICULE not in place:
            source = f"{source} LEFT JOIN people ON enq = {value(place, RESEARCH)}"
        typed += ["r_number", f"{_OF_FORM[Form.WHOLE].format('r_rank')} AS birth_rank"]
        if "EXE_SOI_DTF" in place:
            backwards = 'coalesce("EXE_SOI_DTF" < "EXE_SOI_DTD", false)'
            faults.append(f"WHEN {backwards} THEN 'EXE_SOI_DTF:{RowFault.BACKWARDS.value}'")
    absent = [column for column in table.columns if column.name not in place]
    typed += [f'{_of_nothing(column)} AS "{column.name}"' for column in absent]
    key = ", ".join(f'"{name}"' for name in JOINING_KEY)
    kept = ", ".join(f'"{column.name}"' for column in table.columns)
    person = ", r_number, birth_rank" if table.detail is None else ""
    return (
        f"SELECT line_no, {kept}{person}, concat_ws('|', {key}) AS key, CASE"
        f" WHEN n <> {len(part.header)} THEN ':{RowFault.COLUMNS.value}'"
        f" {' '.join(faults)} END AS fault"
        f" FROM (SELECT *, {', '.join(typed)} FROM (SELECT line_no, len(f) AS n, {', '.join(raw)}"
        f" FROM {source}))"
    )


def _beneficiary(place: Mapping[str, int], people_header: tuple[str, ...]) -> list[str]:
    """`r_number` and `r_rank`, from the row or from the correspondence."""
    rank = value(place, RANK)
    if MATRICULE in place:
        return [f"upper({value(place, MATRICULE)}) AS r_number", f"{rank} AS r_rank"]
    if MATRICULE in people_header:
        if RANK in people_header:
            rank = "people.rank"
        return [
            "CASE WHEN several = 1 THEN people.number END AS r_number",
            f"{rank} AS r_rank",
            f"{value(place, RESEARCH)} AS r_enq",
        ]
    found = "people.enq" if people_header else value(place, RESEARCH)
    return [f"{found} AS r_number", f"{rank} AS r_rank", f"{value(place, RESEARCH)} AS r_enq"]


def _beneficiary_faults(
    place: Mapping[str, int], people_header: tuple[str, ...], *, lenient: bool
) -> list[str]:
    column = MATRICULE if MATRICULE in place else RESEARCH
    faults = []
    if column == MATRICULE:
        faults.append(("r_number IS NULL", RowFault.MISSING))
    else:
        faults.append(("r_enq IS NULL", RowFault.MISSING))
        if people_header:
            faults.append(("r_number IS NULL", RowFault.BENEFICIARY_UNKNOWN))
    if MATRICULE in (*place, *people_header):
        form = f"'{pseudonyms.MATRICULE}([0-9]{{2}})?'"
        faults.append((f"NOT regexp_full_match(r_number, {form})", RowFault.BENEFICIARY))
        if not lenient:
            digits = "replace(replace(r_number[1:13], '2A', '19'), '2B', '18')"
            key = f"97 - try_cast({digits} AS BIGINT) % 97"
            wrong = f"length(r_number) = 15 AND {key} <> try_cast(r_number[14:15] AS BIGINT)"
            faults.append((wrong, RowFault.BENEFICIARY_KEY))
    return [
        *(f"WHEN {wrong} THEN '{column}:{reason.value}'" for wrong, reason in faults),
        f"WHEN r_rank IS NULL THEN '{RANK}:{RowFault.MISSING.value}'",
        f"WHEN coalesce(birth_rank < 0, true) THEN '{RANK}:{RowFault.NUMBER.value}'",
    ]


def _of_form(column: Column) -> str:
    read = _OF_FORM[column.form].format(f'"r_{column.name}"')
    return f"nullif({read}, {_ABSENT_DAY})" if column.form is Form.DAY else read


def _of_nothing(column: Column) -> str:
    kind = {Form.WHOLE: "BIGINT", Form.AMOUNT: "DECIMAL(15,4)", Form.DAY: "DATE"}
    return f"NULL::{kind.get(column.form, 'VARCHAR')}"


def _fault(column: Column) -> str:
    """The WHEN clauses of one column. The insurer's "no date" counts as no value."""
    name, raw = f'"{column.name}"', f'"r_{column.name}"'
    absent = f"coalesce({raw} IN ('01/01/1600', '1600-01-01'), true)"  # NULL, too
    faults = []
    if column.filled:
        empty = absent if column.form is Form.DAY else f"{raw} IS NULL"
        faults.append((empty, RowFault.MISSING))
    if column.form is Form.DAY:
        known = f"coalesce({name} >= {_FIRST_DAY} AND {name} < {_LAST_DAY}, false)"
        faults += [
            (f"NOT {absent} AND NOT regexp_full_match({raw}, '{_DAY_SHAPE}')", RowFault.DATE_FORM),
            (f"NOT {absent} AND NOT {known}", RowFault.DATE),
        ]
    elif column.form is not Form.TEXT:
        faults.append((f"{raw} IS NOT NULL AND {name} IS NULL", RowFault.NUMBER))
    return " ".join(f"WHEN {wrong} THEN '{column.name}:{why.value}'" for wrong, why in faults)


def typed(table: Table, file: int) -> str:
    """The columns of a piece: services with the keyed hash of their beneficiary, or details."""
    origin = f"{file}::INTEGER AS file, line_no"
    if table.detail is None:
        columns = [
            f'coalesce("{column}", 0) AS "{name}"'
            if name in ("supplement", "expense")
            else f'"{column}" AS "{name}"'
            for name, column in _SERVICE_COLUMNS.items()
        ]
        return f"{_insured()} AS insured, key, {', '.join(columns)}, {origin}"
    code = f'"{table.code}"'
    if table.structure:  # a stay without a group has 0 in its place
        code = f"CASE WHEN NOT regexp_full_match({code}, '0+') THEN {code} END"
    quantity = f'"{table.quantity}"' if table.quantity else "NULL::DECIMAL(15,4)"
    structure = f'"{table.structure}"' if table.structure else "NULL::VARCHAR"
    line = f'coalesce("{table.line}", 0)' if table.line else "0::BIGINT"
    return (
        f"key, '{table.detail.value}' AS detail, {code} AS code, {quantity} AS detail_quantity,"
        f' {structure} AS structure, {line} AS "line", {origin}'
    )


def join_shard(shards: int) -> str:
    """The joining shard of a row, from whole columns of its key: cheap, and the same whatever the
    engine's version."""
    whole = [f'abs("{name}" % 1000003) * {weight}' for name, weight in _WEIGHTS.items()]
    return f"(({' + '.join(whole)}) % {shards})::INTEGER"


def _insured() -> str:
    """The hash of `dmp.store.pseudonyms.Pseudonyms.insured`, over a whole column."""
    body = (
        f"CASE WHEN regexp_full_match(r_number, '{pseudonyms.MATRICULE}[0-9]{{2}}')"
        " THEN r_number[1:13] ELSE r_number END"
    )
    message = f"encode(concat_ws(chr(31), 'insured', {body}, birth_rank))"
    return (
        f"sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || {message})))"
    )
