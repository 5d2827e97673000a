"""The page that lawyers and patients read says what the policies say, and all of it."""

from __future__ import annotations

from infra.cdk import access_rules, policies


def test_the_page_is_what_the_rules_say() -> None:
    assert access_rules.PAGE.read_text("utf-8") == access_rules.page()


def test_every_policy_is_told_in_both_languages() -> None:
    every = [
        name
        for path in sorted(policies.LAYER.glob("*.cedar"))
        for name in policies.ids(path.read_text("utf-8"))
    ]
    assert [rule.id for rule in access_rules.rules()] == every
    french, english = access_rules.page().split("## Who sees what, in English")
    for rule in access_rules.rules():
        assert f"| `{rule.id}` | {rule.text[0]} |" in french
        assert f"| `{rule.id}` | {rule.text[1]} |" in english


def test_a_page_that_lags_behind_is_found(monkeypatch, tmp_path, capsys) -> None:
    stale = tmp_path / "access-rules.md"
    monkeypatch.setattr(access_rules, "PAGE", stale)
    assert access_rules.main(["--check"]) == 1
    assert access_rules.main(["--write"]) == 0
    assert access_rules.main(["--check"]) == 0
    assert "access_rules --write" in capsys.readouterr().err
