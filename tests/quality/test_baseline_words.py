"""What a finding says of a value beside what was usual."""

from __future__ import annotations

from datetime import timedelta

from cisterna.adapters.baseline_words import Standing, standing_of
from cisterna.adapters.suite_file import BASELINE, Rule
from cisterna.domain.control_chart import Chart, Point, charts_of
from cisterna.domain.finding import Outcome
from cisterna.testing.clock import START
from tests.quality.test_suite_file import RULE

RULED = Rule.model_validate(
    {
        **RULE,
        "check": "dim",
        "type": BASELINE,
        "kwargs": {"column": "brightness", "side": "low", "floor": 0.1},
        "title": "Brightness",
        "unit": "counts",
    }
)


def made(value: float, past: list[float], *, channel: str | None = "DAPI") -> list[Chart]:
    baseline = RULED.baseline
    assert baseline is not None
    points = [Point(at=START + timedelta(days=day), value=one) for day, one in enumerate(past)]
    return list(charts_of(baseline, value, points, instrument="squid-1", channel=channel))


def standing(charts: list[Chart] | None) -> Standing:
    found = standing_of(RULED, charts)
    assert found is not None
    return found


def test_a_sudden_change_is_worse_than_lately_and_no_drift() -> None:
    told = standing(made(1.0, [10.0] * 40)).message

    assert (
        "1 count in channel DAPI, worse than squid-1 in the last 90 days: usually 10 counts, limit 9.7 counts" in told
    )
    assert "(30 datasets from " in told
    assert "drift" not in told


def test_a_drift_says_that_it_is_one() -> None:
    told = standing(made(5.0, [*[10.0] * 20, *[5.0] * 30])).message

    assert "worse than squid-1 in the older half of the last 90 days (a slow drift): usually 10 counts" in told


def test_a_value_as_usual_is_told_beside_the_latest() -> None:
    told = standing(made(10.0, [*[10.0] * 20, *[9.9] * 30])).message

    assert "as usual for squid-1 in the last 90 days: usually 9.9 counts" in told


def test_other_channels_are_named_and_those_that_wait() -> None:
    charts = [
        *made(1.0, [10.0] * 10, channel="A"),
        *made(2.0, [10.0] * 10, channel="B"),
        *made(10.0, [10.0] * 10, channel="C"),
        *made(1.0, [10.0] * 2, channel="D"),
    ]

    told = standing(charts).message

    assert "in channel A, worse than" in told
    assert told.endswith("So are the channels B. Not applied yet to D.")


def test_why_nothing_is_told_is_said() -> None:
    nobody = [one.model_copy(update={"instrument": None}) for one in made(1.0, [])]

    assert standing(None).unjudged == (Outcome.LEFT_OUT, "Brightness: left out; nobody looked for what is usual.")
    assert standing(nobody).unjudged == (
        Outcome.LEFT_OUT,
        "Brightness: left out for now; the dataset is of no instrument, so nothing is usual for it.",
    )
    outcome, words = standing(made(1.0, [10.0])).unjudged or (None, "")
    assert outcome is Outcome.LEFT_OUT
    assert (
        "1 dataset of squid-1 that passed or was accepted came before it within the time, and the rule wants 8" in words
    )
    assert (standing([]).unjudged or (None,))[0] is Outcome.NOT_ASSESSED
