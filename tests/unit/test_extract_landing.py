"""A file is read as a stream, once: checksum, header, encoding, rows, and where it can be cut."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.store.landing import BLANK, engine_lines, scan, whole_lines

BODY = b"A;B\n1;2\n3;4\n"


def chunks(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def test_a_scan_says_what_a_file_is():
    found = scan([BODY], '"tag"', 1 << 20)
    assert found.sha256 == sha256(BODY).hexdigest()
    assert (found.header, found.rows, found.encoding) == (("A", "B"), 2, "utf-8")
    assert found.cuts == ((4, 8, 2),)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("A;B\né;2\n".encode(), "utf-8"),
        ("A;B\né;2\n".encode("latin-1"), "latin-1"),
        ("A;B\né".encode()[:-1], "latin-1"),
    ],
)
def test_the_encoding_is_utf_8_or_else_latin_1(body, encoding):
    for size in (1, 2, 3, 100):
        assert scan(chunks(body, size), "", 100).encoding == encoding


@pytest.mark.parametrize(
    "head", [b"\xef\xbb\xbfa; b\n", b'"A";"B"\r\n', b" a;B \n", b'\xef\xbb\xbf"A";B\n']
)
def test_a_header_is_read_without_mark_quotes_or_case(head):
    assert scan([head + b"1;2\n"], "", 100).header == ("A", "B")


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n1;2\n"])
def test_a_file_without_a_header_line_has_no_columns(body):
    assert scan([body] if body else [], "", 100).header == ()


lines_texts = st.lists(
    st.sampled_from([b"", b"1;2", b"abc", b"\xc3\xa9;x", b"a\rb", b'"q";']), max_size=30
)


@given(lines_texts, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(1, 40))
def test_rows_and_cuts_do_not_depend_on_how_the_stream_arrives(lines, ending, last, size):
    body = ending.join([b"A;B", *lines]) + (ending if last else b"")
    rows = body.replace(b"\r\n", b"\n").split(b"\n")[1:]
    found = scan(chunks(body, size), "", 12)
    assert found.rows == sum(1 for row in rows if row)
    # The pieces, in order, are the lines after the header; each begins where it says.
    assert (
        b"".join(body[first : first + n] for first, n, _ in found.cuts) == body.partition(b"\n")[2]
    )
    for first, n, line in found.cuts:
        assert body[:first].count(b"\n") == line - 1
        assert body[first + n - 1 : first + n] == b"\n" or first + n == len(body)


@given(lines_texts, st.integers(1, 40))
def test_the_engine_sees_one_line_per_line(lines, size):
    body = b"\r\n".join(lines)
    seen = b"".join(engine_lines(chunks(body, size), "utf-8")).decode().split("\n")
    if lines and lines[-1] == b"":
        lines = lines[:-1]
    assert seen[:-1] == [line.decode().replace("\r", " ") if line else BLANK for line in lines]


def test_control_characters_cannot_be_mistaken_for_the_engines_marks():
    (block,) = engine_lines([b"a\x00\x01\x02\x03b\tc\n"], "utf-8")
    assert block == b"a????b\tc\n"


def test_latin_1_becomes_utf_8():
    assert b"".join(engine_lines(["é;1\n".encode("latin-1")], "latin-1")) == "é;1\n".encode()


def test_a_line_without_end_does_not_fill_the_memory():
    def endless():
        yield b"A;B\n"
        for _ in range(64):
            yield b"x" * (1 << 20)
        yield b"\n1;2\n"

    longest = max(len(block) for block, _ in whole_lines(endless()))
    assert longest < 3 << 20
    assert sum(size for _, size in whole_lines(endless())) == 4 + (64 << 20) + 5
