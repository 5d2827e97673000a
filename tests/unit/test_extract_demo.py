"""The demonstration's extracts: the same month gives the same bytes, the next one the same past."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta

from dmp.domain.history import window_before
from dmp.domain.nomenclatures import KINDS
from dmp.store.nomenclatures import built_in
from infra.local.demo.extract.calendar import HABITS
from infra.local.demo.extract.generate import extracts

TODAY = date(2026, 3, 17)
CODES = {
    "ER_PHA_F": "PHA", "ER_CAM_F": "CAM", "ER_BIO_F": "BIO", "ER_TIP_F": "TIP", "ER_ETE_F": "ETE",
}  # fmt: skip


def written(folder, today=TODAY):
    return {
        f"{each.name}/{path.name}": path.read_bytes()
        for each in extracts(folder, today)
        for path in sorted(each.iterdir())
    }


def services(files, name):
    text = files[f"{name}/ER_PRS_F.csv"].decode("utf-8" if name == "1-stock" else "latin-1")
    rows = csv.DictReader(text.splitlines(), delimiter=";", restkey="more")
    return [{**row, "more": str(row.get("more", ""))} for row in rows]


def good(rows):
    return {tuple(row.items()) for row in rows if int(row["DCT_ORD_NUM"]) < 90_000}


def test_the_same_month_gives_the_same_bytes(tmp_path):
    assert written(tmp_path / "a") == written(tmp_path / "b", TODAY + timedelta(days=9))


def test_next_months_extracts_tell_the_same_past(tmp_path):
    now, later = written(tmp_path / "a"), written(tmp_path / "b", date(2026, 4, 2))
    past = good(services(now, "1-stock"))
    kept = past & good(services(later, "1-stock"))
    assert len(kept) > 0.9 * len(past)
    newer = good(services(now, "2-month"))
    assert {dict(row)["DCT_ORD_NUM"] for row in newer} <= {
        dict(row)["DCT_ORD_NUM"] for row in good(services(later, "1-stock"))
    }


def test_it_covers_the_24_months_before_any_day_of_the_month(tmp_path):
    window = window_before(TODAY)
    days = sorted(
        date(*map(int, reversed(row["EXE_SOI_DTD"].split("/"))))
        for row in map(dict, good(services(written(tmp_path), "1-stock")))
    )
    assert days[0] <= window.first
    assert days[-1] > window.last - timedelta(days=80)


def test_it_has_reversals_duplicates_and_a_late_correction(tmp_path):
    files = written(tmp_path)
    stock, month = services(files, "1-stock"), services(files, "2-month")
    assert any(row["PRS_ACT_QTE"] == "-1" for row in stock)
    assert len({tuple(row.items()) for row in stock}) < len(stock)
    late = [row for row in month if row["PRS_ACT_QTE"] == "-1"]
    assert any(row["EXE_SOI_DTD"] in {each["EXE_SOI_DTD"] for each in stock} for row in late)
    again = {tuple(row.items()) for row in stock} & {tuple(row.items()) for row in month}
    assert again, "rows delivered twice"


def test_every_month_of_the_year_has_a_late_correction(tmp_path):
    for number in range(1, 13):
        files = written(tmp_path / str(number), date(2026, number, 10))
        assert any(row["PRS_ACT_QTE"] == "-1" for row in services(files, "2-month")), number


def test_its_codes_are_known_to_the_built_in_nomenclatures():
    tables = built_in()
    kinds = {detail.value: kind for detail, kind in KINDS.items()}
    for habit in HABITS:
        for detail in habit.details:
            assert tables.concept(kinds[CODES[detail.table]], detail.code), detail


def test_the_manifests_name_every_table_and_tell_the_months(tmp_path):
    files = written(tmp_path)
    months = []
    for name in ("1-stock", "2-month"):
        told = json.loads(files[f"{name}/manifest.json"])
        assert told["files"][0]["table"] == "ER_PRS_F"
        assert len(told["files"]) == 6
        months.append(told["month"])
    assert months == ["2026-02", "2026-03"]
