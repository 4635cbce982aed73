"""Declares instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.base import Value
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound, SourceUnavailable
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.source import LandingZone, OutsideReader
from cisterna.services.claim import explain

_MOST_TRIED = 3


class Trial(Value):
    """What a profile makes of a folder that is in the landing zone already.

    Attributes:
        is_claimed: Whether it recognises the folder.
        state: Once nothing has changed for as long as the profile waits; None when the profile failed.
        reason: Why.
    """

    folder: str
    is_claimed: bool
    state: AcquisitionState | None
    reason: str


def try_profile(
    profile: Profile, *, zone: LandingZone, settings: Mapping[str, str], outside: OutsideReader | None = None
) -> list[Trial]:
    """Show a profile the last few folders of a zone before an instrument is declared; an empty zone has none to show.

    Args:
        profile: How the instrument writes.
        zone: Its landing zone.
        settings: The profile's own settings.
        outside: Reads the files that the settings name.

    Raises:
        SourceUnavailable: The zone cannot be looked at.
    """
    found = []
    for folder in zone.folders()[-_MOST_TRIED:]:
        try:
            seen = explain(folder, zone=zone, profile=profile, settings=settings, outside=outside)
        except NotFound:
            continue  # it went away meanwhile
        except SourceUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties
            reason = f"the profile '{profile.name}' failed: {type(fault).__name__}: {fault}"[:1000]
            found.append(Trial(folder=folder, is_claimed=False, state=None, reason=reason))
            continue
        state, reason = seen.when_quiet.state, seen.when_quiet.reason
        found.append(Trial(folder=folder, is_claimed=seen.is_claimed, state=state, reason=reason))
    return found


def declare_instrument(
    name: str,
    *,
    profile: Profile,
    path: Path,
    settings: Mapping[str, str],
    bandwidth: Sequence[BandwidthLimit] = (),
    zone: LandingZone,
    catalogue: Catalogue,
    clock: Clock,
) -> Instrument:
    """Put an instrument into the catalogue; the next sweep sees it. The same declaration again changes nothing.

    Args:
        name: What people call it.
        profile: How it writes.
        path: Its landing zone, an absolute path.
        settings: The profile's own settings.
        bandwidth: Limits to how fast its acquisitions are read.
        zone: The same folder, looked at: an empty one is accepted, a missing one is not.
        catalogue: Where it is kept.
        clock: Dates it.

    Raises:
        AlreadyExists: Another instrument has the name, or the folder.
        InvalidInput: The name or path has not the form it must have.
        SourceUnavailable: The folder cannot be looked at.
    """
    if not path.is_absolute():
        msg = f"the landing zone '{path}' is not an absolute path; give it from the root"
        raise InvalidInput(msg, path=str(path))
    try:
        instrument = Instrument(
            name=name,
            profile=profile.name,
            path=str(path),
            settings=dict(settings),
            bandwidth=tuple(bandwidth),
            identity=zone.identity(),
            created_at=clock.now(),
        )
    except ValidationError as error:
        msg = f"the instrument '{name}' cannot be declared: {error.errors()[0]['msg']}"
        raise InvalidInput(msg, instrument=name) from error
    with catalogue.begin() as tx:
        for other in tx.instruments.list():
            if other.name != name and other.watched and _overlap(Path(other.path), path):
                msg = (
                    f"the folder {path} overlaps with the landing zone of instrument '{other.name}'; give each its own"
                )
                raise AlreadyExists(msg, path=str(path), instrument=other.name)
        tx.instruments.add(instrument)
    return instrument


def _overlap(first: Path, second: Path) -> bool:
    return first.is_relative_to(second) or second.is_relative_to(first)
