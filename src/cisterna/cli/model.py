"""`cisterna model`: BioImage.IO packages, tested before they may run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisterna.bootstrap import open_parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.domain.errors import InferenceFailed
from cisterna.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Models that may be run on archived images.")

COLUMNS = {"name": "name", "version": "version"}
TOLD = {"description": "", "trained_on": "trained on"}


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the admitted models."""
    with open_parts(load_settings(home=home)) as parts:
        rows = [parts.inference.card(name).model_dump(mode="json") for name in parts.models()]
    empty = "No model is admitted; `cisterna model add` adds one."
    answer(rows, as_json=as_json, show=table(rows, COLUMNS, told=TOLD, empty=empty))


@app.command()
def add(
    package: Annotated[Path, typer.Argument(help="Folder with an rdf.yaml and ONNX weights.")],
    *,
    name: Annotated[str, typer.Option("--name", help="What people call it.", show_default=False)],
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Test a package against its own stored output and admit it; only ONNX weights are run, the others are code."""
    from cisterna.adapters.model_engine import Engine
    from cisterna.adapters.model_package import admit_package, read_package

    settings = load_settings(home=home)
    with open_parts(settings) as parts:
        offered = read_package(package.absolute(), name=name)
        status = Engine(parts.home.models).test(offered).content["status"]
        if status != "passed":
            msg = f"{package} does not give its own stored output ({status}); it is not admitted"
            raise InferenceFailed(msg, model=name)
        if not dry_run:
            admit_package(package.absolute(), parts.home.models, name=name)
    verb = "would be admitted" if dry_run else "is admitted"
    answer(offered.card.model_dump(mode="json"), as_json=as_json, show=lines(f"{name} {verb}, tested: {status}"))


@app.command("test")
def reproduce(
    name: Annotated[str, typer.Argument(help="An admitted model.")], *, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """Compare an admitted model with its own stored output: that proves that it reproduces, not that it is right."""
    from cisterna.adapters.model_engine import Engine
    from cisterna.adapters.model_package import find_package

    with open_parts(load_settings(home=home)) as parts:
        package = find_package(parts.home.models, name)
        status = Engine(parts.home.models).test(package).content["status"]
    passed = status == "passed"
    document = {"name": name, "sha256": package.sha256, "status": status, "reason": f"bioimageio test: {status}"}
    answer(document, as_json=as_json, show=pairs(document), code=ExitCode.DONE if passed else ExitCode.FAILED)
