"""What the public pages give: read by the build, for the OpenAPI document."""

OPERATIONS = {
    "GET /health": {
        "answers": {
            200: (
                {
                    "type": "object",
                    "required": ["status"],
                    "properties": {"status": {"const": "pass"}},
                },
                "The gateway reaches a function.",
            )
        },
    },
    "GET /openapi.json": {
        "answers": {200: ({"type": "object"}, "This document.")},
    },
}
