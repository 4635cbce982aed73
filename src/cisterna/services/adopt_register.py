"""Makes acquisitions of what was found in a share: where it lies, judged as any run is, and known only once.

What comes of it is held with the reason that it waits for its turn, so registering alone brings nothing anywhere. A
folder that still changes is a run that is being written, and is looked at again until it has come to rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.adoption import WAITS, Adoption, AdoptionState, Find, Sureness, corrected, is_under, rank_of
from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, Conflict, SourceUnavailable
from cisterna.domain.hours import are_open
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.project import PublishPolicy
from cisterna.ports.catalogue import Transaction
from cisterna.ports.profile import Profile
from cisterna.ports.share import Share
from cisterna.services.acquisition_record import differs, first_seen, record_acquisition, taken
from cisterna.services.adopt_contents import KnownRun, RunFiles, is_copy, telling_files
from cisterna.services.adopt_scan import AdoptSite
from cisterna.services.inspection import Inspection, inspect_folder, is_settled
from cisterna.services.look import FolderLook
from cisterna.services.pace import Bucket

_AT_A_TIME = 50
_SOON = timedelta(minutes=1)
_LATER = timedelta(days=1)
_LONGEST_NAME = 63
_MOST_ALIKE = 20
_LONGEST_PATH = 1000

Open = Callable[[Acquisition], KnownRun | None]
"""Opens a known run to compare another with it; None when nobody can tell of it now."""


class _Held(Exception):
    """A find that is not registered, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def register_some(name: str, *, site: AdoptSite, known: Open, limit: int = _AT_A_TIME) -> int:
    """Register what is asked for and walked to its end, and look again at what had not come to rest; tell how many.

    It keeps to the hours and the pace of the inventory, since every name in a run is looked at once more.
    A second run finds what the first registered and leaves it. One folder that cannot be judged is held with the
    reason, and stops no other.

    Args:
        name: Of the adoption.
        site: What it stands on.
        known: Opens known runs, so that a copy of one is known.
        limit: How many at most.

    Raises:
        SourceUnavailable: The share cannot be looked at; nothing is concluded from that.
        CatalogueUnavailable: What was not written is done again.
    """
    with site.catalogue.begin() as tx:
        adoption, now = tx.adoptions.get(name), site.clock.now()
        if adoption.state is not AdoptionState.ACTIVE or not are_open(adoption.scanning.hours, now.astimezone()):
            return 0
        fresh = tx.adoptions.to_register(name, adoption.registering, now=now, limit=limit)
        again = tx.adoptions.to_look_again(name, now=now, limit=limit)
    if not fresh and not again:
        return 0
    rate = float(adoption.scanning.files_per_second)
    names = Bucket(lambda: rate, clock=site.clock, keep_on=site.keep_on, wait=site.wait)
    work = _Registration(adoption, site.share_of(adoption), site, known, names)
    for find in (*(corrected(one, adoption.assignments) for one in fresh), *again):
        site.keep_on()
        work.look_at(find)
    return len(fresh) + len(again)


