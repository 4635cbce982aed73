"""Declaring instruments, and the sentinels by which their landing zones are known again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.zone_sentinel import write_sentinel
from cisterna.domain.errors import AlreadyExists, Forbidden, SourceUnavailable
from cisterna.domain.instrument import SENTINEL_NAME, Instrument
from cisterna.ports.source import SentinelWriter
from cisterna.profiles.squid import Squid
from cisterna.services.instrument import Sentinel, declare_instrument, look_after_sentinel
from cisterna.testing.clock import SettableClock


class Desk:
    """Where an administrator declares one instrument."""

    def __init__(self, root: Path, catalogue: SqlCatalogue, clock: SettableClock) -> None:
        self.zone, self.catalogue, self.clock = root / "zone", catalogue, clock
        (self.zone / "run").mkdir(parents=True)

    def declare(self, **settings: str) -> Instrument:
        return declare_instrument(
            "squid-1",
            profile=Squid(),
            path=str(self.zone),
            settings=settings,
            zone=LandingFolder(self.zone),
            catalogue=self.catalogue,
            clock=self.clock,
        )

    def look(self, write: SentinelWriter | None = None) -> Sentinel:
        return look_after_sentinel("squid-1", zone=LandingFolder(self.zone), catalogue=self.catalogue, write=write)

    def declared(self) -> Instrument:
        with self.catalogue.begin() as tx:
            return tx.instruments.get("squid-1")

    def replace_zone(self) -> None:
        shutil.copytree(self.zone, self.zone.with_name("other"))
        self.zone.rename(self.zone.with_name("before"))
        self.zone.with_name("other").rename(self.zone)


@pytest.fixture
def desk(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Desk:
    return Desk(tmp_path, catalogue, clock)


def test_declaring_an_instrument_writes_nothing_into_its_zone(desk: Desk) -> None:
    desk.declare()
    desk.look()

    assert [one.name for one in desk.zone.iterdir()] == ["run"]


def test_a_sentinel_is_written_when_asked_for_and_relied_on_from_then_on(desk: Desk) -> None:
    desk.declare()

    written, again = desk.look(write_sentinel), desk.look(write_sentinel)
    desk.replace_zone()

    assert (written.lies_there, written.is_relied_on) == (True, True)
    assert again == written
    assert (desk.zone / SENTINEL_NAME).read_text() == written.text
    LandingFolder(desk.zone).require_identity(desk.declared().identity)


def test_a_sentinel_put_there_by_hand_is_relied_on_at_the_next_look(desk: Desk) -> None:
    desk.declare()

    printed = desk.look()
    Path(printed.path).write_text(printed.text)
    found = desk.look()

    assert (printed.lies_there, printed.is_relied_on) == (False, False)
    assert (found.lies_there, found.is_relied_on, found.text) == (True, True, printed.text)


def test_a_sentinel_that_lies_in_the_zone_is_relied_on_by_its_declaration(desk: Desk) -> None:
    desk.declare()
    desk.look(write_sentinel)

    with desk.catalogue.begin() as tx:
        tx.instruments.save(desk.declared().model_copy(update={"identity": None}))
    desk.declare()

    identity = desk.declared().identity
    assert identity is not None
    assert identity.sentinel is not None


def test_a_sentinel_that_went_missing_is_put_back_as_it_was(desk: Desk) -> None:
    desk.declare()
    first = desk.look(write_sentinel)
    (desk.zone / SENTINEL_NAME).unlink()

    missing, back = desk.look(), desk.look(write_sentinel)

    assert (missing.lies_there, missing.is_relied_on, missing.text) == (False, True, first.text)
    assert back == first


def test_no_sentinel_is_written_into_a_folder_that_is_not_shown_to_be_the_zone(desk: Desk) -> None:
    desk.declare()
    desk.replace_zone()

    with pytest.raises(SourceUnavailable, match="not the folder that was declared"):
        desk.look(write_sentinel)

    assert not (desk.zone / SENTINEL_NAME).exists()


def test_a_zone_that_may_not_be_written_gets_its_sentinel_by_hand(desk: Desk) -> None:
    desk.declare()

    def refuse(path: str, text: str) -> None:
        raise Forbidden(f"{path} may not be written: {text[:5]}")

    with pytest.raises(Forbidden):
        desk.look(refuse)

    assert desk.look().is_relied_on is False


def test_declaring_again_after_the_disk_was_replaced_takes_the_new_folder_and_changes_nothing_else(desk: Desk) -> None:
    before = desk.declare(quiet_seconds="5")
    desk.replace_zone()
    desk.clock.advance(60)

    desk.declare(quiet_seconds="5")

    after = desk.declared()
    assert after.identity == LandingFolder(desk.zone).identity() != before.identity
    assert after.model_copy(update={"identity": before.identity}) == before


def test_declaring_again_with_other_settings_is_refused_and_changes_nothing(desk: Desk) -> None:
    before = desk.declare(quiet_seconds="5")
    desk.replace_zone()

    with pytest.raises(AlreadyExists, match="declared already, otherwise"):
        desk.declare(quiet_seconds="6")

    assert desk.declared() == before
