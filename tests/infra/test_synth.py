"""Synthesis is cached by content, fails early and clearly, and cdk-nag has its say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from infra.cdk import stages
from infra.cdk import synth as synthesis
from tests.infra.conftest import ROOT


def test_the_same_content_is_synthesised_once(house, monkeypatch):
    runs, said = [], []

    def run(root, build, out, names):
        runs.append(list(names))
        for name in names:
            (out / name).mkdir()

    monkeypatch.setattr(synthesis, "_run", run)
    first = synthesis.synth_each(("local", "dev"), root=house, progress=said.append)
    again = synthesis.synth("local", root=house, progress=said.append)
    assert again == first["local"] != first["dev"]
    assert runs == [["local", "dev"]]
    assert said[-1] == "templates of local: unchanged"
    (house / "functions/new.py").touch()
    assert synthesis.synth("local", root=house, progress=said.append) != again
    assert runs[1:] == [["local"]]


def test_a_missing_module_is_named_before_the_cdk_starts(house, monkeypatch):
    monkeypatch.setattr(synthesis, "_run", lambda *_: pytest.fail("the CDK was started"))
    area = house / "functions/sample"
    area.mkdir()
    (area / "rights.json").write_text(json.dumps({"ghost": {"kind": "task"}}))
    with pytest.raises(
        synthesis.SynthError, match=r"names ghost, but functions/sample/ghost\.py is not there"
    ):
        synthesis.synth("local", root=house)


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match="local, dev, prod"):
        synthesis.synth("production")


def test_node_comes_from_the_wheel_when_the_machine_has_none(monkeypatch):
    monkeypatch.setattr(synthesis.shutil, "which", lambda _: None)
    synthesis.node.cache_clear()
    try:
        told = subprocess.run(
            [synthesis.node(), "--version"], capture_output=True, text=True, check=True
        )
    finally:
        synthesis.node.cache_clear()
    assert int(told.stdout[1:].split(".")[0]) >= synthesis.OLDEST_NODE


def test_a_finding_that_nobody_acknowledged_fails_the_synthesis(tmp_path):
    code = (
        "import sys; from pathlib import Path; from aws_cdk import Stack, aws_s3\n"
        "from infra.cdk.app import checked_app\n"
        "app = checked_app(Path(sys.argv[1])); aws_s3.Bucket(Stack(app, 'S'), 'B'); app.synth()\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", code, str(tmp_path / "out")],
        cwd=ROOT,
        env=synthesis._environment(ROOT / ".build"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "AwsSolutions-S10" in done.stderr


def test_every_acknowledgement_has_a_reason(assembly):
    found = 0
    for path in assembly.folder.glob("*.metadata.json"):
        for entries in json.loads(path.read_text()).values():
            for entry in entries:
                if entry["type"] == "aws:cdk:acknowledged-rules":
                    for rule, reason in entry["data"].items():
                        found += 1
                        assert len(reason) > 40, rule
    assert found > 10


def test_account_and_region_come_from_the_environment():
    given = {
        "CDK_DEFAULT_ACCOUNT": "1" * 12,
        "CDK_DEFAULT_REGION": "eu-west-3",
        "DMP_DOMAIN": "dmp.test",
        "DMP_ISSUERS": '{"patient": {}}',
    }
    full = stages.stage("prod", given)
    assert (full.account, full.region, full.domain) == ("1" * 12, "eu-west-3", "dmp.test")
    assert full.missing() == ()
    assert stages.stage("prod", {}).missing() == tuple(given)
    assert stages.stage("local", given).account is None


def test_prod_is_protected_strict_and_behind_the_waf():
    prod = stages.stage("prod", {})
    assert prod.protected
    assert prod.waf
    assert not prod.lenient_identity
