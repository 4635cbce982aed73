"""Sums up the images of a run in one row; the columns are described in `docs/reference/metrics.md`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from cisterna.ports.quality import MetricTable
from cisterna.services.image_limit import DEFAULT_LIMITS, focus_limit, is_left_out, is_surely_below
from cisterna.services.measurement import IN_FILE, UNMEASURED
from cisterna.services.summary import NO_LIMITS, Cell, Facts, Summary, SummaryRow, is_said, maximum, number
from cisterna.services.summary_light import LitStack, judge_light
from cisterna.services.summary_places import summarise_places

_EIGHT_BITS = 256
_MANY_PIXELS = 65_536
"""From so many on, an image shows what its converter can."""


def summarise_images(table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up images in one row. Pure; nothing in it is rounded or guessed.

    Every share is the worst channel's, since channels differ in what is normal. A z-stack counts once, by its sharpest
    plane. What no image has a value for is None, which no check can pass.

    Args:
        table: One row a file, as `measure` wrote it.
        facts: What is known besides.
        limits: As the suite gives them; what is not given has the default of `image_limit.DEFAULT_LIMITS`
            (`focus_min.<channel>` is for one channel).
    """
    images = _Images(table, {**DEFAULT_LIMITS, **limits})
    light = images.light(facts.wells_left_out)
    places, waited = summarise_places(table)
    row: SummaryRow = {
        "images_found": table.rows,
        "images_unreadable": None if table.rows and all(images.unmeasured) else sum(images.unreadable),
        "planned_missing_share": facts.planned_missing_share,
        "planned_missing_names": facts.planned_missing_names,
        "channels": len(images.channels),
        "planes_missing": images.planes_missing(),
        **places,
        **images.focus_shares(),
        "power_slope_median": images.worst_median("power_slope"),
        **light,
        "saturated_images_share": images.worst_share(
            "saturated_images_share", images.saturated, above=images.limits["saturated_share_max"]
        ),
        "saturated_worst_share": maximum(images.saturated),
        "empty_share": images.worst_share("empty_share", images.numbers("empty"), above=0.5),
        "snr_median": images.worst_median("snr"),
        "background_uniformity_median": images.worst_median("background_uniformity"),
        "nonfinite_worst_share": maximum(images.numbers("nonfinite_share")),
        "image_sizes": images.sizes(),
        **images.narrow_range(),
    }
    added: dict[str, list[Cell]] = {
        "unreadable": list(images.unreadable),
        "saturated": list(images.saturated),
        "focus_margin": list(images.margins),
        "light_margin": list(images.light_margins),
        "waited_seconds": list(waited),
    }
    return Summary(row=row, table=MetricTable(columns={**table.columns, **added}), by_channel=images.by_channel)


