"""What was measured of an instrument's datasets one after another, with what is usual and the dataset in question.

What is usual is taken from all of the instrument's good datasets, as the gate takes it; a point is drawn only of a
dataset that the reader may see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from cisterna.domain.account import Account
from cisterna.domain.control_chart import Point, Usual, usual_of
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.permission import may_see
from cisterna.domain.quality_report import TrendChart, TrendPoint
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.trend import JudgedValues, MetricSample

MOST_CHARTS = 12
POINTS = 60
WINDOW_DAYS = 90
LAST, LEAST = 30, 8
SIGMAS = 3.0
_FLOOR_SHARE, _FLOOR = 0.01, 1e-9
"""The smallest spread that is believed: of the median, so that a value that never changed has limits beside it."""

MaySee = Callable[[str], bool]
Series = tuple[str, str, str | None]
"""Data type, metric and channel."""


def dataset_trends(
    version_id: str, *, findings: Sequence[Finding], catalogue: Catalogue, account: Account | None
) -> tuple[TrendChart, ...]:
    """Draw up charts of what a version was judged by, those that a finding is about first.

    Args:
        version_id: Of the version that is marked; the caller has made sure that the person may see it.
        findings: Of the version.
        catalogue: Where the trends are.
        account: Who reads it; None may see everything.
    """
    with catalogue.begin() as tx:
        here = tx.trends.judged(version_id)
        if here is None:
            return ()
        usual = _usual(tx, here.instrument, here.data_type, before=here.at, other_than=here.dataset_id)
        wanted = [one for one in tx.trends.metrics(instrument=here.instrument) if one[0] == here.data_type]
        charts = [
            _chart(tx, here.instrument, one, usual, may_see=_seeing(tx, account), here=here)
            for one in _ordered(wanted, findings)
            if here.value(one[1], one[2]) is not None
        ]
    return _liveliest(charts, findings)


def instrument_trends(
    instrument: str, *, now: datetime, catalogue: Catalogue, account: Account | None
) -> tuple[TrendChart, ...]:
    """Draw up charts of an instrument as it is now."""
    with catalogue.begin() as tx:
        wanted = tx.trends.metrics(instrument=instrument)
        usual = {
            data_type: _usual(tx, instrument, data_type, before=now, other_than="")
            for data_type in dict.fromkeys(one[0] for one in wanted)
        }
        seeing = _seeing(tx, account)
        charts = [_chart(tx, instrument, one, usual[one[0]], may_see=seeing, here=None) for one in _ordered(wanted, ())]
    return _liveliest([chart for chart in charts if chart.points], ())


def _usual(
    tx: Transaction, instrument: str, data_type: str, *, before: datetime, other_than: str
) -> Sequence[JudgedValues]:
    since = before - timedelta(days=WINDOW_DAYS)
    return tx.trends.usual(
        instrument=instrument, data_type=data_type, since=since, before=before, other_than=other_than, limit=LAST
    )


def _ordered(wanted: Iterable[Series], findings: Sequence[Finding]) -> list[Series]:
    """Leave out the whole's value of a metric that channels have of their own, and put first what is blamed."""
    known = list(wanted)
    by_channel = {metric for _, metric, channel in known if channel is not None}
    kept = [one for one in known if one[2] is not None or one[1] not in by_channel]
    return sorted(kept, key=lambda one: _blame(one[1], findings))[: 2 * MOST_CHARTS]


def _blame(metric: str, findings: Sequence[Finding]) -> int:
    blamed = [one.check.partition("-")[0] for one in findings if one.outcome in {Outcome.FAILED, Outcome.WARNING}]
    word = metric.partition("_")[0]
    return blamed.index(word) if word in blamed else len(blamed)


