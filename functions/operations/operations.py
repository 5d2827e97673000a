"""What the pages of operations take and give: read by the build, for the OpenAPI document."""

from functions.operations.messages import (
    EmergencyList,
    EpisodeAnswer,
    FollowUpMessage,
    Row,
)

_NOT_YOURS = "Anybody but an agent with role `operations`."

OPERATIONS = {
    "GET /operations/emergencies": {
        "query": {
            "from": "First day, `YYYY-MM-DD`, in Paris; thirty days with `to` otherwise.",
            "to": "Last day; today otherwise. 366 days in all at most.",
            "state": "`open`, `under-review`, `justified`, `unjustified`, `referred`, by commas.",
            "mode": "`break-glass`, `centre-15`.",
            "_count": "How many on a page: 20 otherwise, 100 at most; of a sheet 1,000.",
            "_cursor": "Where the page begins, from `next` of the one before.",
        },
        "headers": {"Accept": "`text/csv` gives the rows as a sheet (`;`, next page in `Link`)."},
        "answers": {200: (EmergencyList, "The newest day first.")},
        "refusals": {400: "A parameter that is not read as it is.", 403: _NOT_YOURS},
    },
    "GET /operations/emergencies/{episode_id}": {
        "answers": {200: (EpisodeAnswer, "The line and its follow-up.", "ETag")},
        "refusals": {403: _NOT_YOURS},
    },
    "POST /operations/emergencies/{episode_id}/follow-up": {
        "headers": {"If-Match": "The version that the step is taken on; any otherwise."},
        "request": FollowUpMessage,
        "answers": {200: (Row, "The line as it stands then.", "ETag")},
        "refusals": {
            403: _NOT_YOURS,
            409: "That state does not follow from the one that stands.",
            412: "The version is no longer the current one.",
        },
    },
}
