"""What the routes of the documents take and give: read by the build, for the OpenAPI document."""

from dmp.edge.json_patch import MOST_OPERATIONS

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

_PATCH = {
    "type": "array",
    "maxItems": MOST_OPERATIONS,
    "description": "JSON Patch (RFC 6902) of `/status`, `/securityLabel` and the isArchived"
    " extension.",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {},
        },
    },
}
_IF_MATCH = {"If-Match": 'The version that is to be changed: `W/"1"`; any otherwise.'}
_UNCHANGED = {
    403: "The caller may read the document, and not change it so.",
    404: "No such document, or none that the caller may read.",
    405: "The patch would change something else than status, securityLabel and isArchived.",
    409: "Others kept changing the document at the same moment.",
    412: "The document is not the version of `If-Match` any more.",
    422: "The patch cannot be applied, a code is unknown, the labels exclude each other, or the"
    " change is not one that is undone.",
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
    "PATCH /fhir/DocumentReference/{id}": {
        "headers": _IF_MATCH,
        "request": _PATCH,
        "answers": {200: ("DocumentReference", "The document as it stands now.", "ETag")},
        "refusals": _UNCHANGED,
    },
    "PATCH /fhir/DocumentReference": {
        "query": {
            "identifier": "`<system>|<masterIdentifier>`, or the latter alone. Required, once.",
            "patient": "The record's id. This, `patient.identifier`, or neither.",
            "patient.identifier": _SEARCH["patient.identifier"],
        },
        "headers": _IF_MATCH,
        "request": _PATCH,
        "answers": {200: ("DocumentReference", "The document as it stands now.", "ETag")},
        "refusals": {
            **_UNCHANGED,
            404: "No document carries the identifier that the caller may read.",
            412: "Several documents carry it, or the document is not the version of `If-Match`.",
        },
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
