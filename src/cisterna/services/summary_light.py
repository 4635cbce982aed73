"""How many images of a run got no light: the definitions and limits are the alarm's, which says the same beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cisterna.domain.baseline import spread_of
from cisterna.services.image_limit import WARM_UP, Limit, dim_limit, floor_limit


@dataclass(frozen=True)
class LitStack:
    """What says of a stack how much light it got.

    Attributes:
        level: Grey value of the background, of its brightest plane.
        bright: Grey value that 99 % of the pixels do not exceed, of its brightest plane.
        top: The largest grey value that the type of its pixels holds.
        snr: Of its sharpest plane.
    """

    channel: str
    level: float | None
    bright: float | None
    top: float | None
    snr: float | None


@dataclass(frozen=True)
class Light:
    """What came of it.

    Attributes:
        share: Of the stacks without light, in the worst channel; None when none could be judged.
        margins: Of each stack, its light over its limit: below 1 it has too little; None where there is no limit.
        unknown: Why none could be judged, in words, where that says nothing against the images.
    """

    share: float | None
    margins: Sequence[float | None]
    unknown: str | None


def judge_light(stacks: Sequence[LitStack], limits: Mapping[str, float]) -> Light:
    """Hold each stack against the sensor's floor, and against the others of its channel. Pure.

    Args:
        stacks: That have anything to judge them by.
        limits: With every name of `DEFAULT_LIMITS`.
    """
    levels: dict[str, list[float]] = defaultdict(list)
    for one in stacks:
        if one.level is not None:
            levels[one.channel].append(one.level)
    dim = {channel: dim_limit(limits, spread_of(some)) for channel, some in levels.items()}
    judged: dict[str, list[bool]] = defaultdict(list)
    margins: list[float | None] = []
    for one in stacks:
        least = dim.get(one.channel)
        margin = _margin(one, floor_limit(limits, top=one.top, snr=one.snr), least)
        margins.append(margin)
        if one.bright is not None and (one.top is not None or least is not None):
            judged[one.channel].append(margin is not None and margin < 1.0)
    share = max((sum(some) / len(some) for some in judged.values()), default=None)
    is_measured = bool(stacks) and all(one.bright is not None and one.level is not None for one in stacks)
    unknown = (
        f"nothing is known of the largest value that its pixels can have, and no channel has {WARM_UP} images to hold "
        "one against"
    )
    return Light(share, margins, unknown if share is None and is_measured else None)


def _margin(one: LitStack, floor: Limit | None, least: Limit | None) -> float | None:
    """Give the smaller of both margins; a limit that nothing can lie below is none."""
    pairs = ((one.bright, floor), (one.level, least))
    found = [value / limit.value for value, limit in pairs if value is not None and limit and limit.value > 0]
    return min(found, default=None)
