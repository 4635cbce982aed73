"""One look at one folder: listed, claimed by a profile or not, its evidence judged."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.domain.acquisition import INCOMPLETE, AcquisitionState, Assessment, EndReason, Evidence
from cisterna.domain.base import Value
from cisterna.domain.listing import Listing, Obstacle
from cisterna.domain.portable_name import unportable_names
from cisterna.ports.profile import Profile
from cisterna.services.judgement import Patience, assess, seconds_to_next_change
from cisterna.services.look import FolderLook

ALLOW_NAMES = "unportable_names"
"""The setting that lets names through that not every system can have; its value says why they are meant."""
UNBOUND = "unclaimed: it belongs to no project; bind its folder to one with `cisterna project bind`"


class Inspection(Value):
    """What one look found.

    Attributes:
        obstacles: What keeps the run from being taken in as it is: of the listing, and names that are not let through.
        is_claimed: Whether the profile recognises the folder; if not, there is no evidence.
        wake_seconds: When silence alone will change the assessment next.
    """

    listing: Listing
    obstacles: tuple[Obstacle, ...]
    is_claimed: bool
    evidence: Evidence
    assessment: Assessment
    wake_seconds: float | None

    @property
    def may_be_kept(self) -> bool:
        """Whether the run is not whole and could be archived as such: it is recognised and nothing is in the way."""
        is_clear = self.is_claimed and not self.obstacles and bool(self.listing.files)
        return is_clear and self.assessment.state in INCOMPLETE


def inspect_folder(
    look: FolderLook,
    *,
    profile: Profile,
    quiet_for: float,
    claims_finished: bool = False,
    is_reopened: bool = False,
    known_end: EndReason | None = None,
) -> Inspection:
    """Ask the profile for its evidence and judge it.

    Args:
        look: At the folder.
        profile: Of the instrument.
        quiet_for: Seconds since the listing last changed, by our own clock.
        claims_finished: The folder was brought by hand.
        is_reopened: It was complete before and has changed since.
        known_end: The end reason, if the instrument told it at an earlier look.
    """
    patience = patience_of(profile, look.settings)
    listing = look.listing
    named, allowed = unportable_names(file.path for file in listing.files), look.settings.get(ALLOW_NAMES, "").strip()
    obstacles = listing.obstacles if allowed else (*listing.obstacles, *named)
    is_claimed = profile.claims(look)
    if is_claimed:
        evidence = profile.inspect(look)
        if evidence.end_reason is None and known_end is not None:
            evidence = evidence.model_copy(update={"end_reason": known_end})
        if named and allowed:
            words = f"names that not every system can have are let through: {allowed[:200]}"
            evidence = evidence.model_copy(update={"notes": (*evidence.notes, words)})
        assessment = assess(
            evidence,
            patience=patience,
            quiet_for=quiet_for,
            file_count=len(listing.files),
            obstacles=obstacles,
            claims_finished=claims_finished,
            is_reopened=is_reopened,
        )
    else:
        evidence = Evidence()
        assessment = unclaimed(profile.name, obstacles, is_quiet=quiet_for >= patience.quiet_seconds)
    return Inspection.model_construct(
        listing=listing,
        obstacles=obstacles,
        is_claimed=is_claimed,
        evidence=evidence,
        assessment=assessment,
        wake_seconds=seconds_to_next_change(evidence, patience=patience, quiet_for=quiet_for),
    )


def patience_of(profile: Profile, settings: Mapping[str, str]) -> Patience:
    """Take the profile's times, or those of the instrument's settings `quiet_seconds` and `stalled_seconds`."""
    return Patience(
        quiet_seconds=_seconds(settings.get("quiet_seconds"), profile.quiet_seconds),
        stalled_seconds=_seconds(settings.get("stalled_seconds"), profile.stalled_seconds),
    )


def unclaimed(profile: str, obstacles: tuple[Obstacle, ...], *, is_quiet: bool) -> Assessment:
    """Judge a folder that the profile does not recognise: perhaps it has only just been made."""
    words = f"the profile '{profile}' does not recognise the folder"
    for obstacle in obstacles[:3]:
        words += f"; {obstacle.reason}"
    if is_quiet:
        words += "; move it to where it belongs, or declare an instrument with a profile that knows it"
        return Assessment(state=AcquisitionState.STALLED, reason=words[:4000])
    return Assessment(state=AcquisitionState.WRITING, reason=f"{words} yet"[:4000])


def held_text(assessment: Assessment, *, is_obstructed: bool, project: str | None) -> str | None:
    """Say why the acquisition is not on its way to the archive; None while it is written, or when it is on its way."""
    match assessment.state:
        case AcquisitionState.WRITING:
            return assessment.reason if is_obstructed else None
        case AcquisitionState.COMPLETE:
            return UNBOUND if project is None else None
        case _:
            return assessment.reason


def _seconds(text: str | None, otherwise: float) -> float:
    """Read a setting; one that is no number was refused when the instrument was declared, and is passed over here."""
    try:
        seconds = float(text) if text is not None else otherwise
    except ValueError:
        return otherwise
    return seconds if 0 <= seconds < float("inf") else otherwise


def is_settled(state: AcquisitionState) -> bool:
    """Tell whether only a change in the folder can change the state."""
    return state in {AcquisitionState.COMPLETE, AcquisitionState.ABORTED, AcquisitionState.PARTIAL}
