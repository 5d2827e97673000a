"""What the routes of the traces take and give: read by the build, for the OpenAPI document."""

_OF = {
    "patient": "The record's id, or `Patient/` and the id. Without it: one's own acts everywhere.",
    "date": "A date or an instant after eq ne gt lt ge le sa eb; repeated, all must hold.",
}
_CURSOR = {"_cursor": "From the `next` link of a page."}
_SEARCH = {
    **_OF,
    "agent.identifier": "Who acted: `urn:oid:1.2.250.1.71.4.2.1|<PS_IdNat>`, or a structure's"
    " `urn:oid:1.2.250.1.71.4.2.2|1<FINESS>`; apart by commas.",
    "agent:identifier": "The same.",
    "type": "Families of events, `code`, `system|code` or `system|`, apart by commas.",
    "subtype": "Kinds of acts of `urn:dmp:act`, or interactions of FHIR.",
    "action": "`C`, `R`, `U`, `D`, `E`, apart by commas.",
    "outcome": "`0` done, `4` refused, `8` allowed but not done, `12`; apart by commas.",
    "entity": "What it was about: `DocumentReference/<id>`, `Consent/<id>`, `Patient/<id>`.",
    "_sort": "`-date`, which is the order anyway.",
    "_count": "How many on a page: 20 otherwise, 100 at most.",
    **_CURSOR,
}
_STRICT = {"Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."}
_FOUND = {200: ("Bundle", "A searchset of AuditEvent, newest first, without a total.")}

OPERATIONS = {
    "GET /fhir/AuditEvent": {"query": _SEARCH, "headers": _STRICT, "answers": _FOUND},
    "POST /fhir/AuditEvent/_search": {
        "form": _SEARCH,
        "headers": _STRICT,
        "answers": _FOUND,
        "refusals": {"422": ""},
    },
    "GET /fhir/AuditEvent/$access-report": {
        "query": {**_OF, **_CURSOR},
        "headers": _STRICT,
        "answers": {
            200: (
                "Bundle",
                "A collection of AuditEvent with its signature; a `next` link when there is more.",
                "Content-Disposition",
            )
        },
    },
    "GET /fhir/AuditEvent/{id}": {"answers": {200: ("AuditEvent", "The entry.")}},
    "GET /.well-known/jwks.json": {
        "answers": {
            200: (
                {
                    "type": "object",
                    "required": ["keys"],
                    "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
                },
                "The keys that check what the service signed (RFC 7517).",
            )
        },
    },
}
