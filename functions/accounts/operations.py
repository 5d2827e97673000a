"""What the routes of the accounts take and give: read by the build, for the OpenAPI document."""

from functions.accounts.messages import (
    OpeningAnswer,
    OpeningMessage,
    RecordAnswer,
    RepresentativeAnswer,
    RepresentativeMessage,
    RepresentativesAnswer,
)

OPERATIONS = {
    "POST /enrolment/records": {
        "headers": {
            "Idempotency-Key": (
                "1 to 255 printable ASCII characters of the caller's choice: the same request under"
                " the same key gets the same answer for as long as the key is kept."
            ),
        },
        "request": OpeningMessage,
        "answers": {
            201: (OpeningAnswer, "The record is open; its history is on the way.", "Location")
        },
        "refusals": {
            403: "This kind of caller opens no records.",
            409: "The person has a record already, open (record-already-open) or closed"
            " (record-closed).",
            503: "The same request is being answered this moment, or a store is out of breath.",
        },
    },
    "GET /enrolment/records/{record_id}": {
        "answers": {200: (RecordAnswer, "How the record stands.")},
    },
    "GET /enrolment/records/{record_id}/representatives": {
        "answers": {200: (RepresentativesAnswer, "Those who represent the holder, or did.")},
    },
    "POST /enrolment/records/{record_id}/representatives": {
        "request": RepresentativeMessage,
        "answers": {
            200: (RepresentativeAnswer, "They do already.", "Location"),
            201: (RepresentativeAnswer, "They do from now on.", "Location"),
        },
        "refusals": {
            403: "This kind of caller names nobody.",
            409: "They represent the holder on other terms, the record is closed, or others kept"
            " changing it.",
        },
    },
    "DELETE /enrolment/records/{record_id}/representatives/{which}": {
        "answers": {204: (None, "They represent the holder no more.")},
        "refusals": {
            403: "A representative ends nothing, nor does a holder who is not of age.",
            409: "The record is closed, or others kept changing it.",
        },
    },
    "GET /fhir/Patient": {
        "query": {
            "identifier": "`urn:oid:<register of the INS>|<matricule>`, once: TD0.2. Without it,"
            " the caller's patients, by the parameters that follow.",
            "_sort": "`-last-authorisation` (otherwise) or `-last-document`.",
            "_lastUpdated": "A date or an instant after eq ne gt lt ge le sa eb: of the date that"
            " the list is sorted by; repeated, all must hold.",
            "_count": "How many on a page: 20 otherwise, 100 at most.",
            "_cursor": "From the `next` link of a page.",
        },
        "headers": {
            "Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."
        },
        "answers": {200: ("Bundle", "A searchset: with `identifier` of no Patient or one.")},
        "refusals": {422: "The number cannot be an INS."},
    },
    "GET /fhir/Patient/{record_id}": {
        "answers": {200: ("Patient", "The record, as far as the caller may follow it.")},
    },
}
