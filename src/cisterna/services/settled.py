"""Which files of a run that is still written have settled: they were left alone, and two looks saw them the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Stretch


def left_alone(stretches: Sequence[Stretch]) -> frozenset[str]:
    """Name the files that the instrument is done with, as the run itself tells: by a marker, or by what came later."""
    courses: dict[str, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        courses[stretch.course].append(stretch)
    left: set[str] = set()
    for course in courses.values():
        begun = 0  # stretches later than the one that is looked at, with a file in them
        for stretch in reversed(course):
            if stretch.is_marked or stretch.later <= begun:
                left.update(stretch.paths)
            begun += bool(stretch.paths)
    return frozenset(left)


def unchanged(before: Listing, now: Listing) -> frozenset[str]:
    """Name the files that two looks saw with the same size, time and inode."""
    seen = {file.path: file for file in before.files}
    return frozenset(file.path for file in now.files if is_same(seen.get(file.path), file))


def is_same(one: SeenFile | None, other: SeenFile) -> bool:
    """Tell whether nothing that a look shows of a file differs."""
    return one is not None and (one.size_bytes, one.mtime_ns, one.inode) == (
        other.size_bytes,
        other.mtime_ns,
        other.inode,
    )


def in_batches(files: Iterable[SeenFile], *, most_files: int, most_bytes: int) -> Iterable[tuple[SeenFile, ...]]:
    """Cut files into batches of bounded size; one that is larger than that is a batch by itself."""
    batch: list[SeenFile] = []
    size_bytes = 0
    for file in files:
        if batch and (len(batch) == most_files or size_bytes + file.size_bytes > most_bytes):
            yield tuple(batch)
            batch, size_bytes = [], 0
        batch.append(file)
        size_bytes += file.size_bytes
    if batch:
        yield tuple(batch)
