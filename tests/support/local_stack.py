"""Local clouds of the tests' own: free ports, a home that goes away, stopped by their process id.

`probe_cloud` runs the probe stack of ``tests/contract/local_cloud``; `local_stack` the product.
Import the fixture that a module needs; every module of a session shares the same cloud.
"""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local import assembly, lifecycle
from infra.local.home import Home
from infra.local.ports import free_port


@contextmanager
def own_cloud(templates=lifecycle.synthesized, home=None):
    """A running cloud (`lifecycle.Running`) in ``home``, by default a temporary one."""
    folder = Path(home or tempfile.mkdtemp(prefix="dmp-cloud-"))
    running = lifecycle.start(
        Home.at(folder), port=free_port(), progress=lambda _line: None, templates=templates
    )
    try:
        yield running
    finally:
        running.stop()
        if home is None:
            shutil.rmtree(folder)


def probe_templates(folder, change=None):
    """What `lifecycle.start` needs to deploy the probe stack, written to ``folder``."""
    from tests.contract.local_cloud.template import write_assembly  # noqa: PLC0415

    return lambda _progress: assembly.read(write_assembly(Path(folder), change=change))


_RUNNING = pytest.StashKey()


def _shared(config, name, open_cloud):
    """The cloud of that name of this test session, started when it is first asked for."""
    clouds = config.stash.setdefault(_RUNNING, {})
    if name not in clouds:
        context = open_cloud()
        clouds[name] = context.__enter__()
        config.add_cleanup(lambda: context.__exit__(None, None, None))
    return clouds[name].stack


@pytest.fixture
def probe_cloud(request, tmp_path_factory):
    """The `Stack` of a cloud that runs the probe stack."""
    return _shared(
        request.config,
        "probe",
        lambda: own_cloud(probe_templates(tmp_path_factory.mktemp("assembly"))),
    )


@pytest.fixture
def local_stack(request):
    """The `Stack` of a cloud that runs the product."""
    return _shared(request.config, "product", own_cloud)
