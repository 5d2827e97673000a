"""The seal of the journal: whatever is changed, dropped, added or reordered is found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from dmp.domain import jws, seals
from dmp.domain.seals import Event, Line
from dmp.store.items import encode
from dmp.store.seals import digest
from dmp.usecases.verify_traces import Noted
from tests.support.seals import JOURNAL, RECORDS, START, Bucket, Signer, World, signer

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some.composite
def worlds(draw) -> World:
    """Some hours of a journal: written, collected in batches, sealed at some turns and not at
    others; the last entries may still be on their way."""
    world = World()
    for _ in range(draw(some.integers(1, 5))):
        for record in draw(some.lists(some.sampled_from((*RECORDS, None)), max_size=4)):
            world.write(record)
        if draw(some.booleans()):
            world.collect(draw(some.integers(1, 5)))
        if draw(some.booleans()):
            world.seal()
        world.pass_time(minutes=draw(some.integers(1, 90)))
    return world


def sealed_world() -> World:
    """Three entries in two segments, and one on its way."""
    world = World()
    world.write(), world.write(RECORDS[1])
    world.collect(1), world.pass_time(hours=1), world.seal()
    world.write(None)
    world.collect(), world.pass_time(hours=1), world.seal()
    world.write()
    return world


# --- what was not tampered with


@MANY
@given(worlds())
def test_a_journal_that_nobody_touched_has_no_finding(world):
    report = world.verify()
    assert report.findings == []
    assert report.entries == len(world.items) == report.collected + report.pending
    world.collect(), world.seal()
    report = world.verify()
    assert (report.findings, report.pending, report.unsealed) == ([], 0, 0)


@MANY
@given(worlds(), some.integers(-2, 8))
def test_looking_at_a_part_of_the_time_or_at_one_record_invents_nothing(world, hours):
    since = START + timedelta(hours=hours)
    assert world.found(since=since) == {}
    assert world.found(record_id=RECORDS[0]) == {}
    assert world.verify(record_id=RECORDS[1]).entries == sum(
        pk == f"REC#{RECORDS[1]}" for pk, _ in world.items
    )


def test_entries_on_their_way_are_pending_for_as_long_as_the_stream_can_be_read():
    world = World()
    _, sk = world.write()
    assert (world.verify().pending, world.found()) == (1, {})
    world.pass_time(hours=25)
    assert world.found() == {"uncollected": {seals.trace_id(sk)}}


# --- what was


@some.composite
def tamperings(draw):
    """A world, and something done to what was collected or sealed in it."""
    world = draw(worlds())
    world.collect(), world.seal()
    world.pass_time(hours=1)
    world.write(), world.collect()
    head = world.verify().head
    return world, head, draw(some.sampled_from(sorted(HANDS))), draw


HANDS = {}


def hand(function):
    HANDS[function.__name__] = function
    return function


def _entry(world, draw):
    return draw(some.sampled_from(sorted(world.items)))


@hand
def changes_an_entry(world, draw):
    key = _entry(world, draw)
    world.items[key] |= {draw(some.sampled_from(("at", "actorKey", "mark", "new"))): "other"}


@hand
def drops_an_entry(world, draw):
    del world.items[_entry(world, draw)]


@hand
def copies_an_entry(world, draw):
    pk, sk = _entry(world, draw)
    other = (pk, sk[:-1] + ("0" if sk[-1] != "0" else "1"))
    assume(other not in world.items)
    world.items[other] = world.items[pk, sk] | {"sk": other[1]}


@hand
def moves_an_entry_to_another_record(world, draw):
    pk, sk = _entry(world, draw)
    item = world.items.pop((pk, sk))
    world.items["REC#elsewhere", sk] = item | {"pk": "REC#elsewhere"}


@hand
def exchanges_two_entries(world, draw):
    one, other = _entry(world, draw), _entry(world, draw)
    assume(one != other)
    told = [
        {k: v for k, v in world.items[key].items() if k not in ("pk", "sk")} for key in (one, other)
    ]
    names = ("pk", "sk")
    world.items[one] = dict(zip(names, one, strict=True)) | told[1]
    world.items[other] = dict(zip(names, other, strict=True)) | told[0]


@hand
def invents_an_entry(world, draw):
    key = (f"REC#{RECORDS[0]}", "TRACE#" + draw(some.text(max_size=26)))
    assume(key not in world.items)
    world.items[key] = {"pk": key[0], "sk": key[1], "act": "document.read"}


@hand
def changes_an_entry_and_puts_it_back(world, draw):
    key = _entry(world, draw)
    item = world.items[key]
    world.set(key, item | {"act": "other"}), world.set(key, item)
    world.collect()


@hand
def removes_an_entry_and_puts_it_back(world, draw):
    key = _entry(world, draw)
    item = world.items[key]
    world.remove(key), world.set(key, item)
    world.collect()


@hand
def writes_over_an_object(world, draw):
    """The bucket keeps both."""
    versions = world.bucket.versions[draw(some.sampled_from(sorted(world.bucket.versions)))]
    versions.append(draw(some.sampled_from((b"", b"{}", versions[0]))))


@hand
def deletes_an_object(world, draw):
    """The bucket keeps it behind a marker."""
    world.bucket.deleted.add(draw(some.sampled_from(sorted(world.bucket.versions))))


@hand
def changes_bytes_of_an_object(world, draw):
    """As if the lock were not there: no earlier version is left."""
    key = draw(some.sampled_from(sorted(world.bucket.versions)))
    data = bytearray(world.bucket.versions[key][0])
    if data:
        data[draw(some.integers(0, len(data) - 1))] ^= draw(some.integers(1, 255))
    world.bucket.versions[key] = [bytes(data)] if data else [b"x"]


@hand
def drops_a_segment(world, draw):
    del world.bucket.versions[draw(some.sampled_from(world.bucket.segments()))]


@hand
def drops_a_sealed_part(world, draw):
    sealed = [
        part.key
        for key in world.bucket.segments()
        for part in seals.segment_of(world.bucket.versions[key][0]).parts
    ]
    assume(sealed)
    del world.bucket.versions[draw(some.sampled_from(sealed))]


@hand
def exchanges_two_segments(world, draw):
    keys = world.bucket.segments()
    one, other = draw(some.sampled_from(keys)), draw(some.sampled_from(keys))
    assume(one != other)
    versions = world.bucket.versions
    versions[one], versions[other] = versions[other], versions[one]


@hand
def reorders_a_part(world, draw):
    key = draw(some.sampled_from(world.bucket.parts()))
    lines = world.bucket.versions[key][0].splitlines(keepends=True)
    assume(len(lines) > 1)
    world.bucket.versions[key] = [b"".join(reversed(lines))]


@hand
def drops_a_line_and_redoes_the_chain_with_another_key(world, draw):
    """The strongest without our key: consistent everywhere, signed by somebody else."""
    versions, other = world.bucket.versions, Signer()
    head, victim = seals.NOTHING, draw(some.sampled_from(world.bucket.segments()))
    for number, key in enumerate(world.bucket.segments(), 1):
        segment = seals.segment_of(versions[key][0])
        parts = segment.parts[1:] if key == victim else segment.parts
        made = seals.seal(number, head, segment.sealed_at, parts, other)
        versions[key] = [seals.manifest(made)]
        head = seals.hash_of(versions[key][0])


@hand
def adds_a_part_to_the_past(world, draw):
    data = seals.ndjson([Line("REC#x", "TRACE#y", "0" * 64, Event.INSERT, START)])
    world.bucket.put(seals.part_key(START - timedelta(days=1), "1", "1", data), data)


@hand
def adds_a_part_now(world, draw):
    data = seals.ndjson([Line("REC#x", "TRACE#y", "0" * 64, Event.INSERT, world.now)])
    world.bucket.put(seals.part_key(world.now, "1", "1", data), data)


@hand
def adds_an_object_of_another_name(world, draw):
    world.bucket.put(draw(some.sampled_from(("parts/x", "segments/1.json", "parts/9/9"))), b"")


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.data())
def test_any_tampering_is_found(data):
    world, head, name, _ = data.draw(tamperings())
    HANDS[name](world, data.draw)
    assert world.found(noted=head), name


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("changes_an_entry", {"changed"}),
        ("drops_an_entry", {"missing"}),
        ("copies_an_entry", {"added"}),
        ("invents_an_entry", {"added"}),
        ("moves_an_entry_to_another_record", {"missing", "added"}),
        ("exchanges_two_entries", {"changed"}),
        ("changes_an_entry_and_puts_it_back", {"touched"}),
        ("removes_an_entry_and_puts_it_back", {"touched"}),
        ("writes_over_an_object", {"overwritten"}),
        ("deletes_an_object", {"deleted"}),
        ("drops_a_sealed_part", {"part-missing"}),
        ("adds_a_part_to_the_past", {"part-added", "missing"}),
        ("adds_a_part_now", {"missing"}),
        ("adds_an_object_of_another_name", {"strange"}),
    ],
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=some.data())
def test_a_tampering_is_called_by_its_name(name, kinds, data):
    world = World()
    world.write(), world.write(RECORDS[1]), world.write(None)
    world.collect(), world.seal()
    HANDS[name](world, data.draw)
    assert set(world.found()) == kinds


def test_a_finding_names_the_entry_and_nothing_of_it():
    world = sealed_world()
    key = min(world.items)
    world.items[key]["act"] = "other"
    (finding,) = world.verify().findings
    assert (finding.pk, finding.trace) == (key[0], key[1].removeprefix("TRACE#"))
    assert finding.object is None


def test_a_removal_that_no_part_tells_of_yet_is_found_once_it_is_collected():
    world = sealed_world()
    (on_its_way,) = world.stream
    world.remove((on_its_way.pk, on_its_way.sk))
    assert world.found() == {}
    world.collect()
    assert world.found() == {"missing": {on_its_way.id}}


def test_every_segment_that_is_missing_is_named():
    world = sealed_world()
    world.pass_time(hours=1), world.seal()
    first, second, third = world.bucket.segments()
    del world.bucket.versions[first], world.bucket.versions[second]
    found = world.found()
    assert found["segment-missing"] == {first, second}
    assert "chain-broken" not in found  # nothing can be said of what the third follows
    assert third not in found.get("segment-unsigned", set())


def test_a_chain_whose_end_was_cut_is_found_by_who_noted_it_down():
    world = sealed_world()
    head = world.verify().head
    assert head == Noted(2, seals.hash_of(world.bucket.segment(2)))
    assert world.found(noted=head) == {}
    del world.bucket.versions[seals.segment_key(2)]
    assert world.found() == {}  # its parts look as if they were not sealed yet
    assert world.found(noted=head) == {"head-lost": {seals.segment_key(2)}}


def test_a_segment_signed_as_something_else_is_not_signed():
    world = sealed_world()
    segment = seals.segment_of(world.bucket.segment(2))
    signature = jws.detached(seals.signed_part(segment), signer(), "dmp-export")
    changed = seals.manifest(replace(segment, signature=signature))
    world.bucket.versions[segment.key] = [changed]
    assert world.found()["segment-unsigned"] == {segment.key}


def resealed(world: World, number: int, parts, previous: str | None = None) -> bytes:
    """A segment that our own key signed, as only a sealer that was led astray makes one."""
    told = seals.segment_of(world.bucket.segment(number))
    made = seals.seal(number, previous or told.previous, told.sealed_at, parts, signer())
    return seals.manifest(made)


def test_a_segment_that_does_not_follow_the_one_before_is_found_though_it_is_signed():
    world = sealed_world()
    world.bucket.versions[seals.segment_key(1)] = [resealed(world, 1, ())]
    assert world.found()["chain-broken"] == {seals.segment_key(2)}


def test_a_segment_under_another_number_is_found_though_it_is_signed():
    world = sealed_world()
    other = seals.segment_key(3)
    world.bucket.versions[other] = [world.bucket.segment(2)]
    assert other in world.found()["segment-changed"]


def test_a_part_that_two_segments_name_is_found_though_they_are_signed():
    world = sealed_world()
    first = seals.segment_of(world.bucket.segment(1))
    second = seals.segment_of(world.bucket.segment(2))
    data = resealed(world, 2, (*first.parts[:1], *second.parts))
    world.bucket.versions[seals.segment_key(2)] = [data]
    assert world.found() == {"part-twice": {first.parts[0].key}}


def test_a_part_that_no_segment_names_yet_must_hold_what_its_name_says():
    world = World()
    world.write(), world.write(), world.collect()
    (key,) = world.bucket.parts()
    line, _ = world.bucket.versions[key][0].splitlines(keepends=True)
    world.bucket.versions[key] = [line]  # as if the lock were not there
    assert world.found() == {"part-changed": {key}}


def test_an_invented_entry_stays_one_once_it_is_collected():
    world = World()
    key = (f"REC#{RECORDS[0]}", "TRACE#invented")
    world.set(key, {"pk": key[0], "sk": key[1], "act": "document.read", "mark": "0" * 64})
    world.collect(), world.seal()
    assert world.found() == {"added": {"invented"}}


def test_a_part_that_may_still_be_sealed_is_not_one_that_pretends_to_be_old():
    world = World()
    world.pass_time(minutes=5)  # 08:35
    world.write()
    late = World(now=world.now, stream=world.stream)
    world.pass_time(minutes=115), world.seal()  # 10:30
    late.collect()
    world.bucket.versions |= late.bucket.versions
    assert world.found() == {}
    world.pass_time(hours=1)
    assert world.seal().segments[0].entries == 1


# --- forms


@given(
    some.lists(
        some.builds(
            Line,
            some.text(),
            some.text(),
            some.text(),
            some.sampled_from(Event),
            some.datetimes(timezones=some.just(UTC)),
        )
    )
)
def test_a_part_is_read_again_whole(lines):
    assert seals.lines_of(seals.ndjson(lines)) == tuple(lines)


@given(
    some.binary(max_size=40)
    | some.recursive(some.none() | some.integers() | some.text(), some.lists).map(
        lambda told: json.dumps(told).encode() + b"\n"
    )
)
def test_other_bytes_are_neither_a_part_nor_a_segment(data):
    assume(data)
    for read in (seals.lines_of, seals.segment_of):
        with pytest.raises(ValueError):
            read(data)


def test_a_part_has_one_form():
    world = World()
    world.write(), world.collect()
    data = world.bucket.versions[world.bucket.parts()[0]][0]
    assert len(seals.lines_of(data)) == 1
    for changed in (data[:-1], data.replace(b'"pk"', b' "pk"'), data.replace(b"}", b',"x":1}')):
        with pytest.raises(ValueError):
            seals.lines_of(changed)


def test_a_segment_has_one_form():
    world = sealed_world()
    data = world.bucket.segment(1)
    assert seals.manifest(seals.segment_of(data)) == data
    for changed in (data + b"\n", data.replace(b'"parts"', b' "parts"'), b"[]", b"1"):
        with pytest.raises(ValueError):
            seals.segment_of(changed)


def test_a_part_holds_keys_and_digests_and_nothing_of_the_entry():
    world = World()
    pk, sk = world.write()
    world.collect()
    (key,) = world.bucket.parts()
    (line,) = world.bucket.versions[key][0].splitlines()
    assert json.loads(line) == {
        "id": seals.trace_id(sk),
        "pk": pk,
        "sk": sk,
        "digest": digest(encode(world.items[pk, sk])),
        "event": "INSERT",
        "at": "2026-03-14T08:30:00+00:00",
    }


def test_the_key_of_a_part_tells_its_hour_and_what_it_holds():
    moment = datetime(2026, 3, 14, 23, 59, 59, tzinfo=UTC)
    key = seals.part_key(moment, "100", "200", b"x")
    assert key.startswith("parts/2026/03/14/23/100-200-")
    assert seals.split_part_key(key) == (
        datetime(2026, 3, 14, 23, tzinfo=UTC),
        seals.hash_of(b"x"),
    )
    for other in ("parts/2026/13/14/23" + key[19:], key + "x", "segments/0000000001.json"):
        assert seals.split_part_key(other) is None


# --- the sealer


def test_each_turn_adds_a_segment_even_when_nothing_came():
    world = World()
    for number in (1, 2, 3):
        done = world.seal()
        assert [each.number for each in done.segments] == [number]
        assert done.segments[0].parts == ()
        world.pass_time(hours=1)
    assert world.found() == {}


def test_a_sealer_that_did_not_run_is_caught_up_with():
    world = World()
    world.seal()
    for _ in range(30):
        world.write(), world.collect(), world.pass_time(hours=1)
    done = world.seal()
    assert done.segments[0].entries == 30
    assert (world.found(), world.verify().unsealed) == ({}, 0)


def test_a_part_that_came_late_is_in_the_next_segment():
    world = World()
    world.write()
    late = World(now=world.now, stream=world.stream)
    world.pass_time(minutes=30), world.seal()
    late.collect()  # its key is older than the segment
    world.bucket.versions |= late.bucket.versions
    world.pass_time(hours=1)
    assert world.seal().segments[0].entries == 1
    world.pass_time(hours=1)
    assert world.seal().segments[0].entries == 0
    assert world.found() == {}


def test_of_two_sealers_at_once_one_stops():
    world = World()
    world.write(), world.collect()

    class Overtaken(Bucket):
        """Somebody else seals between this one's look and its write."""

        def add(self, number, data):
            self.__class__ = Bucket
            world.seal()
            return self.add(number, data)

    world.bucket.__class__ = Overtaken
    done = world.seal()
    assert done.overtaken
    assert done.segments == ()
    assert world.bucket.last() == 1
    assert world.found() == {}


