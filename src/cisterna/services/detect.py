"""Looks at an instrument's whole landing zone and writes down what is there: the one source of truth about runs.

Level-triggered: a sweep compares what is there with what the catalogue says and mends the difference. No sweep depends
on an earlier one having run, on any event, or on the order of either: a lost or doubled hint changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from pydantic import Field

from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState, Assessment, SourceState
from cisterna.domain.base import Value
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, Conflict, NotFound, SourceUnavailable
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing, Obstacle
from cisterna.domain.shadow import Shadow
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.source import LandingZone, OutsideReader
from cisterna.services.acquisition_record import (
    ProjectResolver,
    differs,
    first_seen,
    is_due,
    judged,
    record_acquisition,
    request_ingest,
    seen_as,
    source_state,
    taken,
)
from cisterna.services.inspection import UNBOUND, inspect_folder, is_settled
from cisterna.services.instrument_silence import SilenceMemory, weigh_instrument
from cisterna.services.judgement import lacking_end
from cisterna.services.look import FolderLook
from cisterna.services.mass_change import Belief, Losses, end_acceptance, weigh_losses
from cisterna.services.shadow import announce_report
from cisterna.services.shadow_watch import ShadowMemory, ShadowWatch
from cisterna.services.silence import Pauses, Silences
from cisterna.services.writing_note import WritingMemory, end_notes, note_writing

STRAY = "none"
"""Profile of what lies beside the runs' folders and is none."""
_REINSPECT_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 10.0
_REST_SHARE = 1 / 50
_LONGEST_REST_SECONDS = 3600.0
_GONE = "its folder is gone from the landing zone before it was archived; put it back"


class SweepResult(Value):
    """What one sweep did.

    Attributes:
        folders: How many folders were looked at.
        written: Ids of the acquisitions whose row changed.
        requested: Ids of those whose ingest was newly requested.
        failed: By folder, why the look at it failed; all others were looked at all the same.
        unavailable: Why the landing zone could not be looked at, if it could not.
        guarded: How many known runs are gone or changed and not believed to be.
        wake_seconds: When silence alone will change something: the next sweep need not be later than that.
    """

    instrument: str
    folders: int = 0
    written: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    failed: dict[str, str] = Field(default_factory=dict)
    unavailable: str | None = None
    guarded: int = 0
    wake_seconds: float | None = None


@dataclass
class SweepMemory:
    """When each listing was first seen, by a clock that never jumps; kept by whoever sweeps again and again.

    Losing it is harmless: silence is then counted from the next sweep on.

    Attributes:
        known: The catalogue's rows as the last sweep read them, by id.
        suspects: Folders of runs that had come to rest and were seen changed, as long as that is not believed.
        writing: How those that are written came on.
        shadow: What shadow mode follows.
        silence: Since when it is known whether anything comes at all.
    """

    known: Mapping[str, Acquisition] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    writing: WritingMemory = field(default_factory=WritingMemory)
    shadow: ShadowMemory = field(default_factory=ShadowMemory)
    silence: SilenceMemory = field(default_factory=SilenceMemory)
    _believed: dict[str, float] = field(default_factory=dict)
    _since: dict[str, tuple[str, float]] = field(default_factory=dict)
    _pauses: dict[str, Pauses] = field(default_factory=dict)
    _inspected: dict[str, float] = field(default_factory=dict)
    _listed: dict[str, float] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)

    def quiet_for(self, acquisition: str, fingerprint: str, *, monotonic: float) -> float:
        """Count the seconds since this listing was first seen."""
        seen, since = self._since.get(acquisition, ("", monotonic))
        if seen != fingerprint:
            if seen:
                self._pauses[acquisition] = self.pauses_of(acquisition).with_one(monotonic - since)
            since = monotonic
        self._since[acquisition] = (fingerprint, since)
        return monotonic - since

    def pauses_of(self, acquisition: str) -> Pauses:
        """Tell how the changes of a run followed each other as far as they were seen."""
        return self._pauses.get(acquisition, Pauses())

    def may_ask(self, acquisition: str, *, monotonic: float) -> bool:
        """Tell whether work for a complete run was not asked for in the last ten seconds, and count this as asking."""
        last = self._asked.get(acquisition)
        if last is not None and monotonic - last < _ASK_AGAIN_SECONDS:
            return False
        self._asked[acquisition] = monotonic
        return True

    def need_not_list(self, acquisition: str, *, age_seconds: float, monotonic: float) -> bool:
        """Tell whether a settled run was listed recently for its age: a year of runs must not cost a year of looks.

        A run that has been at rest for an hour is listed every 72 s, one of two days and more every hour.
        """
        rest = min(_LONGEST_REST_SECONDS, max(0.0, age_seconds) * _REST_SHARE)
        last = self._listed.get(acquisition)
        if last is not None and monotonic - last < rest:
            return True
        self._listed[acquisition] = monotonic
        return False

    def believe(self, acquisitions: Iterable[str], *, monotonic: float) -> None:
        """Remember what was believed gone or changed: a mass change that comes in drops is one all the same."""
        self._believed.update(dict.fromkeys(acquisitions, monotonic))

    def lately(self, *, monotonic: float) -> int:
        """Count what was believed gone or changed for as long as the longest rest lasts."""
        since = monotonic - _LONGEST_REST_SECONDS
        self._believed = {one: when for one, when in self._believed.items() if when > since}
        return len(self._believed)

    def forget_rest(self) -> None:
        """Have every run listed at the next sweep, however settled it is."""
        self._listed.clear()

    def may_rest(self, acquisition: str, *, monotonic: float) -> bool:
        """Tell whether a run that waits for something outside its folder was inspected a short while ago."""
        last = self._inspected.get(acquisition)
        if last is not None and monotonic - last < _REINSPECT_SECONDS:
            return True
        self._inspected[acquisition] = monotonic
        return False


