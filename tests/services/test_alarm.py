"""Alerts on a run while it is written: raised once, counted, closed, and never of what they must not be of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.account import Role
from cisterna.domain.acquisition import Acquisition, AcquisitionState, Assessment
from cisterna.domain.alert import MOST_PLACES, PICTURE_LIMIT_BYTES, Alert, AlertKind
from cisterna.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from cisterna.domain.event import Event
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import Reading
from cisterna.profiles.squid import Squid
from cisterna.services.acquisition_record import judged, record_acquisition
from cisterna.services.alarm import Alarm
from cisterna.services.alarm_setting import adding
from cisterna.services.alert import acknowledge_alert, list_alerts, picture_of
from cisterna.services.instrument import change_settings
from cisterna.services.one_read import ReadFile
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_account, make_acquisition, make_instrument, make_project, make_sha512

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
GOOD: Mapping[str, float | None] = {
    "focus": 0.6,
    "focus_error": 0.001,
    "snr": 60.0,
    "empty": 0.0,
    "background_counts": 3000.0,
    "p99_counts": 20_000.0,
    "full_scale_counts": 65_535.0,
    "saturated_share": 0.0,
    "clipped_share": 0.0,
    "nonfinite_share": 0.0,
}
DARK = {"focus": None, "focus_error": None, "snr": 3.9, "empty": 1.0, "background_counts": 100.0, "p99_counts": 130.0}


def read(number: int, *, thumbnail: bytes | None = PNG, problem: str | None = None, **metrics: Any) -> ReadFile:
    """Make what the reading of one well's image gave."""
    path = f"0/A{number + 1}_0_0_DAPI.tiff"
    entry = FileEntry(
        path=path,
        size_bytes=1,
        sha512=make_sha512(path),
        modified=START + timedelta(seconds=number),
        content_path=f"c/{number}",
    )
    measured = dict.fromkeys(GOOD) if problem else {**GOOD, **metrics}
    return ReadFile(
        entry, Reading(shape=(512, 512), dtype="uint16", metrics=measured, problem=problem, thumbnail=thumbnail)
    )


