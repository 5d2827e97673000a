"""What the routes of the consents take and give: read by the build, for the OpenAPI document."""

OPERATIONS = {
    "POST /fhir/Consent": {
        "request": "Consent",
        "answers": {
            200: ("Consent", "It stood already, or was changed.", "Location", "ETag"),
            201: ("Consent", "The decision, recorded.", "Location", "ETag"),
        },
        "refusals": {
            403: "This kind of caller takes no decisions.",
            404: "No such record, or none of the caller's business.",
            409: "The professional is blocked, or others kept changing the same decisions.",
        },
    },
    "GET /fhir/Consent": {
        "query": {
            "patient": "The record's id, or `Patient/` and the id. Required.",
            "category": "Codes of `urn:dmp:consent`, apart by commas.",
            "status": "`active`, `inactive`, or both apart by a comma.",
            "_count": "How many on a page: 20 otherwise, 100 at most.",
            "_cursor": "Where the page begins, from the `next` link of the one before.",
        },
        "headers": {
            "Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."
        },
        "answers": {200: ("Bundle", "A searchset of Consent, newest first, a page at a time.")},
    },
    "GET /fhir/Consent/{consent_id}": {
        "answers": {200: ("Consent", "The decision.", "Location", "ETag")},
    },
}
