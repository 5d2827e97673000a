"""What the routes of the consents take and give: read by the build, for the OpenAPI document."""

_MATCH = {"If-Match": 'The version that the change is made on, as `W/"3"`; any otherwise.'}
_STALE = "Another version stands than `If-Match` says."
_STRICT = {"Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."}
_PATCH = {
    "type": "array",
    "description": "JSON Patch (RFC 6902) of `/status` and `/provision/period`.",
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
_NEVER = {
    "answers": {},
    "refusals": {"404": "", "405": "A decision is never overwritten nor removed."},
}

OPERATIONS = {
    "POST /fhir/Consent": {
        "request": "Consent",
        "headers": _MATCH,
        "answers": {
            200: ("Consent", "It stood already, or was changed.", "Location", "ETag"),
            201: ("Consent", "The decision, recorded.", "Location", "ETag"),
        },
        "refusals": {
            403: "This kind of caller takes no decisions.",
            404: "No such record, or none of the caller's business.",
            409: "The professional is blocked, or others kept changing the same decisions.",
            412: _STALE,
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
        "headers": _STRICT,
        "answers": {200: ("Bundle", "A searchset of Consent, newest first, a page at a time.")},
    },
    "GET /fhir/Consent/{consent_id}": {
        "answers": {200: ("Consent", "The decision.", "Location", "ETag")},
    },
    "PATCH /fhir/Consent/{consent_id}": {
        "request": _PATCH,
        "headers": _MATCH,
        "answers": {200: ("Consent", "The decision as it stands now.", "Location", "ETag")},
        "refusals": {
            403: "The caller reads this decision, and does not change it.",
            404: "No such decision, or none of the caller's business.",
            405: "A patch of anything but `/status` and `/provision/period`.",
            409: "Others kept changing the same decisions.",
            412: _STALE,
        },
    },
    "PUT /fhir/Consent/{consent_id}": _NEVER,
    "DELETE /fhir/Consent/{consent_id}": _NEVER,
    "GET /fhir/Consent/{consent_id}/_history": {
        "query": {
            "_count": "How many on a page: 20 otherwise, 100 at most.",
            "_cursor": "Where the page begins, from the `next` link of the one before.",
        },
        "headers": _STRICT,
        "answers": {200: ("Bundle", "A history of the decision, newest first, a page at a time.")},
    },
}