class Run:
    """A run that is being written, and those who look after it."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, *, project: str | None = "cells") -> None:
        self.catalogue, self.clock = catalogue, clock
        self.alarm = Alarm(catalogue, clock, {"squid": Squid()}, lambda _data_type: {})
        with catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(make_instrument())
            tx.projects.add(make_project())
            for name, role in (("sten", Role.STEWARD), ("olga", Role.OPERATOR), ("vera", Role.VIEWER)):
                tx.accounts.add(make_account(name, role))
            tx.accounts.add(make_account("otto", grants=()))
            self.acquisition = tx.acquisitions.save(make_acquisition(project=project))

    def round(self, *files: ReadFile) -> Sequence[Alert]:
        return self.alarm.judge(self.acquisition, files)

    def alerts(self) -> Sequence[Alert]:
        with self.catalogue.begin() as tx:
            return tx.alerts.of(self.acquisition.acquisition_id)

    def events(self) -> list[Event]:
        with self.catalogue.begin() as tx:
            told = tx.outbox.history([self.acquisition.acquisition_id])
            return [one for one in told if one.name.startswith("alert.")]

    def become(self, state: AcquisitionState) -> Acquisition:
        with self.catalogue.begin() as tx:
            before = tx.acquisitions.get(self.acquisition.acquisition_id)
            after = judged(before, Assessment(state=state, reason="as a test says"), held=None)
            return record_acquisition(tx, before, after, clock=self.clock)[0]

    def set(self, **settings: str) -> None:
        change_settings("squid-1", settings, person="olga", reason="a test", catalogue=self.catalogue, clock=self.clock)


@pytest.fixture
def run(catalogue: SqlCatalogue, clock: SettableClock) -> Run:
    return Run(catalogue, clock)


def wells(*numbers: int, dark: Sequence[int] = ()) -> list[ReadFile]:
    return [read(number, **(DARK if number in dark else {})) for number in numbers]


def test_the_first_dark_well_raises_one_alert_with_its_picture_number_and_limit(run: Run) -> None:
    (alert,) = run.round(*wells(*range(10), dark=[3]))

    assert alert.kind is AlertKind.DARK
    assert alert.place is not None
    assert alert.place.words == "well A4, field 0, channel DAPI, time point 0"
    assert (alert.observed, alert.limit) == (130.0, pytest.approx(327.675))
    assert alert.limit_origin.startswith("dark_floor_share of the suite's limits")
    assert "cisterna instrument set squid-1 --set alarm_leave_out=A4 --reason TEXT" in alert.advice
    with run.catalogue.begin() as tx:
        assert tx.alerts.picture(alert.alert_id) == PNG
        assert tx.alerts.get(alert.alert_id) == alert
    (event,) = run.events()
    assert event.name == "alert.raised"
    assert event.data["place"] == alert.place.model_dump(mode="json")


def test_reading_ahead_calls_it_with_what_a_round_read(run: Run) -> None:
    told: Callable[[Acquisition, Sequence[ReadFile]], None] = run.alarm

    told(run.acquisition, wells(*range(10), dark=[3]))

    assert len(run.alerts()) == 1


def test_a_good_plate_raises_nothing_and_tells_nothing(run: Run) -> None:
    assert run.round(*wells(*range(24))) == ()
    assert run.alerts() == []
    assert run.events() == []


def test_later_wells_of_a_kind_are_counted_and_not_raised_anew(run: Run) -> None:
    run.round(*wells(*range(10), dark=[3]))

    assert run.round(*wells(*range(10, 60), dark=range(10, 50))) == ()

    (alert,) = run.alerts()
    assert (alert.count, alert.is_more, len(alert.places)) == (41, False, MOST_PLACES)
    assert alert.place == alert.places[0]
    assert [one.name for one in run.events()] == ["alert.raised"]


def test_another_kind_on_the_same_run_is_an_alert_of_its_own(run: Run) -> None:
    raised = run.round(*wells(*range(10), dark=[3]), read(10, focus=0.001), read(11, problem="cut off"), read(12))

    assert [one.kind.value for one in raised] == ["unreadable", "dark", "blurred"]
    assert all(one.count == 1 for one in raised)


def test_the_same_round_again_changes_nothing(run: Run) -> None:
    files = wells(*range(12), dark=[3, 5])
    run.round(*files)
    before = run.alerts()

    assert run.round(*files) == ()
    assert run.round(*reversed(files), *files[:3]) == ()

    assert run.alerts() == before
    assert len(run.events()) == 1


def test_two_rounds_at_once_raise_one_alert(run: Run) -> None:
    rounds = [wells(*range(start, start + 10), dark=[start + 2]) for start in range(0, 80, 10)]

    with ThreadPoolExecutor(8) as pool:
        raised = [alert for some in pool.map(lambda files: run.round(*files), rounds) for alert in some]

    (alert,) = run.alerts()
    assert [one.alert_id for one in raised] == [alert.alert_id]
    assert alert.count == 8
    assert len(run.events()) == 1


def test_what_stands_is_closed_when_the_run_ends_and_nothing_is_kept_of_how_it_was(run: Run) -> None:
    run.round(*wells(*range(10), dark=[3]))

    run.become(AcquisitionState.COMPLETE)

    (alert,) = run.alerts()
    assert alert.closed_at == run.clock.now()
    assert alert.closed_reason == "the run ended: complete"
    assert [one.name for one in run.events()] == ["alert.raised", "alert.closed"]
    with run.catalogue.begin() as tx:
        assert tx.alerts.baseline(run.acquisition.acquisition_id).samples == {}
    assert run.round(*wells(20, 21, dark=[20])) == ()


def test_a_run_that_stalls_keeps_its_alerts_for_somebody_to_look_at(run: Run) -> None:
    run.round(*wells(*range(10), dark=[3]))

    run.become(AcquisitionState.STALLED)

    assert [one.is_open for one in run.alerts()] == [True]


def test_a_run_that_is_opened_again_may_raise_the_same_kind_anew(run: Run) -> None:
    run.round(*wells(*range(10), dark=[3]))
    run.become(AcquisitionState.COMPLETE)
    run.become(AcquisitionState.WRITING)

    (alert,) = run.round(*wells(*range(10), dark=[3]))

    assert [one.is_open for one in run.alerts()] == [False, True]
    assert alert.count == 1


@pytest.mark.parametrize(
    ("thumbnail", "why"),
    [
        (None, "no picture was made"),
        (b"GIF89a", "no PNG"),
        (PNG + bytes(PICTURE_LIMIT_BYTES), "more than the"),
    ],
    ids=["none", "no-png", "too-large"],
)
def test_a_picture_that_cannot_be_kept_is_said_to_be_missing(run: Run, thumbnail: bytes | None, why: str) -> None:
    (alert,) = run.round(*wells(*range(9)), read(9, thumbnail=thumbnail, **DARK), read(10))

    assert alert.pictureless is not None
    assert why in alert.pictureless
    with run.catalogue.begin() as tx:
        assert tx.alerts.picture(alert.alert_id) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308])
def test_numbers_that_are_none_crash_nothing_and_are_not_passed_over(run: Run, value: float) -> None:
    odd = dict.fromkeys(GOOD, value)

    run.round(*wells(*range(9)), read(9, **odd), read(10))

    with run.catalogue.begin() as tx:
        baseline = tx.alerts.baseline(run.acquisition.acquisition_id)
    assert baseline.unjudged or run.alerts()


def test_files_that_are_no_images_and_profiles_that_are_gone_are_passed_over(run: Run) -> None:
    entry = read(0).entry

    reads = entry.model_copy(update={"path": "fastq_pass/reads.fastq"})

    assert run.round(ReadFile(entry, None)) == ()
    assert run.round(ReadFile(reads, Reading(problem="it ends in the middle of a record"))) == ()
    assert Alarm(run.catalogue, run.clock, {}, lambda _: {}).judge(run.acquisition, wells(0, 1, dark=[0])) == ()


def test_a_well_that_an_operator_left_out_raises_nothing(run: Run) -> None:
    run.set(alarm_leave_out="H12, A4")

    assert run.round(*wells(*range(10), dark=[3])) == ()


def test_the_advice_leaves_out_one_more_well_and_forgets_none(run: Run) -> None:
    run.set(alarm_leave_out="H12, B*")

    (alert,) = run.round(*wells(*range(10), dark=[3]))

    assert "--set 'alarm_leave_out=H12,B*,A4' --reason TEXT" in alert.advice


@pytest.mark.parametrize(
    ("settings", "word", "option"),
    [
        ({}, "A4", "--set alarm_leave_out=A4"),
        ({"alarm_leave_out": "A4"}, "A4", "--set alarm_leave_out=A4"),
        ({}, "A'; rm -rf ~ #", """--set 'alarm_leave_out=A'"'"'; rm -rf ~ #'"""),
        ({}, "$(reboot)", "--set 'alarm_leave_out=$(reboot)'"),
        ({}, "A4,B5", None),
        ({}, "A4\n", None),
        ({}, "A4\u202e", None),
        ({"alarm_leave_out": "A" * 999}, "B", None),
    ],
)
def test_a_command_that_somebody_copies_holds_a_well_as_one_word(
    settings: dict[str, str], word: str, option: str | None
) -> None:
    assert adding(settings, "alarm_leave_out", word) == option


def test_a_kind_that_is_off_is_not_raised_and_others_are(run: Run) -> None:
    run.set(alarm_off="dark,silent")

    (alert,) = run.round(*wells(*range(10), dark=[3]), read(10, focus=0.001), read(11))

    assert alert.kind is AlertKind.BLURRED


@pytest.mark.parametrize(
    "settings",
    [
        {"alarm_off": "drak"},
        {"alarm_off": " , "},
        {"alarm_leave_out": ""},
        {"alarm_leave_out": "A" * 2001},
        {"alarm_cadence_seconds": "soon"},
        {"alarm_silence_factor": "-1"},
    ],
)
def test_a_setting_that_says_nothing_is_refused(run: Run, settings: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=r"alarm_"):
        run.set(**settings)


def test_the_limits_are_those_of_the_gate_s_suite(run: Run) -> None:
    asked: list[str] = []

    def limits(data_type: str) -> Mapping[str, float]:
        asked.append(data_type)
        return {"focus_min": 0.7}

    alarm = Alarm(run.catalogue, run.clock, {"squid": Squid()}, limits)
    (alert,) = alarm.judge(run.acquisition, wells(0, 1))

    assert asked == ["microscopy"]
    assert (alert.kind, alert.limit) == (AlertKind.BLURRED, 0.7)


def acknowledge(run: Run, alert: Alert, person: str, reason: str = "lamp is being changed") -> Alert:
    return acknowledge_alert(alert.alert_id, person=person, reason=reason, catalogue=run.catalogue, clock=run.clock)


def test_a_steward_or_an_operator_acknowledges_with_a_reason_and_it_waits_no_more(run: Run) -> None:
    (alert,) = run.round(*wells(*range(10), dark=[3]))

    known = acknowledge(run, alert, "sten")

    assert known.is_open
    assert not known.waits
    assert run.events()[-1].name == "alert.acknowledged"
    assert run.events()[-1].data["reason"] == "lamp is being changed"
    run.round(*wells(10, 11, dark=[10]))
    assert [(one.count, one.waits) for one in run.alerts()] == [(2, False)]
    with pytest.raises(Conflict, match="sten has acknowledged it already"):
        acknowledge(run, alert, "olga")


def test_who_may_not_acknowledge_is_refused_and_who_may_not_see_knows_of_nothing(run: Run) -> None:
    (alert,) = run.round(*wells(*range(10), dark=[3]))
    with run.catalogue.begin() as tx:
        otto, vera = tx.accounts.find("otto"), tx.accounts.find("vera")
    assert otto is not None
    assert vera is not None

    with pytest.raises(Forbidden):
        acknowledge(run, alert, "vera")
    for refused in ("otto", "nobody"):
        with pytest.raises((NotFound, Forbidden)):
            acknowledge(run, alert, refused)
    with pytest.raises(InvalidInput, match="needs a reason"):
        acknowledge(run, alert, "sten", reason=" \n")
    assert list_alerts(account=otto, catalogue=run.catalogue) == []
    assert list_alerts(account=vera, catalogue=run.catalogue) == [alert]
    assert picture_of(alert.alert_id, account=vera, catalogue=run.catalogue) == PNG
    with pytest.raises(NotFound):
        picture_of(alert.alert_id, account=otto, catalogue=run.catalogue)
    with pytest.raises(NotFound):
        picture_of("no\x00such", account=vera, catalogue=run.catalogue)


def test_alerts_of_unclaimed_runs_are_restricted_and_seen_by_those_with_a_role_everywhere(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    run = Run(catalogue, clock, project=None)

    (alert,) = run.round(*wells(*range(10), dark=[3]))

    assert [one.restricted for one in run.events()] == [True]
    with catalogue.begin() as tx:
        tx.accounts.add(make_account("pia", grants=()))
        vera, pia = tx.accounts.find("vera"), tx.accounts.find("pia")
    assert vera is not None
    assert pia is not None
    assert list_alerts(account=vera, catalogue=catalogue) == [alert]
    assert list_alerts(account=pia, catalogue=catalogue) == []


def test_of_open_data_the_event_is_not_restricted(run: Run) -> None:
    run.round(*wells(*range(10), dark=[3]))

    assert [one.restricted for one in run.events()] == [False]
