"""Local clouds of the tests' own: free ports, a home that goes away, stopped by their process id.

`local_stack(folder)` runs the product and gives the content of its ``stack.json``; `token` and
`inbox` are what ``dmp token`` and ``dmp inbox`` give. `probe_cloud` is a fixture to import: the
cloud with the probe stack of ``tests/contract/local_cloud``, one for the whole session.
"""

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local import assembly, lifecycle, product, tokens
from infra.local.home import Home
from infra.local.inbox import messages
from infra.local.ports import free_port


@contextmanager
def own_cloud(folder=None, templates=lifecycle.synthesized):
    """A running cloud (`lifecycle.Running`) in ``folder``, by default a temporary one."""
    product.importable()
    home = Path(folder or tempfile.mkdtemp(prefix="dmp-cloud-"))
    running = lifecycle.start(
        Home.at(home), port=free_port(), progress=lambda _line: None, templates=templates
    )
    try:
        yield running
    finally:
        running.stop()
        if folder is None:
            shutil.rmtree(home)


@contextmanager
def local_stack(folder=None):
    """The content of ``stack.json`` of a cloud that runs the product."""
    with own_cloud(folder) as running:
        yield dict(running.stack.content)


def token(stack, *arguments):
    """What ``dmp token`` prints for these arguments."""
    return tokens.issue(stack, arguments)


def inbox(stack, to=None):
    """What ``dmp inbox --json`` prints."""
    return messages(stack, to)


def probe_templates(folder, change=None):
    """What `lifecycle.start` needs to deploy the probe stack, written to ``folder``."""
    from tests.contract.local_cloud.template import write_assembly  # noqa: PLC0415

    return lambda _progress: assembly.read(write_assembly(Path(folder), change=change))


_PROBE = pytest.StashKey()


@pytest.fixture
def probe_cloud(request, tmp_path_factory):
    """The `Stack` of a cloud that runs the probe stack."""
    stash = request.config.stash
    if _PROBE not in stash:
        context = own_cloud(templates=probe_templates(tmp_path_factory.mktemp("assembly")))
        stash[_PROBE] = context.__enter__().stack
        request.config.add_cleanup(lambda: context.__exit__(None, None, None))
    return stash[_PROBE]
