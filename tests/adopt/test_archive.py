"""Into the archive by policy and at night: within the hours, a few at a time, behind live instruments, over weeks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.adoption import WAITS, AdoptionState, Order, Sureness
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import IllegalTransition, InvalidInput
from cisterna.domain.hours import Hours, parse_hours
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.adoption import Archived
from cisterna.services.adopt_archive import Turn, archive_turn
from cisterna.services.adopt_status import Night, adoption_status, expect, nights_of
from cisterna.services.adoption import ask_archive, set_state
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import keep_version, make_instrument, make_project, make_work
from tests.adopt.share import NAME, Taken, squid_run

LONG = timedelta(days=2)
NIGHT = Hours(begin_minute=20 * 60, end_minute=6 * 60)


@pytest.fixture
def taken(quick_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Taken:
    """A share with three registered runs, the second of which is the largest and the third the newest."""
    (quick_path / "share").mkdir()
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
        tx.instruments.add(make_instrument("squid-1"))
    made = Taken(quick_path / "share", catalogue, clock)
    for number, wells in enumerate((("A1",), ("A1", "A2"), ("A1",))):
        squid_run(made.top / f"cells/{number}", hour=number, wells=wells)
    made.begin()
    made.scan()
    clock.advance(LONG)
    made.register(Sureness.LIKELY)
    assert set(made.standings.values()) == {"registered"}
    return made


def ask(
    taken: Taken, *, hours: Hours | None = None, order: Order = Order.OLDEST, at_once: int = 1, **more: object
) -> None:
    fields = {"bytes_per_second": None, "under": "", **more}
    ask_archive(
        NAME,
        hours=hours,
        order=order,
        at_once=at_once,
        person="olga",
        catalogue=taken.catalogue,
        clock=taken.clock,
        **fields,  # type: ignore[arg-type]
    )


def turn(taken: Taken) -> Turn:
    return archive_turn(NAME, catalogue=taken.catalogue, clock=taken.clock)


def begun(taken: Taken) -> list[str]:
    """Name the runs whose ingest was asked for, in that order."""
    by_id = {one.acquisition_id: folder for folder, one in taken.acquisitions.items()}
    with taken.catalogue.begin() as tx:
        works = [work for work in tx.inbox.list() if work.subject in by_id]
    return [by_id[work.subject].split("/")[1] for work in works]


def end_all(taken: Taken) -> None:
    """Let every ingest that is asked for come to its end."""
    with taken.catalogue.begin() as tx:
        while True:
            claim = tx.inbox.claim(
                owner="w", run_id=taken.clock.new_id(), now=taken.clock.now(), lease=timedelta(minutes=1)
            )
            if claim is None:
                return
            tx.inbox.finish(claim.attempt, outcome="done")


def at(taken: Taken, hour: int, minute: int = 0) -> None:
    """Set the clock of this machine."""
    now = taken.clock.now().astimezone()
    taken.clock.set((now + timedelta(days=1)).replace(hour=hour, minute=minute, second=0, microsecond=0))


def test_nothing_goes_anywhere_before_somebody_asks_for_it(taken: Taken) -> None:
    assert turn(taken) == Turn()
    assert begun(taken) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [(Order.OLDEST, ["0", "1", "2"]), (Order.NEWEST, ["2", "1", "0"]), (Order.SMALLEST, ["0", "2", "1"])],
)
def test_runs_go_one_after_another_in_the_order_that_is_asked_for(
    taken: Taken, order: Order, expected: list[str]
) -> None:
    ask(taken, order=order)
    for _ in range(4):
        turn(taken)
        turn(taken)
        end_all(taken)

    found = begun(taken)
    assert found[-1] == expected[-1] if order is Order.SMALLEST else found == expected
    assert len(found) == 3


def test_no_more_are_under_way_than_allowed(taken: Taken) -> None:
    ask(taken, at_once=2)

    assert turn(taken).begun == 2
    assert turn(taken).begun == 0
    end_all(taken)
    assert turn(taken).begun == 1


def test_live_instruments_come_first(taken: Taken) -> None:
    ask(taken)
    with taken.catalogue.begin() as tx:
        live = tx.inbox.request(
            make_work("live", kind=WorkKind.INGEST, fairness="squid-1", not_before=taken.clock.now())
        )

    assert turn(taken).begun == 0
    with taken.catalogue.begin() as tx:
        tx.inbox.claim(owner="w", run_id="r1", now=taken.clock.now(), lease=timedelta(minutes=1), work_id=live.work_id)
    assert turn(taken).begun == 1


def test_only_what_lies_under_the_path_goes(taken: Taken) -> None:
    ask(taken, at_once=9, under="cells/1")

    turn(taken)

    assert begun(taken) == ["1"]


def test_nothing_begins_outside_the_hours_and_what_nobody_began_waits_for_them(taken: Taken) -> None:
    ask(taken, hours=NIGHT, at_once=2)
    at(taken, 12)
    assert turn(taken) == Turn()
    at(taken, 21)
    assert turn(taken).begun == 2
    with taken.catalogue.begin() as tx:
        under_way = tx.inbox.claim(
            owner="w", run_id="r1", now=taken.clock.now(), lease=timedelta(hours=9), kinds=[WorkKind.INGEST]
        )
    assert under_way is not None

    at(taken, 6)  # the morning: one is under way and ends, the other was not begun
    assert turn(taken).put_off == 1

    with taken.catalogue.begin() as tx:
        assert tx.inbox.claim(owner="w", run_id="r2", now=taken.clock.now(), lease=timedelta(hours=1)) is None
        tx.inbox.finish(under_way.attempt, outcome="done")
    at(taken, 20)
    with taken.catalogue.begin() as tx:
        assert tx.inbox.claim(owner="w", run_id="r3", now=taken.clock.now(), lease=timedelta(hours=1)) is not None


def test_a_pause_holds_back_what_nobody_has_begun(taken: Taken) -> None:
    ask(taken, at_once=2)
    turn(taken)

    set_state(NAME, AdoptionState.PAUSED, person="olga", catalogue=taken.catalogue, clock=taken.clock)

    with taken.catalogue.begin() as tx:
        assert tx.inbox.claim(owner="w", run_id="r", now=taken.clock.now(), lease=timedelta(hours=1)) is None
    assert turn(taken).begun == 0


def test_the_rate_is_shared_among_those_that_are_under_way(taken: Taken) -> None:
    ask(taken, at_once=4, bytes_per_second=100_000_000)

    with taken.catalogue.begin() as tx:
        (instrument,) = [one for one in tx.instruments.list() if one.adopted]
    assert [one.bytes_per_second for one in instrument.bandwidth] == [25_000_000]


def test_a_run_that_is_held_for_another_reason_does_not_go(taken: Taken) -> None:
    folder = next(iter(taken.acquisitions))
    with taken.catalogue.begin() as tx:
        tx.acquisitions.save(taken.acquisitions[folder].model_copy(update={"held": "a person said to wait"}))
    ask(taken, at_once=9)

    turn(taken)

    assert len(begun(taken)) == 2
    assert taken.acquisitions[folder].held == "a person said to wait"


def test_a_run_that_changed_before_its_turn_waits_again_as_it_is_now(taken: Taken) -> None:
    ask(taken)
    turn(taken)
    (number,) = begun(taken)
    folder = next(one for one in taken.acquisitions if f"/{number}/" in one)
    with taken.catalogue.begin() as tx:
        claim = tx.inbox.claim(owner="w", run_id="r", now=taken.clock.now(), lease=timedelta(minutes=1))
        assert claim is not None
        tx.inbox.give_up(claim.attempt, outcome="it changed after it was judged complete")
        acquisition = tx.acquisitions.get(taken.acquisitions[folder].acquisition_id)
        tx.acquisitions.save(acquisition.model_copy(update={"held": "it changed after it was judged complete"}))
    (taken.top / folder / "late.txt").write_text("one more")

    for _ in range(3):
        taken.clock.advance(LONG)
        taken.carry()

    assert taken.acquisitions[folder].held == WAITS
    with taken.catalogue.begin() as tx:
        assert [work.state for work in tx.inbox.list()] == [WorkState.FAILED]


def test_a_status_tells_found_registered_archived_verified_and_held(taken: Taken) -> None:
    first, second, _ = sorted(taken.acquisitions)
    archived = keep_version(taken.catalogue, "x", stage=Stage.VERIFIED)
    with taken.catalogue.begin() as tx:
        for folder, more in ((first, {"dataset_id": archived.dataset_id, "held": None}), (second, {"held": "broken"})):
            tx.acquisitions.save(taken.acquisitions[folder].model_copy(update=more))
    squid_run(taken.top / "whose", hour=9)
    taken.begin(again=True)
    taken.scan()

    status = adoption_status(NAME, catalogue=taken.catalogue, clock=taken.clock)

    counted = {standing.value: extent.finds for standing, extent in status.standings.items() if extent.finds}
    assert counted == {"found": 1, "registered": 1, "held": 1, "verified": 1}
    assert [row.reason for row in status.held] == ["broken"]
    assert status.expected_end is None
    assert "nobody has asked" in status.expectation


DAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)


def night(day: int, size: int) -> Night:
    return Night(night=date(2026, 11, day), runs=1, total_bytes=size)


@pytest.mark.parametrize(
    ("left", "runs", "nights", "is_asked", "days", "words"),
    [
        (0, 0, [], True, None, "nothing that is registered waits"),
        (10, 1, [night(29, 5)], False, None, "nobody has asked"),
        (10, 1, [], True, None, "no night is over"),
        (10, 1, [night(30, 5)], True, None, "no night is over"),
        (10, 1, [night(29, 5)], True, 2, "2 more nights like the last 1"),
        (100, 1, [night(23, 35), night(24, 35)], True, 10, "10 more nights like the last 7"),
        (10**15, 1, [night(29, 1)], True, None, "more than a hundred years"),
    ],
)
def test_an_end_is_expected_from_nights_that_are_over_and_idle_ones_count(
    *, left: int, runs: int, nights: list[Night], is_asked: bool, days: int | None, words: str
) -> None:
    end, said = expect(left, runs=runs, nights=nights, is_asked=is_asked, now=NOW)

    assert words in said
    assert end == (None if days is None else NOW + timedelta(days=days))


def test_the_hours_after_midnight_belong_to_the_night_that_began_before() -> None:
    local = datetime(2026, 11, 24, 1, 0).astimezone()
    hours = [
        Archived(hour=local - timedelta(hours=3), runs=1, total_bytes=1),
        Archived(hour=local, runs=2, total_bytes=10),
        Archived(hour=local + timedelta(hours=12), runs=4, total_bytes=100),
    ]

    assert [(one.night, one.runs, one.total_bytes) for one in nights_of(hours)] == [
        (DAY, 3, 11),
        (date(2026, 11, 24), 4, 100),
    ]


@pytest.mark.parametrize(
    ("text", "hour", "is_open"),
    [
        ("20:00-06:00", 23, True),
        ("20:00-06:00", 6, False),
        ("20:00-06:00", 12, False),
        ("8-18", 8, True),
        ("8-18", 18, False),
    ],
)
def test_hours_may_span_midnight_and_end_before_their_end(text: str, hour: int, is_open: bool) -> None:
    assert parse_hours(text).holds_at(datetime(2026, 11, 23, hour, tzinfo=UTC)) is is_open


@pytest.mark.parametrize("text", ["", "20:00", "25-3", "20:00-20:00", "20:61-6", "night", "8-24:01"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_hours(text)


def test_the_next_beginning_is_today_or_tomorrow() -> None:
    assert NIGHT.next_beginning(datetime(2026, 11, 23, 7, 0, tzinfo=UTC)).day == 23
    assert NIGHT.next_beginning(datetime(2026, 11, 23, 20, 1, tzinfo=UTC)).day == 24
    assert NIGHT.words == "20:00-06:00"


def test_what_was_ended_stays_back_until_somebody_begins_it_again(taken: Taken) -> None:
    ask(taken, at_once=2)
    turn(taken)
    set_state(NAME, AdoptionState.ENDED, person="olga", catalogue=taken.catalogue, clock=taken.clock)
    taken.clock.advance(timedelta(days=30))
    with taken.catalogue.begin() as tx:
        assert tx.inbox.claim(owner="w", run_id="r", now=taken.clock.now(), lease=timedelta(hours=1)) is None
    with pytest.raises(IllegalTransition):
        set_state(NAME, AdoptionState.ACTIVE, person="olga", catalogue=taken.catalogue, clock=taken.clock)

    taken.begin()

    with taken.catalogue.begin() as tx:
        assert tx.inbox.claim(owner="w", run_id="r", now=taken.clock.now(), lease=timedelta(hours=1)) is not None