def test_a_sealer_killed_on_its_way_loses_nothing(monkeypatch):
    monkeypatch.setattr("dmp.usecases.seal_traces.MOST", 2)
    world = World()
    for _ in range(7):
        world.write()
    world.collect(1)

    class Killed(Exception):
        pass

    class Dying(Bucket):
        def add(self, number, data):
            if number == 3:
                raise Killed
            return super().add(number, data)

    world.bucket.__class__ = Dying
    with pytest.raises(Killed):
        world.seal()
    world.bucket.__class__ = Bucket
    done = world.seal()
    assert [each.number for each in done.segments] == [3, 4]
    assert (world.found(), world.verify().unsealed) == ({}, 0)


def test_a_part_that_is_not_what_its_name_says_is_told_of():
    world = World()
    world.write(), world.collect()
    (key,) = world.bucket.parts()
    world.bucket.versions[key].append(b"other\n")
    assert world.seal().strange == (key,)
    found = world.found()
    assert {"overwritten", "part-changed"} == set(found)


# --- digests and marks


def test_a_digest_is_the_same_from_a_stream_and_from_the_table():
    stream = {"n": {"N": "1.50"}, "b": {"B": "AAE="}, "s": {"SS": ["b", "a"]}, "z": {"NULL": True}}
    table = {"z": {"NULL": True}, "s": {"SS": ["a", "b"]}, "b": {"B": b"\0\1"}, "n": {"N": "1.5"}}
    assert digest(stream) == digest(table)
    deep = {"l": {"L": [{"M": {"x": {"BS": ["AAE="]}, "y": {"NS": ["2", "1"]}}}]}}
    same = {"l": {"L": [{"M": {"y": {"NS": ["1", "2.0"]}, "x": {"BS": [b"\0\1"]}}}]}}
    assert digest(deep) == digest(same)


@pytest.mark.parametrize(
    "other", [{"x": {"N": "1"}}, {"x": {"S": "1 "}}, {"y": {"S": "1"}}, {"x": {"SS": ["1"]}}, {}]
)
def test_another_item_has_another_digest(other):
    assert digest({"x": {"S": "1"}}) != digest(other)


@pytest.mark.parametrize("odd", [b"bytes", {"a", "set"}, 1.5, {"x": b"y"}, None])
def test_an_item_with_a_value_that_the_service_never_writes_is_not_genuine(odd):
    world = World()
    item = world.items[world.write()]
    assert JOURNAL.genuine(item)
    assert not JOURNAL.genuine(item | {"odd": odd})
    assert not JOURNAL.genuine(item | {"mark": "é"})
    assert not JOURNAL.genuine({name: item[name] for name in item if name != "mark"})
