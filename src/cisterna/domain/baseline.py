"""What a run had so far, by which its next images are judged: small, and the same in whatever order images came.

A channel is known by a sample of its stacks, those with the lowest hashes of their names. So an image that is told
twice is in it once, two rounds give the same sample in either order, and a run of a million images costs no more than
one of fifty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from statistics import median

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.robust import robust_sigma

SAMPLED = 48
"""Stacks of a channel that are remembered."""
COUNTED = 500
"""So many failing places of a kind are told from each other; beyond, nothing is counted."""
MOST_CHANNELS = 32
"""Of more channels no sample is kept; they are judged by the fixed limits alone."""


class SeenImage(Value):
    """The numbers of one image that alerts are made from; None is not known, and none of them is infinite.

    Attributes:
        modified: When the file was last written, as the instrument's disk says: it orders places.
        region: None when the name does not tell where the image belongs.
        problem: Why it could not be read.
        nonfinite_share: Of pixels that are no number.
        is_empty: Nothing stands out of the noise.
        level: Grey value of the background, which only the light changes.
        bright: Grey value that 99 % of the pixels do not exceed.
        top: The largest grey value that the type of its pixels holds.
        saturated: Share of the pixels at full scale of data type or converter.
    """

    path: str
    modified: Moment
    region: str | None = None
    field: str | None = None
    channel: str | None = None
    z: int | None = None
    t: int | None = None
    problem: str | None = None
    nonfinite_share: float | None = None
    focus: float | None = None
    focus_error: float | None = None
    snr: float | None = None
    is_empty: bool | None = None
    level: float | None = None
    bright: float | None = None
    top: float | None = None
    saturated: float | None = None

    @property
    def spot(self) -> tuple[str, ...]:
        """Name its well, field and time point; a file that tells none is a spot of its own."""
        if self.region is None:
            return (self.path,)
        return (self.region, str(self.field), str(self.t))

    @property
    def stack(self) -> tuple[str, ...]:
        """Name the planes that are judged together: of one spot and channel."""
        return (*self.spot, str(self.channel))

    @property
    def is_usable(self) -> bool:
        """Whether there is anything to judge it by."""
        return self.problem is None and not self.nonfinite_share and self.is_empty is not None


class Sample(Value):
    """One stack in a channel's sample."""

    key: str
    focus: float | None = None
    level: float | None = None


class Spread(Value):
    """What is usual: the median, how far values lie from it (as a standard deviation), and of how many."""

    median: float
    sigma: float
    count: int


class Tally(Value):
    """Counts places, each once."""

    keys: tuple[str, ...] = ()
    is_more: bool = False

    def has(self, key: str) -> bool:
        """Tell whether a place was counted; when there are more than are told apart, all count as known."""
        return self.is_more or key in self.keys

    def with_keys(self, keys: Iterable[str]) -> Tally:
        """Count more."""
        if self.is_more:
            return self
        found = sorted({*self.keys, *keys})
        return Tally(keys=tuple(found[:COUNTED]), is_more=len(found) > COUNTED)


class RunBaseline(Value):
    """What is kept of a run while it is written.

    Attributes:
        samples: By channel, in the order of their keys.
        levels: Which planes (z) whole stacks have had so far.
        pending: Images of the place that is being written: more planes of it may come.
        waiting: By channel, the first stacks: held against the others as soon as there are enough.
        pictures: Of pending and waiting images, by path, as many as are kept.
        failing: By kind, the places that were counted.
        unjudged: By reason, the places that nobody could judge.
    """

    samples: dict[str, tuple[Sample, ...]] = Field(default_factory=dict)
    levels: tuple[int, ...] = ()
    pending: tuple[SeenImage, ...] = ()
    waiting: dict[str, tuple[SeenImage, ...]] = Field(default_factory=dict)
    pictures: dict[str, bytes] = Field(default_factory=dict)
    failing: dict[str, Tally] = Field(default_factory=dict)
    unjudged: dict[str, Tally] = Field(default_factory=dict)

    def spread(self, channel: str, name: str) -> Spread | None:
        """Tell what is usual for a channel's `focus` or `level`; None when nothing is known."""
        return spread_of(
            [one for sample in self.samples.get(channel, ()) if (one := getattr(sample, name)) is not None]
        )


def spread_of(values: Sequence[float]) -> Spread | None:
    """Tell what is usual among values that are there; None without any."""
    if not values:
        return None
    middle = median(values)
    return Spread(median=middle, sigma=robust_sigma(values, centre=middle), count=len(values))


def key_of(name: Iterable[str]) -> str:
    """Give a short key for the name of a place; which of them are sampled follows from it alone."""
    return hashlib.sha256("\0".join(name).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def sampled(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Keep those with the lowest keys, each once; of two with one key the later one holds."""
    latest = {one.key: one for one in samples}
    return tuple(latest[key] for key in sorted(latest)[:SAMPLED])
