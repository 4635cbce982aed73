"""A device with a profile and a landing zone."""

from __future__ import annotations

from pydantic import Field

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


class Instrument(Value):
    """One declared instrument.

    Attributes:
        path: Absolute path of the landing zone, or `s3://bucket/prefix`.
        settings: The profile's own settings, by the names its `Settings` model declares (for Squid: `run_json`).
        identity: Of the landing zone when it was declared.
        bandwidth: Limits to how fast its acquisitions are read, each for some hours; none is no limit.
        watched: Whether the sweep looks at it; the instrument of `ingest PATH` is not watched.
    """

    name: Slug
    profile: str
    path: str
    settings: dict[str, str] = Field(default_factory=dict)
    identity: Identity | None = None
    bandwidth: tuple[BandwidthLimit, ...] = ()
    watched: bool = True
    created_at: Moment
