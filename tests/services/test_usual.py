"""What a dataset is held against: its own instrument's, channel's and time's, from both ends of the window."""

from __future__ import annotations

from datetime import timedelta

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.control_chart import BaselineRule, Chart, Period, Side
from cisterna.domain.dataset import Dataset
from cisterna.domain.trend import MOST_CHANNELS
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import Summary
from cisterna.services.usual import charts_for
from cisterna.testing.clock import START
from cisterna.testing.factory import keep_version, make_acquisition, make_dataset, make_sample

RULE = BaselineRule(check="dim", metric="brightness", side=Side.LOW, floor=0.1)
NOW = START + timedelta(days=60)


def keep(catalogue: SqlCatalogue, values: list[float], *, channel: str | None = None) -> None:
    """Keep datasets that passed, an hour apart, the last of them an hour ago."""
    for at, value in enumerate(reversed(values), 1):
        version = keep_version(catalogue, f"{channel} {at}")
        moment = NOW - timedelta(hours=at)
        with catalogue.begin() as tx:
            tx.trends.add([make_sample(version, metric="brightness", channel=channel, value=value, at=moment)])


def charts(
    catalogue: SqlCatalogue,
    *,
    whole: float | None = 5.0,
    by_channel: dict[str, float] | None = None,
    dataset: Dataset | None = None,
    rule: BaselineRule = RULE,
) -> tuple[Chart, ...]:
    channels: dict[str, dict[str, float | None]] = {
        name: {"brightness": value} for name, value in (by_channel or {}).items()
    }
    summary = Summary(row={"brightness": whole}, table=MetricTable(columns={"path": []}), by_channel=channels)
    mine = dataset or make_dataset("mine", acquisition=make_acquisition("mine"))
    return charts_for(summary, [rule], dataset=mine, at=NOW, catalogue=catalogue)


def test_a_window_with_more_datasets_than_are_read_is_read_from_both_ends(catalogue: SqlCatalogue) -> None:
    keep(catalogue, [*[10.0] * 40, *[5.0] * 210])

    latest, older = charts(catalogue)

    assert latest.usual is not None
    assert older.usual is not None
    assert (latest.period, latest.usual.centre) == (Period.LATEST, 5.0)
    assert (older.period, older.usual.centre) == (Period.OLDER, 10.0)


def test_what_came_before_the_window_or_in_another_channel_says_nothing(catalogue: SqlCatalogue) -> None:
    keep(catalogue, [10.0] * 30, channel="DAPI")

    (other,) = charts(catalogue, by_channel={"GFP": 5.0})
    one_day = RULE.model_copy(update={"window_days": 1})
    mine, _ = charts(catalogue, by_channel={"DAPI": 5.0}, rule=one_day)

    assert (other.channel, other.usual, other.known) == ("GFP", None, 0)
    assert mine.usual is not None
    assert mine.known == 24


def test_a_value_that_nobody_has_makes_no_chart_and_a_dataset_of_no_instrument_has_nothing_usual(
    catalogue: SqlCatalogue,
) -> None:
    keep(catalogue, [10.0] * 10)

    (chart,) = charts(catalogue, dataset=make_dataset("derived"))

    assert (chart.instrument, chart.usual, chart.known) == (None, None, 0)
    assert charts(catalogue, whole=None) == ()
    assert charts(catalogue, whole=float("nan")) == ()


def test_of_more_channels_than_are_kept_no_more_are_judged(catalogue: SqlCatalogue) -> None:
    claimed = {f"channel {number:06}": 1.0 for number in range(5000)}

    assert len(charts(catalogue, by_channel=claimed)) == MOST_CHANNELS
