"""Follows, in the sweeps of an instrument in shadow mode, what other rules would make of each run.

It goes by the listings that the sweep makes anyway and reads nothing at the source. A look is kept when a rule would
act at it for the first time, when a run changed after one had, or when our own judgement changed; all others only tell
how long a thing has been as it is. So what is kept of a run grows with the number of rules and the logarithm of its
age, and not with its files or with how often it is looked at.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate

from cisterna.domain.acquisition import Acquisition, AcquisitionState, Evidence
from cisterna.domain.errors import CatalogueUnavailable, CisternaError
from cisterna.domain.listing import Listing
from cisterna.domain.shadow import Seen, Shadow, is_pattern
from cisterna.domain.sighting import OURS, Coverage, Later, Sighting, later_than, newest_of
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.erased import erasure_on
from cisterna.services.shadow_coverage import coverage_of_run

_FREELY = 60
"""So many looks at one run are kept without regard to when the last one was."""
_MARKS = 32
"""Listings that later ones are held against file by file; against any further one only numbers are."""
_SHORTEST_SECONDS, _SHARE = 60.0, 0.25


@dataclass
class _Run:
    """What a process remembers of a run; all that a report needs is in the catalogue.

    Attributes:
        kept: How many sightings of this time there are, and `number` that of the last of any time.
        fired: Rules that acted at one of them.
        declared: Listings that we judged complete.
        acted: Listings at which a rule acted, ours included, and `marks` the newest time of each.
        first_at, last_kept_at: Of the first and the last of them, on the clock that never jumps.
        last: The last of them.
        looked_at: The last look, kept or not.
        left: The looks between which the listing of the last sighting became another one, if it has.
        since: When the present listing was first seen, and `shape_since` its names and sizes.
        markers: That are in it; they and the shape are made out once for a listing, not at every look.
    """

    kept: int = 0
    number: int = 0
    fired: set[str] = field(default_factory=set)
    declared: set[str] = field(default_factory=set)
    acted: set[str] = field(default_factory=set)
    marks: set[int] = field(default_factory=set)
    first_at: float = 0.0
    last_kept_at: float = 0.0
    last: Sighting | None = None
    looked_at: datetime | None = None
    fingerprint: str = ""
    since: float = 0.0
    changed_at: datetime | None = None
    left: tuple[datetime | None, datetime] | None = None
    shape: str = ""
    shape_since: float = 0.0
    markers: frozenset[str] = frozenset()
    marker_since: float | None = None

    def take(self, sighting: Sighting, *, monotonic: float) -> None:
        """Count a sighting that is in the catalogue."""
        if self.last is None:
            self.first_at = monotonic
        self.kept, self.last, self.last_kept_at, self.left = self.kept + 1, sighting, monotonic, None
        self.number = sighting.number
        self.fired |= set(sighting.fired) - {OURS}
        if OURS in sighting.fired:
            self.declared.add(sighting.fingerprint)
        if sighting.fired:
            self.acted.add(sighting.fingerprint)
        if sighting.fired and len(self.marks) < _MARKS:
            self.marks.add(sighting.newest_ns)


@dataclass
class ShadowMemory:
    """Runs as a process that sweeps again and again remembers them. Losing it is harmless: a rule then acts later."""

    shadow_id: str = ""
    runs: dict[str, _Run] = field(default_factory=dict)

    def of(self, shadow: Shadow) -> ShadowMemory:
        """Begin anew when another time in shadow mode has begun."""
        if self.shadow_id != shadow.shadow_id:
            self.shadow_id, self.runs = shadow.shadow_id, {}
        return self


class ShadowWatch:
    """Follows the runs of one sweep.

    Args:
        shadow: The time in shadow mode.
        memory: Of earlier sweeps of this process.
        known: The runs that were known when the sweep began.
        unknown: How many folders were not: they all are newer.
        catalogue: Where sightings are kept.
        clock: Dates them; its monotonic time tells how long a thing has been as it is.

    Attributes:
        failed: By folder, why a look at it could not be kept; it was judged as ever all the same.
    """

    def __init__(
        self,
        shadow: Shadow,
        *,
        memory: ShadowMemory,
        known: Iterable[Acquisition],
        unknown: int,
        catalogue: Catalogue,
        clock: Clock,
    ) -> None:
        self._shadow = shadow
        self._memory = memory.of(shadow)
        self._queue = _Queue(known, unknown)
        self._catalogue = catalogue
        self._clock = clock
        self._patterns = {one: re.compile(fnmatch.translate(one)) for one in shadow.markers if is_pattern(one)}
        self.failed: dict[str, str] = {}

    def saw(self, before: Acquisition | None, after: Acquisition, listing: Listing, evidence: Evidence | None) -> None:
        """Take a look into account; looking again at the same changes nothing.

        Args:
            before: The run as it was known; None for one that was not.
            after: As it is judged now.
            listing: All that is in it.
            evidence: What the profile found; None where nothing had changed and it was not asked.

        Raises:
            CatalogueUnavailable: Nothing was kept; the next sweep looks again.
        """
        try:
            self._follow(before, after, listing, evidence)
        except CatalogueUnavailable:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever is wrong here, the run is judged and archived as ever
            words = str(fault) if isinstance(fault, CisternaError) else f"{type(fault).__name__}: {fault}"
            self.failed[after.folder] = f"what shadow mode saw of it could not be kept: {words}"[:1000]

    def _follow(
        self, before: Acquisition | None, after: Acquisition, listing: Listing, evidence: Evidence | None
    ) -> None:
        run = self._memory.runs.get(after.acquisition_id)
        if run is None:
            run = self._memory.runs[after.acquisition_id] = self._recall(after)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        self._note_listing(run, before, listing, now=now, monotonic=monotonic)
        seen = self._seen(run, before, listing, evidence, monotonic=monotonic)
        fired = [one.rule_id for one in self._shadow.rules if one.rule_id not in run.fired and one.fires(seen)]
        is_declared = after.state is AcquisitionState.COMPLETE and listing.fingerprint not in run.declared
        if is_declared and (fired or _has_room(run, monotonic=monotonic)):
            fired.append(OURS)
        if fired or _is_worth_keeping(run, after, listing, monotonic=monotonic):
            self._keep(run, after, listing, tuple(fired), now=now, monotonic=monotonic)
        run.looked_at = now

    def _recall(self, after: Acquisition) -> _Run:
        """Read what earlier processes kept of a run."""
        with self._catalogue.begin() as tx:
            sightings = tx.sightings.of(after.acquisition_id)
        run, now, monotonic = _Run(), self._clock.now(), self._clock.monotonic()
        for one in sightings:
            run.number = one.number
            if one.shadow_id != self._shadow.shadow_id:
                continue
            age = max(0.0, (now - one.seen_at).total_seconds())
            run.take(one, monotonic=monotonic - age)
            if run.marker_since is None and any(f"marker={name}" in one.fired for name in self._shadow.markers):
                run.marker_since = monotonic - age
        if run.last is not None:
            run.looked_at = run.last.seen_at
        return run

    def _note_listing(
        self, run: _Run, before: Acquisition | None, listing: Listing, *, now: datetime, monotonic: float
    ) -> None:
        """Note since when listing, names, sizes and markers are as they are."""
        if run.left is None and run.last is not None and run.last.fingerprint != listing.fingerprint:
            run.left = (run.looked_at, now)
        if run.fingerprint == listing.fingerprint:
            return
        is_first = not run.fingerprint
        run.fingerprint = listing.fingerprint
        run.since, run.changed_at = monotonic, now
        if is_first and before is not None and before.fingerprint == listing.fingerprint:
            # It was seen so before this process began; how long that is only the machine's clock can tell.
            run.since -= max(0.0, (now - before.settled_since).total_seconds())
            run.changed_at = min(now, before.settled_since)
        shape = _shape(listing)
        if shape != run.shape:
            run.shape, run.shape_since = shape, monotonic
        run.markers = self._markers(listing)
        if not run.markers:
            run.marker_since = None
        elif run.marker_since is None:
            run.marker_since = monotonic

    def _seen(
        self,
        run: _Run,
        before: Acquisition | None,
        listing: Listing,
        evidence: Evidence | None,
        *,
        monotonic: float,
    ) -> Seen:
        newer_runs, newer_bytes = self._queue.after(before)
        return Seen(
            file_count=len(listing.files),
            size_bytes=listing.total_bytes,
            quiet_seconds=monotonic - run.since,
            copied_seconds=monotonic - run.shape_since,
            markers=run.markers,
            marker_seconds=None if run.marker_since is None else monotonic - run.marker_since,
            is_counted=_is_counted(evidence),
            newer_runs=newer_runs,
            newer_bytes=newer_bytes,
        )

    def _markers(self, listing: Listing) -> frozenset[str]:
        plain = {one for one in self._shadow.markers if one not in self._patterns and one in listing.paths}
        told = {
            one
            for one, pattern in self._patterns.items()
            if any(pattern.match(file.path) is not None for file in listing.files)
        }
        return frozenset(plain | told)

    def _keep(
        self,
        run: _Run,
        after: Acquisition,
        listing: Listing,
        fired: tuple[str, ...],
        *,
        now: datetime,
        monotonic: float,
    ) -> None:
        later = later_than(listing, run.marks) if run.last is not None else ()
        with self._catalogue.begin() as tx:
            if erasure_on(tx, after.acquisition_id) is not None:
                return
            sighting = Sighting(
                acquisition_id=after.acquisition_id,
                shadow_id=self._shadow.shadow_id,
                number=run.number + 1,
                seen_at=now,
                before_at=run.looked_at,
                changed_at=run.changed_at or now,
                left_after=run.left[0] if run.left else None,
                left_at=run.left[1] if run.left else None,
                state=after.state,
                fingerprint=listing.fingerprint,
                file_count=len(listing.files),
                size_bytes=listing.total_bytes,
                newest_ns=newest_of(listing.files),
                fired=fired,
                later=later,
                coverage=self._coverage(tx, after, listing, fired, later),
            )
            is_new = tx.sightings.add(sighting)
        if is_new:
            run.take(sighting, monotonic=monotonic)
        else:
            del self._memory.runs[after.acquisition_id]  # another process sweeps as well; what it kept is read again

    def _coverage(
        self, tx: Transaction, after: Acquisition, listing: Listing, fired: tuple[str, ...], later: tuple[Later, ...]
    ) -> Coverage | None:
        deletes = {one.rule_id for one in self._shadow.rules if one.kind.is_deletion}
        return coverage_of_run(tx, after, listing, later) if deletes & set(fired) else None


class _Queue:
    """Runs in the order in which they were first seen; those of one sweep came at once, as far as anybody knows."""

    def __init__(self, known: Iterable[Acquisition], unknown: int) -> None:
        ordered = sorted(known, key=lambda one: one.first_seen)
        self._moments = [one.first_seen for one in ordered]
        self._bytes = [0, *accumulate(one.total_bytes for one in ordered)]
        self._unknown = unknown

    def after(self, run: Acquisition | None) -> tuple[int, int]:
        """Count the runs that began after one, and what they hold as far as that is known."""
        if run is None:
            return 0, 0
        place = bisect_right(self._moments, run.first_seen)
        return len(self._moments) - place + self._unknown, self._bytes[-1] - self._bytes[place]


def _is_worth_keeping(run: _Run, after: Acquisition, listing: Listing, *, monotonic: float) -> bool:
    last = run.last
    if last is None:
        return True
    is_another = last.fingerprint != listing.fingerprint
    if not is_another and last.state is after.state:
        return False
    is_telling = last.fingerprint in run.acted or last.state is not after.state
    return (is_telling and run.kept < _FREELY) or _is_spaced(run, monotonic=monotonic)


def _has_room(run: _Run, *, monotonic: float) -> bool:
    return run.kept < _FREELY or _is_spaced(run, monotonic=monotonic)


def _is_spaced(run: _Run, *, monotonic: float) -> bool:
    """Tell whether the last sighting is long ago for the age of the run: of a year there are some sixty then."""
    pause = max(_SHORTEST_SECONDS, _SHARE * (monotonic - run.first_at))
    return monotonic - run.last_kept_at >= pause


def _is_counted(evidence: Evidence | None) -> bool:
    if evidence is None or not evidence.expects or not evidence.expected_files:
        return False
    return not evidence.missing and evidence.missing_files == 0


def _shape(listing: Listing) -> str:
    digest = hashlib.sha256()
    for file in listing.files:
        digest.update(f"{file.path}\0{file.size_bytes}\n".encode())
    return digest.hexdigest()
