"""A program that writes tables: CSV, TSV and Parquet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from cisterna.testing.scripted_run import Mishap, ScriptedRun


def parquet(*, columns_bytes: int = 100, footer_bytes: int = 50, told: int | None = None) -> bytes:
    """Make a file with the ends of Parquet; what lies between is nothing.

    Args:
        columns_bytes: Of the part before the footer.
        footer_bytes: Of the footer.
        told: How long it says that the footer is; else what it is.
    """
    length = (footer_bytes if told is None else told).to_bytes(4, "little")
    return b"PAR1" + bytes(columns_bytes) + b"\x15" * footer_bytes + length + b"PAR1"


def table_as_parquet(columns: Mapping[str, Sequence[object]]) -> bytes:
    """Write a table."""
    written = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), written)
    return written.getvalue()


def virtual_table(*, mishap: Mishap = Mishap.NONE, victim: str = "cells.parquet") -> ScriptedRun:
    """Give a folder of a table of each kind, with a text that explains them."""
    files = {
        "README.md": b"# Plates\n",
        "plates.csv": b"well,dose_um\nA1,0.5\nA2,1.0\n",
        "genes.tsv": b"gene\tcount\nTP53\t7\n",
        "cells.parquet": table_as_parquet({"id": ["a", "b", "c"], "area_um2": [81.5, 77.25, 90.0]}),
    }
    return ScriptedRun("plates 2026", files, mishap=mishap, victim=victim)
