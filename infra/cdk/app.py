"""Synthesises stages: `python -m infra.cdk.app STAGE… --out FOLDER --build FOLDER [--root ROOT]`.

Run by `infra.cdk.synth`, in a process of its own (Python -O: jsii then skips its type checks).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import App, DefaultStackSynthesizer, Environment, Validations
from cdk_nag import AwsSolutionsChecks

from infra.cdk import definitions, openapi, packaging, rights, routes
from infra.cdk.parts.estate import Estate, House
from infra.cdk.stacks.api import ApiStack
from infra.cdk.stacks.data import DataStack
from infra.cdk.stacks.imports import ImportsStack
from infra.cdk.stacks.operations import OperationsStack
from infra.cdk.stages import NAMES, Stage, stage

if TYPE_CHECKING:
    from collections.abc import Sequence


def house(selected: Stage, root: Path, out: Path) -> House:
    """Reads the repository and packages it for the stage's target."""
    functions = rights.read(root)
    table = routes.read(root, functions)
    return House(
        stage=selected,
        functions=functions,
        routes=table,
        definitions=definitions.read(root, functions),
        build=packaging.build(
            "aws" if selected.aws else "local",
            out,
            root=root,
            generated={"portal": {"openapi.json": openapi.document(root, functions, table)}},
        ),
    )


def checked_app(out: Path) -> App:
    """An app whose synthesis fails on any AwsSolutions finding that is not acknowledged."""
    app = App(
        outdir=str(out),
        analytics_reporting=False,
        tree_metadata=False,
        context={
            "aws:cdk:disable-stack-trace": True,
            "aws:cdk:enable-asset-metadata": False,
            "aws:cdk:enable-path-metadata": False,
        },
    )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def synthesise(selected: Stage, content: House, out: Path) -> None:
    """Writes the cloud assembly of a stage to `out`."""
    app = checked_app(out)
    estate = Estate(selected)
    options = {
        "env": Environment(account=selected.account, region=selected.region),
        "termination_protection": selected.protected,
        "analytics_reporting": False,
    }

    def named(part: str) -> dict[str, object]:
        return {
            **options,
            "stack_name": f"dmp-{selected.name}-{part}",
            "description": f"Dossier médical partagé, {selected.name}: {part}",
            "synthesizer": DefaultStackSynthesizer(),
        }

    prefix = f"dmp-{selected.name}"
    DataStack(app, f"{prefix}-data", estate, **named("data"))
    imports = ImportsStack(app, f"{prefix}-imports", estate, content, **named("imports"))
    api = ApiStack(app, f"{prefix}-api", estate, content, **named("api"))
    operations = OperationsStack(
        app, f"{prefix}-operations", estate, content, **named("operations")
    )
    api.add_stack_dependency(imports)
    operations.add_stack_dependency(api)
    app.synth()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="+", choices=NAMES, metavar="STAGE")
    parser.add_argument("--out", type=Path, required=True, help="gets one assembly per stage")
    parser.add_argument("--build", type=Path, required=True, help="where packaged code is kept")
    parser.add_argument("--root", type=Path, default=packaging.ROOT)
    given = parser.parse_args(arguments)
    for name in given.stages:
        selected = stage(name)
        content = house(selected, given.root, given.build)
        synthesise(selected, content, given.out.resolve() / name)


if __name__ == "__main__":
    main()
