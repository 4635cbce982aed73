"""A device with a profile and a landing zone."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Slug


class ZoneIdentity(Value):
    """What makes a landing zone the one that was declared: a missing mount shows another device or inode."""

    device: int
    inode: int


class BucketIdentity(Value):
    """The same of a landing zone in a bucket: an emptied or newly made bucket has not the sentinel that was put there.

    The endpoint's address is no part of it: a store may move, and its zones stay what they are.
    """

    bucket: str
    sentinel: str


Identity = ZoneIdentity | BucketIdentity


class CopyRule(StrEnum):
    """How many re-read copies a release of an instrument's data asks for."""

    ONE_COPY = "one-copy"
    """The copy in one named store suffices, whatever a project says."""
    SITE = "site"
    """As many as the site's settings ask for, even where a project is content with one."""
    PROJECT = "project"
    """As the project says: what was said before was taken back."""


class CopyPolicy(Value):
    """What somebody said of the copies that releases of an instrument's data ask for.

    Attributes:
        store: Whose one copy suffices.
        person: Account name of who said it.
    """

    rule: CopyRule
    store: Slug | None = None
    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    said_at: Moment

    @model_validator(mode="after")
    def _names_a_store_for_one_copy_alone(self) -> CopyPolicy:
        if (self.store is not None) != (self.rule is CopyRule.ONE_COPY):
            msg = "one copy is that of a named store; nothing else names one"
            raise ValueError(msg)
        return self


class Instrument(Value):
    """One declared instrument.

    Attributes:
        path: Absolute path of the landing zone, or `s3://bucket/prefix`.
        settings: The profile's own settings, by the names its `Settings` model declares (for Squid: `run_json`).
        identity: Of the landing zone when it was declared.
        bandwidth: Limits to how fast its acquisitions are read, each for some hours; none is no limit.
        copies: What was said of the copies that its releases ask for; None where nobody said anything.
        watched: Whether the sweep looks at it; the instrument of `ingest PATH` is not watched.
    """

    name: Slug
    profile: str
    path: str
    settings: dict[str, str] = Field(default_factory=dict)
    identity: Identity | None = None
    bandwidth: tuple[BandwidthLimit, ...] = ()
    copies: CopyPolicy | None = None
    watched: bool = True
    created_at: Moment
