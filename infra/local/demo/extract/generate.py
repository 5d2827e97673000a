"""Writes the demonstration's extracts: 24 months that end last month, in DCIR form.

    python -m infra.local.demo.extract.generate OUT [--today 2024-07-15]

Two monthly deliveries: what the insurer knew a month ago, in UTF-8; and what came since, in
Latin-1, with a late correction of an older delivery, rows delivered twice, and quotes. Both hold
rows that cannot be read, one of each kind. The same month gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from infra.local.demo.extract.calendar import Given, first_of, given_in, month_of

MONTHS = 25  # of care, so that 24 months before any day of this one are covered
_KEY = (
    "DCT_ORD_NUM", "FLX_DIS_DTD", "FLX_EMT_NUM", "FLX_EMT_ORD", "FLX_EMT_TYP",
    "FLX_TRT_DTD", "ORG_CLE_NUM", "PRS_ORD_NUM", "REM_TYP_AFF",
)  # fmt: skip
# ORG_CLE_NEW, BEN_NAI_ANN, BEN_SEX_COD and PRS_LIB are there to be ignored.
SERVICES = (
    "BEN_NIR_PSA", "BEN_RNG_GEM", "BEN_NAI_ANN", "BEN_SEX_COD", *_KEY, "ORG_CLE_NEW",
    "EXE_SOI_DTD", "EXE_SOI_DTF", "PRE_PRE_DTD", "PRS_NAT_REF", "PRS_LIB", "PRS_ACT_QTE",
    "PRS_PAI_MNT", "BSE_REM_BSE", "BSE_REM_MNT", "RGO_REM_TAU", "PFS_EXE_NUM", "PSE_SPE_COD",
    "PFS_PRE_NUM", "PSP_SPE_COD", "CPL_MAJ_TOP", "DPN_QLF",
)  # fmt: skip
DETAILS = {
    "ER_PHA_F": ("PHA_PRS_C13", "PHA_ACT_QSN", "PHA_ORD_NUM", *_KEY),
    "ER_CAM_F": (*_KEY, "CAM_PRS_IDE", "CAM_ORD_NUM"),
    "ER_BIO_F": (*_KEY, "BIO_PRS_IDE", "BIO_ACT_QSN", "BIO_ORD_NUM"),
    "ER_TIP_F": ("TIP_ORD_NUM", *_KEY, "TIP_PRS_IDE", "TIP_ACT_QSN"),
    "ER_ETE_F": (*_KEY, "ETB_EXE_FIN", "ETE_GHS_NUM"),
}
_RATES = {3311: 100, 3331: 100, 3312: 30, 3341: 15, 3313: 65, 3211: 60, 3125: 60, 2111: 80}
_USUAL_RATE = 70
_HOSPITAL = "510000029"

Row = Mapping[str, str]
Tables = dict[str, list[Row]]


def extracts(folder: Path, today: date) -> list[Path]:
    """Write both deliveries under `folder`, in the order in which they are to be imported."""
    now = month_of(today)
    care = [row for month in range(now - MONTHS, now) for row in given_in(month)]
    older = [row for row in care if month_of(row.treated) < now - 1]
    newer = [row for row in care if month_of(row.treated) == now - 1]
    again = [row for row in older if month_of(row.treated) == now - 2][:3]
    stock, month = _tables(_twice(older)), _tables(_twice([*newer, *again]))
    _spoil(stock, first_of(now - 2))
    _spoil(month, first_of(now - 1))
    return [
        _write(folder / "1-stock", stock, first_of(now - 1), "utf-8"),
        _write(folder / "2-month", month, first_of(now), "latin-1"),
    ]


def _twice(rows: list[Given]) -> list[Given]:
    """Every twentieth row once more, as extracts have it."""
    return sorted([*rows, *rows[::20]], key=lambda row: (row.treated, row.order, row.rank))


def _tables(rows: Iterable[Given]) -> Tables:
    tables: Tables = {"ER_PRS_F": [], **{name: [] for name in DETAILS}}
    for row in rows:
        key = _key(row)
        tables["ER_PRS_F"].append({**key, **_service(row)})
        for order, detail in enumerate(row.details, 1):
            tables[detail.table].append({**key, **_detail(detail.table, detail, order)})
    return tables


def _key(row: Given) -> dict[str, str]:
    return {
        "DCT_ORD_NUM": str(row.order),
        "FLX_DIS_DTD": _day(first_of(month_of(row.treated) + 1)),
        "FLX_EMT_NUM": "511",
        "FLX_EMT_ORD": "1",
        "FLX_EMT_TYP": "1",
        "FLX_TRT_DTD": _day(row.treated),
        "ORG_CLE_NUM": "01C511000",
        "PRS_ORD_NUM": str(row.rank),
        "REM_TYP_AFF": "0",
    }


def _service(row: Given) -> dict[str, str]:
    rate = _RATES.get(row.nature, _USUAL_RATE)
    prescribed = row.start - timedelta(days=1) if row.prescriber[0] else None
    return {
        "BEN_NIR_PSA": row.person.number,
        "BEN_RNG_GEM": str(row.person.rank),
        "BEN_NAI_ANN": str(row.person.born),
        "BEN_SEX_COD": row.person.sex,
        "ORG_CLE_NEW": "01C511000",
        "EXE_SOI_DTD": _day(row.start),
        "EXE_SOI_DTF": _day(row.end),
        "PRE_PRE_DTD": _day(prescribed),
        "PRS_NAT_REF": str(row.nature),
        "PRS_LIB": '"Prestation réglée ; régime général"',
        "PRS_ACT_QTE": str(row.quantity),
        "PRS_PAI_MNT": _euros(row.cents),
        "BSE_REM_BSE": _euros(row.cents),
        "BSE_REM_MNT": _euros(row.cents * rate // 100),
        "RGO_REM_TAU": str(rate),
        "PFS_EXE_NUM": row.performer[0],
        "PSE_SPE_COD": str(row.performer[1]),
        "PFS_PRE_NUM": row.prescriber[0],
        "PSP_SPE_COD": str(row.prescriber[1]),
        "CPL_MAJ_TOP": str(row.supplement),
        "DPN_QLF": str(row.expense),
    }


def _detail(table: str, detail: object, order: int) -> dict[str, str]:
    code, quantity = str(getattr(detail, "code", "")), str(getattr(detail, "quantity", 1))
    return {
        "ER_PHA_F": {"PHA_PRS_C13": code, "PHA_ACT_QSN": quantity, "PHA_ORD_NUM": str(order)},
        "ER_CAM_F": {"CAM_PRS_IDE": code, "CAM_ORD_NUM": str(order)},
        "ER_BIO_F": {"BIO_PRS_IDE": code, "BIO_ACT_QSN": quantity, "BIO_ORD_NUM": str(order)},
        "ER_TIP_F": {"TIP_PRS_IDE": code, "TIP_ACT_QSN": quantity, "TIP_ORD_NUM": str(order)},
        "ER_ETE_F": {"ETB_EXE_FIN": _HOSPITAL, "ETE_GHS_NUM": code},
    }[table]


def _spoil(tables: Tables, treated: date) -> None:
    """One row of each kind that cannot be read; none of them has a good twin."""
    services, medicines = tables["ER_PRS_F"], tables["ER_PHA_F"]
    good, box = services[0], medicines[0]
    key = {"FLX_TRT_DTD": _day(treated), "FLX_DIS_DTD": _day(treated)}
    wrong: tuple[dict[str, str], ...] = (
        {"EXE_SOI_DTD": "29/02/2023"},  # no leap year
        {"EXE_SOI_DTD": "mars 2024"},
        {"PRS_ACT_QTE": "1O"},  # a letter
        {"BSE_REM_MNT": "douze"},
        {"ORG_CLE_NUM": ""},
        {"BEN_NIR_PSA": ""},
        {"BEN_NIR_PSA": "279035121518"},  # twelve characters
        {"BEN_RNG_GEM": ""},
        {"PRS_NAT_REF": ""},
        {"EXE_SOI_DTD": "12/05/2024", "EXE_SOI_DTF": "11/05/2024"},
        {"DPN_QLF": "0;surplus"},  # a field too many
    )
    for rank, changes in enumerate(wrong):
        services.append({**good, **key, "DCT_ORD_NUM": str(90_000 + rank), **changes})
    # the details of no service
    medicines.append({**box, **key, "DCT_ORD_NUM": "99999"})


def _write(folder: Path, tables: Tables, delivered: date, encoding: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for table, rows in tables.items():
        columns = SERVICES if table == "ER_PRS_F" else DETAILS[table]
        body = "".join(_lines(columns, rows)).encode(encoding)
        (folder / f"{table}.csv").write_bytes(body)
        checksum = hashlib.sha256(body).hexdigest()
        files.append(
            {"name": f"{table}.csv", "table": table, "sha256": checksum, "rows": len(rows)}
        )
    content = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:8]
    manifest = {
        "extractId": f"demonstration-{delivered:%Y-%m}-{content}",
        "source": "demonstration",
        "month": f"{delivered:%Y-%m}",
        "files": files,
    }
    told = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    (folder / "manifest.json").write_text(told, encoding="utf-8")
    return folder


def _lines(columns: Iterable[str], rows: Iterable[Row]) -> Iterator[str]:
    columns = tuple(columns)
    yield ";".join(columns) + "\r\n"
    for row in rows:
        yield ";".join(row[name] for name in columns) + "\r\n"


def _day(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""


def _euros(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    arguments = parser.parse_args()
    for folder in extracts(arguments.out, arguments.today):
        print(folder)


if __name__ == "__main__":
    main()
