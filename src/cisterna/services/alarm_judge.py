"""Judges the images of one round against the suite's limits and what the run had so far. Pure.

The unit is a stack: the planes of one well, field, time point and channel, as for the gate. The same images give the
same failures in whatever order they come within a round, and an image that is told again changes nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cisterna.domain.alert import AlertKind, Place, Severity, picture_fault
from cisterna.domain.baseline import MOST_CHANNELS, RunBaseline, Sample, SeenImage, Spread, Tally, key_of, sampled
from cisterna.ports.quality import EMPTY_SNR
from cisterna.services.image_limit import (
    DEFAULT_LIMITS,
    WARM_UP,
    Limit,
    dim_limit,
    floor_limit,
    focus_limit,
    is_left_out,
    is_surely_below,
)

PICTURES_KEPT = 8
"""Pictures that wait with images which cannot be judged yet."""
_MOST_PENDING = 512
_BRIGHT = "grey value that 99 % of the pixels do not exceed"
_LIGHT = "grey value of the background"

INCOMPLETE = "not all planes of the stack came together"
UNCERTAIN = "its focus cannot be told: too little stands out of the noise"
NUMBERLESS = "it has no numbers to judge it by"

Stack = tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """One stack, or one image, that is not as it should be."""

    kind: AlertKind
    severity: Severity
    image: SeenImage
    measure: str
    observed: float
    limit: Limit
    picture: bytes | None = None

    @property
    def key(self) -> str:
        """Name the place that is counted: the stack, or of what is wrong with a single file, the file."""
        return key_of((self.image.path,) if self.kind is AlertKind.UNREADABLE else self.image.stack)

    @property
    def place(self) -> Place:
        """Where it is."""
        one = self.image
        return Place.of(one.path, region=one.region, field=one.field, channel=one.channel, t=one.t, z=one.z)


@dataclass(frozen=True)
class Judgement:
    """What came of a round.

    Attributes:
        baseline: What the run had so far, with this round.
        failures: Places that were not counted before, by kind, those written first before others.
    """

    baseline: RunBaseline
    failures: Mapping[AlertKind, Sequence[Failure]]


def judge_round(
    images: Iterable[SeenImage],
    before: RunBaseline,
    *,
    pictures: Mapping[str, bytes],
    limits: Mapping[str, float],
    left_out: Sequence[str] = (),
) -> Judgement:
    """Judge what one round measured.

    Args:
        images: Of the round.
        before: What the run had so far.
        pictures: Of images, by path.
        limits: Of the suite; what is not given has its default.
        left_out: Shell patterns of wells that may be dark, empty or without anything sharp.
    """
    found = {
        one.path: one
        for one in sorted((*before.pending, *images), key=lambda one: (one.modified, one.model_dump_json()))
    }
    seen = [found[path] for path in sorted(found)]
    shown = {**before.pictures, **pictures}
    parted = _part(seen, before.levels)
    meant = [stack for stack in parted.whole if not is_left_out(stack[0].region, left_out)]
    judge = _Judge({**DEFAULT_LIMITS, **limits}, _with_samples(before, meant))
    failures = [*map(judge.unreadable, seen), *map(judge.saturated, seen)]
    waiting: dict[str, list[SeenImage]] = {}
    for channel, stacks in _by_channel(before.waiting, meant).items():
        failures += [judge.stack(one) for one in stacks]
        if channel in judge.baseline.samples and judge.usual(channel, "focus") is None:
            waiting[channel] = sorted(stacks, key=lambda one: (one.focus is None, *_written(one)))[:WARM_UP]
    unjudged = [(INCOMPLETE, one[0]) for one in parted.partial if not is_left_out(one[0].region, left_out)]
    unjudged += [(NUMBERLESS, one) for one in seen if one.problem is None and one.is_empty is None]
    unjudged += judge.uncertain
    kept = judge.baseline.model_copy(
        update={
            "levels": parted.levels,
            "pending": tuple(parted.pending),
            "waiting": {channel: tuple(some) for channel, some in waiting.items()},
            "pictures": _pictures(parted.pending, waiting, shown),
            "unjudged": _tallied(before.unjudged, ((reason, key_of(one.stack)) for reason, one in unjudged)),
        }
    )
    return _counted(kept, [replace(one, picture=shown.get(one.image.path)) for one in failures if one is not None])


@dataclass(frozen=True)
class _Parted:
    """The images of a round as stacks.

    Attributes:
        whole: Each with all planes that stacks of this run have.
        partial: Others of which no more is waited for.
        pending: Images of the place that is being written.
    """

    whole: Sequence[Sequence[SeenImage]]
    partial: Sequence[Sequence[SeenImage]]
    pending: Sequence[SeenImage]
    levels: tuple[int, ...]


def _part(seen: Sequence[SeenImage], known: Sequence[int]) -> _Parted:
    """Part images into stacks. An instrument writes place by place, so that only the newest may lack planes still."""
    stacks: dict[Stack, list[SeenImage]] = defaultdict(list)
    for one in seen:
        stacks[one.stack].append(one)
    placed = [one for one in seen if one.region is not None]
    newest = max(placed, key=lambda one: (one.modified, one.spot)).spot if placed else None
    open_ones = [stack for stack in stacks.values() if stack[0].spot == newest]
    if sum(map(len, open_ones)) > _MOST_PENDING:
        open_ones, newest = [], None
    closed = [stack for stack in stacks.values() if stack[0].spot != newest]
    levels = {*known, *(one.z for stack in closed for one in stack if one.region is not None and one.z is not None)}
    if levels and all({one.z for one in stack} >= levels for stack in open_ones):
        levels |= {one.z for stack in open_ones for one in stack if one.z is not None}
        closed, open_ones = closed + open_ones, []
    is_whole = [one[0].region is None or {image.z for image in one} >= levels for one in closed]
    return _Parted(
        whole=[one for one, whole in zip(closed, is_whole, strict=True) if whole],
        partial=[one for one, whole in zip(closed, is_whole, strict=True) if not whole],
        pending=[one for stack in open_ones for one in stack],
        levels=tuple(sorted(levels)),
    )


def _sharpest(stack: Sequence[SeenImage]) -> SeenImage | None:
    """Let the sharpest plane stand for a stack; it is empty when every plane is, and as bright as its brightest."""
    usable = [one for one in stack if one.is_usable]
    if not usable:
        return None
    best = max(usable, key=lambda one: (-1.0 if one.focus is None else one.focus, one.level or 0.0, one.path))
    most = {
        name: max((value for one in usable if (value := getattr(one, name)) is not None), default=None)
        for name in ("level", "bright")
    }
    return best.model_copy(update={"is_empty": all(one.is_empty for one in usable), **most})


def _with_samples(before: RunBaseline, stacks: Iterable[Sequence[SeenImage]]) -> RunBaseline:
    samples = dict(before.samples)
    for best in filter(None, map(_sharpest, stacks)):
        channel = best.channel or ""
        if channel in samples or len(samples) < MOST_CHANNELS:
            one = Sample(key=key_of(best.stack), focus=best.focus, level=best.level)
            samples[channel] = sampled((*samples.get(channel, ()), one))
    return before.model_copy(update={"samples": samples})


def _by_channel(
    waiting: Mapping[str, Sequence[SeenImage]], stacks: Iterable[Sequence[SeenImage]]
) -> dict[str, list[SeenImage]]:
    """Put the stacks of a round to those that waited, each once, in the order in which they were written."""
    named: dict[str, dict[Stack, SeenImage]] = defaultdict(dict)
    for best in chain(chain.from_iterable(waiting.values()), filter(None, map(_sharpest, stacks))):
        named[best.channel or ""][best.stack] = best
    return {channel: sorted(some.values(), key=_written) for channel, some in sorted(named.items())}


def _written(one: SeenImage) -> tuple[object, ...]:
    return (one.modified, one.path)


class _Judge:
    """Holds stacks against the limits."""

    def __init__(self, limits: Mapping[str, float], baseline: RunBaseline) -> None:
        self.baseline = baseline
        self.uncertain: list[tuple[str, SeenImage]] = []
        self._limits = limits

    def usual(self, channel: str, name: str) -> Spread | None:
        """Tell what is usual for a channel, once enough of it is known to hold one stack against the others."""
        found = self.baseline.spread(channel, name)
        return found if found is not None and found.count >= WARM_UP else None

    def unreadable(self, one: SeenImage) -> Failure | None:
        """Judge whether an image can be read and has numbers for pixels."""
        origin = Limit(0.0, "images-readable and numbers-finite of the suite")
        if one.problem is not None:
            return Failure(AlertKind.UNREADABLE, Severity.ERROR, one, "images that cannot be read", 1.0, origin)
        if one.nonfinite_share:
            share = one.nonfinite_share
            return Failure(
                AlertKind.UNREADABLE, Severity.ERROR, one, "share of pixels that are no number", share, origin
            )
        return None

    def saturated(self, one: SeenImage) -> Failure | None:
        """Judge whether more of an image is at full scale than the gate lets pass without a word."""
        most = self._limits["saturated_share_max"]
        if one.saturated is None or one.saturated <= most:
            return None
        limit = Limit(most, "saturated_share_max of the suite's limits")
        return Failure(AlertKind.SATURATED, Severity.WARNING, one, "share of saturated pixels", one.saturated, limit)

    def stack(self, best: SeenImage) -> Failure | None:
        """Judge whether a stack is dark, empty or blurred: the first of these that it is."""
        dark = self._dark(best, self.usual(best.channel or "", "level"))
        return dark or (self._without_structure(best) if best.is_empty else self._blurred(best))

    def _dark(self, best: SeenImage, usual: Spread | None) -> Failure | None:
        """Tell a stack without light: all of it is near the sensor's floor, or it is far darker than the others."""
        floor = floor_limit(self._limits, top=best.top, snr=best.snr)
        if floor is not None and best.bright is not None and best.bright < floor.value:
            return Failure(AlertKind.DARK, Severity.ERROR, best, _BRIGHT, best.bright, floor)
        least = dim_limit(self._limits, usual)
        if least is None or best.level is None or best.level >= least.value:
            return None
        severity = Severity.ERROR if best.is_empty else Severity.WARNING
        return Failure(AlertKind.DARK, severity, best, _LIGHT, best.level, least)

    def _without_structure(self, best: SeenImage) -> Failure:
        limit = Limit(EMPTY_SNR, "the metric 'empty', which the gate counts too")
        return Failure(AlertKind.EMPTY, Severity.WARNING, best, "signal to noise", best.snr or 0.0, limit)

    def _blurred(self, best: SeenImage) -> Failure | None:
        channel = best.channel or ""
        if best.focus is None:
            self.uncertain.append((UNCERTAIN, best))
            return None
        usual = self.usual(channel, "focus")
        limit = focus_limit(self._limits, channel, typical=usual.median if usual else None)
        if best.focus >= limit.value:
            return None
        if not is_surely_below(limit.value, best.focus, best.focus_error):
            self.uncertain.append((UNCERTAIN, best))
            return None
        if limit.is_relative and usual is not None:
            limit = replace(limit, origin=f"{limit.origin}, of {usual.count} stacks")
        return Failure(AlertKind.BLURRED, Severity.ERROR, best, "focus", best.focus, limit)


