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


class Instrument(Value):
    """One declared instrument.

    Attributes:
        path: Absolute path of the landing zone.
        settings: The profile's own settings, by the names its `Settings` model declares (for Squid: `run_json`).
        identity: Of the landing zone when it was declared.
        bandwidth: Limits to how fast its acquisitions are read, each for some hours; none is no limit.
        watched: Whether the sweep looks at it; the instrument of `ingest PATH` is not watched.
    """

    name: Slug
    profile: str
    path: str
    settings: dict[str, str] = Field(default_factory=dict)
    identity: ZoneIdentity | None = None
    bandwidth: tuple[BandwidthLimit, ...] = ()
    watched: bool = True
    created_at: Moment
