"""Counts of what came from an instrument, on the real catalogue."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Version
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.instrument_health import CheckCount, DayCount, RunBegin
from cisterna.ports.instrument_health import Within
from cisterna.testing.clock import START
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_finding,
    make_instrument,
    make_project,
    make_version,
)

NOW = START
WINDOW = timedelta(days=91)
ALL = Within(instrument="squid-1")


@pytest.fixture(autouse=True)
def site(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.instruments.add(make_instrument("squid-2"))
        for slug in ("cells", "patients"):
            tx.projects.add(make_project(slug))


def lay(
    catalogue: SqlCatalogue,
    name: str,
    verdict: Verdict | None = Verdict.PASSED,
    *,
    days_ago: float = 0.5,
    instrument: str = "squid-1",
    project: str | None = "cells",
    of_dataset: str | None = None,
    findings: tuple[Finding, ...] = (),
) -> Version:
    acquisition = make_acquisition(name, instrument=instrument, project=project)
    acquisition = acquisition.model_copy(update={"first_seen": NOW - timedelta(days=days_ago)})
    dataset = make_dataset(name, acquisition=acquisition).model_copy(update={"project": of_dataset or project})
    with catalogue.begin() as tx:
        saved = tx.acquisitions.save(acquisition)
        tx.datasets.add(dataset)
        tx.acquisitions.save(saved.model_copy(update={"dataset_id": dataset.dataset_id}))
        version = tx.datasets.add_version(make_version(dataset, verdict=verdict))
        tx.datasets.set_findings(version.version_id, findings)
    return version


def days(catalogue: SqlCatalogue, within: Within = ALL) -> set[DayCount]:
    with catalogue.begin() as tx:
        return set(tx.instrument_health.days(within, since=NOW - WINDOW, now=NOW))


def failing(catalogue: SqlCatalogue, within: Within = ALL, *, of: int = 100) -> list[CheckCount]:
    with catalogue.begin() as tx:
        return list(tx.instrument_health.failing(within, since=NOW - WINDOW, of=of, limit=10))


def test_datasets_are_counted_by_the_day_of_their_run_and_by_their_newest_version(catalogue: SqlCatalogue) -> None:
    lay(catalogue, "a")
    lay(catalogue, "b", Verdict.NOT_ASSESSED, days_ago=0.7)
    lay(catalogue, "c", None, days_ago=3.2)
    lay(catalogue, "old", days_ago=92)
    lay(catalogue, "other", instrument="squid-2")
    again = lay(catalogue, "d", Verdict.QUARANTINED, days_ago=8)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(again.dataset_id)
        tx.datasets.add_version(make_version(dataset, revision=1, verdict=Verdict.PASSED))

    assert days(catalogue) == {
        DayCount(days_ago=0, verdict=Verdict.PASSED, count=1),
        DayCount(days_ago=0, verdict=Verdict.NOT_ASSESSED, count=1),
        DayCount(days_ago=3, verdict=None, count=1),
        DayCount(days_ago=8, verdict=Verdict.PASSED, count=1),
    }


def test_what_a_person_may_not_see_is_not_counted_whatever_the_run_is_bound_to(catalogue: SqlCatalogue) -> None:
    bad = (make_finding("focus-min", Outcome.FAILED),)
    lay(catalogue, "mine", findings=bad)
    lay(catalogue, "theirs", project="patients", findings=bad)
    lay(catalogue, "rebound", project="cells", of_dataset="patients", findings=bad)
    lay(catalogue, "unclaimed", project=None, findings=bad)
    mine = Within(instrument="squid-1", projects=frozenset({"cells"}), unclaimed=False)
    nobody = Within(instrument="squid-1", projects=frozenset(), unclaimed=False)

    assert sum(one.count for one in days(catalogue, mine)) == 1
    assert [(one.count, one.latest_title) for one in failing(catalogue, mine)] == [(1, "mine")]
    assert sum(one.count for one in days(catalogue, mine.model_copy(update={"unclaimed": True}))) == 2
    assert days(catalogue, nobody) == set()
    assert failing(catalogue, nobody) == []
    with catalogue.begin() as tx:
        assert len(tx.instrument_health.begun(mine, limit=10)) == 1
        assert not tx.instrument_health.begun(nobody, limit=10)
    assert sum(one.count for one in days(catalogue)) == 4


def test_what_fails_most_comes_first_and_what_passed_or_was_left_out_is_none(
    catalogue: SqlCatalogue,
) -> None:
    focus, dark = make_finding("focus-min", Outcome.FAILED), make_finding("dark", Outcome.WARNING)
    lay(catalogue, "a", Verdict.QUARANTINED, days_ago=5, findings=(focus, focus, make_finding("readable")))
    newest = lay(catalogue, "b", Verdict.QUARANTINED, days_ago=1, findings=(focus, dark))
    met = (make_finding("focus-min"), make_finding("drift", Outcome.LEFT_OUT))
    lay(catalogue, "c", days_ago=0.1, findings=met)

    found = failing(catalogue)

    assert [(one.check, one.outcome, one.count, one.latest) for one in found] == [
        ("focus-min", Outcome.FAILED, 2, newest.dataset_id),
        ("dark", Outcome.WARNING, 1, newest.dataset_id),
    ]
    assert failing(catalogue, of=1) == []


@pytest.mark.parametrize("verdict", [*Verdict, None])
def test_the_verdict_is_the_versions_own_whatever_its_words_say(
    catalogue: SqlCatalogue, verdict: Verdict | None
) -> None:
    words = '","verdict":"passed", \\"verdict\\": "review" \0 \ud7ff'
    version = lay(catalogue, "a", verdict)
    with catalogue.begin() as tx:
        hostile = {"verdict": "quarantined", words: {"verdict": "review"}}
        tx.datasets.save_version(version.model_copy(update={"reason": words, "cause": words, "metadata": hostile}))

    assert days(catalogue) == {DayCount(days_ago=0, verdict=verdict, count=1)}


def test_a_finding_with_hostile_words_is_counted_by_its_own_check(catalogue: SqlCatalogue) -> None:
    words = 'NUL \0 and ","check":"another"'
    lay(catalogue, "a", Verdict.QUARANTINED, findings=(make_finding("focus-min", Outcome.FAILED, message=words),))

    assert [one.check for one in failing(catalogue)] == ["focus-min"]


def test_the_data_types_of_the_newest_runs_are_named(catalogue: SqlCatalogue) -> None:
    lay(catalogue, "a", days_ago=2)
    lay(catalogue, "b", days_ago=1)
    with catalogue.begin() as tx:
        book = tx.instrument_health
        assert book.data_types("squid-1", since=NOW - WINDOW, of=10) == ["microscopy"]
        assert book.data_types("squid-1", since=NOW, of=10) == []
        assert book.data_types("squid-2", since=NOW - WINDOW, of=10) == []


def test_runs_are_told_newest_first_and_one_that_is_written_is_known(catalogue: SqlCatalogue) -> None:
    for back in (3, 1, 2):
        lay(catalogue, f"run-{back}", days_ago=back)
    with catalogue.begin() as tx:
        told = [one.seen for one in tx.instrument_health.begun(ALL, limit=2)]
        assert told == [NOW - timedelta(days=1), NOW - timedelta(days=2)]
        assert not tx.instrument_health.is_writing(ALL)
        tx.acquisitions.save(make_acquisition("now", project="cells", state=AcquisitionState.WRITING))
        assert tx.instrument_health.is_writing(ALL)
        assert not tx.instrument_health.is_writing(Within(instrument="squid-2"))


def run(catalogue: SqlCatalogue, name: str, *, seen: datetime, **fields: datetime) -> None:
    made = make_acquisition(name, project="cells").model_copy(
        update={"first_seen": seen, "settled_since": seen, **fields}
    )
    with catalogue.begin() as tx:
        tx.acquisitions.save(made)


def begun(catalogue: SqlCatalogue, *, limit: int) -> list[RunBegin]:
    with catalogue.begin() as tx:
        return list(tx.instrument_health.begun(ALL, limit=limit))


def test_a_run_is_told_with_when_it_says_it_began_and_when_it_last_changed(catalogue: SqlCatalogue) -> None:
    hour = timedelta(hours=1)
    run(catalogue, "said", seen=NOW, started_at=NOW - 2 * hour, settled_since=NOW + hour)
    run(catalogue, "adopted", seen=NOW - hour, settled_since=NOW - 999 * hour)

    assert begun(catalogue, limit=9) == [
        RunBegin(seen=NOW, came=NOW + hour, started=NOW - 2 * hour),
        RunBegin(seen=NOW - hour, came=NOW - hour),
    ]


def test_of_runs_that_were_first_seen_together_none_is_told_unless_all_are(catalogue: SqlCatalogue) -> None:
    for number in range(4):
        run(catalogue, f"old-{number}", seen=NOW - timedelta(days=9))
    assert len(begun(catalogue, limit=3)) == 3

    run(catalogue, "new", seen=NOW)

    assert [one.seen for one in begun(catalogue, limit=3)] == [NOW]
    assert len(begun(catalogue, limit=5)) == 5
