"""What every form is written from, and the facts that several of them state: each is made here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain

from cisterna.domain.credit import Subject
from cisterna.metadata.listing import DATA_FOLDER, PLAIN_BYTES, ListedFile, media_type, uri_path
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord

_GAP = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Described:
    """A described version as its forms see it.

    Attributes:
        record: What is known of it.
        files: Of the object, those that a form may name one by one.
        base_url: Absolute address of the landing page; None while it is not public.
        published_at: When the version became public for the first time.
        doi: Its DOI, such as `10.1234/abc`, where it has one.
        embargo_ended: The day on which an embargo ended, where there was one.
    """

    record: MetadataRecord
    files: Sequence[ListedFile] = ()
    base_url: str | None = None
    published_at: datetime | None = None
    doi: str | None = None
    embargo_ended: date | None = None

    @property
    def available(self) -> date | None:
        """The day from which on the files are to be had: the end of an embargo, to come or over."""
        return self.record.embargo_until or self.embargo_ended

    @property
    def issued(self) -> date:
        """The day it was published; of what is not public, the day it was described."""
        return (self.published_at or self.record.dates.described).date()

    @property
    def collected(self) -> tuple[date, date] | None:
        """The first and the last day of the run, as far as they are known."""
        begun, ended = self.record.dates.acquired_from, self.record.dates.acquired_to
        known = [moment.date() for moment in (begun, ended) if moment]
        return (known[0], max(known)) if known else None

    @property
    def doi_url(self) -> str | None:
        """The DOI as an address."""
        return f"https://doi.org/{self.doi}" if self.doi else None

    @property
    def sizes(self) -> tuple[str, str]:
        """How large the data files are together, and how many there are."""
        return f"{self.record.total_bytes} bytes", f"{self.record.file_count} files"

    @property
    def formats(self) -> tuple[str, ...]:
        """Media types of the data files that are named here, as far as they are known."""
        found = {media_type(file.path) for file in self.files if file.path.startswith(DATA_FOLDER)}
        return tuple(sorted(found - {PLAIN_BYTES}))

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What it is about, each once: subjects, what is known of the samples, and keywords that are none of these."""
        samples = self.record.samples
        of_samples = chain.from_iterable(getattr(samples, kind) for kind in SAMPLE_KINDS) if samples else ()
        terms = list(dict.fromkeys((*self.record.subjects, *of_samples)))
        labels = {term.label for term in terms}
        words = [word for word in dict.fromkeys(self.record.keywords) if word not in labels]
        return (*terms, *(Subject.model_construct(label=word) for word in words))  # the record has looked at each

    @property
    def unlinked(self) -> tuple[str, ...]:
        """References by which nobody finds anything but their authority, in words: the number of an approval."""
        return tuple(
            f"{one.kind.words}: {one.identifier}" + (f" ({one.title})" if one.title else "")
            for one in self.record.references
            if one.identifier_type is None
        )

    def file_url(self, file: ListedFile) -> str | None:
        """Where a file is to be had: below its own version, since by the same name a newer one may hold other bytes."""
        return f"{self.base_url}/{self.record.version}/files/{uri_path(file.path)}" if self.base_url else None


def on_one_line(text: str) -> str:
    """Put a text into one line, for forms in which a line's end has a meaning."""
    return _GAP.sub(" ", text).strip()
