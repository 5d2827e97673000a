"""The landing bucket: extracts as the insurer delivered them, and what became of them.

    extracts/<extractId>/manifest.json     written last by the source; starts the import
    extracts/<extractId>/ER_PRS_F.csv …    as delivered
    extracts/<extractId>/report.json       written by the import
    extracts/<extractId>/rejected.csv      file;line;column;reason of each row set aside

Files are read as streams: memory does not grow with them.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.errors import NotFound
from dmp.domain.extracts import Part, Scan
from dmp.usecases.partition_extract import Run

_CHUNK = 1 << 20
_LINE = 1 << 16  # a longer line is no row: what is left of it has the wrong number of fields
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_CONTROLS = bytes.maketrans(
    bytes(set(range(32)) - {9, 10, 13}), b"?" * 29
)  # no row needs them, and the engine gives three of them a meaning
BLANK = "\x03"
"""Stands for a blank line, so that line numbers stay those of the file."""
_BLANK = re.compile(rb"^(?=\n)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LandingBucket:
    """`part_bytes` is about the size of the pieces that a file is cut into."""

    s3: Any
    part_bytes: int = 64 << 20

    def manifest(self, run: Run) -> bytes:
        """The manifest as delivered; NotFound when it is gone."""
        try:
            return bytes(self.s3.get_object(Bucket=run.bucket, Key=run.key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise NotFound from error
            raise

    def scan(self, run: Run, name: str) -> Scan | None:
        """One pass over a file: checksum, header, encoding, rows and where it can be cut; None
        when it is not there."""
        try:
            found = self.s3.get_object(Bucket=run.bucket, Key=run.beside(name))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return scan(found["Body"].iter_chunks(_CHUNK), found["ETag"], self.part_bytes)

    def fetch(self, run: Run, part: Part, target: Path) -> None:
        """The lines of a part as the engine reads them (see `engine_lines`).

        The object must still be the one that was scanned: S3 refuses another with 412.
        """
        if not part.size:
            target.write_bytes(b"")
            return
        found = self.s3.get_object(
            Bucket=run.bucket,
            Key=run.beside(part.name),
            Range=f"bytes={part.first}-{part.first + part.size - 1}",
            IfMatch=part.etag,
        )
        with target.open("wb") as file:
            for block in engine_lines(found["Body"].iter_chunks(_CHUNK), part.encoding):
                file.write(block)

    def write_report(self, run: Run, report: Mapping[str, Any]) -> None:
        self.s3.put_object(
            Bucket=run.bucket,
            Key=run.beside("report.json"),
            Body=json.dumps(report, ensure_ascii=False, indent=1).encode(),
            ContentType="application/json",
        )

    def write_rejected(self, run: Run, csv_file: Path) -> None:
        with csv_file.open("rb") as body:
            self.s3.put_object(
                Bucket=run.bucket,
                Key=run.beside("rejected.csv"),
                Body=body,
                ContentType="text/csv; charset=utf-8",
            )


class _Watch:
    """What a stream is, told from its bytes as they pass."""

    def __init__(self) -> None:
        self.digest = sha256()
        self.utf8 = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.digest.update(chunk)
            self._decode(chunk)
            yield chunk
        self._decode(b"", final=True)

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self.utf8:
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self.utf8 = False


def scan(chunks: Iterable[bytes], etag: str, part_bytes: int) -> Scan:
    """What one reading of a stream finds; see `dmp.domain.extracts.Scan`."""
    watch = _Watch()
    header: bytes | None = None
    cuts: list[tuple[int, int, int]] = []
    position, start, first_line, line, rows = 0, 0, 2, 1, 0
    for block, size in whole_lines(watch.over(chunks)):
        lines = block
        if header is None:
            header, _, lines = block.partition(b"\n")
            start, line = min(len(header) + 1, size), 2
        position += size
        count = lines.count(b"\n")
        rows += count - _blank_lines(lines)
        line += count
        if position - start >= part_bytes:
            cuts.append((start, position - start, first_line))
            start, first_line = position, line
    if position > start:
        cuts.append((start, position - start, first_line))
    encoding = "utf-8" if watch.utf8 else "latin-1"
    columns = _columns(header or b"", encoding)
    return Scan(watch.digest.hexdigest(), rows, columns, encoding, etag, tuple(cuts))


def whole_lines(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Blocks that end at the end of a line, and how many bytes of the stream each stands for.

    The last line gets the line feed it may lack. Of a line over 64 KiB only the beginning is
    passed on, so that memory stays bounded when a file has no line feeds at all.
    """
    rest, size = b"", 0
    for chunk in chunks:
        rest += chunk
        size += len(chunk)
        end = rest.rfind(b"\n") + 1
        if end:
            left = len(rest) - end
            yield rest[:end], size - left
            rest, size = rest[end:], left
        rest = rest[: _LINE + 1] if len(rest) > _CHUNK else rest
    if rest:
        yield rest + b"\n", size


def engine_lines(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Lines in UTF-8 that end in a line feed, with blank ones marked and control characters
    replaced: the engine then counts the lines as an editor would."""
    for block, _ in whole_lines(chunks):
        text = block.replace(b"\r\n", b"\n").replace(b"\r", b" ").translate(_CONTROLS)
        if encoding != "utf-8":
            text = text.decode(encoding).encode()
        yield _BLANK.sub(BLANK.encode(), text)


def _blank_lines(block: bytes) -> int:
    if not (b"\n\n" in block or b"\n\r\n" in block or block[:2] == b"\r\n" or block[:1] == b"\n"):
        return 0
    return sum(1 for line in block.split(b"\n")[:-1] if line in (b"", b"\r"))


def _columns(header: bytes, encoding: str) -> tuple[str, ...]:
    """The names in a header line: without byte order mark, quotes and blanks, in capitals."""
    text = header.decode(encoding).lstrip("\ufeff").rstrip("\r")
    if not text.strip():
        return ()
    return tuple(name.strip().upper() for name in next(csv.reader([text], delimiter=";")))
