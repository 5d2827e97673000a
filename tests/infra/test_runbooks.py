"""An alarm that wakes somebody leads to a page, and a page to what to do."""

from __future__ import annotations

import re

import pytest

from infra.cdk import alarming, definitions, rights
from infra.cdk.naming import page
from infra.cdk.runbooks import FOLDER, SECTIONS
from tests.infra.conftest import ROOT

PAGES = {path.name: path for path in (ROOT / FOLDER).glob("*.md") if path.name != "README.md"}


def test_each_alarm_has_its_page_and_each_page_its_alarm(assembly):
    alarms = [each["AlarmName"] for each in assembly.properties("AWS::CloudWatch::Alarm").values()]
    assert len(set(alarms)) == len(alarms)
    wanted = {page(assembly.stage, name) for name in alarms}
    assert wanted == set(PAGES)
    for alarm in assembly.properties("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmDescription"] == f"{FOLDER}/{page(assembly.stage, alarm['AlarmName'])}"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_says_what_it_means_where_to_look_what_to_do_and_how_to_redrive(name):
    text = PAGES[name].read_text("utf-8")
    assert text.startswith(f"# {name.removesuffix('.md')}\n")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)+)", text, re.MULTILINE))
    assert tuple(sections) == SECTIONS
    assert all(len(body.strip()) > 20 for body in sections.values())
    assert "aws " in sections["First look"]
    for link in re.findall(r"\]\((?:\.\./runbooks/)?([\w-]+\.md)\)", text):
        assert link in PAGES, link


def test_every_dead_letter_queue_failed_workflow_and_late_stream_is_watched():
    functions = rights.read(ROOT)
    names = {each.name for each in alarming.every(functions, definitions.names(ROOT))}
    assert {
        "uploads-dead-letters",
        "history-requests-dead-letters",
        "notifications-dead-letters",
    } <= names
    assert set(alarming.SHARED_DEAD_LETTERS) <= names
    assert {f"{each}-failed" for each in definitions.names(ROOT)} <= names
    assert {f"{each.name}-lag" for each in functions if each.kind == "stream"} <= names
    assert "api-server-errors" in names
