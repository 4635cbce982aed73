"""A profile is tried on what lies in a landing zone before an instrument is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import SourceUnavailable
from cisterna.ports.profile import Look
from cisterna.profiles.fcs import Fcs
from cisterna.services.health import Condition, look_at_instruments, look_at_readers
from cisterna.services.instrument_trial import try_profile
from cisterna.testing.factory import make_instrument
from cisterna.testing.scripted_run import Mishap
from cisterna.testing.virtual_cytometer import virtual_cytometer


class Failing(Fcs):
    """A profile of somebody else's, with a mistake."""

    def claims(self, look: Look) -> bool:
        raise ZeroDivisionError(look.folder)


def zone(path: Path) -> LandingFolder:
    return LandingFolder(str(path))


def test_an_empty_zone_is_accepted_and_has_nothing_to_try(tmp_path: Path) -> None:
    assert try_profile(Fcs(), zone=zone(tmp_path), settings={}) == []


def test_the_last_folders_are_tried_and_told(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}").mkdir()
    virtual_cytometer(mishap=Mishap.TRUNCATED).write(tmp_path / "later")
    (tmp_path / "later" / "plate 7").rename(tmp_path / "8 cut off")
    (tmp_path / "later").rmdir()
    virtual_cytometer().write(tmp_path)

    tried = {one.folder: one for one in try_profile(Fcs(), zone=zone(tmp_path), settings={})}

    assert list(tried) == ["3", "8 cut off", "plate 7"]
    assert (tried["3"].is_claimed, "does not recognise" in tried["3"].reason) == (False, True)
    assert tried["8 cut off"].state is AcquisitionState.PARTIAL
    assert tried["plate 7"].state is AcquisitionState.COMPLETE


def test_a_profile_that_fails_is_told_and_a_zone_that_is_gone_is_refused(tmp_path: Path) -> None:
    virtual_cytometer().write(tmp_path)

    (one,) = try_profile(Failing(), zone=zone(tmp_path), settings={})

    assert (one.is_claimed, one.state) == (False, None)
    assert one.reason == "the profile 'fcs' failed: ZeroDivisionError: plate 7"
    with pytest.raises(SourceUnavailable):
        try_profile(Fcs(), zone=zone(tmp_path / "nowhere"), settings={})


def test_an_instrument_whose_profile_is_not_there_is_a_failure_with_its_fix(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("fc-1", profile="fcs"))
        tx.instruments.add(make_instrument("reader-1", profile="plate-reader", path="/data/reader"))
        tx.instruments.add(make_instrument("by-hand", profile="gone", path="/data/hand", watched=False))

    (one,) = look_at_instruments(catalogue, {"fcs"})

    assert (one.part, one.condition) == ("instrument reader-1", Condition.FAILED)
    assert "'plate-reader' is not there" in one.message
    assert "install the package" in one.fix


def test_an_instrument_whose_files_nobody_can_look_into_is_a_warning_with_its_fix(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("confocal", profile="lif"))
        tx.instruments.add(make_instrument("slides", profile="czi", path="/data/slides"))
        tx.instruments.add(make_instrument("by-hand", profile="nd2", path="/data/hand", watched=False))

    (one,) = look_at_readers(catalogue, {"czi": "pylibCZIrw", "nd2": "nd2"})

    assert (one.part, one.condition) == ("instrument slides", Condition.WARNING)
    assert "pylibCZIrw is not installed" in one.message
    assert "cisterna[vendor]" in (one.fix or "")
    assert look_at_readers(catalogue, {}) == []
