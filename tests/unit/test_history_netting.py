"""What is left of an extract's rows: compared with a slow, obvious reading of the same rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from dmp.domain.history import Detail, Section, Window, window_before
from dmp.domain.netting import net
from dmp.domain.nomenclatures import Tables
from dmp.domain.normalise import fingerprint_of, line_id, lines_of
from tests.support.services import CONSULTATION, DOLIPRANE, RECORD, medicine, reversal, row

WIDE = Window(date(2000, 1, 1), date(2030, 1, 1))
NOTHING_KNOWN = Tables({})


def shown(rows, window=WIDE):
    return lines_of(RECORD, rows, window, NOTHING_KNOWN)


# ------------------------------------------------------------ a slow, obvious reference


def reference(rows):
    """(what, quantity, paid, base, reimbursed) of each service left, by reading row after row."""
    kept = kept_of(rows)
    services = {}
    for one in kept:
        what = (
            one.start,
            one.end or one.start,
            one.nature,
            one.detail,
            one.code,
            one.performer,
            one.prescriber,
            one.structure,
        )
        sums = services.setdefault(what, [Decimal(0), [], [], []])
        sums[0] += counted(one)
        if bears_the_amounts(one, kept):
            sums[1].append(one.paid)
            sums[2].append(one.base)
            sums[3].append(one.reimbursed)
    left = Counter()
    for what, (quantity, *amounts) in services.items():
        if quantity > 0:
            left[(what, quantity, *(add(values) for values in amounts))] += 1
    return left


def kept_of(rows):
    """Of each key the last delivery, each content once, supplements left out."""
    kept = []
    for one in rows:
        last = max((other.month, other.extract_id) for other in rows if other.key == one.key)
        if (one.month, one.extract_id) != last:
            continue
        if one.supplement >= 2 or one.expense == 71:
            continue
        if any(same_content(one, other) for other in kept):
            continue
        kept.append(one)
    return kept


def counted(one):
    """The detail's quantity where there is one; a minus on either side takes back."""
    if one.detail_quantity is None:
        return one.quantity
    if one.quantity < 0 and one.detail_quantity > 0:
        return -one.detail_quantity
    return one.detail_quantity


def same_content(one, other):
    return replace(one, extract_id="", month="") == replace(other, extract_id="", month="")


def bears_the_amounts(one, kept):
    """The first detail of a service, by the order of details, codes, and so on."""
    siblings = [other for other in kept if whole(other) == whole(one)]
    return one is min(
        siblings,
        key=lambda r: (
            r.detail or "",
            r.code or "",
            r.line,
            r.detail_quantity or Decimal(0),
            r.structure or "",
        ),
    )


def whole(one):
    return replace(
        one,
        detail=None,
        code=None,
        detail_quantity=None,
        structure=None,
        line=0,
        extract_id="",
        month="",
    )


def add(values):
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def told(services):
    left = Counter()
    for one in services:
        what = one.identity
        key = (
            what.on,
            what.until,
            what.nature,
            what.detail,
            what.code,
            what.performer,
            what.prescriber,
            what.structure,
        )
        left[(key, one.quantity, one.paid, one.base, one.reimbursed)] += 1
    return left


# ------------------------------------------------------------ generated extracts

days = st.dates(date(2023, 12, 25), date(2024, 1, 5))
amounts = st.one_of(st.none(), st.integers(-3000, 3000).map(lambda cents: Decimal(cents) / 100))
details = st.one_of(
    st.just((None, None, None)),
    st.tuples(
        st.sampled_from([Detail.MEDICINE, Detail.BIOLOGY]),
        st.sampled_from(["A", "B"]),
        st.one_of(st.none(), st.integers(-3, 3).map(Decimal)),
    ),
)


@st.composite
def rows(draw):
    detail, code, quantity = draw(details)
    month = draw(st.sampled_from(["2024-01", "2024-02"]))
    return row(
        key=draw(st.sampled_from(["k1", "k2", "k3", "k4", "k5"])),
        month=month,
        extract_id=draw(st.sampled_from([f"{month}-a", f"{month}-b"])),
        start=draw(days),
        end=draw(st.one_of(st.none(), days)),
        nature=draw(st.sampled_from([1110, 3313])),
        quantity=Decimal(draw(st.integers(-2, 3))),
        paid=draw(amounts),
        base=None,
        reimbursed=draw(amounts),
        performer=draw(st.sampled_from(["p", None])),
        supplement=draw(st.sampled_from([0, 0, 0, 1, 2, 3])),
        expense=draw(st.sampled_from([0, 0, 0, 71])),
        detail=detail,
        code=code,
        detail_quantity=quantity,
        line=draw(st.integers(0, 1)) if detail else 0,
    )


extracts = st.lists(rows(), max_size=12)


@settings(max_examples=300, deadline=None)
@given(extracts)
def test_what_is_left_is_what_the_obvious_reading_leaves(extract):
    assert told(net(extract)) == reference(extract)


