"""Operations: emergency accesses overseen."""

from __future__ import annotations

from chalice.app import Response

from dmp.edge.http import HttpArea, etag, json_answer
from functions.operations import wiring
from functions.operations.messages import (
    FollowUpMessage,
    episode_answer,
    list_answer,
    next_link,
    question_of,
    wants_csv,
)
from functions.operations.sheet import csv_answer

app = HttpArea("operations")


@app.route("/operations/emergencies", methods=["GET"], authorizer=app.bearer)
def list_emergencies() -> Response:
    """The emergency accesses of a period, newest day first, with how many of each state and mode.

    A line is one professional in one record on one day of Paris in one mode.
    """
    actor, now = app.actor, app.now
    csv = wants_csv(app.header("accept"))
    question = question_of(app.query, now, csv=csv)
    found = wiring.oversee_emergencies().search(actor, question, now)
    if csv:
        return csv_answer(found.episodes, next_link(question, found))
    return json_answer(list_answer(question, found))


@app.route("/operations/emergencies/{episode_id}", methods=["GET"], authorizer=app.bearer)
def read_emergency(episode_id: str) -> Response:
    """One line of the list, and its follow-up step by step."""
    episode, steps = wiring.oversee_emergencies().read(app.actor, episode_id, app.now)
    return json_answer(episode_answer(episode, steps), headers={"ETag": etag(episode.version)})


@app.route(
    "/operations/emergencies/{episode_id}/follow-up", methods=["POST"], authorizer=app.bearer
)
def follow_emergency(episode_id: str) -> Response:
    """Say how far the follow-up of an emergency access has come."""
    actor, version = app.actor, app.expected_version
    state = app.body(FollowUpMessage).state
    done = wiring.follow_emergency()(actor, episode_id, state, version, app.now)
    return json_answer(episode_answer(done), headers={"ETag": etag(done.version)})
