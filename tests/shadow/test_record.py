"""What shadow mode keeps is never changed, and goes with the data that it tells of and in no other way."""

from __future__ import annotations

from typing import NoReturn

import pytest
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import CatalogueUnavailable, CisternaError
from cisterna.domain.sighting import Sighting
from cisterna.services.shadow import begin_shadow
from cisterna.services.shadow_watch import ShadowMemory, ShadowWatch
from cisterna.testing.clock import SettableClock
from tests.shadow.bench import OPERATOR, Bench
from tests.web.site import Site


def sighting(acquisition: str, number: int = 1, **fields: object) -> Sighting:
    made = {
        "acquisition_id": acquisition,
        "shadow_id": "s-1",
        "number": number,
        "seen_at": "2026-11-23T08:00:00Z",
        "changed_at": "2026-11-23T08:00:00Z",
        "state": AcquisitionState.WRITING,
        "fingerprint": "f" * 64,
        "file_count": 1,
        "size_bytes": 1,
    }
    return Sighting.model_validate({**made, **fields})


def test_a_sighting_is_added_once_and_the_first_one_of_a_number_stays(catalogue: SqlCatalogue) -> None:
    bench = Bench(catalogue, SettableClock())
    bench.put("run", "1.dat")
    bench.sweep()
    run = bench.acquisition("run").acquisition_id

    with catalogue.begin() as tx:
        assert tx.sightings.add(sighting(run, 7)) is True
        assert tx.sightings.add(sighting(run, 7, size_bytes=9)) is False
        assert [one.number for one in tx.sightings.of(run)] == [1, 7]
        assert [one.size_bytes for one in tx.sightings.list("s-1")] == [1]


@pytest.mark.parametrize(
    "statement", ["UPDATE sightings SET number = 9", "DELETE FROM sightings", "TRUNCATE sightings"]
)
def test_the_database_itself_lets_no_sighting_be_changed_or_removed(catalogue: SqlCatalogue, statement: str) -> None:
    bench = Bench(catalogue, SettableClock())
    bench.put("run", "1.dat")
    bench.sweep()

    with pytest.raises(CisternaError, match="history"), catalogue.begin() as tx:
        tx.sightings._sql.run(sql_text(statement))  # type: ignore[attr-defined]

    assert len(bench.sightings("run")) == 1


def test_an_erasure_takes_the_sightings_of_its_run_and_no_others_and_none_comes_back(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    gone, stays = site.lay_version("plate-4"), site.lay_version("plate-5")
    runs = {}
    with catalogue.begin() as tx:
        for version in (gone, stays):
            runs[version.version_id] = tx.datasets.get(version.dataset_id).acquisition_id or ""
            tx.sightings.add(sighting(runs[version.version_id]))

    site.lay_erasure(gone)

    with catalogue.begin() as tx:
        assert tx.sightings.of(runs[gone.version_id]) == []
        assert len(tx.sightings.of(runs[stays.version_id])) == 1
        erased = tx.acquisitions.get(runs[gone.version_id])
    shadowed = begin_shadow("squid-1", person=OPERATOR, reason="trial", catalogue=catalogue, clock=clock)
    assert shadowed.in_shadow is not None
    bench = Bench(catalogue, clock)
    bench.put("x", "secret.dat")
    watch = ShadowWatch(
        shadowed.in_shadow, memory=ShadowMemory(), known=[erased], unknown=0, catalogue=catalogue, clock=clock
    )
    watch.saw(erased, erased, bench.zone.listing("x"), None)
    with catalogue.begin() as tx:
        assert tx.sightings.of(erased.acquisition_id) == []


def test_what_cannot_be_kept_is_told_and_holds_up_nothing(catalogue: SqlCatalogue) -> None:
    bench = Bench(catalogue, SettableClock())
    bench.put("run", "1.dat")
    bench.sweep()
    shadow = bench.instrument().in_shadow
    assert shadow is not None
    unknown = bench.acquisition("run").model_copy(update={"acquisition_id": f"acq-{'0' * 26}", "folder": "other"})
    watch = ShadowWatch(shadow, memory=ShadowMemory(), known=[], unknown=0, catalogue=catalogue, clock=bench.clock)

    watch.saw(None, unknown, bench.zone.listing("run"), None)

    assert list(watch.failed) == ["other"]
    assert "could not be kept" in watch.failed["other"]


class Broken:
    """A catalogue in which every transaction ends so."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def begin(self) -> NoReturn:
        raise self._fault


def test_a_defect_of_what_only_watches_holds_up_no_run_and_a_catalogue_that_is_away_ends_the_sweep(
    catalogue: SqlCatalogue,
) -> None:
    bench = Bench(catalogue, SettableClock())
    bench.put("run", "1.dat")
    bench.sweep()
    shadow, run = bench.instrument().in_shadow, bench.acquisition("run")
    assert shadow is not None
    told = {"memory": ShadowMemory(), "known": [], "unknown": 0, "clock": bench.clock}
    defect = ShadowWatch(shadow, catalogue=Broken(RuntimeError("a defect")), **told)  # type: ignore[arg-type]
    away = ShadowWatch(shadow, catalogue=Broken(CatalogueUnavailable("no answer")), **told)  # type: ignore[arg-type]

    defect.saw(run, run, bench.zone.listing("run"), None)

    assert defect.failed["run"].endswith("RuntimeError: a defect")
    with pytest.raises(CatalogueUnavailable):
        away.saw(run, run, bench.zone.listing("run"), None)
