"""Opening the version of a run that is all there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import LeaseLost, SourceChanged, SourceUnavailable
from cisterna.domain.identifier import Arks
from cisterna.domain.work import Attempt
from cisterna.profiles.squid import Squid
from cisterna.services.complete import open_version
from cisterna.services.detect import sweep_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.virtual_squid import VirtualSquid

LEASE = timedelta(seconds=15)
Opening = Callable[[], Version]


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    VirtualSquid(
        experiment="HeLa nuclei", started=datetime(2026, 11, 22, 8, 30, tzinfo=UTC), wells=("A1",), fovs=1
    ).write(tmp_path / "zone")
    return tmp_path / "zone"


@pytest.fixture
def sweep(zone: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Callable[[], None]:
    """Sweep until the run is complete."""
    instrument = make_instrument(path=str(zone))
    with catalogue.begin() as tx:
        tx.outbox.register(["log"])
        tx.instruments.add(instrument)
        tx.projects.add(make_project())

    def run() -> None:
        for _ in range(2):
            sweep_instrument(
                instrument,
                zone=LandingFolder(str(zone)),
                profiles={"squid": Squid()},
                catalogue=catalogue,
                clock=clock,
                resolve_project=lambda _acquisition, _described: "cells",
            )
            clock.advance(30)

    run()
    return run


@pytest.fixture
def opening(zone: Path, catalogue: SqlCatalogue, clock: SettableClock, sweep: Callable[[], None]) -> Opening:
    """Open the version of the only run, under a lease."""
    lease = claim(catalogue, clock)

    def run() -> Version:
        return open_version(
            only(catalogue).acquisition_id,
            lease=lease,
            zone=LandingFolder(str(zone)),
            profile=Squid(),
            catalogue=catalogue,
            clock=clock,
        )

    return run


def claim(catalogue: SqlCatalogue, clock: SettableClock) -> Attempt:
    with catalogue.begin() as tx:
        claimed = tx.inbox.claim(owner="worker", run_id=clock.new_id(), now=clock.now(), lease=LEASE)
    assert claimed is not None
    return claimed.attempt


def only(catalogue: SqlCatalogue) -> Acquisition:
    with catalogue.begin() as tx:
        (one,) = tx.acquisitions.list()
    return one


def set_stage(catalogue: SqlCatalogue, version: Version, stage: Stage) -> None:
    with catalogue.begin() as tx:
        tx.datasets.save_version(version.model_copy(update={"stage": stage}))


def touch(zone: Path) -> None:
    next(zone.glob("*/0/*.tiff")).touch()


def test_the_first_version_of_a_run_is_opened(opening: Opening, catalogue: SqlCatalogue) -> None:
    version = opening()

    run = only(catalogue)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        told = tx.outbox.history([version.version_id])
    assert (version.number, version.stage, version.submitter) == (1, Stage.DETECTED, "squid-1")
    assert version.source_fingerprint == run.fingerprint
    assert run.dataset_id == dataset.dataset_id
    assert (dataset.title, dataset.data_type, dataset.project) == ("HeLa nuclei", "microscopy", "cells")
    assert dataset.pid.startswith("ark:/99999/")
    assert dataset.object_root
    assert [(event.name, event.data["stage"]) for event in told] == [("version.stage", "detected")]


@pytest.mark.parametrize("later", [Arks("12345"), Arks("99999", "x5"), Arks("12345", "x5")])
def test_an_identifier_that_was_given_stays_whatever_the_settings_say_later(
    opening: Opening, zone: Path, catalogue: SqlCatalogue, clock: SettableClock, later: Arks
) -> None:
    dataset = opening().dataset_id
    with catalogue.begin() as tx:
        given = tx.datasets.get(dataset)
        (held,) = tx.inbox.claims_of("worker")

    open_version(
        given.acquisition_id or "",
        lease=held.attempt,
        zone=LandingFolder(str(zone)),
        profile=Squid(),
        catalogue=catalogue,
        clock=clock,
        arks=later,
    )

    with catalogue.begin() as tx:
        assert tx.datasets.get(given.dataset_id).pid == given.pid


@pytest.mark.parametrize("stage", [Stage.DETECTED, Stage.MEASURED, Stage.PUBLISHED])
def test_opening_twice_gives_the_same_version_however_far_it_has_come(
    opening: Opening, catalogue: SqlCatalogue, stage: Stage
) -> None:
    first = opening()
    set_stage(catalogue, first, stage)

    second = opening()

    assert (second.version_id, second.stage) == (first.version_id, stage)
    with catalogue.begin() as tx:
        assert len(tx.datasets.versions(first.dataset_id)) == 1


def test_a_run_that_changed_since_it_was_judged_is_refused(opening: Opening, zone: Path) -> None:
    touch(zone)

    with pytest.raises(SourceChanged, match="changed after it was judged complete"):
        opening()


def test_a_run_that_changed_later_gets_another_version(
    opening: Opening, zone: Path, catalogue: SqlCatalogue, sweep: Callable[[], None]
) -> None:
    set_stage(catalogue, opening(), Stage.VERIFIED)
    touch(zone)
    sweep()

    second = opening()

    assert (second.number, second.stage) == (2, Stage.DETECTED)
    assert second.source_fingerprint == only(catalogue).fingerprint


def test_a_version_of_which_nothing_was_read_is_turned_to_the_present_listing(
    opening: Opening, zone: Path, catalogue: SqlCatalogue, sweep: Callable[[], None]
) -> None:
    opening()
    touch(zone)
    sweep()

    version = opening()

    assert (version.number, version.source_fingerprint) == (1, only(catalogue).fingerprint)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"state": AcquisitionState.PARTIAL, "held": "3 files are missing"}, SourceChanged),
        ({"state": AcquisitionState.WRITING}, SourceChanged),
        ({"held": "unclaimed"}, SourceChanged),
        ({"state": AcquisitionState.UNAVAILABLE, "reason": "no mount"}, SourceUnavailable),
    ],
)
def test_a_run_that_is_not_on_its_way_is_refused(
    opening: Opening, catalogue: SqlCatalogue, changes: dict[str, object], error: type[Exception]
) -> None:
    with catalogue.begin() as tx:
        tx.acquisitions.save(only(catalogue).model_copy(update=changes))

    with pytest.raises(error):
        opening()


def test_a_zone_that_is_gone_is_told_as_such(opening: Opening, zone: Path) -> None:
    zone.rename(zone.with_name("unmounted"))

    with pytest.raises(SourceUnavailable):
        opening()


def test_nothing_is_written_once_the_lease_is_lost(
    opening: Opening, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    clock.advance(LEASE * 2)
    with catalogue.begin() as tx:
        tx.inbox.expired(now=clock.now())

    with pytest.raises(LeaseLost):
        opening()

    with catalogue.begin() as tx:
        assert list(tx.datasets.list()) == []
