"""What the routes of the reimbursements take and give: read by the build, for the OpenAPI
document."""

OPERATIONS = {
    "GET /fhir/ExplanationOfBenefit": {
        "query": {
            "patient": "The record's id, or `Patient/` and the id. Required.",
            "service-date": "Day on which the care began, after eq ne gt lt ge le sa eb.",
            "created": "Day on which the history was brought, after the same prefixes.",
            "code": (
                "`code`, `system|code` or `system|`, apart by commas; natures under"
                " `urn:dmp:nature`."
            ),
            "_count": "How many on a page: 20 otherwise, 100 at most.",
            "_cursor": "From the `next` link of a page.",
            "_sort": "`-service-date`, which is the order anyway.",
        },
        "headers": {
            "Prefer": "`handling=strict` refuses parameters that are not read; otherwise ignored."
        },
        "answers": {
            200: ("Bundle", "A searchset of ExplanationOfBenefit; amounts to the holder alone."),
        },
    },
}
