"""By what a single image is judged: the same for the gate, which sums up a run, and for alerts while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_LIMITS: Mapping[str, float] = {
    "focus_min": 0.02,
    "focus_relative_min": 0.3,
    "saturated_share_max": 0.01,
    "dark_relative_min": 0.3,
    "dark_floor_share": 0.005,
}
"""What a suite's `limits` do not give. The gate looks at the first three only."""


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


def is_surely_below(limit: float, value: float | None, error: float | None) -> bool:
    """Tell whether a value is below a limit by more than twice its standard error."""
    return value is not None and value + 2 * (error or 0.0) < limit
