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
        (
            "10_holder.cedar",
            '@fr("Le titulaire dépose ses propres documents.")\n',
            "",
            "holder-deposits: a policy has its sentence in French",
        ),
        ("10_holder.cedar", "ses propres documents.", "ses propres documents", "full stop"),
        ("10_holder.cedar", "Le titulaire dépose ses propres documents.", "", "in French"),
        ("10_holder.cedar", "Le titulaire dépose ses propres documents.", "Rien.", "in French"),
        ("schema.cedarschema", "entity Record;", "entity Record", "schema.cedarschema"),
        ("matrix.csv", ";read!;", ";maybe;", "not a complete row"),
        ("matrix.csv", ";read!;", ";none!;", "new version"),
        ("matrix.csv", "other;*", "other;?", "no row for any other"),
        ("matrix.csv", "type;SYNTH", "type;60591-5", "2 times"),
        ("matrix.csv", "class;31;", "class;32;", "has no row"),
        ("durations.json", "365", "0", "whole days"),
        ("durations.json", "365", "true", "whole days"),
        ("durations.json", '"26": 90', '"27": 90', "no profession '27'"),
        ("durations.json", '"default": "esante', '"holder": "esante', "neither sourced"),
        ("parameters.json", "18", "-1", "majorityYears is a whole number from 1"),
        ("parameters.json", "90", '"90"', "careTeamDays is a whole number from 0"),
        ("parameters.json", "false", "0", "maskedAndInvisible is true or false"),
        ("parameters.json", '"majorityYears": 18,', "", "majorityYears is missing"),
        ("parameters.json", '"majorityYears": 18', '"age": 18, "majorityYears": 18', "reads age"),
        ("parameters.json", '["majorityReminderDays", ', "[", "neither sourced nor assumed"),
    ],
)
def test_a_fault_is_named(layer, file, old, new, said) -> None:
    change(layer / file, old, new)
    assert any(said in problem for problem in policies.problems(layer)), policies.problems(layer)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Synthèse médicale;read!;read;", "Synthèse médicale;read!;read!;", "60591-5 for 21"),
        ("Synthèse médicale;read!;", "Synthèse médicale;read;", "is assumed, published read"),
        ("Synthèse médicale;read!;", "Synthèse médicale;none!;", "is none, published read"),
    ],
)
def test_a_cell_is_sourced_exactly_where_it_is_published(layer, old, new, said) -> None:
    change(layer / "matrix.csv", old, new)
    policies.write(layer)
    assert [said in problem for problem in policies.problems(layer)] == [True]


def test_write_formats_and_stamps(layer) -> None:
    change(layer / "10_holder.cedar", "permit (", "permit(")
    change(layer / "matrix.csv", "Carte de porteur", "La carte de porteur")
    policies.write(layer)
    assert policies.problems(layer) == []


def test_another_call_is_a_usage_error(capsys) -> None:
    assert policies.main([]) == 2
    assert policies.main(["--check"]) == 0
    assert "valid" in capsys.readouterr().out