def _liveliest(charts: Sequence[TrendChart], findings: Sequence[Finding]) -> tuple[TrendChart, ...]:
    """Put metrics that never changed behind the others; what is blamed stays first."""

    def order(chart: TrendChart) -> tuple[int, bool]:
        return _blame(chart.metric, findings), len({point.value for point in chart.points}) < 2

    return tuple(sorted(charts, key=order)[:MOST_CHARTS])


def _chart(
    tx: Transaction,
    instrument: str,
    series: Series,
    past: Sequence[JudgedValues],
    *,
    may_see: MaySee,
    here: JudgedValues | None,
) -> TrendChart:
    data_type, metric, channel = series
    wanted = {"instrument": instrument, "data_type": data_type, "metric": metric, "channel": channel, "limit": POINTS}
    found = list(tx.trends.of(**wanted))
    if here is not None:
        if all(one.dataset_id != here.dataset_id for one in found):  # it is older than the newest
            found = list(tx.trends.of(**wanted, before=here.at + timedelta(microseconds=1)))
        found = _with(here, found, series)
    seen = [one for one in found if may_see(one.dataset_id)]
    values = [(one.at, one.value(metric, channel)) for one in past]
    known = sorted((Point(at=at, value=value) for at, value in values if value is not None), key=lambda one: one.at)
    usual = _judged(known)
    reach = SIGMAS * usual.sigma if usual else 0.0
    return TrendChart(
        instrument=instrument,
        metric=metric,
        channel=channel,
        points=tuple(_point(one, here) for one in sorted(seen, key=lambda one: (one.at, one.version_id))),
        median=usual.centre if usual else None,
        low=usual.centre - reach if usual else None,
        high=usual.centre + reach if usual else None,
        window=_window(usual, len(known)),
        has_hidden=len(seen) < len(found),
    )


def _with(here: JudgedValues, found: Sequence[MetricSample], series: Series) -> list[MetricSample]:
    """Put the very version that is looked at in the place of its dataset's newest one."""
    data_type, metric, channel = series
    value = here.value(metric, channel)
    others = [one for one in found if one.dataset_id != here.dataset_id]
    if value is None:
        return others
    own = MetricSample(
        version_id=here.version_id,
        dataset_id=here.dataset_id,
        instrument=here.instrument,
        data_type=data_type,
        channel=channel,
        metric=metric,
        value=value,
        verdict=here.verdict,
        at=here.at,
    )
    return [own, *others]


def _judged(points: Sequence[Point]) -> Usual | None:
    if len(points) < LEAST:
        return None
    floor = _FLOOR_SHARE * abs(usual_of(points, floor=_FLOOR).centre)
    return usual_of(points, floor=max(floor, _FLOOR))


def _window(usual: Usual | None, known: int) -> str:
    if usual is None:
        return f"{known} of at least {LEAST} good datasets of the {WINDOW_DAYS} days before."
    return (
        f"the median of {usual.count} datasets that passed or were accepted, from {usual.since:%Y-%m-%d} to "
        f"{usual.until:%Y-%m-%d} (the last {LAST} of {WINDOW_DAYS} days), and {SIGMAS:g} times their spread."
    )


def _point(sample: MetricSample, here: JudgedValues | None) -> TrendPoint:
    return TrendPoint(
        at=sample.at,
        value=sample.value,
        verdict=sample.verdict,
        is_here=here is not None and sample.version_id == here.version_id,
        dataset_id=sample.dataset_id,
    )


def _seeing(tx: Transaction, account: Account | None) -> MaySee:
    """Tell of each dataset whether the person may know of it; asked once a dataset."""
    projects = {one.slug: one for one in tx.projects.list()} if account is not None else {}
    known: dict[str, bool] = {}

    def may(dataset_id: str) -> bool:
        if account is None:
            return True
        if dataset_id not in known:
            try:
                project = tx.datasets.get(dataset_id).project
                known[dataset_id] = may_see(account, projects.get(project) if project else None)
            except NotFound:  # erased since
                known[dataset_id] = False
        return known[dataset_id]

    return may
