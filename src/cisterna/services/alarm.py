"""Alarm while a run is written: called with what each round of reading ahead measured, it raises alerts.

Whatever it misses - a round that was lost with its process, a run too short to compare - is no loss of data: the gate
judges every image when the run has ended, by the same limits.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.alert import MOST_PLACES, Alert, AlertKind, picture_fault
from cisterna.domain.baseline import RunBaseline, SeenImage
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.services.alarm_judge import Failure, judge_round
from cisterna.services.alarm_setting import LEFT_OUT, OFF, adding, kinds_off, wells_left_out
from cisterna.services.alert import count_in, raise_alert, standing
from cisterna.services.erased import erasure_on
from cisterna.services.inspection import is_settled
from cisterna.services.one_read import ReadFile

_DATA_TYPE = "microscopy"
"""Whose suite gives the limits: of all that is measured image by image."""

_LOOK: Mapping[AlertKind, str] = {
    AlertKind.UNREADABLE: "Look whether the disk or the share is full, or the camera dropped frames",
    AlertKind.DARK: "Check lamp, shutter, filter and exposure",
    AlertKind.EMPTY: "Look whether there is a sample here, and whether the stage is where it should be",
    AlertKind.BLURRED: "Check the autofocus, the plate's seating and the objective's correction collar",
    AlertKind.SATURATED: "Take less light or a shorter exposure",
}


@dataclass(frozen=True)
class Alarm:
    """What reading ahead calls after each round.

    Attributes:
        limits: Gives the limits of a data type's suite; see `ports.quality.QualityGate.limits`.
    """

    catalogue: Catalogue
    clock: Clock
    profiles: Mapping[str, Profile]
    limits: Callable[[str], Mapping[str, float]]

    def __call__(self, acquisition: Acquisition, files: Sequence[ReadFile]) -> None:
        """Judge a round, as `judge` does."""
        self.judge(acquisition, files)

    def judge(self, acquisition: Acquisition, files: Sequence[ReadFile]) -> tuple[Alert, ...]:
        """Judge a round, and return the alerts that it raised.

        A second run with the same files counts nothing twice and raises nothing. Two rounds of one run at once take
        turns. Of a run that has ended, or whose data were erased, nothing is judged.

        Args:
            acquisition: That is being written.
            files: What the round read; those that are no images are passed over, measured or not.

        Raises:
            CatalogueUnavailable: Nothing is written; the same round again is harmless.
        """
        profile = self.profiles.get(acquisition.profile)
        if profile is None:
            return ()
        measured = [one for one in files if one.reading is not None and profile.is_image(one.entry.path)]
        images = [seen_image(one, profile) for one in measured]
        if not images:
            return ()
        pictures = {one.entry.path: one.reading.thumbnail for one in files if one.reading and one.reading.thumbnail}
        with self.catalogue.begin() as tx:
            locked = tx.acquisitions.lock(acquisition.acquisition_id)
            if locked is None or is_settled(locked.state) or erasure_on(tx, locked.acquisition_id) is not None:
                return ()
            return self._judge(tx, locked, images, pictures)

    def _judge(
        self, tx: Transaction, acquisition: Acquisition, images: Iterable[SeenImage], pictures: Mapping[str, bytes]
    ) -> tuple[Alert, ...]:
        instrument = tx.instruments.get(acquisition.instrument)
        before = tx.alerts.baseline(acquisition.acquisition_id)
        judgement = judge_round(
            images,
            before,
            pictures=pictures,
            limits=self.limits(_DATA_TYPE),
            left_out=wells_left_out(instrument.settings),
        )
        raised: list[Alert] = []
        for kind, failures in judgement.failures.items():
            if kind not in kinds_off(instrument.settings):
                raised += self._take(tx, acquisition, instrument, failures, judgement.baseline)
        if judgement.baseline != before:
            tx.alerts.put_baseline(acquisition.acquisition_id, judgement.baseline)
        return tuple(raised)

    def _take(
        self,
        tx: Transaction,
        acquisition: Acquisition,
        instrument: Instrument,
        failures: Sequence[Failure],
        baseline: RunBaseline,
    ) -> tuple[Alert, ...]:
        """Raise an alert for the first of these, or count all of them in the one that stands."""
        first = failures[0]
        tally = baseline.failing[first.kind.value]
        present = standing(tx, acquisition.acquisition_id, first.kind)
        places = [one.place for one in failures[:MOST_PLACES]]
        if present is not None:
            count_in(tx, present, places, count=len(tally.keys), is_more=tally.is_more)
            return ()
        fault = picture_fault(first.picture)
        alert = Alert(
            alert_id=self.clock.new_id(),
            acquisition_id=acquisition.acquisition_id,
            kind=first.kind,
            severity=first.severity,
            instrument=acquisition.instrument,
            project=acquisition.project,
            place=first.place,
            places=tuple(places),
            count=len(tally.keys),
            is_more=tally.is_more,
            words=_words(first),
            measure=first.measure,
            observed=first.observed,
            limit=first.limit.value,
            limit_origin=first.limit.origin,
            advice=_advice(first, instrument),
            pictureless=fault,
            raised_at=self.clock.now(),
        )
        raise_alert(tx, alert, acquisition, clock=self.clock)
        if fault is None and first.picture is not None:
            tx.alerts.put_picture(alert.alert_id, first.picture)
        return (alert,)


def seen_image(file: ReadFile, profile: Profile) -> SeenImage:
    """Take what alerts are made from out of a reading; what is no finite number is not known."""
    path, reading = file.entry.path, file.reading
    plane = profile.plane(path)
    where = {} if plane is None else plane.model_dump()
    if reading is None:
        return SeenImage(path=path, modified=file.entry.modified, **where)
    numbers = {name: _finite(value) for name, value in reading.metrics.items()}
    empty, shares = numbers.get("empty"), [numbers.get("saturated_share"), numbers.get("clipped_share")]
    return SeenImage(
        path=path,
        modified=file.entry.modified,
        problem=None if reading.problem is None else reading.problem[:500],
        nonfinite_share=numbers.get("nonfinite_share"),
        focus=numbers.get("focus"),
        focus_error=numbers.get("focus_error"),
        snr=numbers.get("snr"),
        is_empty=None if empty is None else empty > 0.5,
        level=numbers.get("background_counts"),
        bright=numbers.get("p99_counts"),
        top=numbers.get("full_scale_counts"),
        saturated=max((one for one in shares if one is not None), default=None),
        **where,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _words(first: Failure) -> str:
    problem = f": {first.image.problem}" if first.image.problem else ""
    side = "at most" if first.observed > first.limit.value else "at least"
    numbers = f"{first.measure} is {first.observed:.4g}, {side} {first.limit.value:.4g} is expected"
    said = f"The first {first.kind.value} image of the run: {first.place.words}{problem}; {numbers}."
    return said[:2000]


def _advice(first: Failure, instrument: Instrument) -> str:
    """Say where to look, and how to have no such alerts where they are meant."""
    command = f"cisterna instrument set {instrument.name}"
    silence = f"To have no such alerts: {command} {adding(instrument.settings, OFF, first.kind.value)} --reason TEXT"
    well = first.image.region
    if well is not None and first.kind in {AlertKind.DARK, AlertKind.EMPTY, AlertKind.BLURRED}:
        option = adding(instrument.settings, LEFT_OUT, glob.escape(well))
        if option is not None:
            meant = "If this well is meant to be so (a blank, a control), leave it out"
            silence = f"{meant}: {command} {option} --reason TEXT"
    return f"{_LOOK[first.kind]}. {silence}"[:2000]
