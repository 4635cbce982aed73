"""How fast an instrument writes an acquisition, and when it will have written all that was planned.

Times are those that were watched, added up from a clock that never jumps; the calendar is used for what is shown alone,
so a clock that is set by a day changes no pace.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import AcquisitionId

MOST_MARKS = 48
_LEAST_SECONDS, _LEAST_MARKS = 60.0, 3
_WINDOW_SECONDS, _WINDOW_PAUSES, _WINDOW_SHARE = 600.0, 3, 1 / 4
_ABOUT_SECONDS, _ABOUT_SHARE = 600.0, 1 / 5
_HORIZON_SECONDS = 366 * 86_400.0
_SPACING_SHARE = 1 / 100


class Mark(Value):
    """How much was there at one look.

    Attributes:
        watched_seconds: Since the acquisition was first marked.
        files: Of the plan, or all where nothing tells the plan.
    """

    watched_seconds: float = Field(ge=0, allow_inf_nan=False)
    files: int = Field(ge=0)
    bytes: int = Field(ge=0)


class Writing(Value):
    """An acquisition that is written: what is there now, and marks from its beginning on, the older the fewer.

    Attributes:
        noted_at: When the last look was noted; at that moment it had been watched for `watched_seconds`.
        grew_seconds: Watched when files or bytes last changed.
        files: Of the plan, or all where nothing tells the plan.
        expected_files: That the plan asks for; None where nothing tells.
        cadence_seconds: The longest silence that the plan foresees.
    """

    acquisition_id: AcquisitionId
    noted_at: Moment
    watched_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    grew_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    marks: tuple[Mark, ...] = ()
    expected_files: int | None = Field(default=None, ge=0)
    cadence_seconds: float | None = Field(default=None, ge=0)


class Forecast(Value):
    """What can be told of an acquisition that is written, and of what is still to come.

    Attributes:
        at: When that was true.
        files: Of the plan that are there, or all where nothing tells the plan.
        files_per_hour, bytes_per_hour: Over a recent time that is longer than its pauses.
        earliest, latest: Between which it will have written all that was planned; None where that cannot be told.
        words: The same in words, with the reason where it cannot be told.
    """

    at: Moment
    files: int = Field(ge=0)
    expected_files: int | None = None
    files_per_hour: float = Field(ge=0, allow_inf_nan=False)
    bytes_per_hour: float = Field(ge=0, allow_inf_nan=False)
    earliest: Moment | None = None
    latest: Moment | None = None
    words: str = Field(min_length=1)


def with_mark(
    before: Writing | None,
    *,
    acquisition_id: str,
    files: int,
    size_bytes: int,
    expected_files: int | None,
    cadence_seconds: float | None,
    since_seconds: float,
    now: datetime,
) -> Writing:
    """Add what a look saw.

    Args:
        before: What earlier looks saw.
        acquisition_id: Of the acquisition.
        files: Of the plan that are there, or all where nothing tells the plan.
        size_bytes: Of all files.
        expected_files: That the plan asks for now.
        cadence_seconds: The longest silence that the plan foresees.
        since_seconds: Watched since the look before.
        now: Dates it.
    """
    watched = (before.watched_seconds if before else 0.0) + max(0.0, since_seconds)
    is_new = before is None or (before.files, before.bytes) != (files, size_bytes)
    marks = before.marks if before else ()
    if not marks or (is_new and watched - marks[-1].watched_seconds >= watched * _SPACING_SHARE):
        marks = _thinned((*marks, Mark(watched_seconds=watched, files=files, bytes=size_bytes)))
    return Writing(
        acquisition_id=acquisition_id,
        noted_at=now,
        watched_seconds=watched,
        grew_seconds=watched if is_new or before is None else before.grew_seconds,
        files=files,
        bytes=size_bytes,
        marks=marks,
        expected_files=expected_files,
        cadence_seconds=cadence_seconds,
    )


def forecast(writing: Writing) -> Forecast:
    """Tell how fast it is written and when it ends, as of the last look. Pure, and true of any marks."""
    now, watched = writing.noted_at, writing.watched_seconds
    pause = _longest_pause(writing)
    window = max(_WINDOW_SECONDS, _WINDOW_PAUSES * pause, watched * _WINDOW_SHARE)
    since, first = _mark_at(writing, watched - window), _mark_at(writing, 0.0)
    recent = _per_second(writing.files - since.files, watched - since.watched_seconds)
    overall = _per_second(writing.files - first.files, watched - first.watched_seconds)
    told = Forecast(
        at=now,
        files=writing.files,
        expected_files=writing.expected_files,
        files_per_hour=round(recent * 3600, 1),
        bytes_per_hour=round(_per_second(writing.bytes - since.bytes, watched - since.watched_seconds) * 3600, 1),
        words="cannot be told: no plan",
    )
    if writing.expected_files is None:
        return told
    left = writing.expected_files - writing.files
    if left <= 0:
        return told.model_copy(update={"words": "all that was planned is there"})
    if watched < _LEAST_SECONDS or len(writing.marks) < _LEAST_MARKS:
        return told.model_copy(update={"words": "cannot be told yet: too little was seen"})
    if recent <= 0 or overall <= 0:
        silent = timedelta(seconds=round(watched - writing.grew_seconds))
        return told.model_copy(update={"words": f"cannot be told: nothing of the plan was written for {silent}"})
    shortest, longest = left / max(recent, overall), left / min(recent, overall) + pause
    if longest > _HORIZON_SECONDS:
        return told.model_copy(update={"words": "cannot be told: at this pace it takes more than a year"})
    earliest, latest = now + timedelta(seconds=shortest), now + timedelta(seconds=longest)
    return told.model_copy(
        update={"earliest": earliest, "latest": latest, "words": _words(earliest, latest, now=now)},
    )


def _words(earliest: datetime, latest: datetime, *, now: datetime) -> str:
    spread = (latest - earliest).total_seconds()
    middle = earliest + (latest - earliest) / 2
    if spread <= max(_ABOUT_SECONDS, (middle - now).total_seconds() * _ABOUT_SHARE):
        return f"about {_clock(middle, now)}"
    return f"between {_clock(earliest, now)} and {_clock(latest, now)}"


def _clock(moment: datetime, now: datetime) -> str:
    """Write a time, with its day where that is another one than today."""
    told = moment.strftime("%H:%M %Z")
    return told if moment.date() == now.date() else f"{moment:%Y-%m-%d} {told}"


def _per_second(count: int, seconds: float) -> float:
    return max(0, count) / seconds if seconds > 1e-6 else 0.0  # of less time no speed is told


def _mark_at(writing: Writing, watched_seconds: float) -> Mark:
    """Give the last mark that is no younger than that, or the first."""
    older = [mark for mark in writing.marks if mark.watched_seconds <= watched_seconds]
    kept = older[-1:] or list(writing.marks[:1])
    return kept[0] if kept else Mark(watched_seconds=0, files=0, bytes=0)


def _longest_pause(writing: Writing) -> float:
    """Give the longest silence that the plan foresees, or that was seen lately if that is longer.

    Marks are no closer than a share of all that was watched, so a gap of that length is no silence.
    """
    ends = [mark.watched_seconds for mark in writing.marks[-(MOST_MARKS // 2) :]]
    gaps = (later - earlier for earlier, later in pairwise(ends))
    least = 2 * writing.watched_seconds * _SPACING_SHARE
    return max(writing.cadence_seconds or 0.0, max((gap for gap in gaps if gap > least), default=0.0))


def _thinned(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """Keep the newer half, and every second of the rest with the first, once there are too many."""
    if len(marks) <= MOST_MARKS:
        return marks
    half = len(marks) // 2
    return (*marks[:half:2], *marks[half:])
