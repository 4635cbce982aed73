"""The study or order that an acquisition belongs to."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from cisterna.domain.base import Day, Moment, Value
from cisterna.domain.credit import Contributors, Creator, Fundings, References, Subjects, Text, checked_creators
from cisterna.domain.identifier import Slug
from cisterna.domain.language import Language
from cisterna.domain.outside_identifier import Ror


class Access(StrEnum):
    """Who may see a dataset once it is published; the COAR access rights."""

    OPEN = "open"
    EMBARGOED = "embargoed"
    RESTRICTED = "restricted"
    CLOSED = "closed"


class HumanData(StrEnum):
    """The answer to: do these data come from identifiable people? Unanswered counts as restricted."""

    NO = "no"
    YES = "yes"
    UNANSWERED = "unanswered"


def require_embargo(access: Access | None, until: date | None) -> None:
    """Refuse the end of an embargo where access is said to be another. Raises `ValueError`."""
    if until is not None and access not in {None, Access.EMBARGOED}:
        msg = f"embargo_until goes with access: embargoed, and access is {access.value if access else 'not said'}"
        raise ValueError(msg)


class MetadataDefaults(Value):
    """What every dataset of a project says unless it says otherwise."""

    creators: tuple[Creator, ...] = ()
    publisher: Text | None = None
    licence: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+-]{2,64}$")] | None = None
    """An SPDX identifier."""
    access: Access = Access.OPEN
    human_data: HumanData = HumanData.UNANSWERED
    keywords: tuple[Text, ...] = ()
    contributors: Contributors = ()
    funding: Fundings = ()
    subjects: Subjects = ()
    references: References = ()
    publisher_ror: Ror | None = None
    language: Language | None = None
    embargo_until: Day | None = None

    @model_validator(mode="after")
    def _ends_an_embargo(self) -> MetadataDefaults:
        require_embargo(self.access, self.embargo_until)
        return self


class PublishPolicy(StrEnum):
    """When an accepted version becomes public."""

    NEVER = "never"
    CONSENT = "consent"
    """When the project's owner says so."""
    PASSED = "passed"
    """At once, for what passed the gate."""


class ViewFormat(StrEnum):
    """A form of the images that a viewer opens in pieces."""

    OME_ZARR = "ome-zarr"


class ReleasePolicy(StrEnum):
    """When the deletion of source copies is announced."""

    NEVER = "never"
    """When a steward asks for it."""
    AUTOMATIC = "automatic"
    """As soon as everything allows it."""


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        msg = "a target is named twice; name it once"
        raise ValueError(msg)
    return names


class Policy(Value):
    """What happens without asking.

    Attributes:
        accept_passed: Whether `passed` with complete metadata is accepted automatically.
        archive_incomplete: Whether aborted, partial and stalled runs are archived as such; otherwise they are held.
        publish: When an accepted version becomes public.
        show_metadata: Whether the description of embargoed and restricted data may be public; their files never are.
        model: The model run on every passed version, by name; None runs none.
        convert: What every passed version is converted to, for viewing; None converts nothing.
        release: When releases of source copies are announced.
        targets: Places outside, by the names that the site's settings give them, to which every version goes once it
            is public; one of them that reserves a DOI does so before.
        release_copy: Name of the store whose one re-read copy suffices for a release; None asks for as many as the
            site's settings do.
    """

    accept_passed: bool = False
    archive_incomplete: bool = False
    publish: PublishPolicy = PublishPolicy.NEVER
    show_metadata: bool = False
    model: Slug | None = None
    convert: ViewFormat | None = None
    release: ReleasePolicy = ReleasePolicy.NEVER
    release_copy: Slug | None = None
    targets: Annotated[tuple[Slug, ...], AfterValidator(_distinct)] = Field(default=(), max_length=16)


class BindingKind(StrEnum):
    """How an acquisition finds its project."""

    PATH = "path"
    """`pattern` is a landing path, or a shell pattern over the folder's absolute path."""
    FIELD = "field"
    """`pattern` is `name=value` over the fields that the profile reads from the acquisition."""
    BOOKING = "booking"
    """`pattern` is the path of a booking table (CSV: instrument,start,end,project)."""


class Binding(Value):
    """One rule that ties acquisitions to a project. A booking table names the project itself, so `project` is None."""

    kind: BindingKind
    pattern: Text
    project: Slug | None = None

    @model_validator(mode="after")
    def _names_a_project(self) -> Binding:
        if (self.project is None) != (self.kind is BindingKind.BOOKING):
            msg = "a booking table names the projects itself; a path or field binding needs one"
            raise ValueError(msg)
        return self


class Project(Value):
    """One project.

    Attributes:
        owner: Account name of the person who may consent to publication.
        people: Account names that may see its data.
    """

    slug: Slug
    title: Text
    owner: str
    people: tuple[str, ...] = ()
    defaults: MetadataDefaults = MetadataDefaults()
    policy: Policy = Policy()
    created_at: Moment
    record: int = 0

    @property
    def is_restricted(self) -> bool:
        """Whether pictures and metadata of its data must stay inside."""
        return self.defaults.human_data is not HumanData.NO or self.defaults.access is not Access.OPEN


def read_project(body: str) -> Project:
    """Read a project as it was kept, at whatever time."""
    try:
        return Project.model_validate_json(body)
    except ValidationError:  # kept when nobody looked at check digits and at each letter
        kept = json.loads(body)
        defaults = kept.get("defaults") or {}
        return Project.model_validate(
            {**kept, "defaults": {**defaults, "creators": checked_creators(defaults.get("creators") or [])}}
        )
