"""`cisterna project set`: what a project's datasets say unless they say otherwise; the same options add a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import ValidationError

from cisterna.cli.answer import AsJson, DryRun, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import Access, HumanData, MetadataDefaults
from cisterna.metadata.given_fault import fault_words
from cisterna.services.project_edit import edit_project

CreatorOption = Annotated[
    list[str] | None,
    typer.Option("--creator", help="'Family, Given; ORCID; affiliation; ROR'; repeat."),
]
ContributorOption = Annotated[
    list[str] | None, typer.Option("--contributor", help="'DataCollector: Family, Given; ORCID; affiliation'; repeat.")
]
PublisherOption = Annotated[str | None, typer.Option("--publisher", help="Who publishes its datasets.")]
PublisherRorOption = Annotated[str | None, typer.Option("--publisher-ror", help="The publisher's ROR.")]
LicenceOption = Annotated[str | None, typer.Option("--licence", help="SPDX identifier, such as CC-BY-4.0.")]
EmbargoOption = Annotated[
    str | None, typer.Option("--embargo-until", help="With --access embargoed: a day, such as 2027-06-30.")
]
KeywordOption = Annotated[list[str] | None, typer.Option("--keyword", help="Repeat.")]
SubjectOption = Annotated[
    list[str] | None, typer.Option("--subject", help="'Homo sapiens; NCBITaxon:9606', or words alone; repeat.")
]
LanguageOption = Annotated[str | None, typer.Option("--language", help="A tag of BCP 47, such as en.")]
FundingOption = Annotated[
    list[str] | None, typer.Option("--funding", help="'Funder; award number; title; funder id; address'; repeat.")
]
ReferenceOption = Annotated[
    list[str] | None, typer.Option("--reference", help="'ethics-approval: Dnr 7', 'paper: DOI; title', ...; repeat.")
]


def set_(
    slug: Annotated[str, typer.Argument(help="The project.", show_default=False)],
    *,
    creator: CreatorOption = None,
    contributor: ContributorOption = None,
    publisher: PublisherOption = None,
    publisher_ror: PublisherRorOption = None,
    licence: LicenceOption = None,
    access: Annotated[Access | None, typer.Option("--access", help="Who may see a published dataset.")] = None,
    embargo_until: EmbargoOption = None,
    human_data: Annotated[
        HumanData | None, typer.Option("--human-data", help="Do the data come from identifiable people?")
    ] = None,
    keyword: KeywordOption = None,
    subject: SubjectOption = None,
    language: LanguageOption = None,
    funding: FundingOption = None,
    reference: ReferenceOption = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", help="Field to say no more; repeat.")] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Change what a project's datasets say unless they say otherwise; what is described already stays as it is."""
    with opened(home) as parts:
        with parts.catalogue.begin() as tx:
            present = tx.projects.get(slug)
        defaults = changed_defaults(
            present.defaults,
            unset=unset or (),
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
        after = edit_project(
            present.model_copy(update={"defaults": defaults}),
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
            vocabulary=parts.vocabulary,
        )
    changed = [name for name, value in defaults if value != getattr(present.defaults, name)]
    verb = "would say" if dry_run else "says"
    text = f"{slug} {verb} something else of {', '.join(changed)}" if changed else f"{slug} {verb} the same as before"
    document = {**after.model_dump(mode="json"), "changed": changed, "dry_run": dry_run}
    answer(document, as_json=as_json, show=lines(text))


def changed_defaults(
    present: MetadataDefaults, *, unset: Sequence[str] = (), **said: str | Sequence[str] | None
) -> MetadataDefaults:
    """Put what was typed over what is there; a list that was typed stands instead of the one that is there.

    Raises:
        InvalidInput: A field cannot be used, or is both said and unset; the message names it.
    """
    words = {name: value for name, value in said.items() if value is not None}
    for name in unset:
        if name in words or name not in MetadataDefaults.model_fields:
            why = "is said as well" if name in words else f"is none of {', '.join(MetadataDefaults.model_fields)}"
            msg = f"--unset {name[:60]}: that {why}"
            raise InvalidInput(msg, field=name[:60])
    kept = {name: value for name, value in present if name not in {*words, *unset}}
    try:
        return MetadataDefaults.model_validate({**kept, **words})
    except ValidationError as error:
        raise InvalidInput(fault_words(error)) from error
