"""What was measured of an instrument's datasets one after another, with what is usual and the dataset in question.

What is usual is taken from all of the instrument's good datasets, as the gate takes it; a point is drawn only of a
dataset that the reader may see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from cisterna.domain.account import Account
from cisterna.domain.control_chart import BaselineRule, Point, Side, Usual, limits_of, usual_of
from cisterna.domain.errors import NotFound
from cisterna.domain.permission import may_see
from cisterna.domain.quality_report import TrendChart, TrendPoint
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.trend import JudgedValues, MetricSample
from cisterna.services.report_suite import Blame, blame_order
from cisterna.services.usual import MOST_READ

MOST_CHARTS = 12
POINTS = 60
_MOST_READ = 2 * MOST_CHARTS
_FLOOR_SHARE, _FLOOR = 0.01, 1e-9
"""The smallest spread that is believed where no rule says one: of the median, so that a value that never changed has
limits beside it."""

Baselines = Callable[[str], Sequence[BaselineRule]]
"""Gives the rules of a data type's suite that ask what was usual."""
MaySee = Callable[[str], bool]
Series = tuple[str, str, str | None]
"""Data type, metric and channel."""


def dataset_trends(
    version_id: str,
    *,
    blamed: Sequence[Blame],
    baselines: Baselines,
    catalogue: Catalogue,
    account: Account | None,
) -> tuple[TrendChart, ...]:
    """Draw up charts of what a version was judged by, those that a finding is about first.

    Args:
        version_id: Of the version that is marked; the caller has made sure that the person may see it.
        blamed: What the version's findings are about.
        baselines: What the suites hold against what is usual, and how.
        catalogue: Where the trends are.
        account: Who reads it; None may see everything.
    """
    with catalogue.begin() as tx:
        here = tx.trends.judged(version_id)
        if here is None:
            return ()
        drawing = _Drawing(tx, here.instrument, _seeing(tx, account), baselines, before=here.at, here=here)
        wanted = [one for one in tx.trends.metrics(instrument=here.instrument) if one[0] == here.data_type]
        known = [one for one in _ordered(wanted, blamed) if here.value(one[1], one[2]) is not None]
        charts = [drawing.chart(one) for one in known[:_MOST_READ]]
    return _liveliest(charts, blamed)


def instrument_trends(
    instrument: str, *, now: datetime, baselines: Baselines, catalogue: Catalogue, account: Account | None
) -> tuple[TrendChart, ...]:
    """Draw up charts of an instrument as it is now; the arguments are those of `dataset_trends`."""
    with catalogue.begin() as tx:
        drawing = _Drawing(tx, instrument, _seeing(tx, account), baselines, before=now, here=None)
        wanted = _ordered(tx.trends.metrics(instrument=instrument), ())
        charts = [drawing.chart(one) for one in wanted[:_MOST_READ]]
    return _liveliest([chart for chart in charts if chart.points], ())


