"""An instrument over time: what is usual, this dataset marked, and nothing of what a person may not see."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from cisterna.domain.control_chart import BaselineRule, Side
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.quality_report import TrendChart
from cisterna.services.report_suite import blamed_by
from cisterna.services.report_trend import MOST_CHARTS, dataset_trends, instrument_trends
from cisterna.testing.factory import make_finding, make_sample
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


def lay_month(site: Site, count: int = 10, *, project: str = "atlas", name: str = "plate") -> list[Version]:
    """Lay datasets of one instrument, a day apart."""
    made = []
    for number in range(count):
        made.append(lay_value(site, f"{name}-{number}", 0.05 + 0.001 * (number % 3), project=project))
        site.clock.advance(timedelta(days=1))
    return made


def lay_value(
    site: Site, name: str, value: float, *, project: str = "atlas", verdict: Verdict = Verdict.PASSED, **others: float
) -> Version:
    version = site.lay_version(name, project=project, stage=Stage.GATED, verdict=verdict, files=("notes.txt",))
    with site.catalogue.begin() as tx:
        tx.trends.add(
            [
                make_sample(version, metric=metric, value=number, verdict=verdict, at=site.clock.now())
                for metric, number in {"focus_median": value, "images_found": 96.0, **others}.items()
            ]
        )
    return version


def charts(site: Site, version: Version, *, person: str | None = None) -> tuple[TrendChart, ...]:
    account = None
    if person is not None:
        with site.catalogue.begin() as tx:
            account = tx.accounts.find(person)
    return dataset_trends(
        version.version_id, blamed=(), baselines=site.parts.baselines, catalogue=site.catalogue, account=account
    )


def test_a_dataset_is_marked_among_those_before_it_and_what_is_usual_has_its_window_stated(site: Site) -> None:
    lay_month(site)
    worse = lay_value(site, "blurred", 0.01, verdict=Verdict.QUARANTINED)

    chart = charts(site, worse)[0]

    assert chart.metric == "focus_median"
    assert len(chart.points) == 11
    assert [(point.value, point.verdict) for point in chart.points if point.is_here] == [(0.01, Verdict.QUARANTINED)]
    assert chart.points[-1].is_here
    assert chart.median == pytest.approx(0.051)
    assert chart.low is not None
    assert chart.low > 0.01
    assert chart.window.startswith("the median of 10 datasets that passed or were accepted, from 2026-")


def test_while_too_few_datasets_are_known_there_is_no_limit_and_it_is_said(site: Site) -> None:
    lay_month(site, 7)

    chart = charts(site, lay_value(site, "next", 0.05))[0]

    assert (chart.median, chart.low, chart.high) == (None, None, None)
    assert chart.window == "7 of at least 8 good datasets of the 90 days before."


def test_a_metric_that_few_datasets_have_is_drawn_against_as_many_as_the_gate_holds_it_against(site: Site) -> None:
    for number in range(36):
        lay_value(site, f"plate-{number}", 0.05, **({"zebra": 5.0 + number} if number % 4 == 0 else {}))
        site.clock.advance(timedelta(days=1))
    version = lay_value(site, "next", 0.05, zebra=99.0)

    (chart,) = (one for one in charts(site, version) if one.metric == "zebra")

    assert chart.median == 21.0
    assert chart.window.startswith("the median of 9 datasets")


def test_what_came_later_or_was_quarantined_says_nothing_of_what_was_usual(site: Site) -> None:
    old = lay_month(site)[4]
    lay_value(site, "bad", 9.0, verdict=Verdict.QUARANTINED)

    chart = charts(site, old)[0]

    assert chart.window.startswith("4 of at least 8")
    assert [point.is_here for point in chart.points].count(True) == 1


def test_a_value_that_never_changed_has_limits_beside_it(site: Site) -> None:
    lay_month(site)

    (chart,) = (one for one in charts(site, lay_value(site, "next", 0.05)) if one.metric == "images_found")

    assert chart.low is not None
    assert chart.high is not None
    assert chart.low < 96.0 < chart.high


def test_what_a_finding_is_about_comes_first_and_what_never_changed_last(site: Site) -> None:
    lay_month(site)
    version = lay_value(site, "next", 0.05, snr_median=3.0, zebra=1.0)
    lay_value(site, "later", 0.04, snr_median=4.0, zebra=2.0)
    finding = make_finding("zebra-high", Outcome.FAILED, message="Too many stripes.")

    found = dataset_trends(
        version.version_id,
        blamed=blamed_by([finding], {}),
        baselines=site.parts.baselines,
        catalogue=site.catalogue,
        account=None,
    )

    assert found[0].metric == "zebra"
    assert found[-1].metric == "images_found"


def test_very_many_metrics_are_bounded(site: Site) -> None:
    version = lay_value(site, "wide", 0.05, **{f"m{number}": float(number) for number in range(150)})

    assert len(charts(site, version)) == MOST_CHARTS


def test_of_a_dataset_that_a_person_may_not_see_no_point_is_drawn(site: Site, visit: Visit) -> None:
    secret = lay_month(site, project="patients", name="secret")
    version = lay_value(site, "mine", 0.05)

    chart = charts(site, version, person="vera")[0]

    assert [point.dataset_id for point in chart.points] == [version.dataset_id]
    assert chart.has_hidden
    for address in (f"/datasets/{version.dataset_id}/v1/quality", "/instruments/squid-1/trend"):
        page = visit("vera").get(address).text
        assert version.dataset_id in page or "this dataset" in page
        assert not any(one.dataset_id in page for one in secret)
        assert secret[0].dataset_id in visit("root").get(address).text


def test_the_trend_of_an_instrument_is_a_page_with_the_numbers_as_text(site: Site, visit: Visit) -> None:
    lay_month(site)

    page = visit("vera").get("/instruments/squid-1/trend").text

    assert page.count('class="point verdict-passed"') == 20
    assert "Usual is 0.051, within " in page
    assert len(re.findall(r'<a href="/datasets/ds-', page)) == 20


def test_an_instrument_without_data_says_so_and_one_that_is_not_there_is_not(site: Site, visit: Visit) -> None:
    assert "Nothing is known yet" in visit("olga").get("/instruments/squid-1/trend").text
    assert visit("olga").get("/instruments/nobody/trend").status_code == 404
    assert visit().get("/instruments/squid-1/trend").status_code in {303, 401}


@pytest.mark.parametrize("name", ["squid-1", "nobody", "squid-1%00"])
def test_of_an_instrument_whose_data_a_person_may_not_see_there_is_no_page(site: Site, visit: Visit, name: str) -> None:
    lay_month(site, project="patients", name="secret")

    assert visit("vera").get(f"/instruments/{name}/trend").status_code == 404


def test_erased_data_are_on_no_chart(site: Site) -> None:
    gone = lay_month(site, 3)[1]

    site.lay_erasure(gone)

    found = instrument_trends(
        "squid-1", now=site.clock.now(), baselines=site.parts.baselines, catalogue=site.catalogue, account=None
    )
    assert len(found[0].points) == 2


def test_a_rule_of_the_suite_gives_side_window_and_limit_of_its_chart(site: Site) -> None:
    lay_month(site)
    version = lay_value(site, "next", 0.05)
    rule = BaselineRule(
        check="focus-usual", metric="focus_median", side=Side.LOW, sigmas=2, least=6, last=6, floor=0.01
    )

    chart = dataset_trends(
        version.version_id, blamed=(), baselines=lambda _: [rule], catalogue=site.catalogue, account=None
    )[0]

    assert chart.high is None
    assert chart.low == pytest.approx((chart.median or 0) - 2 * 0.01)
    assert "(the last 6 of 90 days), and 2 times their spread" in chart.window
