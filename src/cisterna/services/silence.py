"""Alerts of silence: a run that is being written and has not been for longer than its cadence, told once.

It comes before the run counts as stalled, which is a judgement on the run and holds it; the alert is a call to somebody
who may still save it, and changes nothing about the run. Silence is counted by a clock that never jumps, from the
moment at which this process first saw what is there now: a start anew counts from the beginning, and what was raised
before it stands until the folder changes or the run ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cisterna.domain.acquisition import Acquisition, AcquisitionState, Evidence
from cisterna.domain.alert import Alert, AlertKind, Severity
from cisterna.domain.errors import AlreadyExists
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.alarm_setting import CADENCE, DEFAULT_FACTOR, FACTOR, OFF, adding, kinds_off
from cisterna.services.alert import close_alert, raise_alert, standing
from cisterna.services.erased import erasure_on

PLANNED_FLOOR_SECONDS = 120.0
"""No silence shorter than this is told of, however short the planned interval: a share delivers late."""
SEEN_FLOOR_SECONDS = 300.0
SEEN_FACTOR = 5.0
"""A guess from pauses that were seen is held more loosely than a plan."""
PAUSES_NEEDED = 10

AGAIN = "something was written again"


@dataclass(frozen=True)
class Pauses:
    """How often a run paused between two changes, and for how long at most."""

    count: int = 0
    longest_seconds: float = 0.0

    def with_one(self, seconds: float) -> Pauses:
        """Count one more."""
        return Pauses(self.count + 1, max(self.longest_seconds, seconds))


@dataclass(frozen=True)
class SilenceLimit:
    """How long silence may last, and why: words that follow 'nothing was written for 42 min'."""

    seconds: float
    origin: str
    words: str


def silence_limit(evidence: Evidence, settings: Mapping[str, str], pauses: Pauses) -> SilenceLimit | None:
    """Tell how long a run may be silent: by its plan, else the instrument's setting, else the pauses it made so far.

    None when nothing says it: then only the judgement `stalled` tells of silence.
    """
    factor = max(1.0, _number(settings.get(FACTOR)) or DEFAULT_FACTOR)
    if evidence.cadence_seconds:
        due = span(evidence.cadence_seconds)
        words = f"by the run's own plan something was due every {due}"
        seconds = max(factor * evidence.cadence_seconds, PLANNED_FLOOR_SECONDS)
        return SilenceLimit(seconds, f"{factor:g} times the plan's interval of {due}", words)
    said = _number(settings.get(CADENCE))
    if said:
        words = f"by the instrument's setting {CADENCE} something is due every {span(said)}"
        return SilenceLimit(factor * said, f"{factor:g} times the setting {CADENCE} of {span(said)}", words)
    if pauses.count >= PAUSES_NEEDED:
        longest = span(pauses.longest_seconds)
        words = f"the longest of {pauses.count} pauses so far was {longest}"
        seconds = max(SEEN_FACTOR * pauses.longest_seconds, SEEN_FLOOR_SECONDS)
        return SilenceLimit(seconds, f"{SEEN_FACTOR:g} times the longest pause seen, {longest}", words)
    return None


def span(seconds: float) -> str:
    """Write a length of time in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@dataclass
class Silences:
    """The silences of one sweep.

    Attributes:
        standing: Alerts that stand on this instrument's runs, by acquisition, as the sweep began.
    """

    instrument: Instrument
    catalogue: Catalogue
    clock: Clock
    standing: dict[str, Alert] = field(default_factory=dict)

    def recall(self, tx: Transaction) -> None:
        """Read what stands."""
        found = tx.alerts.list(instrument=self.instrument.name, is_open=True)
        self.standing = {one.acquisition_id: one for one in found if one.kind is AlertKind.SILENT}

    def weigh(
        self, acquisition: Acquisition, evidence: Evidence, *, lacks_end: bool, quiet_for: float, pauses: Pauses
    ) -> None:
        """Raise an alert when a run has been silent for too long, or close the one that its new files answer.

        A second look at the same silence finds the alert there. Several sweepers at once raise one.

        Args:
            acquisition: As the look found it.
            evidence: Of the look.
            lacks_end: Whether a sign of the run's end is missing still; else silence is what is waited for.
            quiet_for: Seconds for which nothing has changed, by a clock that never jumps.
            pauses: That the run made so far.
        """
        present = self.standing.get(acquisition.acquisition_id)
        if present is not None:
            if present.fingerprint != acquisition.fingerprint:
                self._close(present, acquisition)
            return
        if acquisition.state is not AcquisitionState.WRITING or not lacks_end:
            return
        limit = silence_limit(evidence, self.instrument.settings, pauses)
        if limit is None or quiet_for <= limit.seconds:
            return
        if AlertKind.SILENT not in kinds_off(self.instrument.settings):
            self._raise(acquisition, limit, quiet_for)

    def _raise(self, seen: Acquisition, limit: SilenceLimit, quiet_for: float) -> None:
        try:
            with self.catalogue.begin() as tx:
                acquisition = tx.acquisitions.lock(seen.acquisition_id)
                if acquisition is None or not _is_as_seen(acquisition, seen) or erasure_on(tx, seen.acquisition_id):
                    return
                present = standing(tx, seen.acquisition_id, AlertKind.SILENT)
                if present is None:
                    alert = self._alert(acquisition, limit, quiet_for)
                    present = raise_alert(tx, alert, acquisition, clock=self.clock)
                self.standing[seen.acquisition_id] = present
        except AlreadyExists:
            return  # somebody else raised it in this moment

    def _alert(self, acquisition: Acquisition, limit: SilenceLimit, quiet_for: float) -> Alert:
        name = self.instrument.name
        off = adding(self.instrument.settings, OFF, AlertKind.SILENT.value)
        advice = (
            "Look at the instrument: it may wait for an answer, or its disk or share be full or away. If such pauses "
            f"are meant: cisterna instrument set {name} --set {FACTOR}=N, or {off}, --reason TEXT. If the run is over, "
            "it will count as stalled and be held with the reason"
        )
        return Alert(
            alert_id=self.clock.new_id(),
            acquisition_id=acquisition.acquisition_id,
            kind=AlertKind.SILENT,
            severity=Severity.ERROR,
            instrument=name,
            project=acquisition.project,
            words=f"Nothing was written for {span(quiet_for)}; {limit.words}.",
            measure="seconds without a change",
            observed=quiet_for,
            limit=limit.seconds,
            limit_origin=limit.origin,
            advice=advice,
            pictureless="there is none of silence",
            fingerprint=acquisition.fingerprint,
            raised_at=self.clock.now(),
        )

    def _close(self, present: Alert, seen: Acquisition) -> None:
        with self.catalogue.begin() as tx:
            acquisition = tx.acquisitions.lock(seen.acquisition_id)
            alert = standing(tx, seen.acquisition_id, AlertKind.SILENT)
            if acquisition is not None and alert is not None and alert.fingerprint == present.fingerprint:
                close_alert(tx, alert, acquisition, reason=AGAIN, clock=self.clock)
        self.standing.pop(seen.acquisition_id, None)


def _is_as_seen(now: Acquisition, seen: Acquisition) -> bool:
    return (now.state, now.fingerprint) == (AcquisitionState.WRITING, seen.fingerprint)


def _number(text: str | None) -> float | None:
    """Read a setting; one that is no number was refused when it was set, and is passed over here."""
    try:
        number = float(text) if text is not None else 0.0
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
