"""The document "Données de remboursement": what it is and which lines it shows, before any XML.

A medical view: no amount is in it. Its identifiers follow from the record and the generation, so
that making it again makes the same document.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from dmp.domain.facts import fact_id
from dmp.domain.history import Head, History, HistoryLine, Section
from dmp.domain.ids import document_id

TITLE = "Données de remboursement"
TYPE_CODE = "REMB"
TYPE_SYSTEM = "1.2.250.1.213.1.1.4.12"
CLASS_CODE = "60"
FORMAT = "urn:asip:ci-sis:hr:2019"

NOTICE_TITLE = "Usage et responsabilités"
NOTICE = (
    (
        "Ces données proviennent des remboursements et des prises en charge connus de l'Assurance"
        " Maladie pour les soins donnés du {first} au {last}."
    ),
    (
        "Elles sont données à titre d'information. Elles peuvent être incomplètes, notamment après"
        " un changement de régime ou de caisse."
    ),
    "Qui les consulte reste seul responsable de leur interprétation et de ses décisions.",
)
NOTHING_KNOWN = "Aucun remboursement n'est connu de l'Assurance Maladie pour cette période."
NOTHING_IN_SECTION = "Aucune donnée de remboursement connue dans la période"

_VERSION_8 = 0x8 << 76
_VARIANT = 0x2 << 62
_FREE = ((1 << 128) - 1) & ~(0xF << 76) & ~(0x3 << 62)


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the document with its lines, newest first."""

    section: Section
    lines: tuple[HistoryLine, ...]


def parts_of(history: History) -> tuple[Part, ...]:
    """Every section in the document's order, those without lines too."""
    return tuple(
        Part(section, tuple(line for line in history.lines if line.section is section))
        for section in Section
    )


def document_of(history: History | Head) -> str:
    """The id of the document of one generation."""
    ulid = fact_id(history.imported_at, "remb", history.record_id, history.generation)
    return document_id(history.record_id, ulid)


def unique_id(record_id: str, generation: int) -> str:
    """The document's own identifier: an OID under 2.25, the arc of UUIDs."""
    return _oid(f"remb\x1f{record_id}\x1f{generation}")


def set_id(record_id: str) -> str:
    """What the documents of all generations of one record have in common."""
    return _oid(f"remb\x1f{record_id}")


def _oid(text: str) -> str:
    """A UUID of version 8 (RFC 9562: made by a rule of one's own), written as an OID."""
    number = int.from_bytes(sha256(text.encode()).digest()[:16], "big")
    return f"2.25.{(number & _FREE) | _VERSION_8 | _VARIANT}"
