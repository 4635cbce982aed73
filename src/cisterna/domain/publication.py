"""A version made public at a target."""

from __future__ import annotations

from pydantic import Field

from cisterna.domain.access import Extent
from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Ark


class Publication(Value):
    """One version at one target.

    Attributes:
        extent: How much of it is public now; `nothing` while access to it is restricted again.
        withdrawn_at: When it was withdrawn; the landing page is a tombstone from then on.
        consent: Whose consent or which policy allowed it.
        lacking: Why a form of its description could not be written, by the form's name; it is tried again.
    """

    publication_id: str
    version_id: str
    target: str
    pid: Ark
    url: str
    consent: str = Field(min_length=1)
    published_at: Moment
    extent: Extent = Extent.FILES
    withdrawn_at: Moment | None = None
    withdrawn_reason: str | None = None
    lacking: dict[str, str] = Field(default_factory=dict)

    @property
    def is_shown(self) -> bool:
        """Whether anything of it is public at this moment."""
        return self.withdrawn_at is None and self.extent is not Extent.NOTHING
