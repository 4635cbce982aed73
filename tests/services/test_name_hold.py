"""Runs whose names another system would mix up or refuse are held, until somebody says that they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.services.detect import SweepMemory
from cisterna.testing.clock import SettableClock
from cisterna.testing.virtual_squid import Fault
from tests.services.test_detect import Bench

COMPLETE, PARTIAL = AcquisitionState.COMPLETE, AcquisitionState.PARTIAL


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(tmp_path, catalogue, clock)


NAMES = {
    "case": ("0/map.csv", "0/Map.csv", "'0/Map.csv' and '0/map.csv' differ only in case"),
    "composition": ("caf\u00e9", "cafe\u0301", "differ only in case or in how an accent is written"),
    "device": ("aux.log", "b", "'aux.log' is the name of a device on Windows"),
    "colon": ("log 10:30", "b", "'log 10:30' holds ':'"),
    "dot": ("notes.", "b", "'notes.' ends in a dot or a space"),
}


@pytest.mark.parametrize(("one", "other", "says"), NAMES.values(), ids=NAMES)
def test_names_that_another_system_would_lose_hold_the_run_with_the_reason(
    bench: Bench, one: str, other: str, says: str
) -> None:
    folder = bench.write()
    (folder / one).write_text("1")
    (folder / other).write_text("2")

    bench.sweep()
    bench.sweep(after=60)

    assert bench.only().state is PARTIAL
    assert says in (bench.only().held or "")
    assert bench.work() == []


def test_a_facility_that_means_such_names_lets_them_through_with_its_reason(bench: Bench) -> None:
    bench.memory = SweepMemory()
    folder = bench.write()
    (folder / "log 10:30").write_text("1")
    bench.sweep()
    bench.sweep(after=60)
    held = bench.only()
    settings = {**bench.declared.settings, "unportable_names": "the control software writes times with colons"}
    bench.declared = bench.declared.model_copy(update={"settings": settings})
    bench.memory = SweepMemory()  # as the sweeper does when a declaration changes

    bench.sweep(after=1)

    assert held.state is PARTIAL
    assert (bench.only().state, bench.only().held) == (COMPLETE, None)
    assert "let through: the control software writes times with colons" in bench.only().reason
    assert len(bench.work()) == 1


def test_a_restart_leaves_a_partial_run_partial(bench: Bench) -> None:
    bench.memory = SweepMemory()
    bench.write(fault=Fault.MISSING)
    bench.sweep()
    bench.sweep(after=60)
    before = bench.only()

    bench.memory = SweepMemory()
    bench.sweep(after=1)

    assert before.state is PARTIAL
    assert bench.only() == before