class _Drawing:
    """Draws charts of one instrument in one transaction.

    Args:
        tx: Where the trends are.
        instrument: Whose.
        may_see: Of which datasets there are points.
        baselines: How what is usual is told.
        before: Data that came from then on say nothing of what is usual.
        here: The version that is marked.
    """

    def __init__(
        self,
        tx: Transaction,
        instrument: str,
        may_see: MaySee,
        baselines: Baselines,
        *,
        before: datetime,
        here: JudgedValues | None,
    ) -> None:
        self._tx, self._instrument, self._may_see, self._here = tx, instrument, may_see, here
        self._baselines, self._before = baselines, before
        self._past: dict[tuple[str, int], Sequence[JudgedValues]] = {}

    def chart(self, series: Series) -> TrendChart:
        """Draw one."""
        data_type, metric, channel = series
        found = self._samples(series)
        seen = [one for one in found if self._may_see(one.dataset_id)]
        rule = next((one for one in self._baselines(data_type) if one.metric == metric), None)
        rule = rule or BaselineRule(check="usual", metric=metric, side=Side.BOTH, floor=_FLOOR)
        values = [(one.at, one.value(metric, channel)) for one in self._usual(data_type, rule)]
        known = [Point(at=at, value=value) for at, value in values if value is not None]
        usual = _judged(sorted(known, key=lambda one: one.at)[-rule.last :], rule)
        low, high = limits_of(usual, rule) if usual else (None, None)
        return TrendChart(
            instrument=self._instrument,
            metric=metric,
            channel=channel,
            points=tuple(self._point(one) for one in sorted(seen, key=lambda one: (one.at, one.version_id))),
            median=usual.centre if usual else None,
            low=low,
            high=high,
            window=_window(usual, rule, len(known)),
            has_hidden=len(seen) < len(found),
        )

    def _samples(self, series: Series) -> list[MetricSample]:
        data_type, metric, channel = series
        here, read = self._here, self._tx.trends.of
        found = list(
            read(instrument=self._instrument, data_type=data_type, metric=metric, channel=channel, limit=POINTS)
        )
        if here is None:
            return found
        if all(one.dataset_id != here.dataset_id for one in found):  # it is older than all of these
            until = here.at + timedelta(microseconds=1)
            found = list(
                read(
                    instrument=self._instrument,
                    data_type=data_type,
                    metric=metric,
                    channel=channel,
                    limit=POINTS,
                    before=until,
                )
            )
        return _with(here, found, series)

    def _usual(self, data_type: str, rule: BaselineRule) -> Sequence[JudgedValues]:
        key = (data_type, rule.window_days)
        if key not in self._past:
            self._past[key] = self._tx.trends.usual(
                instrument=self._instrument,
                data_type=data_type,
                since=self._before - timedelta(days=rule.window_days),
                before=self._before,
                other_than=self._here.dataset_id if self._here else "",
                limit=MOST_READ,
            )
        return self._past[key]

    def _point(self, sample: MetricSample) -> TrendPoint:
        return TrendPoint(
            at=sample.at,
            value=sample.value,
            verdict=sample.verdict,
            is_here=self._here is not None and sample.version_id == self._here.version_id,
            dataset_id=sample.dataset_id,
        )


def _ordered(wanted: Iterable[Series], blamed: Sequence[Blame]) -> list[Series]:
    """Leave out the whole's value of a metric that channels have of their own, and put first what is blamed."""
    known = list(wanted)
    by_channel = {metric for _, metric, channel in known if channel is not None}
    kept = [one for one in known if one[2] is not None or one[1] not in by_channel]
    return sorted(kept, key=lambda one: blame_order(one[1], blamed))


def _liveliest(charts: Sequence[TrendChart], blamed: Sequence[Blame]) -> tuple[TrendChart, ...]:
    """Put metrics that never changed behind the others; what is blamed stays first."""

    def order(chart: TrendChart) -> tuple[int, bool]:
        return blame_order(chart.metric, blamed), len({point.value for point in chart.points}) < 2

    return tuple(sorted(charts, key=order)[:MOST_CHARTS])


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


def _judged(points: Sequence[Point], rule: BaselineRule) -> Usual | None:
    if len(points) < rule.least:
        return None
    usual = usual_of(points, floor=rule.floor)
    return usual_of(points, floor=max(_FLOOR_SHARE * abs(usual.centre), _FLOOR)) if rule.floor == _FLOOR else usual


def _window(usual: Usual | None, rule: BaselineRule, known: int) -> str:
    if usual is None:
        return f"{known} of at least {rule.least} good datasets of the {rule.window_days} days before."
    return (
        f"the median of {usual.count} datasets that passed or were accepted, from {usual.since:%Y-%m-%d} to "
        f"{usual.until:%Y-%m-%d} (the last {rule.last} of {rule.window_days} days), and {rule.sigmas:g} times their "
        "spread."
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
