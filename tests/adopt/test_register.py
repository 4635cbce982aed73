"""Registering where it lies: judged as any run, known once, held until its turn, and never released."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.share_folder import ShareFolder
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.adoption import WAITS, Scanning, Sureness
from cisterna.domain.errors import Forbidden, HostileInput, InvalidInput, NotFound, ReleaseRefused, SourceUnavailable
from cisterna.domain.hours import Hours
from cisterna.domain.project import Policy, PublishPolicy
from cisterna.ports.roster import Group, Wanted
from cisterna.profiles.czi import Czi
from cisterna.services.adoption import ask_register
from cisterna.services.claim import claim_folder
from cisterna.services.inspection import UNBOUND
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument, make_project
from cisterna.testing.virtual_squid import Fault, VirtualSquid
from tests.adopt.share import NAME, PROFILES, Taken, lay, squid_run

LONG = timedelta(days=2)
Sql = Callable[[str], None]


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    (quick_path / "share").mkdir()
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
        tx.instruments.add(make_instrument("squid-1"))
    return Taken(quick_path / "share", catalogue, clock)


@pytest.fixture
def sql(dsn: str) -> Sql:
    """Change the database behind the catalogue's back."""

    def run(statements: str) -> None:
        with psycopg.connect(dsn.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
            connection.execute(statements.encode())

    return run


def scanned(taken: Taken) -> Taken:
    taken.begin()
    assert taken.scan().ended_at is not None
    taken.clock.advance(LONG)
    return taken


def works(taken: Taken) -> int:
    with taken.catalogue.begin() as tx:
        return len(tx.inbox.list())


def test_what_is_sure_enough_becomes_acquisitions_that_wait_for_their_turn(taken: Taken) -> None:
    sure = squid_run(taken.top / "squid-1/cells")
    unsure = squid_run(taken.top / "whose")
    scanned(taken)

    taken.register(Sureness.LIKELY)

    (run,) = taken.acquisitions.values()
    assert run.folder == f"squid-1/cells/{sure.name}"
    assert (run.name, run.project, run.state, run.held) == (sure.name, "cells", AcquisitionState.COMPLETE, WAITS)
    assert run.instrument == "old-nas.squid-1.squid"
    assert works(taken) == 0
    assert taken.standings == {run.folder: "registered", f"whose/{unsure.name}": "found"}


def test_runs_that_wait_for_their_turn_crowd_nobody_out_of_what_is_held(taken: Taken) -> None:
    squid_run(taken.top / "cells")
    squid_run(taken.top / "whose", hour=11)
    scanned(taken).register()

    with taken.catalogue.begin() as tx:
        held = tx.roster.keys(Wanted(group=Group.HELD))
        assert tx.roster.count(Wanted(group=Group.HELD)) == len(held) == 1  # the one that nobody's is
        assert tx.roster.count(Wanted()) == 2


def test_registering_again_doubles_nothing_and_writes_nothing(taken: Taken) -> None:
    squid_run(taken.top / "cells")
    scanned(taken).register()
    first = taken.acquisitions

    taken.register()
    taken.begin(again=True)
    taken.scan()
    taken.clock.advance(LONG)
    taken.carry()

    assert taken.acquisitions == first


def test_after_the_catalogue_lost_its_inventory_the_same_runs_are_known_again(taken: Taken, sql: Sql) -> None:
    run = squid_run(taken.top / "cells")
    scanned(taken).register()
    sql("DELETE FROM adoption_finds; DELETE FROM adoption_walks")

    taken.scan()
    taken.carry()

    assert len(taken.acquisitions) == 1
    assert taken.standings == {f"cells/{run.name}": "registered"}


def test_what_is_found_later_is_registered_without_another_word(taken: Taken) -> None:
    squid_run(taken.top / "cells")
    scanned(taken).register(Sureness.LIKELY)
    later = squid_run(taken.top / "cells", hour=11)

    taken.begin(again=True)
    taken.scan()
    taken.clock.advance(LONG)
    taken.carry()

    assert f"cells/{later.name}" in taken.acquisitions


def test_a_folder_that_still_changes_is_a_run_that_is_being_written(taken: Taken) -> None:
    squid = VirtualSquid(wells=("A1", "A2"), fovs=2, pause=lambda _: None)
    steps = squid.steps(taken.top / "cells")
    for _ in range(4):
        next(steps)
    taken.begin()
    taken.scan()

    taken.register(Sureness.UNSURE)

    (run,) = taken.acquisitions.values()
    assert run.state is AcquisitionState.WRITING
    assert run.reason
    assert taken.standings == {run.folder: "registered"}
    for _ in steps:
        pass
    for _ in range(4):
        taken.clock.advance(timedelta(hours=2))
        taken.carry()
    (run,) = taken.acquisitions.values()
    assert (run.state, run.held) == (AcquisitionState.COMPLETE, WAITS)


def test_a_run_that_ended_early_keeps_its_state_and_is_held_with_the_reason(taken: Taken) -> None:
    VirtualSquid(wells=("A1",), fovs=4, fault=Fault.ABORT).write(taken.top / "cells")
    scanned(taken).register()

    (run,) = taken.acquisitions.values()
    assert run.state in {AcquisitionState.ABORTED, AcquisitionState.PARTIAL, AcquisitionState.STALLED}
    assert run.held == run.reason
    assert set(taken.standings.values()) == {"held"}


def test_a_run_that_an_instrument_or_a_person_brought_already_is_not_doubled(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    brought = claim_folder(
        run.name,
        path=str(run.parent),
        zone=LandingFolder(str(run.parent)),
        profile=PROFILES["squid"],
        submitter="ada",
        project="cells",
        catalogue=taken.catalogue,
        clock=taken.clock,
        resolve_project=lambda *_: None,
    )

    scanned(taken).register()

    assert set(taken.acquisitions) == {run.name}
    assert taken.finds[f"cells/{run.name}"].acquisition_id == brought.acquisition_id


def test_a_run_in_a_watched_landing_zone_is_left_to_its_sweep(taken: Taken) -> None:
    run = squid_run(taken.top / "live")
    with taken.catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-9", path=str(taken.top / "live")))

    scanned(taken).register()

    assert taken.acquisitions == {}
    assert "'squid-9', whose sweep" in (taken.finds[f"live/{run.name}"].held or "")


def test_a_copy_of_a_known_run_is_held_and_taken_in_when_a_person_says_so(taken: Taken) -> None:
    squid_run(taken.top / "a")
    squid_run(taken.top / "b")
    scanned(taken).register(under="a")
    (known,) = taken.acquisitions.values()

    taken.register()

    assert len(taken.acquisitions) == 1
    (held,) = [find.held for find in taken.finds.values() if find.held]
    assert f"it is a copy of {known.acquisition_id}" in held
    assert "3 of them the same bytes" in held
    taken.clock.advance(LONG)
    taken.register(even_alike=True)
    assert len(taken.acquisitions) == 2


@pytest.mark.parametrize("different", ["a side file", "the largest"])
def test_two_runs_of_one_protocol_are_two_runs_though_every_name_and_size_is_the_same(
    taken: Taken, different: str
) -> None:
    squid_run(taken.top / "a")
    other = squid_run(taken.top / "b")
    by_size = sorted((one for one in other.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    file = by_size[-1] if different == "the largest" else [one for one in by_size if one.stat().st_size <= 2**20][-1]
    body = file.read_bytes()
    file.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))

    scanned(taken).register()

    assert len(taken.acquisitions) == 2


def test_the_same_folder_reached_two_ways_is_one_run(taken: Taken, sql: Sql) -> None:
    squid_run(taken.top / "a")
    squid_run(taken.top / "b")
    scanned(taken)
    sql("UPDATE adoption_finds SET folder = '1:1'")

    taken.register()

    assert len(taken.acquisitions) == 1
    assert [one for one in taken.finds.values() if one.held and "the same folder as 'a/" in one.held]


def test_a_guess_never_decides_on_what_becomes_public_by_itself(taken: Taken) -> None:
    with taken.catalogue.begin() as tx:
        tx.projects.add(make_project("open", policy=Policy(publish=PublishPolicy.PASSED)))
    run = squid_run(taken.top / "open")
    scanned(taken).register(Sureness.LIKELY)
    path = f"open/{run.name}"

    assert taken.acquisitions == {}
    assert "publishes what passes by itself" in (taken.finds[path].held or "")
    taken.say(project="open")
    taken.carry()
    assert taken.acquisitions[path].project == "open"


def test_what_belongs_to_no_project_is_unclaimed_until_a_person_says_whose_it_is(taken: Taken) -> None:
    run = squid_run(taken.top / "whose")
    scanned(taken).register(Sureness.UNSURE)

    assert taken.acquisitions[f"whose/{run.name}"].held == UNBOUND
    taken.say(under="whose", project="cells")

    bound = taken.acquisitions[f"whose/{run.name}"]
    assert (bound.project, bound.held) == ("cells", WAITS)
    assert works(taken) == 0


def test_an_assigned_profile_that_does_not_know_the_folder_is_held_with_that_reason(taken: Taken) -> None:
    lay(taken.top, "odd/a.bin", "odd/b.bin")
    scanned(taken).say(under="odd", profile="squid", project="cells")

    taken.register()

    assert "does not know the whole folder" in (taken.finds["odd"].held or "")


def test_hostile_names_are_registered_and_found_again(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    odd = run.with_name(run.name + "\udce9 100%41")
    run.rename(odd)
    scanned(taken).register()

    (acquisition,) = taken.acquisitions.values()
    zone = ShareFolder(str(taken.top))
    assert acquisition.file_count == len(zone.listing(acquisition.folder).files)


def test_nothing_in_a_share_is_ever_deleted(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    zone = ShareFolder(str(taken.top), declared=ShareFolder(str(taken.top)).identity())

    with pytest.raises(ReleaseRefused, match="nothing in it is ever deleted"):
        zone.delete(f"cells/{run.name}", [], keep_on=lambda: None)

    scanned(taken).register()
    with taken.catalogue.begin() as tx:
        (instrument,) = [one for one in tx.instruments.list() if one.adopted]
    assert not instrument.watched  # and of those no release is ever judged to be allowed


@pytest.mark.parametrize("path", ["..", "a/../b", "/etc", "a//b", ""])
def test_a_path_that_climbs_opens_nothing(taken: Taken, path: str) -> None:
    with pytest.raises((NotFound, HostileInput)):
        ShareFolder(str(taken.top)).listing(path)


def test_only_an_operator_asks_for_anything(taken: Taken) -> None:
    scanned(taken)
    with taken.catalogue.begin() as tx:
        tx.accounts.add(make_account("sten"))

    with pytest.raises(Forbidden):
        ask_register(
            NAME,
            sure=Sureness.CERTAIN,
            under="",
            even_alike=False,
            person="sten",
            catalogue=taken.catalogue,
            clock=taken.clock,
        )


@pytest.mark.parametrize("said", [{}, {"project": "cells", "reason": "  "}, {"profile": "nobody"}])
def test_a_word_that_says_nothing_is_refused(taken: Taken, said: dict[str, str]) -> None:
    scanned(taken)

    with pytest.raises(InvalidInput):
        taken.say(**said)


def test_a_share_that_is_gone_changes_nothing_of_what_is_registered(taken: Taken) -> None:
    squid_run(taken.top / "cells")
    scanned(taken)
    taken.top.rename(taken.top.with_name("away"))
    taken.top.mkdir()

    with pytest.raises(SourceUnavailable, match="is not the folder that was declared"):
        taken.register()

    assert taken.acquisitions == {}
    assert all(find.held is None for find in taken.finds.values())


def test_a_share_that_was_mounted_anew_is_taken_for_the_same_when_a_person_says_so(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    scanned(taken).register()
    moved = taken.top.with_name("moved")
    taken.top.rename(moved)
    taken.top.mkdir()
    (moved / "cells").rename(taken.top / "cells")

    with pytest.raises(SourceUnavailable):
        taken.begin(again=True)
    taken.begin(again=True, remounted=True)
    taken.scan()

    assert taken.standings == {f"cells/{run.name}": "registered"}
    with taken.catalogue.begin() as tx:
        (instrument,) = [one for one in tx.instruments.list() if one.adopted]
    ShareFolder(str(taken.top)).require_identity(instrument.identity)


def test_registering_keeps_to_the_pace_and_the_hours_of_the_inventory(taken: Taken) -> None:
    run = squid_run(taken.top / "cells")
    files = len([one for one in run.rglob("*") if one.is_file()])
    taken.scanning = Scanning(files_per_second=2)
    scanned(taken)
    began = taken.clock.monotonic()
    taken.register()
    assert taken.clock.monotonic() - began >= files / 2 - 1

    squid_run(taken.top / "cells", hour=11)
    taken.begin(again=True)
    taken.scan()
    now = taken.clock.now().astimezone().hour * 60
    taken.scanning = Scanning(hours=Hours(begin_minute=(now + 180) % 1440, end_minute=(now + 240) % 1440))
    taken.begin()
    assert taken.carry() == 0
    assert len(taken.acquisitions) == 1


def test_a_profile_that_fails_holds_one_run_and_stops_no_other(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bool:
        raise ZeroDivisionError("odd")

    squid_run(taken.top / "cells")
    lay(taken.top, "flat/one.czi")
    scanned(taken)
    monkeypatch.setattr(Czi, "inspect", failing)

    taken.register()

    assert len(taken.acquisitions) == 1
    assert taken.finds["flat"].held == "the profile 'czi' failed: ZeroDivisionError: odd"


def test_a_run_that_is_silent_for_long_is_seldom_looked_at(taken: Taken) -> None:
    VirtualSquid(wells=("A1",), fovs=4, fault=Fault.CRASH).write(taken.top / "cells")
    scanned(taken).register()
    (find,) = taken.finds.values()
    assert taken.acquisitions[find.path].state is not AcquisitionState.WRITING

    assert find.look_at is None or find.look_at >= taken.clock.now() + timedelta(hours=23)
    assert taken.carry() == 0