def sweep_instrument(
    instrument: Instrument,
    *,
    zone: LandingZone,
    profiles: Mapping[str, Profile],
    catalogue: Catalogue,
    clock: Clock,
    resolve_project: ProjectResolver,
    outside: OutsideReader | None = None,
    memory: SweepMemory | None = None,
) -> SweepResult:
    """Bring the catalogue in line with what the landing zone holds now.

    A folder that is as it was costs its listing and nothing else, and with a memory that comes the more seldom the
    older the run is. One bad folder is held and stops no other. A second run finds nothing to do; two at once lose no
    change, since each row names the record it was read at.

    Args:
        instrument: As declared.
        zone: Its landing zone.
        profiles: By name.
        catalogue: Where runs, events and work are written.
        clock: Its monotonic time counts silence when there is a memory, its date otherwise.
        resolve_project: Finds the project of a run.
        outside: Reads the files that the instrument's settings name.
        memory: Of earlier sweeps by this process.

    Raises:
        CatalogueUnavailable: Nothing was changed that is not written; sweep again.
    """
    with catalogue.begin() as tx:
        rows = tx.acquisitions.refresh(memory.known if memory else {}, instrument=instrument.name)
        declared = tx.instruments.get(instrument.name)
        silences = Silences(instrument, catalogue, clock)
        if memory is not None:
            silences.recall(tx)
    if memory is not None:
        memory.known = rows
    known = {one.folder: one for one in rows.values()}
    is_guarded, shadow = declared.guard is not None, declared.in_shadow
    sweep = _Sweep(
        instrument, zone, profiles, catalogue, clock, resolve_project, outside, memory, known, is_guarded, silences
    )
    if shadow is not None and shadow.told_at is None and clock.now() >= shadow.due_at:
        announce_report(instrument.name, catalogue=catalogue, clock=clock)
    try:
        zone.require_identity(instrument.identity)
        folders, strays = zone.folders(), zone.strays()
        sweep.follow(shadow, unknown=len(set(folders) - known.keys()))
        for folder in folders:
            sweep.look_at(folder)
        for stray in strays:
            sweep.hold_stray(stray)
        # The zone may have gone while it was listed, and what it then no longer shows has not vanished.
        zone.require_identity(instrument.identity)
        sweep.conclude(known.keys() - set(folders) - {stray.shown for stray in strays})
    except SourceUnavailable as gone:
        sweep.lose_sight(str(gone))
        return sweep.result(unavailable=str(gone))
    sweep.catch_up()
    if memory is not None:
        end_notes(sweep.writing, instrument=instrument.name, memory=memory.writing, catalogue=catalogue)
        answers = declared.silence is not None and bool(sweep.written)
        weigh_instrument(instrument.name, memory=memory.silence, at_once=answers, catalogue=catalogue, clock=clock)
    return sweep.result(folders=len(folders))


