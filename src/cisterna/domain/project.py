"""The study or order that an acquisition belongs to."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, model_validator

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Slug

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


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


def _orcid(text: str) -> str:
    """Check an ORCID iD's form and its ISO 7064 mod 11-2 check character."""
    digits = text.removeprefix("https://orcid.org/").replace("-", "")
    if len(digits) != 16 or not digits[:15].isdigit():
        msg = f"'{text}' is not an ORCID iD: 16 digits in groups of four"
        raise ValueError(msg)
    total = 0
    for digit in digits[:15]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[15].upper() != ("X" if check == 10 else str(check)):
        msg = f"'{text}' has a wrong check digit; look for a typing mistake"
        raise ValueError(msg)
    return "-".join(digits[start : start + 4] for start in range(0, 16, 4)).upper()


Orcid = Annotated[str, AfterValidator(_orcid)]


class Creator(Value):
    """Somebody to whom a dataset is credited (DataCite's creator)."""

    name: Text
    orcid: Orcid | None = None
    affiliation: Text | None = None
    ror: Annotated[str, StringConstraints(pattern=r"^https://ror\.org/0[a-z0-9]{6}[0-9]{2}$")] | None = None


class MetadataDefaults(Value):
    """What every dataset of a project says unless it says otherwise."""

    creators: tuple[Creator, ...] = ()
    publisher: Text | None = None
    licence: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+-]{2,64}$")] | None = None
    """An SPDX identifier."""
    access: Access = Access.OPEN
    human_data: HumanData = HumanData.UNANSWERED
    keywords: tuple[Text, ...] = ()


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


class Policy(Value):
    """What happens without asking.

    Attributes:
        accept_passed: Whether `passed` with complete metadata is accepted automatically.
        archive_incomplete: Whether aborted, partial and stalled runs are archived as such; otherwise they are held.
        publish: When an accepted version becomes public.
        model: The model run on every passed version, by name; None runs none.
        convert: What every passed version is converted to, for viewing; None converts nothing.
        release: When releases of source copies are announced.
        release_copy: Name of the store whose one re-read copy suffices for a release; None asks for as many as the
            site's settings do.
    """

    accept_passed: bool = False
    archive_incomplete: bool = False
    publish: PublishPolicy = PublishPolicy.NEVER
    model: Slug | None = None
    convert: ViewFormat | None = None
    release: ReleasePolicy = ReleasePolicy.NEVER
    release_copy: Slug | None = None


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
