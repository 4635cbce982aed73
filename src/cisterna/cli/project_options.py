"""The options that `cisterna project add` and `cisterna project set` share."""

from __future__ import annotations

from typing import Annotated

import typer

from cisterna.domain.project import ViewFormat

PersonOption = Annotated[list[str] | None, typer.Option("--person", help="Account that may see its data; repeat.")]
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
ModelOption = Annotated[str | None, typer.Option("--model", help="Model to run on what passed.")]
ConvertOption = Annotated[ViewFormat | None, typer.Option("--convert", help="Form to convert what passed to.")]
CopyOption = Annotated[str | None, typer.Option("--release-copy", help="Store whose one re-read copy suffices for it.")]
TargetOption = Annotated[
    list[str] | None,
    typer.Option("--target", help="Place outside to which every version goes once it is public; repeat."),
]
ACCEPT_HELP = "Accept without asking what passed and is completely described."
INCOMPLETE_HELP = "Archive aborted, partial and stalled runs, labelled as such."
ACCESS_HELP = "Who may see a published dataset."
HUMAN_HELP = "Do the data come from identifiable people?"
PUBLISH_HELP = "When accepted data become public."
SHOW_HELP = "Show the description of embargoed and restricted data."
RELEASE_HELP = "When the deletion of instruments' copies is announced."
