"""What was measured of datasets one after another, so that a value can be seen beside those before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import Field, FiniteFloat

from cisterna.domain.base import Moment, Value
from cisterna.domain.finding import Verdict
from cisterna.domain.identifier import DatasetId

MOST_CHANNELS = 32
MOST_METRICS = 200
"""Of a version that claims more, the first ones by name are kept: its names are somebody else's."""
LONGEST_NAME = 200


class MetricSample(Value):
    """One value of the summary by which a version was judged.

    Attributes:
        channel: None for a value of the whole dataset.
        verdict: What the gate said of the version.
        at: When the data came, whenever they were judged.
    """

    version_id: str
    dataset_id: DatasetId
    instrument: str
    data_type: str
    channel: str | None
    metric: str
    value: FiniteFloat
    verdict: Verdict
    at: Moment


class ChannelValues(Value):
    """The values of a channel, by metric; those of the whole dataset have no channel."""

    channel: str | None
    metrics: dict[str, FiniteFloat]


class JudgedValues(Value):
    """All values of one version, as the catalogue and its record keep them.

    Attributes:
        number, revision: Of the version; the newest one of a dataset speaks for it.
    """

    version_id: str
    dataset_id: DatasetId
    number: int = Field(ge=1)
    revision: int = Field(ge=0)
    instrument: str
    data_type: str
    verdict: Verdict
    at: Moment
    channels: tuple[ChannelValues, ...]

    def value(self, metric: str, channel: str | None) -> float | None:
        """Give one value; None where the version has none."""
        return next((one.metrics.get(metric) for one in self.channels if one.channel == channel), None)


def judged_values(samples: Sequence[MetricSample]) -> tuple[JudgedValues, ...]:
    """Gather samples by version, channels and metrics in the order of their names."""
    gathered: dict[str, dict[str | None, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    first: dict[str, MetricSample] = {}
    for one in samples:
        first.setdefault(one.version_id, one)
        gathered[one.version_id][one.channel][one.metric] = one.value
    return tuple(_judged(first[version], channels) for version, channels in gathered.items())


def _judged(one: MetricSample, channels: Mapping[str | None, Mapping[str, float]]) -> JudgedValues:
    number, _, revision = one.version_id.rpartition(":v")[2].partition(".")
    return JudgedValues(
        version_id=one.version_id,
        dataset_id=one.dataset_id,
        number=int(number),
        revision=int(revision or 0),
        instrument=one.instrument,
        data_type=one.data_type,
        verdict=one.verdict,
        at=one.at,
        channels=tuple(
            ChannelValues(channel=channel, metrics=dict(sorted(channels[channel].items())))
            for channel in sorted(channels, key=lambda name: (name is not None, name or ""))
        ),
    )
