"""`cisterna target`: places outside to which public versions go."""

from __future__ import annotations

from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, ExitCode, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="Places outside to which public versions go.")


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the targets that the settings name, and how many versions are how far at each."""
    with opened(home) as parts:
        with parts.catalogue.begin() as tx:
            wishes = tx.deposits.list()
        rows = [
            {
                "target": one.name,
                "title": one.title,
                "reserves": one.reserves,
                **{
                    state.value: sum(w.target == one.name and w.state is state for w in wishes)
                    for state in DepositState
                },
            }
            for one in parts.targets.values()
        ]
        columns = {name: name for name in ("target", "title", "deposited", "wanted", "failed", "withdrawing")}
    answer(rows, as_json=as_json, show=table(rows, columns, empty="The settings name no target."))


@app.command("test")
def try_target(
    name: Annotated[str, typer.Argument(help="Name of a target, as the settings have it.")],
    *,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a target answers and takes the credentials, and what its limits are; nothing is written there."""
    with opened(home) as parts:
        target = parts.targets.get(name)
        if target is None:
            msg = f"there is no target '{name[:63]}'; there are: {', '.join(sorted(parts.targets)) or 'none'}"
            raise NotFound(msg, target=name[:63])
        report = target.test()
    document = {"target": name, **report.model_dump(mode="json"), "reason": report.words}
    code = ExitCode.DONE if report.is_usable else ExitCode.PERSON_NEEDED
    answer(document, as_json=as_json, show=lines(report.words, *report.limits), code=code)
