"""A single-cell pipeline: the same counts as HDF5, as three text files, and in an annotated file."""

from __future__ import annotations

from cisterna.testing.cell_files import h5ad_of, tenx_of, text_of
from cisterna.testing.scripted_run import Mishap, ScriptedRun

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def hdf5(size_bytes: int = 2048, *, version: int = 0, end: int | None = None, flags: int = 0, base: int = 0) -> bytes:
    """Make a file that begins like HDF5 and says where it ends.

    Args:
        size_bytes: How long it is.
        version: Of the superblock, 0 to 3.
        end: Where it says that it ends; else where it does.
        flags: Consistency flags of versions 2 and 3.
        base: The base address, not zero when something lies before the HDF5 data.
    """
    addresses = b"".join(
        number.to_bytes(8, "little") for number in (base, 2**64 - 1, size_bytes if end is None else end, 2**64 - 1)
    )
    if version < 2:
        head = bytes([version, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0]) + bytes(4 * version)
    else:
        head = bytes([version, 8, 8, flags])
    return (_SIGNATURE + head + addresses).ljust(size_bytes, b"\0")[:size_bytes]


def matrix(cells: int = 3) -> bytes:
    """Write counts in the Matrix Market's format."""
    lines = "".join(f"{number} {number} 7\n" for number in range(1, cells + 1))
    return f"%%MatrixMarket matrix coordinate integer general\n%\n100 {cells} {cells}\n{lines}".encode()


def virtual_single_cell(
    *, mishap: Mishap = Mishap.NONE, victim: str = "filtered_feature_bc_matrix/matrix.mtx.gz"
) -> ScriptedRun:
    """Give a pipeline's folder: a matrix as HDF5, the same in text, and an annotated table."""
    within = "filtered_feature_bc_matrix"
    files = {
        **{f"{within}/{name}": body for name, body in text_of().items()},
        f"{within}.h5": tenx_of(),
        "annotated.h5ad": h5ad_of(),
    }
    return ScriptedRun("pbmc", files, mishap=mishap, victim=victim)
