"""Makes the demonstration's documents: small, whole, and about the official test identity.

    python -m infra.local.demo.documents.make

writes them beside this file; the same run writes the same bytes. Nothing but the standard library
is needed, so that a test can make a document of its own.
"""

from __future__ import annotations

import zlib
from base64 import encodebytes
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a document is about, as a CDA names them."""

    matricule: str = "279035121518989"
    oid: str = "1.2.250.1.213.1.4.8"
    family_name: str = "PAT-TROIS"
    given_name: str = "DOMINIQUE"
    sex: str = "F"
    born: str = "19790328"


DOMINIQUE = Holder()

_LETTER = (
    "Patiente vue en consultation de suivi.",
    "Etat general conserve, pas de plainte nouvelle.",
    "Traitement inchange, prochain rendez-vous dans six mois.",
)


def pdf(*lines: str) -> bytes:
    """One page of Helvetica; the lines are ASCII."""
    shown = "".join(f"({line.replace('(', '[').replace(')', ']')}) Tj T* " for line in lines)
    stream = f"BT /F1 12 Tf 60 780 Td 16 TL {shown}ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
            b" /Resources << /Font << /F1 4 0 R >> >> >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    made, places = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + (
        b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    )


def png(side: int = 48) -> bytes:
    """A square of grey steps."""
    rows = b"".join(b"\x00" + bytes((x + y) * 255 // (2 * side) for x in range(side))
                    for y in range(side))  # fmt: skip
    size = side.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", size + size + b"\x08\x00\x00\x00\x00")
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + checksum


# The DC Huffman table of ITU-T T.81, table K.3: how many codes of each length, and their values.
_DC_LENGTHS = bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0))
_DC_VALUES = bytes(range(12))


def jpeg(blocks: int = 8) -> bytes:
    """A baseline grey JPEG of `blocks` × `blocks` plain squares of 8 × 8 pixels.

    Plain squares have a DC coefficient alone, so that the entropy coding fits in a few lines; the
    one AC code is "end of block".
    """
    codes, code, values = {}, 0, iter(_DC_VALUES)
    for length, count in enumerate(_DC_LENGTHS, 1):
        for _ in range(count):
            codes[next(values)] = format(code, f"0{length}b")
            code += 1
        code <<= 1
    bits, before = "", 0
    for index in range(blocks * blocks):
        level = ((index % blocks + index // blocks) * 1800) // (2 * blocks) - 900
        change, before = level // 8 - before, level // 8
        size = abs(change).bit_length()
        amplitude = change if change >= 0 else change + (1 << size) - 1
        bits += codes[size] + (format(amplitude, f"0{size}b") if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    side = (blocks * 8).to_bytes(2, "big")
    return b"".join(
        (
            b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
            b"\xff\xdb\x00\x43\x00" + bytes([8] * 64),
            b"\xff\xc0\x00\x0b\x08" + side + side + b"\x01\x01\x11\x00",
            b"\xff\xc4\x00\x1f\x00" + _DC_LENGTHS + _DC_VALUES,
            b"\xff\xc4\x00\x14\x10" + bytes((1, *([0] * 15))) + b"\x00",
            b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
            coded,
            b"\xff\xd9",
        )
    )


def structured(*lines: str) -> str:
    """A body of one section, in text."""
    text = "".join(f"<paragraph>{escape(line)}</paragraph>" for line in lines)
    return (
        "<component><structuredBody><component><section>"
        f"<title>Conclusion</title><text>{text}</text>"
        "</section></component></structuredBody></component>"
    )


def embedded(data: bytes, media_type: str = "application/pdf") -> str:
    """A body that is a file in base64 (CDA level 1)."""
    text = encodebytes(data).decode("ascii")
    return (
        f'<component><nonXMLBody><text mediaType={quoteattr(media_type)} representation="B64">'
        f"\n{text}</text></nonXMLBody></component>"
    )


def cda(
    body: str,
    holder: Holder = DOMINIQUE,
    *,
    code: str = "11490-0",
    title: str = "Lettre de liaison à la sortie",
    number: str = "1",
) -> bytes:
    """A CDA R2 [HL7, CI-SIS] with its header and the given body."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <realmCode code="FR"/>
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="2.16.840.1.113883.2.8.2.1"/>
  <templateId root="1.2.250.1.213.1.1.1.1"/>
  <id root="1.2.250.1.213.1.99999.{number}"/>
  <code code={quoteattr(code)} codeSystem="2.16.840.1.113883.6.1"/>
  <title>{escape(title)}</title>
  <effectiveTime value="20260310101500+0100"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <recordTarget>
    <patientRole>
      <id root={quoteattr(holder.oid)} extension={quoteattr(holder.matricule)}/>
      <patient>
        <name>
          <given>{escape(holder.given_name)}</given>
          <family qualifier="BR">{escape(holder.family_name)}</family>
        </name>
        <administrativeGenderCode code={quoteattr(holder.sex)} codeSystem="2.16.840.1.113883.5.1"/>
        <birthTime value={quoteattr(holder.born)}/>
      </patient>
    </patientRole>
  </recordTarget>
  <author>
    <time value="20260310101500+0100"/>
    <assignedAuthor>
      <id root="1.2.250.1.71.4.2.1" extension="810100997245"/>
    </assignedAuthor>
  </author>
  <custodian>
    <assignedCustodian>
      <representedCustodianOrganization>
        <id root="1.2.250.1.71.4.2.2" extension="1750000001"/>
      </representedCustodianOrganization>
    </assignedCustodian>
  </custodian>
  {body}
</ClinicalDocument>
""".encode()


def presentable(document: bytes) -> bytes:
    """An "auto-presentable" file: a stylesheet with the document inside."""
    inside = document.partition(b"?>\n")[2].decode("utf-8")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">\n'
        '<xsl:template match="/"><html><body><xsl:value-of select="//title"/></body></html>'
        f"</xsl:template>\n{inside}</xsl:stylesheet>\n"
    ).encode()


def documents() -> dict[str, bytes]:
    """Every document of the demonstration by its file's name."""
    report = pdf("Compte rendu de consultation", "", *_LETTER)
    letter = cda(structured(*_LETTER))
    synthesis = cda(
        embedded(pdf("Synthese medicale", "", *_LETTER)),
        code="60591-5",
        title="Synthèse médicale",
        number="2",
    )
    return {
        "compte-rendu-consultation.pdf": report,
        "lettre-liaison.xml": letter,
        "synthese-pdf.xml": synthesis,
        "carnet-vaccination.jpg": jpeg(),
        "schema.png": png(),
        "note.txt": "Allergie signalée : pénicilline (éruption en 1998).\n".encode(),
    }


def main() -> None:
    for name, data in documents().items():
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
