"""What shadow mode saw, on a page for operators: safe whatever a file is called, and the same for programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.services.shadow import begin_shadow, end_shadow
from tests.shadow.bench import OPERATOR, Bench, live_through
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]


@pytest.fixture
def bench(site: Site) -> Bench:
    made = Bench(site.catalogue, site.clock, days=5)
    live_through(made)
    return made


def test_operators_see_it_and_others_do_not_know_of_it(site: Site, visit: Visit, bench: Bench) -> None:
    path = f"/instruments/{bench.name}/shadow"

    for name, may in {"root": True, "olga": True, "sten": False, "stina": False, "vera": False, "otto": False}.items():
        assert visit(name).get(path).status_code == (200 if may else 404), name
    assert visit("olga").get("/instruments/squid-1/shadow").status_code == 404, "it never was in shadow mode"
    assert visit("olga").get("/instruments/nothing/shadow").status_code == 404


def test_each_figure_stands_with_its_rule_its_moment_and_an_example(visit: Visit, bench: Bench) -> None:
    shown = visit("olga").get(f"/instruments/{bench.name}/shadow").text

    report = bench.report()
    assert "nothing has changed for 5 min" in shown
    assert "deleted 7 days after the last change" in shown
    assert report.rules
    for rule in report.rules:
        for example in rule.worst:
            assert f"/acquisitions/{example.acquisition_id}" in shown
            assert f"{example.outcome.at:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert "to see what it does" in shown
    assert "lower bounds" in shown


def test_a_hostile_name_is_text(visit: Visit, bench: Bench) -> None:
    shown = visit("olga").get(f"/instruments/{bench.name}/shadow").text

    assert "&lt;img src=x onerror=alert(1)&gt;.tiff" in shown
    assert "<img" not in shown


def test_programs_get_the_same_report(visit: Visit, bench: Bench) -> None:
    answer = visit("olga").get(f"/api/v1/instruments/{bench.name}/shadow")

    assert answer.json() == bench.report().model_dump(mode="json")
    assert visit("vera").get(f"/api/v1/instruments/{bench.name}/shadow").status_code == 404


def test_a_report_without_a_single_run_says_so(site: Site, visit: Visit) -> None:
    empty = Bench(site.catalogue, site.clock)

    shown = visit("olga").get(f"/instruments/{empty.name}/shadow").text

    assert "No run was seen in this time." in shown
    assert "No run changed after any rule" in shown


def test_the_mode_shows_on_the_instrument_and_on_every_run_and_dataset_of_it(site: Site, visit: Visit) -> None:
    version = site.lay_version("plate-7")
    run = site.lay_acquisition("plate-8")
    pages = (f"/acquisitions/{run.acquisition_id}", f"/datasets/{version.dataset_id}", "/instruments")
    olga = visit("olga")
    for path in pages:
        assert "shadow mode" not in olga.get(path).text
    begin_shadow("squid-1", person=OPERATOR, reason="a trial", catalogue=site.catalogue, clock=site.clock)

    for path in pages:
        assert "shadow mode" in olga.get(path).text, path
    assert "/instruments/squid-1/shadow" in olga.get("/instruments").text
    assert "/instruments/squid-1/shadow" not in visit("vera").get("/instruments").text
    assert olga.get(f"/api/v1/datasets/{version.dataset_id}").json()["in_shadow"] is True

    end_shadow("squid-1", person=OPERATOR, reason="over", catalogue=site.catalogue, clock=site.clock)
    assert "shadow mode" not in olga.get(f"/acquisitions/{run.acquisition_id}").text
    assert "/instruments/squid-1/shadow" in olga.get("/instruments").text, "the report stays"
