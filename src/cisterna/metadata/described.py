"""What every form is written from, and the facts that several of them state: each is made here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import MetadataRecord


@dataclass(frozen=True, slots=True)
class Described:
    """A described version as its forms see it.

    Attributes:
        record: What is known of it.
        files: Of the object, those that a form may name one by one.
        base_url: Absolute address of the landing page; None while it is not public.
        published_at: When the version became public for the first time.
        doi: Its DOI, such as `10.1234/abc`, where it has one.
    """

    record: MetadataRecord
    files: Sequence[ListedFile] = ()
    base_url: str | None = None
    published_at: datetime | None = None
    doi: str | None = None

    @property
    def issued(self) -> date:
        """The day it was published; of what is not public, the day it was described."""
        return (self.published_at or self.record.dates.described).date()
