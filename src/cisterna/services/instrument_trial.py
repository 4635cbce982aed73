"""Shows a profile what lies in a landing zone before an instrument is declared."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.base import Value
from cisterna.domain.errors import NotFound, SourceUnavailable
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
