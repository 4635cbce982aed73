"""Sums up where and when images were taken: what is missing from the run, and how it went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import IN_FILE, PLACE
from cisterna.services.plate_structure import Placed, plate_structure
from cisterna.services.run_course import Course, Taken, joined_courses, run_course
from cisterna.services.summary import Cell, SummaryRow, number

_PLACE = ("region", "field", "channel", "z", "t")


def summarise_places(table: MetricTable) -> tuple[SummaryRow, list[float | None]]:
    """Give the columns of the summary, and for each row how long it was waited for, where that was a gap.

    Planes of a maker's file of which only some were measured say nothing of what is missing, nor of how it went.
    """
    whole = _whole_files(table)
    known = list(_known(table))
    told = [one for one in known if one[6] is None or one[6] in whole]
    placed = [Placed(region, field, channel, z, t, inside) for _, region, field, channel, z, t, inside in told]
    course = _course(table, told)
    row = plate_structure(placed)
    row["structure_unknown"] = "only some planes of its files were measured" if known and not placed else None
    return {**row, **course.row}, [course.late.get(index) for index in range(table.rows)]


_Place = tuple[int, str, str, str, int, int, str | None]


def _course(table: MetricTable, told: Sequence[_Place]) -> Course:
    """Follow the run, and each file whose planes are a run of their own."""
    columns = [[number(cell) for cell in _column(table, name)] for name in ("focus", *PLACE)]
    runs: Mapping[str | None, list[Taken]] = defaultdict(list)
    for index, region, field, channel, z, t, inside in told:
        taken = Taken(index, region, field, channel, z, t, *(column[index] for column in columns))
        runs[inside].append(taken)
    return joined_courses([run_course(runs[inside]) for inside in sorted(runs, key=lambda name: name or "")])


def _known(table: MetricTable) -> Iterator[tuple[int, str, str, str, int, int, str | None]]:
    """Give the place of each row that tells it: in the run, or for a plane of a maker's file, in that file."""
    paths, counts = _column(table, "path"), _column(table, IN_FILE)
    places = zip(*(_column(table, name) for name in _PLACE), strict=True)
    for index, (region, field, channel, z, t) in enumerate(places):
        level, time = number(z), number(t)
        if None in (region, field, channel) or level is None or time is None:
            continue
        inside = None if counts[index] is None else str(paths[index])
        yield index, str(region), str(field), str(channel), int(level), int(time), inside


def _whole_files(table: MetricTable) -> frozenset[str]:
    """Name the makers' files of which every plane has a row."""
    paths, counts = _column(table, "path"), _column(table, IN_FILE)
    rows = Counter(str(path) for path in paths)
    return frozenset(str(path) for path, count in zip(paths, counts, strict=True) if number(count) == rows[str(path)])


def _column(table: MetricTable, name: str) -> Sequence[Cell]:
    return table.columns.get(name, [None] * table.rows)