@dataclass
class _Sweep:
    """One sweep under way."""

    instrument: Instrument
    zone: LandingZone
    profiles: Mapping[str, Profile]
    catalogue: Catalogue
    clock: Clock
    resolve_project: ProjectResolver
    outside: OutsideReader | None
    memory: SweepMemory | None
    known: dict[str, Acquisition]
    is_guarded: bool
    silences: Silences
    written: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    due: list[Acquisition] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)
    writing: set[str] = field(default_factory=set)
    guarded: int = 0
    began: datetime = field(init=False)
    watch: ShadowWatch | None = None

    def __post_init__(self) -> None:
        self.began = self.clock.now()

    def follow(self, shadow: Shadow | None, *, unknown: int) -> None:
        """Have shadow mode see what this sweep sees."""
        if shadow is not None:
            self.watch = ShadowWatch(
                shadow,
                memory=self.memory.shadow if self.memory else ShadowMemory(),
                known=[one for one in self.known.values() if one.profile != STRAY],
                unknown=unknown,
                catalogue=self.catalogue,
                clock=self.clock,
            )

    def conclude(self, absent: set[str]) -> None:
        """Write down that runs are gone, or changed after they had come to rest, unless there are too many at once."""
        memory, monotonic = self.memory, self.clock.monotonic()
        losses = Losses(
            known=sum(_is_counted(one) for one in self.known.values()),
            gone=frozenset(folder for folder in absent if _is_counted(self.known[folder])),
            changed=frozenset(self.suspects),
            lately=memory.lately(monotonic=monotonic) if memory else 0,
        )
        belief = Belief.FEW
        if losses or self.is_guarded:
            belief = weigh_losses(self.instrument.name, losses, catalogue=self.catalogue, clock=self.clock)
        if memory is not None:
            memory.suspects = set(self.suspects) if belief is Belief.GUARDED else set()
            if belief is Belief.FEW:
                lost = [self.known[folder].acquisition_id for folder in losses.gone | losses.changed]
                memory.believe(lost, monotonic=monotonic)
            if belief is Belief.GUARDED and not self.is_guarded:
                memory.forget_rest()  # how many there are in all is asked at once, and not over an hour
        if belief is Belief.GUARDED:
            self.guarded = len(losses)
            return
        for folder in sorted(self.suspects):
            self.look_at(folder, is_believed=True)
        self.miss(absent)
        if belief is Belief.ACCEPTED:
            end_acceptance(self.instrument.name, catalogue=self.catalogue)

    def look_at(self, folder: str, *, is_believed: bool = False) -> None:
        """Look at one folder, and hold it with the reason when that fails."""
        listing = Listing()
        known = self.known.get(folder)
        if known is not None and not is_believed and self._is_suspected_still(known):
            return
        if known is not None and (known.release is not None or (not is_believed and self._rests(known))):
            return  # a folder that is being released is no run any more: what is left of it is the release's to judge
        try:
            try:
                listing = self.zone.listing(folder)
            except NotFound:
                return  # it went away while we looked; the next sweep knows
            if not is_believed and self._is_suspect(known, listing):
                self.suspects.add(folder)
                return
            self._take(folder, listing)
        except CatalogueUnavailable:
            raise
        except SourceUnavailable as fault:
            self.zone.require_identity(self.instrument.identity)  # raises if it is the zone that is gone
            self._hold_broken(folder, listing, str(fault))
        except CisternaError as fault:
            self._hold_broken(folder, listing, str(fault))
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties, and none may stop the others
            words = f"looking at it failed in the profile '{self.instrument.profile}': {type(fault).__name__}: {fault}"
            self._hold_broken(folder, listing, words[:1000])

    def hold_stray(self, stray: Obstacle) -> None:
        """Hold what lies beside the folders: it is seen, and no run has it."""
        before = self.known.get(stray.shown)
        assessment = Assessment(state=AcquisitionState.STALLED, reason=stray.reason)
        fresh = self._fresh(stray.shown, before).model_copy(update={"profile": STRAY, "file_count": 1})
        self._write(before, judged(fresh, assessment, held=stray.reason))

    def miss(self, folders: set[str]) -> None:
        """Note runs whose folder is gone although the zone is there."""
        for folder in sorted(folders):
            before = self.known[folder]
            if before.source_state is SourceState.RELEASED or before.release is not None:
                continue
            if before.ingested_fingerprint is not None:
                self._write(before, before.model_copy(update={"source_state": SourceState.MISSING}))
                continue
            reason = _GONE
            held: str | None = reason
            if before.profile == STRAY:
                reason, held = "it is no longer there", None
            gone = Assessment(state=AcquisitionState.UNAVAILABLE, reason=reason)
            self._write(before, judged(before, gone, held=held))

    def lose_sight(self, reason: str) -> None:
        """Note that nothing is known now of whatever is not safe in the archive; infer nothing."""
        for before in self.known.values():
            if before.release is not None or before.reason == _GONE:
                continue
            if before.ingested_fingerprint is None or before.ingested_fingerprint != before.fingerprint:
                unseen = Assessment(state=AcquisitionState.UNAVAILABLE, reason=reason)
                self._write(before, judged(before, unseen, held=reason))

    def catch_up(self) -> None:
        """Ask again for what is due: whoever wrote the row may have been killed, or bound its project by hand."""
        if not self.due:
            return
        with self.catalogue.begin() as tx:
            for acquisition in self.due:
                if request_ingest(tx, acquisition, clock=self.clock):
                    self.requested.append(acquisition.acquisition_id)

    def result(self, *, folders: int = 0, unavailable: str | None = None) -> SweepResult:
        """Sum up."""
        return SweepResult(
            instrument=self.instrument.name,
            folders=folders,
            written=tuple(self.written),
            requested=tuple(self.requested),
            failed={**(self.watch.failed if self.watch else {}), **self.failed},
            unavailable=unavailable,
            guarded=self.guarded,
            wake_seconds=min(self.wakes, default=None),
        )

    def _is_suspected_still(self, before: Acquisition) -> bool:
        """Leave alone for a minute what was seen changed a moment ago and is not believed to be."""
        if self.memory is None or before.folder not in self.memory.suspects:
            return False
        if not self.memory.may_rest(before.acquisition_id, monotonic=self.clock.monotonic()):
            return False
        self.suspects.add(before.folder)
        return True

    def _is_suspect(self, before: Acquisition | None, listing: Listing) -> bool:
        """Tell whether a run that had come to rest is another one now: whether that is believed is decided for all."""
        return (
            before is not None
            and _is_counted(before)
            and _is_at_rest(before)
            and before.fingerprint not in {"", listing.fingerprint}
        )

    def _rests(self, before: Acquisition) -> bool:
        if self.memory is None or before.source_state is not SourceState.PRESENT:
            return False
        if before.folder in self.memory.suspects:
            return False
        is_safe = before.ingested_fingerprint == before.fingerprint
        if not is_settled(before.state) or not (is_safe or before.held) or before.held == UNBOUND:
            return False
        age = (self.clock.now() - before.settled_since).total_seconds()
        return self.memory.need_not_list(before.acquisition_id, age_seconds=age, monotonic=self.clock.monotonic())

    def _may_ask(self, acquisition: Acquisition) -> bool:
        """Leave what is on its way alone: in a burst, asking for all of it at each look costs more than the looks."""
        now = self.clock.monotonic()
        return self.memory is None or self.memory.may_ask(acquisition.acquisition_id, monotonic=now)

    def _take(self, folder: str, listing: Listing) -> None:
        before = self.known.get(folder)
        if before is not None and self._may_skip(before, listing):
            if is_due(before) and self._may_ask(before):
                self.due.append(before)
            if self.watch is not None:
                self.watch.saw(before, before, listing, None)
            return
        profile = self.profiles.get(self.instrument.profile)
        if profile is None:
            self._hold_broken(folder, listing, f"the profile '{self.instrument.profile}' is not installed")
            return
        fresh = self._fresh(folder, before)
        look = FolderLook(folder, listing, self.zone, self.instrument.settings, self.outside)
        quiet_for = self._quiet_for(fresh, listing)
        inspection = inspect_folder(
            look,
            profile=profile,
            quiet_for=quiet_for,
            is_reopened=_is_reopened(before, listing),
            known_end=fresh.end_reason,
        )
        project = fresh.project
        is_over = is_settled(inspection.assessment.state) and not is_settled(fresh.state)
        if inspection.is_claimed and (project is None or (is_over and fresh.started_at is None)):
            described = profile.describe(look)
            project = project or self.resolve_project(fresh, described)
            fresh = fresh.model_copy(update={"started_at": described.started_at or fresh.started_at})
        if inspection.wake_seconds is not None and not is_settled(inspection.assessment.state):
            self.wakes.append(inspection.wake_seconds)
        after = taken(fresh, inspection, project=project, clock=self.clock)
        self._write(before, after, may_be_kept=inspection.may_be_kept)
        if after.state is AcquisitionState.WRITING and folder not in self.failed and self.memory is not None:
            self.writing.add(after.acquisition_id)
            note_writing(
                after,
                inspection.evidence,
                instrument=self.instrument,
                profile=profile,
                memory=self.memory.writing,
                catalogue=self.catalogue,
                clock=self.clock,
            )
        if self.memory is not None and inspection.is_claimed:
            lacks_end = lacking_end(inspection.evidence, file_count=len(listing.files)) is not None
            pauses = self.memory.pauses_of(after.acquisition_id)
            self.silences.weigh(after, inspection.evidence, lacks_end=lacks_end, quiet_for=quiet_for, pauses=pauses)
        if self.watch is not None:
            self.watch.saw(before, after, listing, inspection.evidence)

    def _may_skip(self, before: Acquisition, listing: Listing) -> bool:
        """Tell whether nothing but the folder itself could change what is known, and the folder has not changed."""
        if before.fingerprint != listing.fingerprint or before.source_state is not source_state(
            before, listing.fingerprint
        ):
            return False
        if self.memory is not None and before.state in INCOMPLETE:  # a setting or a policy may free it
            return self.memory.may_rest(before.acquisition_id, monotonic=self.clock.monotonic())
        if before.state is AcquisitionState.COMPLETE and before.project is None:
            return False
        if before.state is AcquisitionState.COMPLETE and before.held == UNBOUND:
            return False  # any other hold is the failed ingest's or the listing's own, and no look lifts it
        return is_settled(before.state)

    def _quiet_for(self, fresh: Acquisition, listing: Listing) -> float:
        if is_settled(fresh.state) and fresh.fingerprint == listing.fingerprint:
            return inf  # it was waited for; what is asked again is what lies outside its folder
        if self.memory is not None:
            monotonic = self.clock.monotonic()
            return self.memory.quiet_for(fresh.acquisition_id, listing.fingerprint, monotonic=monotonic)
        if fresh.fingerprint != listing.fingerprint:
            return 0.0
        return max(0.0, (self.clock.now() - fresh.settled_since).total_seconds())

    def _fresh(self, folder: str, before: Acquisition | None) -> Acquisition:
        if before is not None:
            return before.model_copy(update={"profile": self.instrument.profile})
        fresh = first_seen(folder, instrument=self.instrument, submitter=self.instrument.name, clock=self.clock)
        return fresh.model_copy(update={"first_seen": self.began})  # which of one sweep came first nobody knows

    def _hold_broken(self, folder: str, listing: Listing, reason: str) -> None:
        self.failed[folder] = reason
        before = self.known.get(folder)
        broken = Assessment(state=AcquisitionState.STALLED, reason=reason)
        seen = seen_as(self._fresh(folder, before), listing, clock=self.clock)
        self._write(before, judged(seen, broken, held=reason))

    def _write(self, before: Acquisition | None, after: Acquisition, *, may_be_kept: bool = False) -> None:
        """Write a change in a transaction of its own, so that a kill loses no more than this one folder's."""
        if before is not None and not may_be_kept and not differs(before, after):
            if is_due(after):
                self.due.append(before)
            return
        stamped = after.model_copy(update={"last_seen": self.clock.now()})
        try:
            with self.catalogue.begin() as tx:
                saved, is_new = record_acquisition(tx, before, stamped, clock=self.clock, may_be_kept=may_be_kept)
        except Conflict as lost:
            self.failed[after.folder] = str(lost)  # somebody else wrote the row; the next sweep reads it anew
            return
        if saved is not before:
            self.written.append(saved.acquisition_id)
        if is_new:
            self.requested.append(saved.acquisition_id)


def _is_reopened(before: Acquisition | None, listing: Listing) -> bool:
    """Tell whether the run was complete once and has changed since, or is still being waited for after that."""
    if before is None or before.completed_at is None:
        return False
    return before.fingerprint != listing.fingerprint or before.state is AcquisitionState.WRITING


def _is_counted(acquisition: Acquisition) -> bool:
    """Tell whether it is a run that is believed to lie at the source."""
    if acquisition.profile == STRAY or acquisition.release is not None or acquisition.reason == _GONE:
        return False
    return acquisition.source_state not in {SourceState.MISSING, SourceState.RELEASED}


def _is_at_rest(acquisition: Acquisition) -> bool:
    """Tell whether a change of its folder is no longer its writing."""
    if acquisition.state is AcquisitionState.UNAVAILABLE:
        return acquisition.completed_at is not None
    return is_settled(acquisition.state)
