"""How far values lie from their middle, told so that a few that are far off move it little."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

_MAD_TO_SIGMA = 1.4826
"""Times the median absolute deviation is the standard deviation of a normal distribution."""


def robust_sigma(values: Sequence[float], *, centre: float) -> float:
    """Give the spread of values about their median as a standard deviation."""
    return _MAD_TO_SIGMA * median(abs(value - centre) for value in values)
