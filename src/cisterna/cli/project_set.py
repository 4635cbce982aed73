"""`cisterna project set`: a project's people, its policy, and what its datasets say unless they say otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
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
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import (
    Access,
    HumanData,
    MetadataDefaults,
    Policy,
    Project,
    PublishPolicy,
    ReleasePolicy,
)
from cisterna.metadata.given_fault import fault_words
from cisterna.services.project_edit import Offered, edit_project

_Said = TypeVar("_Said", MetadataDefaults, Policy)
_Words = str | bool | Sequence[str] | None


def set_(
    slug: Annotated[str, typer.Argument(help="The project.", show_default=False)],
    *,
    title: Annotated[str | None, typer.Option("--title", help="Its name for people.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Account of who may consent to publication.")] = None,
    person: PersonOption = None,
    creator: CreatorOption = None,
    contributor: ContributorOption = None,
    publisher: PublisherOption = None,
    publisher_ror: PublisherRorOption = None,
    licence: LicenceOption = None,
    access: Annotated[Access | None, typer.Option("--access", help=ACCESS_HELP)] = None,
    embargo_until: EmbargoOption = None,
    human_data: Annotated[HumanData | None, typer.Option("--human-data", help=HUMAN_HELP)] = None,
    keyword: KeywordOption = None,
    subject: SubjectOption = None,
    language: LanguageOption = None,
    funding: FundingOption = None,
    reference: ReferenceOption = None,
    accept_passed: Annotated[bool | None, typer.Option("--accept-passed/--no-accept-passed", help=ACCEPT_HELP)] = None,
    archive_incomplete: Annotated[
        bool | None, typer.Option("--archive-incomplete/--no-archive-incomplete", help=INCOMPLETE_HELP)
    ] = None,
    publish: Annotated[PublishPolicy | None, typer.Option("--publish", help=PUBLISH_HELP)] = None,
    show_metadata: Annotated[bool | None, typer.Option("--show-metadata/--no-show-metadata", help=SHOW_HELP)] = None,
    model: ModelOption = None,
    convert: ConvertOption = None,
    release: Annotated[ReleasePolicy | None, typer.Option("--release", help=RELEASE_HELP)] = None,
    release_copy: CopyOption = None,
    target: TargetOption = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Field to say no more, such as embargo_until or model; repeat.")
    ] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Change a project: people, policy, what its datasets say unless they say otherwise.

    What is described already stays as it is. A list that is given stands instead of the one that is there.
    """
    of_policy, of_defaults = _sorted_out(unset or ())
    with opened(home) as parts:
        with parts.catalogue.begin() as tx:
            present = tx.projects.get(slug)
        wanted = _with_people(present, title=title, owner=owner, people=person)
        defaults = changed(
            present.defaults,
            unset=of_defaults,
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
        policy = changed(
            present.policy,
            unset=of_policy,
            accept_passed=accept_passed,
            archive_incomplete=archive_incomplete,
            publish=publish,
            show_metadata=show_metadata,
            model=model,
            convert=convert,
            release=release,
            release_copy=release_copy,
            targets=target,
        )
        after = edit_project(
            wanted.model_copy(update={"defaults": defaults, "policy": policy}),
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
            offered=offered_by(parts),
            vocabulary=parts.vocabulary,
        )
    differing = _differing(present, after)
    verb = "would be changed" if dry_run else "is changed"
    text = f"{slug} {verb}: {', '.join(differing)}" if differing else f"{slug} says that already; nothing is changed"
    document = {**after.model_dump(mode="json"), "changed": differing, "dry_run": dry_run}
    answer(document, as_json=as_json, show=lines(text))


def offered_by(parts: Parts) -> Offered:
    """Give what a project's policy can name here."""
    return Offered(models=parts.models(), targets=parts.settings.targets.names, stores=parts.store_names)


def changed(present: _Said, *, unset: Sequence[str] = (), **said: _Words) -> _Said:
    """Put what was typed over what is there; a list that was typed stands instead of the one that is there.

    Raises:
        InvalidInput: A field cannot be used, or is both said and unset; the message names it.
    """
    words: dict[str, object] = {name: value for name, value in said.items() if value is not None}
    for name in unset:
        if name in words:
            msg = f"--unset {name}: that is said as well"
            raise InvalidInput(msg, field=name)
    kept = {name: value for name, value in present if name not in {*words, *unset}}
    try:
        return type(present).model_validate({**kept, **words})
    except ValidationError as error:
        raise InvalidInput(fault_words(error)) from error


def _sorted_out(unset: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell the policy's fields from those of the defaults. Raises `InvalidInput` for what is neither."""
    fields = [*MetadataDefaults.model_fields, *Policy.model_fields]
    for name in unset:
        if name not in fields:
            msg = f"--unset {name[:60]}: that is none of {', '.join(fields)}"
            raise InvalidInput(msg, field=name[:60])
    of_policy = [name for name in unset if name in Policy.model_fields]
    return of_policy, [name for name in unset if name not in of_policy]


def _with_people(present: Project, *, title: str | None, owner: str | None, people: Sequence[str] | None) -> Project:
    named = tuple(dict.fromkeys(people)) if people else present.people
    said = {name: value for name, value in (("title", title), ("owner", owner)) if value is not None}
    try:
        return Project.model_validate({**dict(present), **said, "people": named})
    except ValidationError as error:
        raise InvalidInput(fault_words(error)) from error


def _differing(before: Project, after: Project) -> list[str]:
    told = [name for name in ("title", "owner", "people") if getattr(before, name) != getattr(after, name)]
    of_defaults = [name for name, value in after.defaults if value != getattr(before.defaults, name)]
    return told + of_defaults + [name for name, value in after.policy if value != getattr(before.policy, name)]
