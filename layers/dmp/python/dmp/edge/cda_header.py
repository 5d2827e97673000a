"""Reads a CDA R2 as a stream: well-formed, harmless, and about whom.

Expat reads block by block, so that a file of 100 MB takes no more memory than a small one. A
document type declaration is refused where it begins: without one there are no entities, so no
expansion and nothing external. Depth, number of elements and length of a token are limited.

"Auto-presentable" files have an `xsl:stylesheet` for a root and the ClinicalDocument inside
[CI-SIS, volet Structuration minimale]; the stylesheet is never run.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass, field
from pyexpat import ExpatError, ParserCreate, XMLParserType

from dmp.domain.inspection import Bearer, is_ins_root, sex_of

CDA = "urn:hl7-org:v3"
XSLT = "http://www.w3.org/1999/XSL/Transform"

_DEEPEST = 128
_MOST_ELEMENTS = 2_000_000
_LONGEST_TOKEN = 4 * 1024 * 1024
_TAIL = 2048

_RECORD_TARGET = ("recordTarget",)
_PATIENT_ROLE_ID = ("recordTarget", "patientRole", "id")
_SEX = ("recordTarget", "patientRole", "patient", "administrativeGenderCode")
_BORN = ("recordTarget", "patientRole", "patient", "birthTime")
_BODY = ("component", "nonXMLBody", "text")


class NotReadable(Exception):
    """The XML cannot be taken; `code` and `detail` say why, without a word of the content."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class Embedded:
    """A body in base64 (`nonXMLBody/text`): its declared type, first and last decoded bytes, and
    whether a PDF's end was in it."""

    media_type: str
    head: bytes = b""
    tail: bytes = b""
    size: int = 0
    ended: bool = False
    _rest: str = ""

    def feed(self, text: str) -> None:
        """More base64; ValueError when it is none."""
        text = self._rest + "".join(text.split())
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        self._take(text[:whole])

    def close(self) -> None:
        """The end; ValueError when four characters are not complete."""
        if self._rest:
            raise ValueError("incomplete base64")

    def _take(self, text: str) -> None:
        try:
            data = a2b_base64(text, strict_mode=True)
        except Base64Error as error:
            raise ValueError("not base64") from error
        self.size += len(data)
        if len(self.head) < _TAIL:
            self.head += data[: _TAIL - len(self.head)]
        self.ended = self.ended or b"%%EOF" in self.tail[-4:] + data
        self.tail = (self.tail + data)[-_TAIL:]


@dataclass(slots=True)
class _Target:
    matricules: set[str] = field(default_factory=set)
    sex: str | None = None
    born: str | None = None


class CdaReader:
    """`feed` the blocks, then `close`; both raise NotReadable. Then `bearers` and `embedded`."""

    def __init__(self) -> None:
        self.embedded: list[Embedded] = []
        self._targets: list[_Target] = []
        self._path: list[str] = []
        self._base: int | None = None
        self._documents = 0
        self._elements = 0
        self._fed = 0
        self._body: Embedded | None = None
        self._parser = self._new_parser()

    def _new_parser(self) -> XMLParserType:
        parser = ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        return parser

    @property
    def bearers(self) -> tuple[Bearer, ...]:
        return tuple(Bearer(frozenset(t.matricules), t.sex, t.born) for t in self._targets)

    def feed(self, block: bytes) -> None:
        self._parse(block, final=False)
        self._fed += len(block)
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TOKEN:
            raise NotReadable("xml-limits", "a tag or comment is too long")

    def close(self) -> None:
        self._parse(b"", final=True)
        if self._documents != 1:
            raise NotReadable("not-a-cda", "no ClinicalDocument, or more than one")

    def _parse(self, block: bytes, *, final: bool) -> None:
        try:
            self._parser.Parse(block, final)
        except ExpatError as error:
            raise NotReadable("xml", f"not well-formed, line {error.lineno}") from None
        except (LookupError, UnicodeError):
            raise NotReadable("xml", "an encoding that is not known") from None

    def _doctype(self, *_declared: object) -> None:
        raise NotReadable("xml-doctype", "a document type declaration is not taken")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._path) >= _DEEPEST or self._elements > _MOST_ELEMENTS:
            raise NotReadable("xml-limits", "too deep, or too many elements")
        if not self._path and name not in {
            f"{CDA} ClinicalDocument",
            f"{XSLT} stylesheet",
            f"{XSLT} transform",
        }:
            raise NotReadable("not-a-cda", "the root is no ClinicalDocument")
        self._path.append(name)
        if name == f"{CDA} ClinicalDocument":
            self._documents += 1
            if self._base is None:
                self._base = len(self._path)
        elif self._base is not None:
            self._inside(attributes)

    def _inside(self, attributes: dict[str, str]) -> None:
        names = self._path[self._base :]
        if len(names) > len(_SEX) or not all(name.startswith(f"{CDA} ") for name in names):
            return
        place = tuple(name.partition(" ")[2] for name in names)
        if place == _RECORD_TARGET:
            self._targets.append(_Target())
        elif place == _PATIENT_ROLE_ID and is_ins_root(attributes.get("root")):
            self._targets[-1].matricules.add(attributes.get("extension", ""))
        elif place == _SEX:
            self._targets[-1].sex = sex_of(attributes.get("code"))
        elif place == _BORN:
            self._targets[-1].born = attributes.get("value")
        elif place == _BODY and attributes.get("representation") == "B64":
            self._body = Embedded(attributes.get("mediaType", "text/plain"))
            self.embedded.append(self._body)

    def _end(self, _name: str) -> None:
        self._path.pop()
        if self._body is not None:
            self._decode(None)
            self._body = None
        if self._base is not None and len(self._path) < self._base:
            self._base = None

    def _text(self, text: str) -> None:
        if self._body is not None:
            self._decode(text)

    def _decode(self, text: str | None) -> None:
        """Base64 of the body; None at its end."""
        assert self._body is not None  # noqa: S101 - both callers asked
        try:
            self._body.close() if text is None else self._body.feed(text)
        except ValueError:
            raise NotReadable("base64", "the embedded body is not base64") from None
