"""The reimbursement document on its way into the record: bytes, and their DocumentReference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dmp.domain import remb
from dmp.domain.history import History
from dmp.domain.identity import STRUCTURE_OID
from dmp.domain.nomenclatures import Nomenclatures
from dmp.domain.records import Record
from dmp.domain.terminology import CLASSES
from dmp.edge import cda_remb

PRACTICE_SETTINGS = "1.2.250.1.213.1.1.4.9"
FACILITIES = "1.2.250.1.71.4.2.4"
FEEDERS = "1.2.250.1.213.1.1.4.6"
FORMATS = "1.2.250.1.213.1.1.4.2.282"


class Publish(Protocol):
    """`usecases.publish_document.PublishDocument.generated`."""

    def __call__(
        self,
        record_id: str,
        document_id: str,
        resource: Mapping[str, Any],
        data: bytes,
        now: datetime,
    ) -> object:
        """The same masterIdentifier again writes nothing."""


@dataclass(frozen=True, slots=True)
class RembDocuments:
    """`usecases.import_history.HistoryDocuments`: CDA R2, published in the feeder's name."""

    publish_generated: Publish
    nomenclatures: Nomenclatures

    def publish(
        self, history: History, record: Record, announce: Callable[[str], None], now: datetime
    ) -> None:
        data = cda_remb.write(history, record, self.nomenclatures)
        document_id = remb.document_of(history)
        announce(document_id)
        self.publish_generated(record.id, document_id, reference(history, record), data, now)


def reference(history: History, record: Record) -> dict[str, Any]:
    """The DocumentReference [PDSm 3.1] of one generation; its bytes' size, hash and address are
    set where they are kept."""
    dated = history.imported_at.isoformat(timespec="seconds")
    insurer = {"system": f"urn:oid:{STRUCTURE_OID}", "value": cda_remb.INSURER}
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:oid:{remb.unique_id(record.id, history.generation)}",
        },
        "status": "current",
        "type": _concept(remb.TYPE_SYSTEM, remb.TYPE_CODE, remb.TITLE),
        "category": [_concept(CLASSES, remb.CLASS_CODE, remb.TITLE)],
        "subject": {"reference": f"Patient/{record.id}"},
        "date": dated,
        "author": [
            {
                "type": "Device",
                "identifier": {"system": f"urn:oid:{FEEDERS}", "value": "ALIM_AM"},
                "display": "Assurance Maladie",
            }
        ],
        "custodian": {"identifier": insurer, "display": "Assurance Maladie"},
        "securityLabel": [
            _concept("2.16.840.1.113883.5.25", "N", "Normal"),
        ],
        "content": [
            {
                "attachment": {
                    "contentType": cda_remb.MEDIA_TYPE,
                    "language": "fr-FR",
                    "title": remb.TITLE,
                    "creation": dated,
                },
                "format": {"system": f"urn:oid:{FORMATS}", "code": remb.FORMAT},
            }
        ],
        "context": {
            "period": {"start": history.first.isoformat(), "end": history.last.isoformat()},
            "facilityType": _concept(FACILITIES, "SA24", "Organisme de sécurité sociale"),
            "practiceSetting": _concept(
                PRACTICE_SETTINGS, "AMO", "Organisme d'assurance maladie obligatoire"
            ),
            "sourcePatientInfo": {"reference": f"Patient/{record.id}"},
        },
    }


def _concept(oid: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": f"urn:oid:{oid}", "code": code, "display": display}]}
