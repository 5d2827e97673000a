"""What the routes of the documents take and give: read by the build, for the OpenAPI document."""

_SEARCH = {
    "patient": "The record's id. This or `patient.identifier`, once.",
    "patient.identifier": "`urn:oid:<register of the INS>|<matricule>`.",
    "status": "`current`, `superseded`, `entered-in-error`, several apart by commas. Required.",
    "type": "Types of documents, `code`, `system|code` or `system|`, apart by commas.",
    "category": "Classes of documents, `code`, `system|code` or `system|`, apart by commas.",
    "date": "A date or an instant after eq ne gt lt ge le sa eb; repeated, all must hold.",
    "_count": "How many on a page: 20 otherwise, 100 at most.",
    "_cursor": "From the `next` link of a page.",
}
_STRICT = {"Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."}
_FOUND = {200: ("Bundle", "A searchset of DocumentReference, newest first.")}
_REFUSED = {
    404: "No such record, or none that the caller may feed.",
}

OPERATIONS = {
    "GET /fhir/metadata": {
        "answers": {200: ("CapabilityStatement", "What this build does.")},
    },
    "POST /fhir/DocumentReference": {
        "request": "DocumentReference",
        "answers": {
            200: ("DocumentReference", "Sent before: the same answer.", "Location", "ETag"),
            201: ("DocumentReference", "The document, published.", "Location", "ETag"),
        },
        "refusals": {
            **_REFUSED,
            409: "Another document of the record carries the masterIdentifier, or the document to"
            " replace changed meanwhile.",
        },
    },
    "POST /fhir/DocumentReference/$upload": {
        "request": "DocumentReference",
        "answers": {
            200: (
                "Parameters",
                "The same bytes came before: `documentReference` alone.",
                "Location",
            ),
            201: (
                "Parameters",
                "`documentReference`, the form's `url`, one `field` (`name`, `value`) per field.",
                "Location",
            ),
        },
        "refusals": {**_REFUSED, 409: "Another document carries the masterIdentifier."},
    },
    "GET /fhir/DocumentReference": {
        "query": _SEARCH,
        "headers": _STRICT,
        "answers": _FOUND,
    },
    "POST /fhir/DocumentReference/_search": {
        "form": _SEARCH,
        "headers": _STRICT,
        "answers": _FOUND,
        "refusals": {"422": ""},
    },
    "GET /fhir/DocumentReference/{id}": {
        "answers": {200: ("DocumentReference", "The document's metadata.", "ETag")},
    },
    "PUT /fhir/DocumentReference/{id}": {
        "answers": {},
        "refusals": {"404": "", "405": "A document is never overwritten nor removed."},
    },
    "DELETE /fhir/DocumentReference/{id}": {
        "answers": {},
        "refusals": {"404": "", "405": "A document is never overwritten nor removed."},
    },
    "GET /fhir/Binary/{id}": {
        "answers": {
            200: (
                bytes,
                "The bytes as deposited, in their declared type, up to 4 MiB.",
                "ETag",
                "Content-Disposition",
            ),
            307: (None, "More than 4 MiB: they are at `Location` for five minutes.", "Location"),
        },
    },
}
