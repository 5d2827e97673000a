"""What people choose to be told of, and where professionals are told."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.http import HttpArea, etag, json_answer
from functions.notifications import choices, wiring

app = HttpArea("notifications")


@app.route("/notifications/{record_id}/preferences", methods=["GET"], authorizer=app.bearer)
def read_preferences(record_id: str) -> Response:
    """What the people of a record are told of, and how."""
    found = wiring.read_preferences()(app.actor, record_id, app.now)
    return json_answer(choices.told(found), headers={"ETag": etag(found.version)})


@app.route("/notifications/{record_id}/preferences", methods=["PUT"], authorizer=app.bearer)
def change_preferences(record_id: str) -> Response:
    """Choose it, as a whole; a type that is left out goes the preferred way of the record."""
    actor, wanted = app.actor, app.body(choices.PreferencesMessage).wanted()
    expected = app.expected_version
    stands = wiring.change_preferences()(actor, record_id, wanted, app.now, expected=expected)
    return json_answer(choices.told(stands), headers={"ETag": etag(stands.version)})


@app.route("/notifications/me", methods=["GET"], authorizer=app.bearer)
def read_own_contact() -> Response:
    """Where the calling professional is told of emergencies."""
    found = wiring.read_own_contact()(app.actor, app.now)
    return json_answer({"email": found.email}, headers={"ETag": etag(found.version)})


@app.route("/notifications/me", methods=["PUT"], authorizer=app.bearer)
def change_own_contact() -> Response:
    """Say where; null takes the address back."""
    actor, email, expected = app.actor, app.body(choices.ContactMessage).email, app.expected_version
    stands = wiring.change_own_contact()(actor, email, app.now, expected=expected)
    return json_answer({"email": stands.email}, headers={"ETag": etag(stands.version)})
