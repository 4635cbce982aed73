"""`cisterna project`: owners, people, defaults, policy; how acquisitions find their project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.domain.account import Account
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import (
    Access,
    BindingKind,
    Creator,
    HumanData,
    MetadataDefaults,
    Policy,
    Project,
    PublishPolicy,
)
from cisterna.services.account import create_account
from cisterna.services.project import add_project, bind_project, list_projects

app = typer.Typer(no_args_is_help=True, help="Projects, and how acquisitions find theirs.")


@app.command()
def add(
    slug: Annotated[str, typer.Argument(help="Short name: lower case, digits, dot, dash.")],
    *,
    title: Annotated[str, typer.Option("--title", help="Its name for people.", show_default=False)],
    owner: Annotated[
        str | None, typer.Option("--owner", help="Account of who may consent to publication; else yours.")
    ] = None,
    person: Annotated[list[str] | None, typer.Option("--person", help="Account that may see its data; repeat.")] = None,
    creator: Annotated[
        list[str] | None, typer.Option("--creator", help="'Family, Given' or 'Family, Given;ORCID'; repeat.")
    ] = None,
    publisher: Annotated[str | None, typer.Option("--publisher", help="Who publishes its datasets.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX identifier, such as CC-BY-4.0.")] = None,
    access: Annotated[Access, typer.Option("--access", help="Who may see a published dataset.")] = Access.OPEN,
    human_data: Annotated[
        HumanData, typer.Option("--human-data", help="Do the data come from identifiable people?")
    ] = HumanData.UNANSWERED,
    keyword: Annotated[list[str] | None, typer.Option("--keyword", help="Repeat.")] = None,
    accept_passed: Annotated[
        bool, typer.Option("--accept-passed", help="Accept without asking what passed and is completely described.")
    ] = False,
    publish: Annotated[
        PublishPolicy, typer.Option("--publish", help="When accepted data become public.")
    ] = PublishPolicy.NEVER,
    model: Annotated[str | None, typer.Option("--model", help="Model to run on what passed.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare a project. Accounts that are named and not there yet are made, without a password."""
    try:
        defaults = MetadataDefaults(
            creators=tuple(_creator(one) for one in creator or []),
            publisher=publisher,
            licence=licence,
            access=access,
            human_data=human_data,
            keywords=tuple(keyword or ()),
        )
        policy = Policy(accept_passed=accept_passed, publish=publish, model=model)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InvalidInput(msg, project=slug) from error
    with opened(home) as parts:
        by = local_account(parts)
        if model is not None:
            parts.inference.card(model)
        if dry_run:
            answer({"slug": slug, "dry_run": True}, as_json=as_json, show=lines(f"would declare the project {slug}"))
            return
        people = tuple(person or ())
        _ensure_accounts((owner or by.name, *people), by=by, parts=parts)
        project = add_project(
            slug,
            title=title,
            owner=owner or by.name,
            by=by,
            people=people,
            defaults=defaults,
            policy=policy,
            catalogue=parts.catalogue,
            clock=parts.clock,
        )
    answer(project.model_dump(mode="json"), as_json=as_json, show=lines(f"the project {slug} is declared"))


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the projects."""
    with opened(home) as parts:
        found = list_projects(account=local_account(parts), catalogue=parts.catalogue)
        with parts.catalogue.begin() as tx:
            bindings = tx.projects.bindings()
    rows = [
        {
            **project.model_dump(mode="json"),
            "bindings": [f"{one.kind.value} {one.pattern}" for one in bindings if one.project == project.slug],
        }
        for project in found
    ]
    shown = [{**row, "policy": _policy(project)} for row, project in zip(rows, found, strict=True)]
    columns = {"slug": "project", "owner": "owner"}
    told = {"title": "", "policy": "policy", "bindings": "bound by"}
    answer(rows, as_json=as_json, show=table(shown, columns, told=told, empty="No project is declared."))


@app.command()
def bind(
    slug: Annotated[
        str | None, typer.Argument(help="The project; none with --booking, whose table names them.")
    ] = None,
    *,
    path: Annotated[str | None, typer.Option("--path", help="Landing path, or a shell pattern over folders.")] = None,
    field: Annotated[str | None, typer.Option("--field", help="NAME=VALUE of the acquisition's own fields.")] = None,
    booking: Annotated[
        Path | None, typer.Option("--booking", help="Booking table: CSV with instrument,start,end,project.")
    ] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how acquisitions find a project; the first rule that matches wins."""
    given = {
        BindingKind.PATH: path,
        BindingKind.FIELD: field,
        BindingKind.BOOKING: str(booking.absolute()) if booking else None,
    }
    rules = [(kind, pattern) for kind, pattern in given.items() if pattern]
    if len(rules) != 1:
        raise InvalidInput("give exactly one of --path, --field and --booking")
    kind, pattern = rules[0]
    with opened(home) as parts:
        document: dict[str, object] = {"kind": kind.value, "pattern": pattern, "project": slug}
        if not dry_run:
            bound = bind_project(kind, pattern, project=slug, by=local_account(parts), catalogue=parts.catalogue)
            document = bound.model_dump(mode="json")
    verb = "would be bound" if dry_run else "is bound"
    answer(document, as_json=as_json, show=lines(f"{kind.value} {pattern} {verb} to {slug or 'what the table names'}"))


def _ensure_accounts(names: tuple[str, ...], *, by: Account, parts: Parts) -> None:
    with parts.catalogue.begin() as tx:
        missing = [name for name in dict.fromkeys(names) if tx.accounts.find(name) is None]
    for name in missing:
        create_account(name, by=by, catalogue=parts.catalogue, clock=parts.clock, passwords=parts.passwords)


def _creator(text: str) -> Creator:
    name, _, orcid = text.partition(";")
    return Creator(name=name, orcid=orcid.strip() or None)


def _policy(project: Project) -> str:
    accepted = "accepts what passed" if project.policy.accept_passed else "a steward decides"
    return f"{accepted}; publish: {project.policy.publish.value}"