def _counted(kept: RunBaseline, failures: Iterable[Failure]) -> Judgement:
    """Count the places that were not counted before."""
    fresh: dict[AlertKind, dict[str, Failure]] = defaultdict(dict)
    for one in sorted(failures, key=lambda one: _written(one.image)):
        if not kept.failing.get(one.kind, Tally()).has(one.key):
            fresh[one.kind].setdefault(one.key, one)
    failing = _tallied(kept.failing, ((kind.value, key) for kind, some in fresh.items() for key in some))
    return Judgement(
        baseline=kept.model_copy(update={"failing": failing}),
        failures={kind: list(fresh[kind].values()) for kind in AlertKind if kind in fresh},
    )


def _tallied(before: Mapping[str, Tally], more: Iterable[tuple[str, str]]) -> dict[str, Tally]:
    added: dict[str, set[str]] = defaultdict(set)
    for name, key in more:
        added[name].add(key)
    return {**before, **{name: before.get(name, Tally()).with_keys(keys) for name, keys in added.items()}}


def _pictures(
    pending: Sequence[SeenImage], waiting: Mapping[str, Sequence[SeenImage]], shown: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Keep the pictures of what may turn out to fail: of the place that is being written, then the least sharp."""
    later = sorted(
        chain.from_iterable(waiting.values()), key=lambda one: (math.inf if one.focus is None else one.focus, one.path)
    )
    wanted = [one.path for one in (*pending, *later) if picture_fault(shown.get(one.path)) is None]
    return {path: shown[path] for path in wanted[:PICTURES_KEPT]}
