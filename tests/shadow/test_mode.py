"""Shadow mode is begun and ended by a person, on record; in it nothing is written to the zone and nothing is public."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.zone_sentinel import write_sentinel
from cisterna.cli.rehearsal import Rehearsal
from cisterna.domain.account import Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import (
    AlreadyExists,
    Forbidden,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotSignedIn,
    PublicationRefused,
)
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import WorkKind
from cisterna.profiles.illumina import Illumina
from cisterna.profiles.nanopore import Nanopore
from cisterna.profiles.squid import Squid
from cisterna.services.instrument import declare_instrument, look_after_sentinel
from cisterna.services.publish import bars_to_publication, publish_version, request_publication
from cisterna.services.shadow import begin_shadow, end_shadow, markers_of, new_shadow
from cisterna.services.shadow_report import shadow_report
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument
from tests.services.world import NotesProfile
from tests.shadow.bench import OPERATOR, Bench
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def begin(site: Site, name: str = "squid-1", **more: Any) -> Instrument:
    given = {"person": "olga", "reason": "a trial", "catalogue": site.catalogue, "clock": site.clock, **more}
    return begin_shadow(name, **given)


def end(site: Site, name: str = "squid-1", **more: Any) -> Instrument:
    given = {"person": "olga", "reason": "it did well", "catalogue": site.catalogue, "clock": site.clock, **more}
    return end_shadow(name, **given)


def told(site: Site, name: str = "squid-1") -> list[str]:
    with site.catalogue.begin() as tx:
        return [event.name for event in tx.outbox.history([name])]


def publish(site: Site, version: Version) -> Any:
    return publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=site.portal,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
    )


def publishing(site: Site, version: Version) -> list[object]:
    with site.catalogue.begin() as tx:
        return [one for one in tx.inbox.list(subject=version.version_id) if one.kind is WorkKind.PUBLISH]


def test_beginning_and_ending_are_on_record_with_the_person_and_twice_is_once(site: Site) -> None:
    first, second = begin(site), begin(site)

    assert first == second
    assert first.in_shadow is not None
    assert (first.in_shadow.person, first.in_shadow.reason, first.in_shadow.days) == ("olga", "a trial", 30.0)
    ended = end(site)
    assert end(site) == ended
    assert ended.in_shadow is None
    assert ended.shadow is not None
    assert (ended.shadow.ended_by, ended.shadow.ended_reason) == ("olga", "it did well")
    assert told(site) == ["instrument.shadow-begun", "instrument.shadow-ended"]
    with site.catalogue.begin() as tx:
        last = tx.outbox.history(["squid-1"])[-1]
    assert last.restricted
    assert (last.data["person"], last.data["reason"]) == ("olga", "it did well")


def test_a_second_time_is_another_time(site: Site) -> None:
    first = begin(site).in_shadow
    end(site)
    site.clock.advance(60)

    second = begin(site).in_shadow

    assert first is not None
    assert second is not None
    assert first.shadow_id != second.shadow_id


@pytest.mark.parametrize("person", ["sten", "stina", "rita", "vera"])
def test_who_is_no_operator_neither_begins_nor_ends_it(site: Site, person: str) -> None:
    with pytest.raises(Forbidden, match="needs the role operator"):
        begin(site, person=person)
    begin(site)
    with pytest.raises(Forbidden, match="needs the role operator"):
        end(site, person=person)
    with pytest.raises(NotSignedIn):
        end(site, person="nobody")
    with site.catalogue.begin() as tx, pytest.raises(Forbidden):
        shadow_report("squid-1", account=tx.accounts.find(person), catalogue=site.catalogue, clock=site.clock)


def test_what_cannot_be_meant_is_refused_in_words(site: Site) -> None:
    for more, words in (
        ({"reason": "  "}, "needs a reason in words"),
        ({"days": 0.0}, "give a number up to 3650"),
        ({"days": float("nan")}, "give a number up to 3650"),
        ({"rules": ["quiet=soon"]}, "is no rule"),
    ):
        with pytest.raises(InvalidInput, match=words):
            begin(site, **more)
    with pytest.raises(NotFound):
        begin(site, "squid-9")
    with pytest.raises(IllegalTransition, match="not in shadow mode, so there is nothing to end"):
        end(site)
    with site.catalogue.begin() as tx:
        tx.instruments.add(make_instrument("by-hand-1", watched=False))
    with pytest.raises(InvalidInput, match="brought by hand"):
        begin(site, "by-hand-1")
    assert told(site) == []


def test_other_days_or_rules_need_an_end_first(site: Site) -> None:
    begin(site)

    with pytest.raises(IllegalTransition, match="otherwise; end that first"):
        begin(site, days=10.0)
    with pytest.raises(IllegalTransition, match="otherwise; end that first"):
        begin(site, rules=["quiet=2"])


def test_a_dry_run_leaves_nothing(site: Site) -> None:
    rehearsal = Rehearsal(site.catalogue)

    assert begin(site, catalogue=rehearsal).in_shadow is not None

    with site.catalogue.begin() as tx:
        assert tx.instruments.get("squid-1").shadow is None
    assert told(site) == []


def test_the_profiles_name_the_markers_that_scripts_go_by() -> None:
    assert markers_of(Squid()) == (".done",)
    assert set(markers_of(Illumina())) == {"RTAComplete.txt", "RTAComplete.xml", "CopyComplete.txt"}
    assert markers_of(Nanopore()) == ("final_summary_*.txt", "*/final_summary_*.txt")
    assert markers_of(NotesProfile()) == ()


def test_the_report_is_announced_once_when_the_days_are_over_and_the_mode_goes_on(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    bench = Bench(catalogue, clock, days=2)
    bench.sweep(after=86_400.0)
    assert list(bench.events()) == ["instrument.shadow-begun"]

    bench.sweep_every(86_400.0, times=3)
    bench.restart()
    bench.sweep(after=1.0)

    assert list(bench.events()) == ["instrument.shadow-begun", "instrument.shadow-report"]
    assert bench.instrument().in_shadow is not None


def declare(
    root: Path, catalogue: SqlCatalogue, clock: SettableClock, *, shadow: bool, person: str = OPERATOR
) -> Instrument:
    wanted = new_shadow("squid-1", days=30, rules=(), markers=(".done",), person=person, reason="a trial", clock=clock)
    return declare_instrument(
        "squid-1",
        profile=Squid(),
        path=str(root),
        settings={},
        shadow=wanted if shadow else None,
        zone=LandingFolder(root),
        catalogue=catalogue,
        clock=clock,
    )


@pytest.fixture
def people(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.accounts.add(make_account(OPERATOR, Role.OPERATOR))
        tx.accounts.add(make_account("vera", Role.VIEWER))


@pytest.mark.usefixtures("people")
def test_an_instrument_can_be_in_shadow_mode_from_its_first_moment_and_stays_so_when_declared_again(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    with pytest.raises(Forbidden):
        declare(tmp_path, catalogue, clock, shadow=True, person="vera")

    made = declare(tmp_path, catalogue, clock, shadow=True)
    again = declare(tmp_path, catalogue, clock, shadow=False)

    assert made.in_shadow is not None
    assert again.in_shadow == made.in_shadow
    with catalogue.begin() as tx:
        assert [event.name for event in tx.outbox.history(["squid-1"])] == ["instrument.shadow-begun"]


@pytest.mark.usefixtures("people")
def test_one_that_is_there_in_ordinary_mode_is_not_taken_for_shadowed(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    declare(tmp_path, catalogue, clock, shadow=False)

    with pytest.raises(AlreadyExists, match="run `cisterna instrument shadow` for it"):
        declare(tmp_path, catalogue, clock, shadow=True)


@pytest.mark.usefixtures("people")
def test_no_sentinel_is_ever_written_in_shadow_mode(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    declare(tmp_path, catalogue, clock, shadow=True)

    with pytest.raises(Forbidden, match=r"nothing is written to its landing zone: .* shadow mode"):
        look_after_sentinel("squid-1", zone=LandingFolder(tmp_path), catalogue=catalogue, write=write_sentinel)
    shown = look_after_sentinel("squid-1", zone=LandingFolder(tmp_path), catalogue=catalogue)

    assert list(tmp_path.iterdir()) == []
    assert not shown.lies_there
    end_shadow("squid-1", person=OPERATOR, reason="over", catalogue=catalogue, clock=clock)
    written = look_after_sentinel("squid-1", zone=LandingFolder(tmp_path), catalogue=catalogue, write=write_sentinel)
    assert written.lies_there


def test_nothing_is_published_by_policy_by_hand_or_by_work_that_waits(site: Site) -> None:
    waiting = site.decide(site.lay_version("plate-6"))
    begin(site)

    version = site.decide(site.lay_version("plate-7"))

    assert version.stage is Stage.ACCEPTED
    assert publishing(site, version) == []
    (bar,) = bars_to_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    assert bar.condition == "the instrument squid-1 is in shadow mode"
    with pytest.raises(PublicationRefused, match=r"squid-1 is in shadow mode .*--end"):
        request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    for one in (version, waiting):
        with pytest.raises(PublicationRefused, match="squid-1 is in shadow mode"):
            publish(site, one)
    assert list(site.public.list("")) == []


def test_what_was_derived_or_reprocessed_from_it_is_not_published_either(site: Site) -> None:
    source = site.decide(site.lay_version("plate-7"))
    publish(site, source)
    begin(site)

    derived = site.decide(site.lay_version("labels", source=source, model="nuclei@1"))

    with pytest.raises(PublicationRefused, match="squid-1 is in shadow mode"):
        publish(site, derived)
    with pytest.raises(PublicationRefused, match="squid-1 is in shadow mode"):
        request_publication(derived.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)


def test_a_run_of_its_zone_that_is_brought_by_hand_is_covered_too(site: Site) -> None:
    with site.catalogue.begin() as tx:
        tx.instruments.add(make_instrument("by-hand-1", watched=False, path="/landing/squid-1"))
        tx.instruments.add(make_instrument("by-hand-2", watched=False, path="/landing/elsewhere"))
    begin(site)
    inside = site.decide(site.lay_version("plate-8", instrument="by-hand-1"))
    outside = site.decide(site.lay_version("plate-9", instrument="by-hand-2"))

    with pytest.raises(PublicationRefused, match="squid-1 is in shadow mode"):
        publish(site, inside)
    assert publish(site, outside).pid


def test_other_instruments_publish_as_ever(site: Site) -> None:
    begin(site, "squid-2")

    version = site.decide(site.lay_version("plate-7"))

    assert len(publishing(site, version)) == 1
    assert publish(site, version).pid


def test_after_the_end_it_is_published_when_somebody_asks_and_by_nothing_else(site: Site) -> None:
    begin(site)
    version = site.decide(site.lay_version("plate-7"))
    site.clock.advance(timedelta(days=30))

    end(site)

    assert publishing(site, version) == []
    request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    assert publish(site, version).pid
