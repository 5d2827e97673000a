"""The pages lead where they say, and the rules that they explain are the rules in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.cdk import catalogue, rights, routes
from infra.local import cli, patches

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def names(pages):
    return [page.relative_to(ROOT).as_posix() for page in pages]


def anchors(page: Path) -> set[str]:
    """What a link into the page may name: its headings, as they are shown on the web."""
    text = page.read_text("utf-8")
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


def page_text(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_link_leads_somewhere(page: Path):
    for link in _LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_policy_in_force_is_explained_and_no_other():
    policies = "".join(
        file.read_text("utf-8")
        for file in (ROOT / "layers/policies/python/dmp_policies").glob("*.cedar")
    )
    in_force = set(re.findall(r'@id\("([^"]+)"\)', policies))
    told = {
        name
        for row in re.findall(r"^\| (`[^|]+) \|", page_text("access.md"), re.MULTILINE)
        for name in re.findall(r"`([a-z0-9-]+)`", row)
    }
    assert told == in_force


def test_every_route_is_explained():
    text = page_text("http.md")
    for route in routes.read(ROOT, rights.read(ROOT)):
        resource = re.sub(r"/\{\w+\}.*", "", route.path)
        assert resource.removesuffix("/_search").removesuffix("/$upload") in text, route


def test_every_command_and_every_patch_is_explained():
    text = page_text("local-cloud.md")
    commands = next(
        action.choices for action in cli.parser()._actions if hasattr(action.choices, "items")
    )
    for name in commands:
        assert f"`dmp {name}" in text, name
    for module in Path(patches.__file__).parent.glob("*.py"):
        if module.stem not in {"__init__", "expect"}:
            assert f"| `{module.stem}` |" in text, module.stem


def test_every_table_and_bucket_is_on_the_map():
    text = page_text("architecture.md")
    for name in (*catalogue.TABLES, *catalogue.BUCKETS):
        assert f"\n| {name} | " in text, name


def test_decisions_are_numbered_one_after_the_other():
    numbers = [int(page.name[:4]) for page in sorted((ROOT / "docs/decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
