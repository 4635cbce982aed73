"""`cisterna project`: owners, people, defaults, policy; how acquisitions find their project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.cli.project_options import (
    ACCEPT_HELP,
    ACCESS_HELP,
    HUMAN_HELP,
    INCOMPLETE_HELP,
    PUBLISH_HELP,
    RELEASE_HELP,
    SHOW_HELP,
    ContributorOption,
    ConvertOption,
    CopyOption,
    CreatorOption,
    EmbargoOption,
    FundingOption,
    KeywordOption,
    LanguageOption,
    LicenceOption,
    ModelOption,
    PersonOption,
    PublisherOption,
    PublisherRorOption,
    ReferenceOption,
    SubjectOption,
    TargetOption,
)
from cisterna.cli.project_set import changed, offered_by, set_
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.account import Account
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import (
    Access,
    Binding,
    BindingKind,
    HumanData,
    MetadataDefaults,
    Policy,
    Project,
    PublishPolicy,
    ReleasePolicy,
)
from cisterna.services.account import create_account
from cisterna.services.project import bind_project, list_projects, unbind_project
from cisterna.services.project_edit import add_project

app = typer.Typer(no_args_is_help=True, help="Projects, and how acquisitions find theirs.")
app.command("set")(set_)

RuleSlug = Annotated[str | None, typer.Argument(help="The project; none with --booking, whose table names them.")]
RulePath = Annotated[str | None, typer.Option("--path", help="Landing path, or a shell pattern over folders.")]
RuleField = Annotated[str | None, typer.Option("--field", help="NAME=VALUE of the acquisition's own fields.")]
RuleBooking = Annotated[
    Path | None, typer.Option("--booking", help="Booking table: CSV with instrument,start,end,project.")
]


@app.command()
def add(
    slug: Annotated[str, typer.Argument(help="Short name: lower case, digits, dot, dash.")],
    *,
    title: Annotated[str, typer.Option("--title", help="Its name for people.", show_default=False)],
    owner: Annotated[
        str | None, typer.Option("--owner", help="Account of who may consent to publication; else yours.")
    ] = None,
    person: PersonOption = None,
    creator: CreatorOption = None,
    contributor: ContributorOption = None,
    publisher: PublisherOption = None,
    publisher_ror: PublisherRorOption = None,
    licence: LicenceOption = None,
    access: Annotated[Access, typer.Option("--access", help=ACCESS_HELP)] = Access.OPEN,
    embargo_until: EmbargoOption = None,
    human_data: Annotated[HumanData, typer.Option("--human-data", help=HUMAN_HELP)] = HumanData.UNANSWERED,
    keyword: KeywordOption = None,
    subject: SubjectOption = None,
    language: LanguageOption = None,
    funding: FundingOption = None,
    reference: ReferenceOption = None,
    accept_passed: Annotated[bool, typer.Option("--accept-passed", help=ACCEPT_HELP)] = False,
    archive_incomplete: Annotated[bool, typer.Option("--archive-incomplete", help=INCOMPLETE_HELP)] = False,
    publish: Annotated[PublishPolicy, typer.Option("--publish", help=PUBLISH_HELP)] = PublishPolicy.NEVER,
    show_metadata: Annotated[bool, typer.Option("--show-metadata", help=SHOW_HELP)] = False,
    model: ModelOption = None,
    convert: ConvertOption = None,
    release: Annotated[ReleasePolicy, typer.Option("--release", help=RELEASE_HELP)] = ReleasePolicy.NEVER,
    release_copy: CopyOption = None,
    target: TargetOption = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Declare a project. Accounts that are named and not there yet are made, without a password."""
    try:
        defaults = changed(
            MetadataDefaults(),
            creators=creator,
            contributors=contributor,
            publisher=publisher,
            publisher_ror=publisher_ror,
            licence=licence,
            access=access,
            embargo_until=embargo_until,
            human_data=human_data,
            keywords=keyword,
            subjects=subject,
            language=language,
            funding=funding,
            references=reference,
        )
        policy = Policy(
            accept_passed=accept_passed,
            archive_incomplete=archive_incomplete,
            publish=publish,
            show_metadata=show_metadata,
            model=model,
            convert=convert,
            release=release,
            release_copy=release_copy,
            targets=tuple(target or ()),
        )
        with opened(home) as parts:
            by = local_account(parts)
            project = Project(
                slug=slug,
                title=title,
                owner=owner or by.name,
                people=tuple(dict.fromkeys(person or ())),
                defaults=defaults,
                policy=policy,
                created_at=parts.clock.now(),
            )
            missing = _declare(project, by=by, parts=parts, dry_run=dry_run)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        msg = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InvalidInput(msg, project=slug) from error
    document = {**project.model_dump(mode="json"), "dry_run": dry_run, "accounts_made": missing}
    text = f"would declare the project {slug}" if dry_run else f"the project {slug} is declared"
    answer(document, as_json=as_json, show=lines(text))


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
            # a booking table names projects itself, so it may bind to any of them
            "bindings": [f"{one.kind.value} {one.pattern}" for one in bindings if one.project in {project.slug, None}],
        }
        for project in found
    ]
    shown = [{**row, "policy": _policy(project)} for row, project in zip(rows, found, strict=True)]
    columns = {"slug": "project", "owner": "owner"}
    told = {"title": "", "policy": "policy", "bindings": "bound by"}
    answer(rows, as_json=as_json, show=table(shown, columns, told=told, empty="No project is declared."))


