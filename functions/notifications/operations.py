"""What the routes of the notifications take and give: read by the build, for the OpenAPI
document."""

from functions.notifications.choices import ContactMessage, PreferencesMessage

_IF_MATCH = {"If-Match": 'The version that is to be changed: `W/"1"`, `W/"0"` before the first.'}
_STALE = {
    409: "Others kept changing it.",
    412: "Another version stands.",
}
_PROFESSIONALS = {403: "Only professionals are told there."}

OPERATIONS = {
    "GET /notifications/{record_id}/preferences": {
        "answers": {200: (PreferencesMessage, "What is told, and how.", "ETag")},
    },
    "PUT /notifications/{record_id}/preferences": {
        "headers": _IF_MATCH,
        "request": PreferencesMessage,
        "answers": {200: (PreferencesMessage, "The preferences as they stand now.", "ETag")},
        "refusals": _STALE,
    },
    "GET /notifications/me": {
        "answers": {200: (ContactMessage, "The address, null when there is none.", "ETag")},
        "refusals": _PROFESSIONALS,
    },
    "PUT /notifications/me": {
        "headers": _IF_MATCH,
        "request": ContactMessage,
        "answers": {200: (ContactMessage, "The address as it stands now.", "ETag")},
        "refusals": _PROFESSIONALS | _STALE,
    },
}
