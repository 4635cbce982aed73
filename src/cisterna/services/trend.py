"""Samples for the trends of an instrument, made from the summary by which a version was judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.trend import LONGEST_NAME, MOST_CHANNELS, MOST_METRICS, MetricSample
from cisterna.ports.catalogue import Transaction
from cisterna.services.summary import Summary


def samples_of(
    summary: Summary, *, version: Version, dataset: Dataset, verdict: Verdict, at: datetime
) -> Sequence[MetricSample]:
    """Make one sample of each finite number of the row and of each channel; none without an instrument."""
    if dataset.instrument is None:
        return []
    return [
        MetricSample(
            version_id=version.version_id,
            dataset_id=dataset.dataset_id,
            instrument=dataset.instrument,
            data_type=dataset.data_type,
            channel=channel,
            metric=metric,
            value=value,
            verdict=verdict,
            at=at,
        )
        for channel, values in _groups(summary)
        for metric, value in _numbers(values)
    ]


def keep_samples(tx: Transaction, base: Version, opened: Version) -> None:
    """Let a revision that is only described anew be what was measured and judged of its base."""
    judged = tx.trends.judged(base.version_id)
    if judged is None:
        return
    common = {name: getattr(judged, name) for name in ("dataset_id", "instrument", "data_type", "verdict", "at")}
    tx.trends.add(
        [
            MetricSample(version_id=opened.version_id, channel=one.channel, metric=metric, value=value, **common)
            for one in judged.channels
            for metric, value in one.metrics.items()
        ]
    )


def came_at(tx: Transaction, version: Version) -> datetime:
    """Tell when the data of a version came: another judgement of the same data does not make them newer."""
    of_the_same_data = (one for one in tx.datasets.versions(version.dataset_id) if one.number == version.number)
    return min(of_the_same_data, key=lambda one: one.revision, default=version).created_at


def kept_name(name: str) -> str:
    """Give a name as the catalogue keeps it: channels are named by files that somebody else wrote."""
    return name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST_NAME]


def _groups(summary: Summary) -> Iterator[tuple[str | None, Mapping[str, object]]]:
    yield None, summary.row
    for channel in sorted(summary.by_channel)[:MOST_CHANNELS]:
        yield kept_name(channel), summary.by_channel[channel]


def _numbers(values: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for name in sorted(values)[:MOST_METRICS]:
        value = values[name]
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield kept_name(name), float(value)