@app.command()
def bind(
    slug: RuleSlug = None,
    *,
    path: RulePath = None,
    field: RuleField = None,
    booking: RuleBooking = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how acquisitions find a project; the first rule that matches wins."""
    verb = "would be bound" if dry_run else "is bound"
    rule = _rule(path, field, booking)
    _change(bind_project, rule, slug, verb, dry_run=dry_run, home=home, as_json=as_json)


@app.command()
def unbind(
    slug: RuleSlug = None,
    *,
    path: RulePath = None,
    field: RuleField = None,
    booking: RuleBooking = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Take a rule away; what it has bound already keeps its project."""
    verb = "would no longer be bound" if dry_run else "is no longer bound"
    rule = _rule(path, field, booking)
    _change(unbind_project, rule, slug, verb, dry_run=dry_run, home=home, as_json=as_json)


def _change(
    act: Callable[..., Binding],
    rule: tuple[BindingKind, str],
    slug: str | None,
    verb: str,
    *,
    dry_run: bool,
    home: Path | None,
    as_json: bool,
) -> None:
    kind, pattern = rule
    with opened(home) as parts:
        catalogue = catalogue_for(parts.catalogue, dry_run=dry_run)
        done = act(kind, pattern, project=slug, by=local_account(parts), catalogue=catalogue)
    document = {**done.model_dump(mode="json"), "dry_run": dry_run}
    text = f"{kind.value} {pattern} {verb} to {slug or 'what the table names'}"
    answer(document, as_json=as_json, show=lines(text))


def _rule(path: str | None, field: str | None, booking: Path | None) -> tuple[BindingKind, str]:
    given = {
        BindingKind.PATH: path,
        BindingKind.FIELD: field,
        BindingKind.BOOKING: str(booking.absolute()) if booking else None,
    }
    rules = [(kind, pattern) for kind, pattern in given.items() if pattern]
    if len(rules) != 1:
        raise InvalidInput("give exactly one of --path, --field and --booking")
    return rules[0]


def _declare(project: Project, *, by: Account, parts: Parts, dry_run: bool) -> list[str]:
    """Add a project, and the accounts that it names and that are not there; return their names."""
    missing = _without_account((project.owner, *project.people), parts=parts)
    # Tried first, so that accounts are made only for a project that comes to be; those who have none yet are left out.
    people = tuple(one for one in project.people if one not in missing)
    tried = project.model_copy(update={"owner": by.name, "people": people})
    _add(tried, by=by, parts=parts, dry_run=True)
    if not dry_run:
        for name in missing:
            create_account(name, by=by, catalogue=parts.catalogue, clock=parts.clock, passwords=parts.passwords)
        _add(project, by=by, parts=parts, dry_run=False)
    return missing


def _add(project: Project, *, by: Account, parts: Parts, dry_run: bool) -> None:
    add_project(
        project,
        person=by.name,
        catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
        clock=parts.clock,
        offered=offered_by(parts),
        vocabulary=parts.vocabulary,
    )


def _without_account(names: tuple[str, ...], *, parts: Parts) -> list[str]:
    with parts.catalogue.begin() as tx:
        return [name for name in dict.fromkeys(names) if tx.accounts.find(name) is None]


def _policy(project: Project) -> str:
    accepted = "accepts what passed" if project.policy.accept_passed else "a steward decides"
    return f"{accepted}; publish: {project.policy.publish.value}"
