"""Alerts in the catalogue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.alert import PICTURE_LIMIT_BYTES, Alert, AlertKind
from cisterna.domain.baseline import RunBaseline, Sample, Tally
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.testing.clock import START
from cisterna.testing.factory import make_acquisition, make_alert, make_instrument, make_project


@pytest.fixture
def kept(catalogue: SqlCatalogue) -> SqlCatalogue:
    """A catalogue with runs of two projects and an unclaimed one."""
    with catalogue.begin() as tx:
        for name in ("squid-1", "squid-2"):
            tx.instruments.add(make_instrument(name))
        for slug in ("cells", "other"):
            tx.projects.add(make_project(slug))
        tx.acquisitions.save(make_acquisition("run-1", project="cells"))
        tx.acquisitions.save(make_acquisition("run-2", project="other"))
        tx.acquisitions.save(make_acquisition("run-3", instrument="squid-2", project=None))
    return catalogue


def put(catalogue: SqlCatalogue, run: str = "run-1", **fields: Any) -> Alert:
    alert = make_alert(run, **fields)
    with catalogue.begin() as tx:
        tx.alerts.put(alert)
    return alert


def test_an_alert_is_read_as_it_was_put_and_replaced_by_its_id(kept: SqlCatalogue) -> None:
    alert = put(kept)
    later = alert.model_copy(update={"count": 7})

    with kept.begin() as tx:
        assert tx.alerts.get(alert.alert_id) == alert
        tx.alerts.put(later)
        assert tx.alerts.of(alert.acquisition_id) == [later]
        with pytest.raises(NotFound, match="no alert 'x'"):
            tx.alerts.get("x")


def test_one_of_a_kind_stands_on_a_run_whoever_writes(kept: SqlCatalogue) -> None:
    first = put(kept)

    with pytest.raises(AlreadyExists):
        put(kept, alert_id="another")
    put(kept, alert_id="another", kind=AlertKind.EMPTY)
    with kept.begin() as tx:
        tx.alerts.put(first.model_copy(update={"closed_at": START, "closed_reason": "over"}))
    put(kept, alert_id="third")


def test_a_list_is_of_the_projects_that_runs_are_bound_to_now_newest_first(kept: SqlCatalogue) -> None:
    old = put(kept, "run-1")
    new = put(kept, "run-2", raised_at=START + timedelta(hours=1))
    loose = put(kept, "run-3", instrument="squid-2", raised_at=START + timedelta(hours=2))
    shut = put(kept, "run-1", kind=AlertKind.EMPTY, alert_id="shut", closed_at=START, closed_reason="over")

    def listed(**asked: Any) -> list[Alert]:
        with kept.begin() as tx:
            return list(tx.alerts.list(**asked))

    assert listed(is_open=True) == [loose, new, old]
    assert listed(is_open=False) == [shut]
    assert listed(is_open=True, limit=2) == [loose, new]
    assert listed(projects=frozenset({"cells"}), unclaimed=False, is_open=True) == [old]
    assert listed(projects=frozenset({"cells"}), is_open=True) == [loose, old]
    assert listed(projects=frozenset(), unclaimed=False) == []
    assert listed(instrument="squid-2") == [loose]
    with kept.begin() as tx:
        run = tx.acquisitions.get(old.acquisition_id)
        tx.acquisitions.save(run.model_copy(update={"project": "other"}))
    assert listed(projects=frozenset({"other"}), unclaimed=False, is_open=True) == [new, old]


def test_a_picture_is_kept_with_its_alert_and_a_large_one_is_refused(kept: SqlCatalogue) -> None:
    alert = put(kept)
    with kept.begin() as tx:
        assert tx.alerts.picture(alert.alert_id) is None
        tx.alerts.put_picture(alert.alert_id, b"\x89PNG\x00")
        tx.alerts.put_picture(alert.alert_id, b"\x89PNG\x01")
        assert tx.alerts.picture(alert.alert_id) == b"\x89PNG\x01"

    with pytest.raises(InvalidInput), kept.begin() as tx:
        tx.alerts.put_picture(alert.alert_id, bytes(PICTURE_LIMIT_BYTES + 1))
    with pytest.raises(NotFound), kept.begin() as tx:
        tx.alerts.put_picture("no such alert", b"")


def test_what_a_run_had_so_far_is_kept_until_it_is_forgotten(kept: SqlCatalogue) -> None:
    identity = make_alert("run-1").acquisition_id
    baseline = RunBaseline(
        samples={"DAPI": (Sample(key="a", focus=0.1),)},
        pictures={"a": b"\xff\x00"},
        failing={"dark": Tally(keys=("a",))},
    )

    with kept.begin() as tx:
        assert tx.alerts.baseline(identity) == RunBaseline()
        tx.alerts.put_baseline(identity, RunBaseline(levels=(1,)))
        tx.alerts.put_baseline(identity, baseline)
        assert tx.alerts.baseline(identity) == baseline
        tx.alerts.forget_baseline(identity)
        tx.alerts.forget_baseline(identity)
        assert tx.alerts.baseline(identity) == RunBaseline()
