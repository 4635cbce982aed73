"""Which planes are measured of a file that has more than are looked at; the same file gives the same ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

MAKERS = frozenset({".czi", ".nd2", ".lif"})
"""How the names of files end whose planes only the maker's own reader finds."""

Taken = tuple[float | None, float | None, float | None, float | None]
"""Where the stage was, in micrometres along x, y and z, and when, in seconds from any beginning of the file."""

MOST_TAKEN = 1e12
"""No place and no time lies beyond it; times are counted from 1970 at the longest."""


class PlacedPlane(NamedTuple):
    """Where a plane lies in its file, in OME's words, and how large it is.

    Attributes:
        key: By which the file's reader finds it.
        region: The scene, position or image.
        field: What else tells planes apart and has no word of its own, such as a wavelength or a phase.
        samples: Of one pixel: 3 for a colour image.
        fault: Why there are no pixels of it, although the file speaks of it.
        taken: Where and when it was taken, as the file records it; None where it does not.
    """

    key: tuple[int, ...]
    region: str
    channel: str
    height: int
    width: int
    item_bytes: int
    field: str = "0"
    z: int = 0
    t: int = 0
    samples: int = 1
    fault: str | None = None
    taken: Taken | None = None

    @property
    def size_bytes(self) -> int:
        """What its pixels take up."""
        return self.height * self.width * self.samples * self.item_bytes


def chosen_planes(planes: Sequence[PlacedPlane], *, most: int) -> list[PlacedPlane]:
    """Choose planes spread evenly over the file; all of them where there are no more than `most`.

    Channels are not torn apart, since they are compared with each other, and neither are stacks, which are judged by
    their sharpest plane, as long as one whole stack is no more than `most`.
    """
    if len(planes) <= most:
        return list(planes)
    stacks = _grouped(planes, lambda plane: (plane.region, plane.field, plane.t))
    largest = max(map(len, stacks))
    if largest <= most:
        return _joined(_spread(stacks, most // largest))
    stacked = [_grouped(stack, lambda plane: plane.z) for stack in stacks]
    channels = max(len(level) for levels in stacked for level in levels)
    kept = _spread(stacked, min(len(stacked), max(1, most // channels)))
    deep = max(1, most // (channels * len(kept)))
    chosen = _joined(level for levels in kept for level in _spread(levels, deep))
    return _spread(chosen, most)


def _grouped(planes: Iterable[PlacedPlane], by: Callable[[PlacedPlane], Hashable]) -> list[list[PlacedPlane]]:
    groups: dict[Hashable, list[PlacedPlane]] = defaultdict(list)
    for plane in planes:
        groups[by(plane)].append(plane)
    return list(groups.values())


def _joined(groups: Iterable[list[PlacedPlane]]) -> list[PlacedPlane]:
    return [plane for group in groups for plane in group]


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Take so many, or all, evenly: each from the middle of its share."""
    count = min(count, len(items))
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]
