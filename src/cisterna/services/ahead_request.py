"""When an acquisition that is still written is read ahead, and how that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import Work, WorkKind
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile, TellsStretches
from cisterna.services.work_request import request_work

READ_AHEAD, OFF = "read_ahead", "off"
"""The instrument's setting: `off`, or after how many minutes of writing a run is read ahead."""
AFTER_MINUTES = 10.0
"""A run that is shorter is read at its end, in less time than reading ahead would save."""


def may_be_read_ahead(acquisition: Acquisition, instrument: Instrument) -> bool:
    """Tell whether a run is on its first way to the archive and still written; one that was ingested before is not.

    It must belong to a project: what belongs to none is brought into no archive, not even its staging.
    """
    return (
        acquisition.state is AcquisitionState.WRITING
        and acquisition.project is not None
        and acquisition.held is None
        and acquisition.dataset_id is None
        and acquisition.ingested_fingerprint is None
        and instrument.watched
        and after_minutes(instrument.settings) is not None
    )


def wants_ahead(acquisition: Acquisition, instrument: Instrument, profile: Profile, *, now: datetime) -> bool:
    """Tell whether a run lasts long enough to be read ahead, and its profile can tell what has settled."""
    minutes = after_minutes(instrument.settings)
    return (
        minutes is not None
        and isinstance(profile, TellsStretches)
        and may_be_read_ahead(acquisition, instrument)
        and now - acquisition.first_seen >= timedelta(minutes=minutes)
    )


def after_minutes(settings: Mapping[str, str]) -> float | None:
    """Read the instrument's setting; None is `off`. A value that is no number was refused when it was set."""
    value = settings.get(READ_AHEAD, "").strip()
    if value == OFF:
        return None
    try:
        minutes = float(value) if value else AFTER_MINUTES
    except ValueError:
        return None
    return minutes if minutes >= 0 else None


def request_ahead(
    tx: Transaction, acquisition: Acquisition, *, sign: str, clock: Clock, not_before: datetime | None = None
) -> Work:
    """Ask for a round of reading ahead; the same sign is the same round.

    Its lane is another one than that of the instrument's ingests: whoever reads ahead takes no turn from them.
    """
    return request_work(
        tx,
        WorkKind.AHEAD,
        acquisition.acquisition_id,
        key=f"ahead:{acquisition.acquisition_id}:{sign}",
        parameters={"instrument": acquisition.instrument},
        fairness=f"ahead {acquisition.instrument}",
        not_before=not_before,
        clock=clock,
    )
