"""What is packaged is the same for the same sources, small enough, and sufficient by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest

from infra.cdk import packaging, rights, routes
from infra.cdk.rights import DEFAULT_LAYERS
from tests.infra.conftest import ROOT

FUNCTIONS = rights.read(ROOT)


@pytest.fixture(scope="session")
def local():
    return packaging.build("local", ROOT / ".build")


@pytest.fixture(scope="session")
def aws():
    return packaging.build("aws", ROOT / ".build")


_IMPORT = """
import importlib, json, sys
paths, module, names = json.loads(sys.argv[1])
sys.path[:0] = paths
found = importlib.import_module(module)
for name in names:
    assert callable(getattr(found, name)), name
foreign = [
    each.__file__ for each in list(sys.modules.values())
    if getattr(each, "__file__", None) and ("site-packages" in each.__file__ or "dist-packages" in each.__file__)
]
assert not foreign, foreign
"""


@pytest.mark.parametrize(
    ("area", "module"), sorted({(each.area, each.module) for each in FUNCTIONS})
)
def test_the_layers_alone_import_every_module(local, area, module):
    handlers = [each for each in FUNCTIONS if (each.area, each.module) == (area, module)]
    paths = [str(local.areas[area].folder)]
    paths += [str(local.layers[name].folder / "python") for name in handlers[0].layers]
    argument = json.dumps(
        [paths, f"functions.{area}.{module}", [each.handler for each in handlers]]
    )
    environment = routes.environment(ROOT)
    environment.pop("PYTHONPATH")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", _IMPORT, argument],
        env=environment,
        cwd=local.areas[area].folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_layers_are_for_their_target(local, aws):
    def machines(build):
        found = set()
        for layer in ("vendor", "columnar"):
            for path in build.layers[layer].folder.rglob("*.so"):
                found.add(int.from_bytes(path.read_bytes()[18:20], "little"))
        return found

    assert machines(aws) == {183}  # EM_AARCH64
    assert machines(local)


@pytest.mark.parametrize("target", ["local", "aws"])
def test_a_function_with_every_layer_stays_under_the_limit_of_lambda(target, request):
    build = request.getfixturevalue(target)
    assert sum(each.bytes for each in build.layers.values()) < packaging.LIMIT_BYTES
    for layer in build.layers.values():
        assert layer.archive.stat().st_size < 50 * 1024 * 1024  # what a direct upload may have


def test_a_layer_holds_no_tests_no_scripts_and_no_command_line(aws):
    vendor = aws.layers["vendor"].folder / "python"
    names = {path.relative_to(vendor).as_posix() for path in vendor.rglob("*")}
    assert "chalice/app.py" in names
    assert "botocore/data/dynamodb" in names
    assert "botocore/data/ec2" not in names
    for name in names:
        parts = name.split("/")
        assert not {"__pycache__", "tests", "bin"} & set(parts), name
        assert not name.startswith(
            ("chalice/cli", "chalice/deploy", "inquirer", "pip/", "wheel/")
        ), name
        assert not name.endswith((".pyc", ".pyi", "RECORD")), name


def test_every_service_that_a_function_may_call_has_its_model():
    models = {"states": ("stepfunctions",), "ses": ("ses", "sesv2")}
    for function in FUNCTIONS:
        for actions in function.rights.values():
            for action in actions:
                service = action.partition(":")[0]
                for model in models.get(service, (service,)):
                    assert model in packaging.SERVICES, f"{function.name}: {action}"


def test_the_same_sources_make_the_same_asset_byte_for_byte(house, tmp_path):
    area = house / "functions/sample"
    area.mkdir()
    (area / "rights.json").write_text("{}")
    (area / "tasks.py").write_text("def handler(event, context): ...\n")
    (area / "__pycache__").mkdir()
    (area / "__pycache__/tasks.cpython-313.pyc").write_bytes(b"old")
    layers = house / "layers"
    layers.unlink()
    for name in ("vendor", "columnar"):
        (layers / name).mkdir(parents=True)
        (layers / name / "requirements.txt").write_text("")
    for name in ("dmp", "policies"):
        (layers / name / "python").mkdir(parents=True)
        (layers / name / "python" / f"{name}.py").write_text("")
    one = packaging.build("local", tmp_path / "one", root=house)
    (area / "tasks.py").touch()
    two = packaging.build("local", tmp_path / "two", root=house)
    assert one.areas["sample"].digest == two.areas["sample"].digest
    for first, second in (
        (one.areas["sample"], two.areas["sample"]),
        (one.layers["dmp"], two.layers["dmp"]),
    ):
        assert first.archive.read_bytes() == second.archive.read_bytes()
    with zipfile.ZipFile(one.areas["sample"].archive) as archive:
        assert archive.namelist() == ["functions/__init__.py", "functions/sample/tasks.py"]
    (area / "tasks.py").write_text("def handler(event, context): return 1\n")
    assert (
        packaging.build("local", tmp_path / "one", root=house).areas["sample"].digest
        != one.areas["sample"].digest
    )


def test_a_lock_that_cannot_be_installed_says_which_layer(house, tmp_path):
    layers = house / "layers"
    layers.unlink()
    (layers / "vendor").mkdir(parents=True)
    (layers / "vendor/requirements.txt").write_text("left-without-a-hash==1.0\n")
    with pytest.raises(packaging.PackagingError, match="layer vendor cannot be installed"):
        packaging.build("local", tmp_path / "out", root=house)


def test_every_function_gets_the_default_layers():
    assert {each.layers[:3] for each in FUNCTIONS} == {DEFAULT_LAYERS}
