"""Takes in a folder that somebody brings by hand, and explains any folder without taking it in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cisterna.domain.acquisition import Acquisition, AcquisitionState, Assessment, Evidence
from cisterna.domain.base import Value
from cisterna.domain.errors import Conflict, UnclaimedFolder
from cisterna.domain.identifier import acquisition_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Obstacle
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Described, Profile
from cisterna.ports.source import LandingZone, OutsideReader
from cisterna.services.acquisition_record import ProjectResolver, first_seen, record_acquisition, taken
from cisterna.services.inspection import inspect_folder, patience_of
from cisterna.services.look import FolderLook


class Explanation(Value):
    """Why a folder is or is not complete, with every piece of evidence.

    Attributes:
        is_complete: Whether it is, provided that nothing changes for as long as the profile waits.
        now: The judgement if the folder has only just come to rest.
        when_quiet: The judgement if nothing changes for as long as the profile waits.
        described: What the run says of itself; None when the profile does not recognise it.
    """

    folder: str
    profile: str
    is_claimed: bool
    is_complete: bool
    file_count: int
    total_bytes: int
    fingerprint: str
    obstacles: tuple[Obstacle, ...]
    evidence: Evidence
    now: Assessment
    when_quiet: Assessment
    quiet_seconds: float
    described: Described | None


def explain(
    folder: str,
    *,
    zone: LandingZone,
    profile: Profile,
    settings: Mapping[str, str] | None = None,
    outside: OutsideReader | None = None,
) -> Explanation:
    """Look at a folder of a zone and say what speaks for and against its being complete; writes nothing anywhere.

    Args:
        folder: Name of the folder in its zone.
        zone: The folder's parent.
        profile: That explains it, if it recognises the folder.
        settings: Of the instrument, such as `run_json`.
        outside: Reads the files that the settings name.

    Raises:
        NotFound: There is no such folder.
        SourceUnavailable: The zone cannot be looked at.
    """
    listing = zone.listing(folder)
    look = FolderLook(folder, listing, zone, settings or {}, outside)
    quiet_seconds = patience_of(profile, look.settings).quiet_seconds
    fresh = inspect_folder(look, profile=profile, quiet_for=0.0)
    quiet = inspect_folder(look, profile=profile, quiet_for=quiet_seconds)
    return Explanation(
        folder=folder,
        profile=profile.name,
        is_claimed=fresh.is_claimed,
        is_complete=quiet.assessment.state is AcquisitionState.COMPLETE,
        file_count=len(listing.files),
        total_bytes=listing.total_bytes,
        fingerprint=listing.fingerprint,
        obstacles=fresh.obstacles,
        evidence=fresh.evidence,
        now=fresh.assessment,
        when_quiet=quiet.assessment,
        quiet_seconds=quiet_seconds,
        described=profile.describe(look) if fresh.is_claimed else None,
    )


def claim_folder(
    folder: str,
    *,
    path: str,
    zone: LandingZone,
    profile: Profile,
    submitter: str,
    project: str | None,
    catalogue: Catalogue,
    clock: Clock,
    resolve_project: ProjectResolver,
    outside: OutsideReader | None = None,
    fallback: str | None = None,
) -> Acquisition:
    """Take in a folder that somebody says is finished: nothing is waited for, and nothing planned may be missing.

    The same folder again is the same acquisition, and unchanged it asks for nothing new. What cannot be taken in is
    held with the reason, like any other.

    Args:
        folder: Name of the folder in its parent.
        path: Absolute path of the parent; an instrument declared for it keeps its runs, whoever brings them.
        zone: The parent.
        profile: That reads the folder.
        submitter: Account of the person who brings it.
        project: Slug, or None to find it as for any other run. A run that is bound already is never moved.
        fallback: Slug of the project of what binds to none; None leaves it unclaimed.
        catalogue: Where it is written.
        clock: Dates it.
        resolve_project: Finds the project when none is given.
        outside: Reads the files that the instrument's settings name.

    Raises:
        UnclaimedFolder: The profile does not recognise it; nothing is written.
        Conflict: It belongs to another project than the one given.
        NotFound: There is no such folder or project.
        SourceUnavailable: The folder cannot be looked at.
    """
    listing = zone.listing(folder)
    with catalogue.begin() as tx:
        instrument = _instrument(tx, path, profile.name, zone=zone, clock=clock)
        if project is not None:
            tx.projects.get(project)
        identity = acquisition_id(instrument=instrument.name, folder=folder)
        before = tx.acquisitions.find(identity)
    look = FolderLook(folder, listing, zone, instrument.settings, outside)
    fresh = before or first_seen(folder, instrument=instrument, submitter=submitter, clock=clock)
    inspection = inspect_folder(look, profile=profile, quiet_for=0.0, claims_finished=True, known_end=fresh.end_reason)
    if not inspection.is_claimed:
        msg = f"{path}/{folder} is no run of the profile '{profile.name}'; name another profile, or look at the folder"
        raise UnclaimedFolder(msg, path=f"{path}/{folder}", profile=profile.name)
    described = profile.describe(look)
    known = fresh.project or resolve_project(fresh, described)
    fresh = fresh.model_copy(update={"started_at": described.started_at or fresh.started_at})
    if project is not None and known is not None and known != project:
        msg = f"{path}/{folder} belongs to the project '{known}'; leave --project out, or change the binding first"
        raise Conflict(msg, path=f"{path}/{folder}", project=known, wanted=project)
    bound = known or project or fallback
    after = taken(fresh, inspection, project=bound, clock=clock)
    with catalogue.begin() as tx:
        _declare(tx, instrument)
        saved, _ = record_acquisition(tx, before, after, clock=clock, may_be_kept=inspection.may_be_kept)
    return saved


def _instrument(tx: Transaction, path: str, profile: str, *, zone: LandingZone, clock: Clock) -> Instrument:
    """Find the instrument that is declared for the path, or make one that no sweep looks at."""
    declared = [one for one in tx.instruments.list() if one.path.rstrip("/") == path.rstrip("/")]
    watched = next((one for one in declared if one.watched and one.profile == profile), None)
    if watched is not None:
        return watched
    name = "by-hand-" + hashlib.sha256(f"{profile}\n{path}".encode()).hexdigest()[:12]
    made = Instrument(
        name=name, profile=profile, path=path, identity=zone.identity(), watched=False, created_at=clock.now()
    )
    known = next((one for one in declared if one.name == name), None)
    return made if known is None else made.model_copy(update={"settings": known.settings})


def _declare(tx: Transaction, instrument: Instrument) -> None:
    """Write the instrument of folders brought by hand; whoever names the path again may mean another disk."""
    if instrument.watched:
        return
    if any(one.name == instrument.name for one in tx.instruments.list()):
        tx.instruments.save(instrument)
    else:
        tx.instruments.add(instrument)
