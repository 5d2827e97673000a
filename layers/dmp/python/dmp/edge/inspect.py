"""Looks at bytes: what they are, whether that is what was promised, and what is wrong with them.

Everything is read in blocks from a seekable file; nothing of the content is ever repeated in a
fault. The real type is told by the first bytes, then by the form itself.
"""

from __future__ import annotations

import json
from base64 import b64encode
from codecs import getincrementaldecoder
from collections.abc import Iterator
from hashlib import sha1, sha256
from typing import BinaryIO

from dmp.domain.errors import Fault
from dmp.domain.inspection import Bearer, Form, Inspection, form_of
from dmp.domain.submissions import ATTACHMENT
from dmp.edge.cda_header import CdaReader, Embedded, NotReadable

AT = f"{ATTACHMENT}.data"

_BLOCK = 256 * 1024
_HEAD = 1024
_TAIL = 2048
_LARGEST_JSON = 16 * 1024 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
_MARKUP = (b"<?xml", b"<!doctype", b"<html", b"<clinicaldocument")
_PRINTABLE_CONTROLS = "\t\n\r\f"


def inspect(data: BinaryIO, media_type: str) -> Inspection:
    """`dmp.usecases.publish_document.Inspector`; faults point to the attachment's data."""
    size, first, second = 0, sha1(usedforsecurity=False), sha256()
    head = tail = b""
    for block in blocks(data):
        size += len(block)
        first.update(block)
        second.update(block)
        head = head or block[:_HEAD]
        tail = (tail + block)[-_TAIL:]
    promised = form_of(media_type)
    bearers: tuple[Bearer, ...] = ()
    found = _declared(promised, media_type, size, head)
    if not found:
        match promised:
            case Form.CDA:
                bearers, found = _cda(data)
            case Form.FHIR:
                found = _fhir(data, size)
            case Form.TEXT:
                found = _text(data)
            case Form.PDF:
                found = _pdf(data)
            case Form.JPEG | Form.PNG:
                found = _whole(promised, head, tail)
    return Inspection(
        size=size,
        sha1=b64encode(first.digest()).decode("ascii"),
        sha256=second.hexdigest(),
        form=promised,
        faults=tuple(Fault(AT, code, detail) for code, detail in found),
        bearers=bearers,
    )


def blocks(data: BinaryIO) -> Iterator[bytes]:
    """The whole file from its start, block by block."""
    data.seek(0)
    while block := data.read(_BLOCK):
        yield block


def sniff(head: bytes) -> Form | None:
    """The form that first bytes belong to beyond doubt; None for anything textual."""
    if head.lstrip().startswith(b"%PDF-"):
        return Form.PDF
    if head.startswith(b"\xff\xd8\xff"):
        return Form.JPEG
    if head.startswith(_PNG):
        return Form.PNG
    return None


_Found = list[tuple[str, str]]


def _declared(promised: Form | None, media_type: str, size: int, head: bytes) -> _Found:
    """Whether there is anything, of a type that is taken, and the type does not lie."""
    if size == 0:
        return [("empty", "an empty document says nothing")]
    if promised is None:
        return [("media-type", "a type of document that is not taken")]
    actual = sniff(head)
    if promised is Form.TEXT and head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
        actual = Form.CDA
    textual = {Form.TEXT, Form.CDA, Form.FHIR}
    if actual is promised or (actual is None and promised in textual):
        return []
    what = f"the bytes are {actual}" if actual else f"the bytes are no {promised}"
    return [("declared-type", f"declared {media_type}, {what}")]


def _whole(form: Form, head: bytes, tail: bytes) -> _Found:
    """Whether an image has the end that makes it one."""
    ends = {
        Form.PNG: head[12:16] == b"IHDR" and b"IEND" in tail,
        Form.JPEG: b"\xff\xd9" in tail,
    }
    return [] if ends[form] else [("truncated", f"not a whole {form}")]


def _pdf(data: BinaryIO) -> _Found:
    """A PDF has a cross-reference and an end; what comes after the end is nobody's business."""
    wanted, seen = {b"startxref", b"%%EOF"}, b""
    for block in blocks(data):
        seen = seen[-16:] + block
        wanted -= {mark for mark in wanted if mark in seen}
        if not wanted:
            return []
    return [("truncated", "not a whole PDF")]


def _text(data: BinaryIO) -> _Found:
    decoder = getincrementaldecoder("utf-8")()
    try:
        for block in blocks(data):
            if _controls(decoder.decode(block)):
                return [("text-controls", "control characters in a text")]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return [("text-encoding", "not UTF-8")]
    return []


def _controls(text: str) -> bool:
    return not text.isprintable() and any(
        (character < " " and character not in _PRINTABLE_CONTROLS) or character == "\x7f"
        for character in set(text)
    )


def _fhir(data: BinaryIO, size: int) -> _Found:
    if size > _LARGEST_JSON:
        return [("too-large", "a FHIR document of 16 MB at most")]
    data.seek(0)
    try:
        told = json.loads(data.read().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return [("json", "not readable as JSON in UTF-8")]
    bundle = isinstance(told, dict) and told.get("resourceType") == "Bundle"
    if not bundle or told.get("type") != "document":
        return [("not-fhir", "not a FHIR Bundle of type document")]
    return []


def _cda(data: BinaryIO) -> tuple[tuple[Bearer, ...], _Found]:
    reader = CdaReader()
    try:
        for block in blocks(data):
            reader.feed(block)
        reader.close()
    except NotReadable as refusal:
        return (), [(refusal.code, refusal.detail)]
    return reader.bearers, [fault for body in reader.embedded for fault in _embedded(body)]


def _embedded(body: Embedded) -> _Found:
    """The body inside a CDA keeps its promise too."""
    promised = form_of(body.media_type)
    if body.size == 0:
        return [("empty", "the embedded body is empty")]
    if promised not in {Form.PDF, Form.JPEG, Form.PNG}:
        return []
    if sniff(body.head) is not promised:
        return [("declared-type", f"the embedded body is no {promised}")]
    if promised is Form.PDF:
        return [] if body.ended else [("truncated", "the embedded PDF is not whole")]
    return _whole(promised, body.head, body.tail)


# Written in two halves, so that this file is not taken for what it looks for.
_EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def eicar(data: BinaryIO) -> str | None:
    """A stand-in for an antivirus: it knows the one harmless file that all of them know.

    Nothing else looks for malware, in AWS either.
    """
    seen = b""
    for block in blocks(data):
        seen = seen[-len(_EICAR) :] + block
        if _EICAR in seen:
            return "EICAR-Test-File"
    return None
