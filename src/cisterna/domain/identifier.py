"""Identifiers: ours are opaque and the same for the same origin, the public one is an ARK."""

from __future__ import annotations

import uuid
from typing import Annotated, NamedTuple

from pydantic import StringConstraints

AcquisitionId = Annotated[str, StringConstraints(pattern=r"^acq-[0-9a-z]{26}$")]
DatasetId = Annotated[str, StringConstraints(pattern=r"^ds-[0-9a-z]{26}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""A short name that people type: instruments, projects, models."""
Ark = Annotated[str, StringConstraints(pattern=r"^ark:/[0-9]{5}/[0-9a-z]+(/part-[0-9]{4})?$")]
"""A dataset's, or that of a part below it."""

TEST_NAAN = "99999"
"""The Name Assigning Authority Number that the ARK Alliance reserves for tests."""

Naan = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
Shoulder = Annotated[str, StringConstraints(pattern=r"^([b-df-hjkmnp-tv-xz]{1,8}[0-9])?$")]
"""What the names of one of several sites below the same NAAN begin with: letters without vowels, then a digit."""

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Digits of Crockford's base 32, in lower case: no i, l, o, u."""


def short(identity: uuid.UUID) -> str:
    """Write a UUID as 26 characters of Crockford base 32, in the UUID's own order."""
    number, characters = identity.int, []
    for _ in range(26):
        number, digit = divmod(number, 32)
        characters.append(CROCKFORD[digit])
    return "".join(reversed(characters))


def acquisition_id(*, instrument: str, folder: str) -> str:
    """Name the acquisition that an instrument wrote to a folder: the same folder always has the same id."""
    return "acq-" + short(uuid.uuid5(_CISTERNA, f"acquisition\n{instrument}\n{folder}"))


def dataset_id(*, origin: str) -> str:
    """Name the dataset kept for an origin (an acquisition's id, or a derivation's key): the same for the same."""
    return "ds-" + short(uuid.uuid5(_CISTERNA, f"dataset\n{origin}"))


class Arks(NamedTuple):
    """What the persistent identifiers of a site's new datasets begin with; those that are given never change.

    Attributes:
        shoulder: Of this site, where others make names below the same NAAN; empty: none.
    """

    naan: str = TEST_NAAN
    shoulder: str = ""

    def of(self, dataset: str) -> str:
        """Give a dataset's."""
        return f"ark:/{self.naan}/{self.shoulder}{dataset.removeprefix('ds-')}"


TEST_ARKS = Arks()


def ark(dataset: str, *, naan: str = TEST_NAAN) -> str:
    """Give the dataset's persistent identifier at a site without a shoulder."""
    return Arks(naan).of(dataset)


def version_ark(pid: str, version: str) -> str:
    """Give the identifier of one version of a dataset, such as `ark:/99999/abc/v1`: what it names never changes.

    The dataset's own ARK leads to the newest version; this one to the version named, or to its tombstone.
    """
    return f"{pid}/{version}"


_CISTERNA = uuid.UUID("6c1f7c2e-6f0b-5a58-9d0e-2a4f7f1f5b11")
