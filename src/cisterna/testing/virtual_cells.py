"""Cells that a virtual flow cytometer sees, as the events that it would write, and what can go wrong with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Events = NDArray[np.float64]

PARAMETERS = ("Time", "FSC-A", "FSC-H", "SSC-A", "FITC-A", "PE-A")
TOP = 262_144.0
"""Of the scale of every detector ($PnR)."""
TIMESTEP = 0.01
SECONDS = 60.0
_SINGLE_TO_PAIR = 1.9


def cells(
    events: int = 4000,
    *,
    seed: int = 0,
    clog: float = 0.0,
    surge: float = 0.0,
    drift: float = 0.0,
    margin: float = 0.0,
    doublets: float = 0.03,
) -> Events:
    """Give the events of a minute of a stained sample, one row each, in the order of `PARAMETERS`.

    Args:
        events: How many.
        seed: Of chance.
        clog: Share of the minute, from its middle on, in which a tenth of the cells come.
        surge: Share of the minute, from its beginning on, in which four times as many come.
        drift: Share of the signal that the lasers have lost when the minute is over.
        margin: Share of the cells that are brighter in PE than the scale is long.
        doublets: Share of the events that are two cells at once.
    """
    chance = np.random.default_rng(seed)
    times = _times(events, chance, clog=clog, surge=surge)
    height = chance.lognormal(10.8, 0.25, events)
    pairs = chance.random(events) < doublets
    area = height * 1.05 * chance.normal(1, 0.03, events) * np.where(pairs, _SINGLE_TO_PAIR, 1.0)
    side = chance.lognormal(10, 0.4, events)
    is_stained = chance.random((2, events)) < np.array([[0.3], [0.5]])
    bright = np.where(is_stained, chance.lognormal(8.5, 0.4, (2, events)), 0)
    signal = bright + chance.normal(250, 150, (2, events))
    signal[1, chance.random(events) < margin] = 2 * TOP
    lost = 1 - drift * times / SECONDS
    columns = [area, height, side, signal[0], signal[1]]
    seen = [np.minimum(column * lost, TOP - 1) for column in columns]
    return np.column_stack([np.round(times / TIMESTEP, 1), *seen])


def _times(events: int, chance: np.random.Generator, *, clog: float, surge: float) -> Events:
    """Draw when each event comes, with a rate that is another one in the parts of the minute that went wrong."""
    moments = np.linspace(0, 1, 10_001)
    rate = np.ones_like(moments)
    rate[(moments >= 0.5) & (moments < 0.5 + clog)] = 0.1
    rate[moments < surge] = 4.0
    passed = np.concatenate(([0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)))
    drawn: Events = np.interp(np.sort(chance.random(events)) * passed[-1], passed, moments)
    return drawn * SECONDS
