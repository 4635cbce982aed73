"""Whether the archive's store copies from a landing zone is asked before it is read, and told; nothing hangs on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.ports.catalogue import Catalogue
from cisterna.services.health import Condition, look_at_server_copies
from cisterna.testing.factory import make_instrument
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.memory_zone import MemoryZone
from flows.server_copy import copier_of


def away() -> MemoryStore:
    store = MemoryStore()
    store.fail_on("copier")
    return store


@pytest.fixture
def zone() -> MemoryZone:
    return MemoryZone(bucket="runs")


@pytest.fixture
def watched(catalogue: Catalogue) -> Catalogue:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("novaseq", path="s3://runs/novaseq"))
    return catalogue


def test_a_store_that_shows_that_it_copies_is_let_copy(zone: MemoryZone) -> None:
    with capture_logs() as logs:
        copier = copier_of(zone, MemoryStore(reaches={"runs": zone}))

    assert copier is not None
    assert logs == []


@pytest.mark.parametrize(
    "store",
    [MemoryStore(), MemoryStore(reaches={"runs": MemoryZone(bucket="other")}), away()],
    ids=["may not", "another bucket", "away"],
)
def test_what_a_store_did_not_show_is_logged_with_the_reason_and_sends(zone: MemoryZone, store: MemoryStore) -> None:
    with capture_logs() as logs:
        copier = copier_of(zone, store)

    assert copier is None
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("server-copy.unproven", "warning")
    assert entry["reason"]


def test_of_a_folder_and_of_a_zone_that_is_away_nothing_is_asked(zone: MemoryZone, tmp_path: Path) -> None:
    zone.is_away = True

    with capture_logs() as logs:
        copiers = [copier_of(one, MemoryStore()) for one in (LandingFolder(str(tmp_path)), MemoryZone(), zone)]

    assert copiers == [None] * 3
    assert logs == []


def test_doctor_says_where_the_store_copies(watched: Catalogue, zone: MemoryZone) -> None:
    (found,) = look_at_server_copies(watched, MemoryStore(reaches={"runs": zone}), lambda _: zone)

    assert (found.part, found.condition) == ("copies from novaseq", Condition.OK)
    assert "copies what was read in s3://runs/novaseq, and is not sent it" in found.message


def test_doctor_says_why_not_and_what_to_do(watched: Catalogue, zone: MemoryZone) -> None:
    (found,) = look_at_server_copies(watched, MemoryStore(), lambda _: zone)

    assert found.condition is Condition.WARNING
    assert "may not read runs" in found.message
    assert "what is read there is sent instead" in found.message
    assert "let the archive's keys read s3://runs/novaseq" in found.fix


def test_doctor_says_nothing_of_folders_and_of_zones_that_are_away(watched: Catalogue, zone: MemoryZone) -> None:
    zone.is_away = True

    assert look_at_server_copies(watched, MemoryStore(), lambda _: zone) == []
    assert look_at_server_copies(watched, MemoryStore(), lambda _: MemoryZone()) == []
