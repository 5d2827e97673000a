"""What the build refuses of the policies layer, one fault at a time."""

from __future__ import annotations

import shutil

import pytest

from infra.cdk import policies


@pytest.fixture
def layer(tmp_path):
    return shutil.copytree(policies.LAYER, tmp_path / "layer")


def change(path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_what_is_in_force_may_be_packaged() -> None:
    assert policies.problems() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("10_holder.cedar", "context.record.holder ==", "context.record.owner ==", "owner"),
        ("10_holder.cedar", 'Action::"decisions"', 'Action::"wishes"', "wishes"),
        ("10_holder.cedar", "permit (", "permit(", "not formatted"),
        ("10_holder.cedar", '@id("holder-reads")\n', "", "has an @id"),
        ("10_holder.cedar", '@id("holder-reads")', '@id("blocked")', "used 2 times"),
        ("10_holder.cedar", "// The holder deposits documents of their own.\n", "", "one sentence"),
        ("10_holder.cedar", "permit (", "forbid (", "prohibitions stand in"),
        ("00_guardrails.cedar", "forbid (", "permit (", "prohibitions stand in"),
        ("schema.cedarschema", "entity Record;", "entity Record", "schema.cedarschema"),
        ("matrix.csv", ";read!;", ";maybe;", "not a complete row"),
        ("matrix.csv", ";read!;", ";none!;", "new version"),
        ("matrix.csv", "other;*", "other;?", "no row for any other"),
        ("matrix.csv", "type;SYNTH", "type;60591-5", "2 times"),
        ("matrix.csv", "class;31;", "class;32;", "has no row"),
        ("durations.json", "365", "0", "whole days"),
    ],
)
def test_a_fault_is_named(layer, file, old, new, said) -> None:
    change(layer / file, old, new)
    assert any(said in problem for problem in policies.problems(layer)), policies.problems(layer)


def test_write_formats_and_stamps(layer) -> None:
    change(layer / "10_holder.cedar", "permit (", "permit(")
    change(layer / "matrix.csv", ";read!;", ";none!;")
    policies.write(layer)
    assert policies.problems(layer) == []


def test_another_call_is_a_usage_error(capsys) -> None:
    assert policies.main([]) == 2
    assert policies.main(["--check"]) == 0
    assert "valid" in capsys.readouterr().out
