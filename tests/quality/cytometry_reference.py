"""Every metric of cytometry once more, in plain numpy, from all events at once: what the meter is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

SCATTER = ("FSC", "SSC", "FS ", "SS ")
NO_DETECTOR = ("TIME", "HDR", "DOUBLET")


def is_scatter(name: str) -> bool:
    return name.upper().startswith(SCATTER) and not name.upper().endswith("-W")


def is_fluorescence(name: str) -> bool:
    upper = name.upper()
    return not upper.startswith((*SCATTER, *NO_DETECTOR)) and not upper.endswith("-W")


def step_of(events: int) -> int:
    """Every event of at most 65,536, else every second, fourth, ..."""
    step = 1
    while -(-events // step) > 65_536:
        step *= 2
    return step


def quantile(values: Values, share: float) -> float:
    return float(np.quantile(values, share, method="inverted_cdf"))


def rate(times: Values) -> tuple[float, float, float] | None:
    """Variation, slow and fast share of the stretches of a fine clock."""
    bins = min(100, len(times) // 50)
    if bins < 10:
        return None
    counts, _ = np.histogram(times, bins=np.linspace(times.min(), times.max(), bins + 1))
    middle = np.median(counts)
    variation = 1.4826 * np.median(np.abs(counts - middle)) / middle
    return variation, np.mean(counts < middle / 2), np.mean(counts > middle * 2)


def drift(columns: Sequence[Values]) -> float | None:
    worst = []
    for column in columns:
        slices = min(20, len(column) // 400)
        if slices < 4:
            return None
        parts = np.array_split(column[: len(column) // slices * slices], slices)
        middle = quantile(column, 0.5)
        places = [np.mean(part < middle) + np.mean(part == middle) / 2 for part in parts]
        worst.append(np.abs(np.array(places) - np.mean(places)).max())
    return max(worst)


def doublets(area: Values, height: Values) -> float:
    usable = (area > 0) & (height > 0)
    ratios = area[usable] / height[usable]
    spread = 1.4826 * np.median(np.abs(ratios - np.median(ratios)))
    return float(np.mean(ratios > np.median(ratios) + 4 * spread))


def metrics(values: Values, names: Sequence[str], tops: Sequence[float]) -> Mapping[str, float | None]:
    """What the values tell, without what stands in the keywords."""
    values = np.asarray(values, dtype=np.float64)
    sampled = values[:: step_of(len(values))]
    scatter = [index for index, name in enumerate(names) if is_scatter(name)]
    fluorescence = [index for index, name in enumerate(names) if is_fluorescence(name)]
    clear = sorted(scatter + fluorescence)
    high = [(values[:, index] >= tops[index] - 1).mean() for index in range(len(names))]
    low = [(values[:, index] <= 0).mean() for index in range(len(names))]
    used = [
        (quantile(sampled[:, index], 0.999) - quantile(sampled[:, index], 0.001)) / tops[index]
        for index in fluorescence
    ]
    found = {
        "events": len(values),
        "parameters": len(names),
        "detectors": len(clear),
        "sampled_events": len(sampled),
        "fluorescence_margin_share": max(high[index] for index in fluorescence),
        "scatter_margin_share": max((high[index] for index in scatter), default=None),
        "fluorescence_not_positive_share": max(low[index] for index in fluorescence),
        "scatter_not_positive_share": max((low[index] for index in scatter), default=None),
        "fluorescence_range_used_share": min(used),
        "constant_detectors": sum(len(np.unique(values[:, index])) == 1 for index in clear),
        "nonfinite_share": (~np.isfinite(values)).mean(axis=0).max(),
        "drift": drift([sampled[:, index] for index in clear]),
    }
    upper = [name.upper() for name in names]
    if "FSC-A" in upper and "FSC-H" in upper:
        found["doublet_share"] = doublets(sampled[:, upper.index("FSC-A")], sampled[:, upper.index("FSC-H")])
    time = next((index for index, name in enumerate(upper) if name in {"TIME", "HDR-T"}), None)
    if time is not None:
        found["time_backwards_share"] = np.mean(np.diff(values[:, time]) < 0)
    return {name: None if value is None else float(value) for name, value in found.items()}
