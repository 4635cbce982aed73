"""Notes, sweep by sweep, how acquisitions that are still written come on, and has them read ahead."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cisterna.domain.acquisition import Acquisition, Evidence
from cisterna.domain.instrument import Instrument
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.writing import Writing, with_mark
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.services.ahead_request import request_ahead, wants_ahead

NOTE_SECONDS = 10.0
_STILL_SECONDS = 60.0
"""A run at which nothing changes is noted that often: the watched time goes on."""
_LONGEST_GAP_SECONDS = 3600.0
"""Most that is taken as watched between the last note of another process and the first of this one."""
_ASK_SECONDS, _ASK_SHARE, _LONGEST_ASK_SECONDS = 60.0, 1 / 100, 300.0


@dataclass
class WritingMemory:
    """What one process noted last; losing it is harmless.

    Attributes:
        noted: By acquisition: when, by a clock that never jumps, and how many files and bytes there were.
        asked: When reading ahead was asked for last.
        is_fresh: Rows of earlier processes were not looked through yet.
    """

    noted: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)
    is_fresh: bool = True


def note_writing(
    acquisition: Acquisition,
    evidence: Evidence,
    *,
    instrument: Instrument,
    profile: Profile,
    memory: WritingMemory,
    catalogue: Catalogue,
    clock: Clock,
) -> None:
    """Note how far a run that is written has come, every ten seconds at most, and have read ahead what settled.

    A second run notes the same once more. What was asked for this very listing is not asked again.
    """
    identity, monotonic = acquisition.acquisition_id, clock.monotonic()
    files, size_bytes = _count(acquisition, evidence), acquisition.total_bytes
    known = memory.noted.get(identity)
    since = monotonic - known[0] if known else None
    if since is not None and since < (NOTE_SECONDS if known and known[1:] != (files, size_bytes) else _STILL_SECONDS):
        return
    fits = max(acquisition.file_count, evidence.expected_files or 0) <= MOST_FILES
    asks = fits and _may_ask(acquisition, instrument, profile, memory=memory, clock=clock)
    with catalogue.begin() as tx:
        before = tx.writings.find(identity)
        tx.writings.put(
            with_mark(
                before,
                acquisition_id=identity,
                files=files,
                size_bytes=size_bytes,
                expected_files=evidence.expected_files,
                cadence_seconds=evidence.cadence_seconds,
                since_seconds=_gap(before, now=clock.now()) if since is None else since,
                now=clock.now(),
            )
        )
        if asks:
            request_ahead(tx, acquisition, sign=acquisition.fingerprint[:32], clock=clock)
    memory.noted[identity] = (monotonic, files, size_bytes)
    if asks:
        memory.asked[identity] = monotonic


def end_notes(writing: set[str], *, instrument: str, memory: WritingMemory, catalogue: Catalogue) -> None:
    """Forget the pace of runs that are not written any more.

    Args:
        writing: Ids of those that are.
        instrument: Whose they are.
        memory: Of this process.
        catalogue: Where it was noted.
    """
    ended = memory.noted.keys() - writing
    if not ended and not memory.is_fresh:
        return
    with catalogue.begin() as tx:
        known = set(tx.writings.ids(instrument=instrument)) if memory.is_fresh else set(ended)
        tx.writings.remove(sorted(known - writing))
    memory.is_fresh = False
    for one in ended:
        memory.noted.pop(one, None)
        memory.asked.pop(one, None)


def _count(acquisition: Acquisition, evidence: Evidence) -> int:
    if evidence.expected_files is None:
        return acquisition.file_count
    return max(0, evidence.expected_files - evidence.missing_files)


def _gap(before: Writing | None, *, now: datetime) -> float:
    """Give the time since another process noted it last; the calendar is believed for an hour at most."""
    if before is None:
        return 0.0
    return min(max(0.0, (now - before.noted_at).total_seconds()), _LONGEST_GAP_SECONDS)


def _may_ask(
    acquisition: Acquisition, instrument: Instrument, profile: Profile, *, memory: WritingMemory, clock: Clock
) -> bool:
    """Tell whether to ask now: the older a run is, the less is lost by asking less often, up to five minutes."""
    if not wants_ahead(acquisition, instrument, profile, now=clock.now()):
        return False
    age = (clock.now() - acquisition.first_seen).total_seconds()
    pause = min(max(_ASK_SECONDS, age * _ASK_SHARE), _LONGEST_ASK_SECONDS)
    last = memory.asked.get(acquisition.acquisition_id)
    return last is None or clock.monotonic() - last >= pause