class _Images:
    """The table, column by column, with each image judged by the limits."""

    def __init__(self, table: MetricTable, limits: Mapping[str, float]) -> None:
        self.limits = limits
        self._table = table
        self.unreadable = [is_said(cell) for cell in self._column("problem")]
        self.unmeasured = [is_said(cell) for cell in self._column(UNMEASURED)]
        self._left_out = [any(pair) for pair in zip(self.unreadable, self.unmeasured, strict=True)]
        self._channel = [str(cell) if cell is not None else "" for cell in self._column("channel")]
        readable = zip(self._channel, self._left_out, strict=True)
        self.channels = sorted({channel for channel, bad in readable if not bad})
        self.saturated = [
            max((one for one in pair if one is not None), default=None)
            for pair in zip(self.numbers("saturated_share"), self.numbers("clipped_share"), strict=True)
        ]
        self.margins: list[float | None] = [None] * table.rows
        self.light_margins: list[float | None] = [None] * table.rows
        self._stacks = self._stacked()
        self.by_channel: dict[str, dict[str, float | None]] = {channel: {} for channel in self.channels if channel}

    def _column(self, name: str) -> list[Cell]:
        return self._table.columns.get(name, [None] * self._table.rows)

    def numbers(self, name: str) -> list[float | None]:
        """A column as finite numbers; None for anything else, and for images that could not be read."""
        return [None if bad else number(cell) for cell, bad in zip(self._column(name), self._left_out, strict=True)]

    def _by_channel(self, values: Sequence[float | None]) -> dict[str, list[float]]:
        grouped: dict[str, list[float]] = defaultdict(list)
        for channel, value in zip(self._channel, values, strict=True):
            if value is not None:
                grouped[channel].append(value)
        return grouped

    def _note(self, name: str, channel: str, value: float) -> float:
        if channel in self.by_channel:
            self.by_channel[channel][name] = value
        return value

    def worst_share(self, name: str, values: Sequence[float | None], *, above: float) -> float | None:
        """Share of the images above a limit, of the channel with the largest; None when no image has a value."""
        grouped = self._by_channel(values).items()
        return max(
            (
                self._note(name, channel, sum(value > above for value in group) / len(group))
                for channel, group in grouped
            ),
            default=None,
        )

    def worst_median(self, name: str) -> float | None:
        """The lowest of the channels' medians; None when no image has a value."""
        grouped = self._by_channel(self.numbers(name)).items()
        return min((self._note(f"{name}_median", channel, median(group)) for channel, group in grouped), default=None)

    def _places(self, *names: str) -> Iterator[tuple[Cell, ...]]:
        """Give the place of each row: in the run, or for a plane of a maker's file, in that file."""
        paths, counts = self._column("path"), self._column(IN_FILE)
        inside = [None if count is None else path for path, count in zip(paths, counts, strict=True)]
        return zip(inside, *(self._column(name) for name in names), strict=True)

    def sizes(self) -> int | None:
        """Most different image sizes within a channel."""
        grouped: dict[str, set[tuple[float, float]]] = defaultdict(set)
        columns = zip(self._channel, self.numbers("width_px"), self.numbers("height_px"), strict=True)
        for channel, width, height in columns:
            if width is not None and height is not None:
                grouped[channel].add((width, height))
        return max((len(sizes) for sizes in grouped.values()), default=None)

    def planes_missing(self) -> int | None:
        """Count planes that a channel lacks and another of its run has; None where no image tells its place."""
        places = self._places("region", "field", "z", "t")
        seen: dict[Cell, set[tuple[tuple[Cell, ...], str]]] = defaultdict(set)
        for place, channel, cell in zip(places, self._channel, self._column("channel"), strict=True):
            if cell is not None and place[1] is not None:
                seen[place[0]].add((place, channel))
        if not seen:
            return None
        return sum(
            len({place for place, _ in some}) * len({channel for _, channel in some}) - len(some)
            for some in seen.values()
        )

    def _stacked(self) -> dict[str, list[list[int]]]:
        """Give the rows of each channel's stacks: planes of one place and time; what tells no place stands alone."""
        stacks: dict[str, dict[object, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, (channel, place) in enumerate(zip(self._channel, self._places("region", "field", "t"), strict=True)):
            if not self._left_out[index]:
                stacks[channel][index if place[1] is None else place].append(index)
        return {channel: list(some.values()) for channel, some in stacks.items()}

    def focus_shares(self) -> SummaryRow:
        """Judge the focus of each stack by its channel's limit, and note each image's margin (below 1: blurred)."""
        focus, error = self.numbers("focus"), self.numbers("focus_error")
        medians, lost, unknown = [], [], []
        for channel, members in self._stacks.items():
            sharpest = [max(rows, key=lambda row: focus[row] or -1.0) for rows in members]
            known = [value for row in sharpest if (value := focus[row]) is not None]
            if not known:
                unknown.append(1.0)
                continue
            limit = focus_limit(self.limits, channel, typical=median(known)).value
            low = [row for row in sharpest if (value := focus[row]) is not None and value < limit]
            sure = {row for row in low if is_surely_below(limit, focus[row], error[row])}
            for rows, best in zip(members, sharpest, strict=True):
                value = focus[best]
                margin = None if value is None or (best in low and best not in sure) else value / limit
                for row in rows:
                    self.margins[row] = margin
            medians.append(self._note("focus_median", channel, median(known)))
            lost.append(self._note("out_of_focus_share", channel, len(sure) / len(sharpest)))
            unknown.append((len(sharpest) - len(known) + len(low) - len(sure)) / len(sharpest))
        return {
            "focus_median": min(medians, default=None),
            "out_of_focus_share": max(lost, default=None),
            "focus_unknown_share": max(unknown, default=None),
        }

    def light(self, wells_left_out: Sequence[str]) -> SummaryRow:
        """Judge the light of each stack, and note each image's margin (below 1: too little)."""
        regions = self._column("region")
        names = ("empty", "nonfinite_share", "focus", "background_counts", "p99_counts", "full_scale_counts", "snr")
        empty, nonfinite, focus, level, bright, top, snr = (self.numbers(name) for name in names)
        lit: list[LitStack] = []
        stacks: list[list[int]] = []
        skipped = 0
        for channel, rows in ((channel, rows) for channel, members in self._stacks.items() for rows in members):
            usable = [row for row in rows if empty[row] is not None and not nonfinite[row]]
            region = regions[rows[0]]
            if region is not None and is_left_out(str(region), wells_left_out):
                skipped += 1
            elif usable:
                best = max(usable, key=lambda row: (-1.0 if focus[row] is None else focus[row], level[row] or 0.0))
                most = [maximum(column[row] for row in usable) for column in (level, bright)]
                lit.append(LitStack(channel, level=most[0], bright=most[1], top=top[best], snr=snr[best]))
                stacks.append(rows)
        light = judge_light(lit, self.limits)
        for rows, margin in zip(stacks, light.margins, strict=True):
            for row in rows:
                self.light_margins[row] = margin
        return {
            "without_light_share": light.share,
            "light_unknown": light.unknown,
            "stacks_left_out": skipped,
        }

    def narrow_range(self) -> SummaryRow:
        """Count channels whose images all look like 8 bits in a type that holds more."""
        names = ("grey_levels", "grey_step_counts", "maximum_counts", "full_scale_counts", "width_px", "height_px")
        narrow: dict[str, list[bool]] = defaultdict(list)
        for channel, levels, step, most, top, width, height in zip(
            self._channel, *map(self.numbers, names), strict=True
        ):
            if levels is not None and top is not None and (width or 0.0) * (height or 0.0) >= _MANY_PIXELS:
                is_coarse = (most or 0.0) < _EIGHT_BITS or (step or 0.0) > 1
                narrow[channel].append(top >= _EIGHT_BITS and levels <= _EIGHT_BITS and is_coarse)
        is_measured = any(mean is not None for mean in self.numbers("mean_counts"))
        unknown = (
            f"of no image of {_MANY_PIXELS:,} pixels the grey levels were counted, which is done for 8 and 16 bits"
        )
        return {
            "narrow_range_channels": sum(map(all, narrow.values())) if narrow else None,
            "narrow_range_unknown": unknown if is_measured and not narrow else None,
        }
