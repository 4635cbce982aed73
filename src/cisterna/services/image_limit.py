"""By what a single image is judged: the same for the gate, which sums up a run, and for alerts while it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cisterna.domain.baseline import Spread

DEFAULT_LIMITS: Mapping[str, float] = {
    "focus_min": 0.02,
    "focus_relative_min": 0.3,
    "saturated_share_max": 0.01,
    "dark_relative_min": 0.3,
    "dark_floor_share": 0.005,
}
"""What a suite's `limits` do not give."""
WARM_UP = 8
"""Stacks of a channel that must be known before one is held against the others."""
_DARK_SIGMAS = 6.0
_DARK_SNR = 7.0
"""With more than this, an image is no dark one, however few counts a camera of few bits gives."""


@dataclass(frozen=True)
class Limit:
    """A limit and where it comes from.

    Attributes:
        is_relative: Whether it follows from other images of the run.
    """

    value: float
    origin: str
    is_relative: bool = False


def focus_limit(limits: Mapping[str, float], channel: str, *, typical: float | None) -> Limit:
    """Give the focus below which a stack of a channel is blurred.

    Args:
        limits: With every name of `DEFAULT_LIMITS`.
        channel: `focus_min.<channel>` goes before `focus_min`.
        typical: Median of the channel's stacks; None while too few are known to say.
    """
    name = f"focus_min.{channel}" if f"focus_min.{channel}" in limits else "focus_min"
    least, share = limits[name], limits["focus_relative_min"]
    if typical is None or share * typical <= least:
        return Limit(least, f"{name} of the suite's limits")
    return Limit(
        share * typical, f"focus_relative_min of the suite's limits, {share:g} times this channel's median", True
    )


def floor_limit(limits: Mapping[str, float], *, top: float | None, snr: float | None) -> Limit | None:
    """Give the grey value near the sensor's floor that 99 % of a stack's pixels must not all lie below.

    Args:
        limits: With every name of `DEFAULT_LIMITS`.
        top: The largest value that the type of the pixels holds; None where there is none.
        snr: Of its sharpest plane.

    Returns:
        None when the type says nothing, or when something stands out of the noise so far that there was light.
    """
    if top is None or (snr or 0.0) >= _DARK_SNR:
        return None
    share = limits["dark_floor_share"]
    return Limit(share * top, f"dark_floor_share of the suite's limits, {share:g} of what the type of the pixels holds")


def dim_limit(limits: Mapping[str, float], usual: Spread | None) -> Limit | None:
    """Give the background below which a stack is far darker than others of its channel; None while too few are known.

    Of the background and not of the mean: a well without cells is darker than others, and its light is as it should be.
    """
    if usual is None or usual.count < WARM_UP or usual.median <= 0:
        return None
    share = limits["dark_relative_min"]
    value = min(share * usual.median, usual.median - _DARK_SIGMAS * usual.sigma)
    origin = (
        f"dark_relative_min of the suite's limits, {share:g} times this channel's median, and {_DARK_SIGMAS:g} "
        f"deviations below it, of {usual.count} stacks"
    )
    return Limit(value, origin, is_relative=True)


def is_left_out(region: str | None, patterns: Sequence[str]) -> bool:
    """Tell whether a well is named as one that may be dark, empty or blurred."""
    return region is not None and any(fnmatchcase(region.upper(), one.upper()) for one in patterns)


def is_surely_below(limit: float, value: float | None, error: float | None) -> bool:
    """Tell whether a value is below a limit by more than twice its standard error."""
    return value is not None and value + 2 * (error or 0.0) < limit
