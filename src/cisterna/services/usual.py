"""Holds a dataset's summary against what was usual for its instrument, for the rules of a suite that ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cisterna.domain.control_chart import BaselineRule, Chart, Point, charts_of
from cisterna.domain.dataset import Dataset
from cisterna.domain.trend import MOST_CHANNELS
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.trend import End, JudgedValues
from cisterna.services.summary import Summary, number
from cisterna.services.trend import kept_name

MOST_READ = 200
"""Datasets that are read from each end of a window."""


def charts_for(
    summary: Summary, rules: Sequence[BaselineRule], *, dataset: Dataset, at: datetime, catalogue: Catalogue
) -> tuple[Chart, ...]:
    """Make the charts of every rule: of each channel that has a value of its own, or else of the whole dataset.

    A value that nobody has makes no chart, and the gate says so.

    Args:
        summary: Of the dataset.
        rules: Of its suite.
        dataset: Whose instrument says what is usual.
        at: When its data came; what came later says nothing of what was usual then.
        catalogue: Where the datasets before it are.
    """
    if not rules:
        return ()
    past = _past(dataset, days=max(rule.window_days for rule in rules), at=at, catalogue=catalogue)
    charts: list[Chart] = []
    for rule in rules:
        since = at - timedelta(days=rule.window_days)
        within = [one for one in past if one.at >= since]
        for channel, value in _values(summary, rule.metric):
            points = _points(within, rule.metric, channel)
            charts += charts_of(rule, value, points, instrument=dataset.instrument, channel=channel)
    return tuple(charts)


def _past(dataset: Dataset, *, days: int, at: datetime, catalogue: Catalogue) -> Sequence[JudgedValues]:
    """Read both ends of the window; of an instrument that has more, nobody needs what lies between."""
    if dataset.instrument is None:
        return []
    since = at - timedelta(days=days)
    ends: tuple[End, ...] = ("newest", "oldest")
    found: dict[str, JudgedValues] = {}
    with catalogue.begin() as tx:
        for end in ends:
            read = tx.trends.usual(
                instrument=dataset.instrument,
                data_type=dataset.data_type,
                since=since,
                before=at,
                other_than=dataset.dataset_id,
                end=end,
                limit=MOST_READ,
            )
            found |= {one.version_id: one for one in read}
            if len(read) < MOST_READ:
                break  # that is all there are
    return list(found.values())


def _points(past: Sequence[JudgedValues], metric: str, channel: str | None) -> list[Point]:
    values = ((one.at, one.value(metric, channel)) for one in past)
    return [Point(at=at, value=value) for at, value in values if value is not None]


def _values(summary: Summary, metric: str) -> list[tuple[str | None, float]]:
    known = sorted(summary.by_channel.items())[:MOST_CHANNELS]  # of more there are no samples either
    channels = ((kept_name(name), number(values.get(metric))) for name, values in known)
    found: list[tuple[str | None, float]] = [(name, value) for name, value in channels if value is not None]
    whole = number(summary.row.get(metric))
    return found or ([] if whole is None else [(None, whole)])