@dataclass(frozen=True)
class _Registration:
    """Registering for one adoption."""

    adoption: Adoption
    share: Share
    site: AdoptSite
    known: Open
    names: Bucket

    def look_at(self, find: Find) -> None:
        """Make an acquisition of a find, or look at its acquisition again; what cannot be judged is held, and told.

        Raises:
            SourceUnavailable: The share is gone.
            CatalogueUnavailable: Nothing is known of what was written; look again.
        """
        try:
            if find.acquisition_id is None:
                self._make(find)
            else:
                self._look_again(find, find.acquisition_id)
        except CatalogueUnavailable:
            raise
        except Conflict:
            return  # somebody else wrote the row; the next turn reads it anew
        except _Held as held:
            self._hold(find, held.reason)
        except SourceUnavailable as fault:
            self.share.require_identity(self.adoption.identity)  # raises if it is the share that is gone
            self._hold(find, str(fault))
        except CisternaError as fault:
            self._hold(find, str(fault))
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties, and none may stop the others
            self._hold(find, f"the profile '{find.profile.value}' failed: {type(fault).__name__}: {fault}"[:1000])

    def _look_again(self, find: Find, acquisition: str) -> None:
        """Look at a registered run that had not come to rest, or whose turn came a while ago."""
        with self.site.catalogue.begin() as tx:
            before = tx.acquisitions.get(acquisition)
            instrument = tx.instruments.get(before.instrument)
        is_ours, now = instrument.adopted == self.adoption.name, self.site.clock.now()
        if not is_ours or before.release is not None or before.fingerprint == before.ingested_fingerprint:
            self._save(find.model_copy(update={"look_at": None}))
        elif before.held is None and is_settled(before.state):
            self._save(find.model_copy(update={"look_at": now + _LATER}))  # on its way
        else:
            listing = self._listing(before.folder)
            quiet = 0.0
            if listing.fingerprint == before.fingerprint:
                quiet = max(0.0, (now - before.settled_since).total_seconds())
            inspection = self._inspect(before.folder, before.profile, instrument, listing, quiet)
            self._write(before, before, inspection, find, project=before.project, settled_since=None)

    def _make(self, find: Find) -> None:
        if len(find.path) > _LONGEST_PATH:
            raise _Held(f"its path has more than {_LONGEST_PATH} characters; give its folders shorter names")
        with self.site.catalogue.begin() as tx:
            if self._is_known(tx, find):
                return
            project = self._project(tx, find)
        instrument = self._instrument(find)
        listing = self._listing(find.path)
        settled_since = find.settled_since if _is_as_counted(find, listing) else self.site.clock.now()
        quiet = max(0.0, (self.site.clock.now() - settled_since).total_seconds())
        inspection = self._inspect(find.path, find.profile.value, instrument, listing, quiet)
        self._require_another(find, listing)
        with self.site.catalogue.begin() as tx:
            if all(one.name != instrument.name for one in tx.instruments.list()):
                tx.instruments.add(instrument)
        fresh = first_seen(find.path, instrument=instrument, submitter=instrument.name, clock=self.site.clock)
        fresh = fresh.model_copy(update={"name": find.name, "started_at": self._started(find, instrument, listing)})
        self._write(None, fresh, inspection, find, project=project, settled_since=settled_since)

    def _is_known(self, tx: Transaction, find: Find) -> bool:
        """Tell whether the run is known by its place; then the find is tied to the acquisition that there is."""
        place, own, sweeping = f"{self.adoption.path.rstrip('/')}/{find.path}", {}, None
        for one in tx.instruments.list():
            path = f"{one.path.rstrip('/')}/"
            if place.startswith(path):
                own[one.name] = place.removeprefix(path)
                sweeping = one.name if one.watched else sweeping
        kept = tx.adoptions.kept_at(own)
        if kept is not None:
            told = {"acquisition_id": kept.acquisition_id, "held": None, "look_at": self.site.clock.now() + _SOON}
            tx.adoptions.save_find(find.model_copy(update=told))
            return True
        if sweeping is not None:
            raise _Held(f"it lies in the landing zone of '{sweeping}', whose sweep takes in what is a run there")
        twin = tx.adoptions.twin(find)
        if twin is not None:
            raise _Held(f"it is the same folder as '{twin}', reached another way, and is known as that")
        return False

    def _project(self, tx: Transaction, find: Find) -> str | None:
        """Give the project, if a guess may decide on what the project does by itself."""
        if find.project.value is None:
            return None
        project = tx.projects.get(find.project.value)
        if project.policy.publish is PublishPolicy.PASSED and find.project.sure is not Sureness.CERTAIN:
            raise _Held(
                f"the project '{project.slug}' publishes what passes by itself, and that this run is of it is only "
                f"{find.project.sure.value} ({find.project.reason}); say so with `cisterna adopt assign`"
            )
        return project.slug

    def _instrument(self, find: Find) -> Instrument:
        """Make what stands for a device (as far as it is known) and a profile in this share."""
        adoption, profile = self.adoption, find.profile.value or ""
        device = find.instrument.value if rank_of(find.instrument.sure) >= rank_of(Sureness.LIKELY) else None
        name = ".".join([adoption.name, *([device] if device else []), profile])
        if len(name) > _LONGEST_NAME:
            name = f"{adoption.name[:40]}.{hashlib.sha256(name.encode()).hexdigest()[:20]}"
        return Instrument(
            name=name,
            profile=profile,
            path=adoption.path,
            identity=adoption.identity,
            bandwidth=bandwidth_of(adoption),
            watched=False,
            adopted=adoption.name,
            created_at=self.site.clock.now(),
        )

    def _inspect(
        self, folder: str, profile: str | None, instrument: Instrument, listing: Listing, quiet: float
    ) -> Inspection:
        look = FolderLook(folder, listing, self.share, instrument.settings)
        inspection = inspect_folder(look, profile=self._profile(profile), quiet_for=quiet)
        if not inspection.is_claimed:
            raise _Held(f"the profile '{profile}' knew a part of it and does not know the whole folder; assign another")
        return inspection

    def _started(self, find: Find, instrument: Instrument, listing: Listing) -> datetime | None:
        """Read when the run began, as it says itself: all of a share are first seen together."""
        look = FolderLook(find.path, listing, self.share, instrument.settings)
        return self._profile(find.profile.value).describe(look).started_at

    def _listing(self, folder: str) -> Listing:
        listing = self.share.listing(folder)
        self.names.take(len(listing.files))
        return listing

    def _profile(self, name: str | None) -> Profile:
        found = self.site.profiles.get(name or "")
        if found is None:
            raise _Held(f"the profile '{name}' is not installed; install it, or assign another")
        return found

    def _require_another(self, find: Find, listing: Listing) -> None:
        """Refuse a copy of a run that is known, at another place."""
        if not listing.files or any(
            one.even_alike and is_under(find.path, one.under) for one in self.adoption.registering
        ):
            return
        with self.site.catalogue.begin() as tx:
            alike = tx.adoptions.alike(
                file_count=len(listing.files), total_bytes=listing.total_bytes, limit=_MOST_ALIKE
            )
        files = RunFiles(self.share, find.path)
        for one in alike:
            known = self.known(one)
            if known is not None and is_copy(listing, files, known=known):
                looked, count = len(telling_files(listing)), len(listing.files)
                raise _Held(
                    f"it is a copy of {one.acquisition_id} ('{one.folder}' of {one.instrument}), as far as was looked: "
                    f"its {count} files have the same names and sizes, and {looked} of them the same bytes; it is not "
                    "taken in twice, unless `cisterna adopt register --even-alike` says so"
                )

    def _write(
        self,
        before: Acquisition | None,
        fresh: Acquisition,
        inspection: Inspection,
        find: Find,
        *,
        project: str | None,
        settled_since: datetime | None,
    ) -> None:
        """Write acquisition and find; what nothing stands against waits for its turn."""
        clock = self.site.clock
        after = taken(fresh, inspection, project=project, clock=clock)
        if settled_since is not None:
            after = after.model_copy(update={"settled_since": settled_since})
        with self.site.catalogue.begin() as tx:
            keeps = project is not None and tx.projects.get(project).policy.archive_incomplete
            is_whole = after.state is AcquisitionState.COMPLETE and after.held is None
            if project is not None and (is_whole or (keeps and inspection.may_be_kept)):
                after = after.model_copy(update={"held": WAITS})
            if before is None or differs(before, after):
                after, _ = record_acquisition(tx, before, after, clock=clock)
            look_at = None if is_settled(after.state) else clock.now() + _rest(after, inspection)
            tx.adoptions.save_find(
                find.model_copy(update={"acquisition_id": after.acquisition_id, "held": None, "look_at": look_at})
            )

    def _hold(self, find: Find, reason: str) -> None:
        self._save(find.model_copy(update={"held": reason[:4000], "look_at": self.site.clock.now() + _LATER}))

    def _save(self, find: Find) -> None:
        with self.site.catalogue.begin() as tx:
            tx.adoptions.save_find(find)


def _rest(acquisition: Acquisition, inspection: Inspection) -> timedelta:
    """Tell how long a run that has not come to rest is left alone: one that is silent for long is seldom looked at."""
    if acquisition.state is not AcquisitionState.WRITING:
        return _LATER
    return max(_SOON, timedelta(seconds=min(inspection.wake_seconds or 0.0, _LATER.total_seconds())))


def bandwidth_of(adoption: Adoption) -> tuple[BandwidthLimit, ...]:
    """Share what the archiving may read among those that are under way, so that all together never read more."""
    asked = adoption.archiving
    if asked is None or asked.bytes_per_second is None:
        return ()
    return (BandwidthLimit(bytes_per_second=max(1, asked.bytes_per_second // asked.at_once)),)


def _is_as_counted(find: Find, listing: Listing) -> bool:
    """Tell whether the folder is as the inventory saw it, so that it has been quiet since then."""
    newest = max((file.mtime_ns for file in listing.files), default=0)
    return (find.file_count, find.total_bytes, find.newest_ns) == (len(listing.files), listing.total_bytes, newest)
