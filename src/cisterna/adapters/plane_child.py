"""The processes that open makers' files, with what each may take up."""

from __future__ import annotations

from pathlib import Path

from cisterna.adapters.reader_child import ReaderChild, ReaderChildren

_SPARE_BYTES = 1024 * 1024
_ENOUGH_PLANES = 4
"""What a library holds of one plane: a tile as it is stored, decoded, put together, and what is sent."""
_OWN_BYTES = 1 << 30


class PlaneChild(ReaderChild):
    """One plane process; used by one thread at a time.

    Args:
        log: What the process and its libraries print.
        plane_bytes: The most that a plane may take up.
    """

    def __init__(self, *, log: Path, plane_bytes: int) -> None:
        memory_bytes = _OWN_BYTES + _ENOUGH_PLANES * plane_bytes
        options = ("--plane-bytes", str(plane_bytes), "--memory-bytes", str(memory_bytes))
        name, module = "the reader of makers' files", "cisterna.adapters.plane_process"
        super().__init__(name, module, *options, log=log, answer_bytes=plane_bytes + _SPARE_BYTES)


class PlaneChildren(ReaderChildren):
    """Plane processes, kept warm between files.

    Args:
        log, plane_bytes: As `PlaneChild` has them.
        most: Who wants one more waits.
    """

    def __init__(self, *, log: Path, plane_bytes: int, most: int = 2) -> None:
        super().__init__(lambda: PlaneChild(log=log, plane_bytes=plane_bytes), most=most)
