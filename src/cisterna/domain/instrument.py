"""A device with a profile and a landing zone."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import Field, model_validator

from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Slug
from cisterna.domain.shadow import Shadow

SENTINEL_NAME = ".cisterna-zone"
"""Name of the file directly in a landing zone by which the zone is known again; it belongs to no run."""


class ZoneIdentity(Value):
    """What makes a landing zone the one that was declared: a missing mount shows another device or inode.

    Attributes:
        sentinel: What the sentinel file in it says, if there is one. A network share may have another device each time
            that it is mounted, and a disk that is plugged in the place of another may have the same: so a zone that was
            declared with a sentinel is known by it alone.
    """

    device: int
    inode: int
    sentinel: str | None = None

    def is_shown_by(self, found: Identity) -> bool:
        """Tell whether what stands in the zone's place now is the zone that was declared so."""
        if not isinstance(found, ZoneIdentity):
            return False
        if self.sentinel is not None:
            return found.sentinel == self.sentinel
        return (found.device, found.inode) == (self.device, self.inode)


class MassChange(Value):
    """More runs gone or changed at one look than is believed.

    Attributes:
        since: When it was first seen so.
        known: How many runs were believed to be at the source.
        gone: How many of them have no folder now.
        changed: How many of them have other files than they had when they came to rest.
        most: How many are believed without asking.
        examples: Names of some of their folders.
        evidence: Stands for exactly these runs: an acceptance names it.
    """

    since: Moment
    known: int = Field(ge=0)
    gone: int = Field(ge=0)
    changed: int = Field(ge=0)
    most: int = Field(ge=0)
    examples: tuple[str, ...] = ()
    evidence: str

    @property
    def words(self) -> str:
        """Say what is seen and what to do; it names no run, since who reads it may not know of all."""
        return (
            f"{self.gone} of {self.known} known runs are gone and {self.changed} have changed at one look, more than "
            f"the {self.most} that are believed without asking; nothing is concluded from it: look whether the right "
            "share is mounted and whole, and if it is meant, run `cisterna instrument accept-change`"
        )


class LongSilence(Value):
    """That nothing has come from an instrument for longer than it may.

    Attributes:
        since: When anything last came.
        raised_at: When that was told.
        quiet_seconds: How long nothing had come by then.
        limit_seconds: How long that may last.
        words: With both in words.
    """

    since: Moment
    raised_at: Moment
    quiet_seconds: float
    limit_seconds: float
    words: str = Field(min_length=1)


class AcceptedChange(Value):
    """A person's word that a mass change is meant; it is good for that one change.

    Attributes:
        is_begun: A sweep writes the change down; one that goes on after a kill finds fewer of the runs left.
        is_used: All of it is written down.
    """

    person: str
    reason: str = Field(min_length=1)
    accepted_at: Moment
    gone: int
    changed: int
    evidence: str
    is_begun: bool = False
    is_used: bool = False


class BucketIdentity(Value):
    """The same of a landing zone in a bucket: an emptied or newly made bucket has not the sentinel that was put there.

    The endpoint's address is no part of it: a store may move, and its zones stay what they are.
    """

    bucket: str
    sentinel: str

    def is_shown_by(self, found: Identity) -> bool:
        """Tell whether what stands in the zone's place now is the zone that was declared so."""
        return found == self


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
        watched: Whether the sweep looks at it; the instruments of `ingest PATH` and of shares are not watched.
        adopted: Name of the share that was taken in, of an instrument whose runs lie in it at any depth.
        guard: The mass change that waits for a person; while it stands, nothing is concluded from it.
        accepted: The last mass change that a person accepted.
        shadow: The last time in shadow mode, ended or not.
        silence: That nothing has come from it for too long, from when that was told until something comes.
    """

    name: Slug
    profile: str
    path: str
    settings: dict[str, str] = Field(default_factory=dict)
    identity: Identity | None = None
    bandwidth: tuple[BandwidthLimit, ...] = ()
    copies: CopyPolicy | None = None
    watched: bool = True
    adopted: Slug | None = None
    created_at: Moment
    guard: MassChange | None = None
    accepted: AcceptedChange | None = None
    shadow: Shadow | None = None
    silence: LongSilence | None = None

    @property
    def in_shadow(self) -> Shadow | None:
        """The time in shadow mode that goes on now: nothing of it is deleted, written or published."""
        return self.shadow if self.shadow is not None and self.shadow.is_on else None


def sentinel_text(token: str, *, instrument: str) -> str:
    """Give the content of a sentinel file: a line for Cisterna, and one for whoever finds it."""
    return (
        f"cisterna-zone {token}\n"
        f"By this file Cisterna knows the landing zone of the instrument '{instrument}' again. Please leave it here.\n"
    )


def sentinel_token(instrument: Instrument) -> str:
    """Give what the instrument's sentinel says: what lies there, or what follows from its declaration."""
    if instrument.identity is not None and instrument.identity.sentinel is not None:
        return instrument.identity.sentinel
    return hashlib.sha256(f"{instrument.name}\0{instrument.created_at.isoformat()}".encode()).hexdigest()[:32]