@settings(deadline=None)
@given(extracts, st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(extract, chance):
    shuffled = list(extract)
    chance.shuffle(shuffled)
    assert shown(shuffled) == shown(extract)


@settings(deadline=None)
@given(extracts, st.data())
def test_a_row_delivered_twice_counts_once(extract, data):
    again = data.draw(st.lists(st.sampled_from(extract), max_size=6)) if extract else []
    assert shown([*extract, *again]) == shown(extract)


@settings(deadline=None)
@given(extracts)
def test_a_whole_extract_delivered_again_under_another_name_changes_nothing(extract):
    latest = {}
    for one in extract:
        delivery = (one.month, one.extract_id)
        latest[one.key] = max(latest.get(one.key, delivery), delivery)
    newest = [one for one in extract if (one.month, one.extract_id) == latest[one.key]]
    again = [replace(one, extract_id="again", month="2024-12") for one in newest]
    assert shown([*extract, *again]) == shown(extract)


@settings(deadline=None)
@given(extracts)
def test_every_service_taken_back_leaves_nothing(extract):
    back = [
        reversal(one, key=f"{one.key}-back", month=one.month, extract_id=one.extract_id)
        for one in extract
    ]
    assert shown([*extract, *back]) == ()


# ------------------------------------------------------------ the rules, one by one


def test_a_service_and_its_reversal_in_a_later_month_disappear():
    assert shown([medicine(), reversal(medicine())]) == ()


def test_a_partial_reversal_reduces_quantity_and_amounts():
    three = medicine(detail_quantity=Decimal(3), quantity=Decimal(3), paid=Decimal("6.00"))
    one_back = reversal(
        three, detail_quantity=Decimal(-1), quantity=Decimal(-1), paid=Decimal("-2.00")
    )
    (left,) = shown([three, one_back])
    assert (left.quantity, left.paid) == (Decimal(2), Decimal("4.00"))


def test_the_minus_of_a_reversal_may_stand_on_the_service_alone():
    assert shown([medicine(), reversal(medicine(), detail_quantity=Decimal(1))]) == ()


def test_a_late_correction_replaces_what_it_takes_back():
    wrong, right = medicine(), medicine("3400932320189", key="9|new", month="2024-03")
    (left,) = shown([wrong, reversal(wrong), right])
    assert left.code == "3400932320189"


def test_a_reversal_without_its_service_shows_nothing_until_the_service_comes():
    service = medicine()
    assert shown([reversal(service)]) == ()
    assert shown([reversal(service), service]) == ()


def test_a_key_delivered_again_in_a_later_month_replaces_what_it_said():
    said = medicine(detail_quantity=Decimal(2))
    corrected = replace(said, detail_quantity=Decimal(1), extract_id="ex-2024-03", month="2024-03")
    (left,) = shown([corrected, said])
    assert left.quantity == 1


def test_two_boxes_of_one_code_in_one_delivery_are_both_kept():
    """One joining key may have two details that differ in nothing but price and quantity."""
    (left,) = shown([medicine(detail_quantity=Decimal(2)), medicine(detail_quantity=Decimal(3))])
    assert left.quantity == 5


def test_supplements_are_no_services_of_their_own():
    assert shown([row(supplement=2), row(key="2", supplement=3), row(key="3", expense=71)]) == ()
    assert len(shown([row(supplement=1)])) == 1


def test_a_service_with_several_details_is_paid_once():
    first = row(nature=3211, detail=Detail.BIOLOGY, code="1104", line=1)
    second = row(nature=3211, detail=Detail.BIOLOGY, code="1208", line=2)
    lines = shown([second, first])
    assert sum(one.paid or 0 for one in lines) == Decimal("26.50")
    assert {one.code for one in lines} == {"1104", "1208"}


def test_twins_of_a_code_on_different_days_are_two_lines():
    assert len(shown([medicine(), medicine(key="2", start=date(2024, 1, 11))])) == 2


# ------------------------------------------------------------ lines


def test_the_same_service_has_the_same_id_in_every_import():
    (first,) = shown([medicine()])
    (again,) = shown([medicine(key="other", extract_id="ex-2024-09", month="2024-09")])
    assert first.id == again.id


def test_two_records_never_share_the_id_of_a_line():
    (service,) = net([medicine()])
    assert line_id(RECORD, service.identity) != line_id("0" * 26, service.identity)


def test_lines_are_newest_first():
    lines = shown([row(key=str(n), start=date(2024, 1, n)) for n in (5, 9, 1)])
    assert [one.on.day for one in lines] == [9, 5, 1]


def test_a_care_of_one_day_has_no_end_and_a_stay_has_one():
    day = shown([row(end=date(2024, 1, 10))])
    stay = shown([row(end=date(2024, 1, 12))])
    assert [one.until for one in (*day, *stay)] == [None, date(2024, 1, 12)]


def test_an_unknown_code_is_shown_as_it_is():
    (medicine_line,) = shown([medicine("3400900000000")])
    (act,) = shown([row(nature=9999)])
    assert medicine_line.label == "3400900000000"
    assert (act.label, act.code, act.system) == ("9999", "9999", "urn:dmp:nature")


def test_equal_histories_have_equal_fingerprints_and_others_do_not():
    window = window_before(date(2024, 3, 15))
    lines = shown([medicine(), row(key="2")])
    same = tuple(replace(one, quantity=one.quantity + Decimal("0.00")) for one in lines)
    assert fingerprint_of(window, lines) == fingerprint_of(window, same)
    assert fingerprint_of(window, lines) != fingerprint_of(window, lines[:1])
    assert fingerprint_of(window, lines) != fingerprint_of(
        Window(window.first, window.last - timedelta(days=1)), lines
    )


def test_the_code_and_nature_of_the_builders_are_real():
    assert (CONSULTATION, DOLIPRANE, Section.CARE.value) == (1110, "3400935955838", "care")
