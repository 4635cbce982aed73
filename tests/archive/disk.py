"""Reaches behind a SeaweedFS: into the files on disk that hold what it keeps."""

from __future__ import annotations

from pathlib import Path


def flip_a_bit(folder: Path, needle: bytes) -> int:
    """Flip one bit in each place of a store's volumes that holds these bytes; tell how many places there were."""
    found = 0
    for volume in sorted(folder.rglob("*.dat")):
        with volume.open("r+b") as file:
            held, start = file.read(), 0
            while (at := held.find(needle, start)) >= 0:
                file.seek(at)
                file.write(bytes([needle[0] ^ 1]))
                found, start = found + 1, at + 1
    return found
