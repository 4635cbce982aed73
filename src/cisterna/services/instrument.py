"""Declares instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.errors import AlreadyExists, InvalidInput
from cisterna.domain.instrument import Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.source import LandingZone


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
