"""A nanopore sequencer that writes runs without a pore: MinKNOW's names, its counts and its order."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping

from cisterna.testing.reads import fastq_of, long_reads
from cisterna.testing.scripted_run import Mishap, ScriptedRun

RUN = "20250603_1201_3E_PAA12345_e05460c6"
POD5 = b"\x8bPOD\r\n\x1a\n"
_TAIL = "PAA12345_e05460c6"


def virtual_nanopore(
    *,
    batches: int = 2,
    within: str = "",
    hashes: bool = False,
    mishap: Mishap = Mishap.NONE,
    victim: str | None = None,
    summary: Mapping[str, object] | None = None,
) -> ScriptedRun:
    """Give a run.

    Args:
        batches: Files of raw reads, and of called ones.
        within: Folders of experiment and sample above the run, ending in `/`.
        hashes: Whether it lists the digests of its files, as newer versions do.
        mishap: What goes wrong.
        victim: With which file; else with the last of the raw reads.
        summary: What the final summary says otherwise.
    """
    raw = {f"pod5/{_TAIL}_{number}.pod5": POD5 + b"\0" * 64 + POD5 for number in range(batches)}
    called = {
        f"fastq_pass/{_TAIL}_{number}.fastq.gz": gzip.compress(fastq_of(long_reads(12, seed=number)), mtime=0)
        for number in range(batches)
    }
    sheet = "flow_cell_id,sample_id,experiment_id,kit\nPAA12345,yeast,pool 7,SQK-LSK114\n"
    counts = {"pod5_files_in_final_dest": batches, "pod5_files_in_fallback": 0, "fastq_files_in_final_dest": batches}
    told = {
        "instrument": "PC24B123",
        "flow_cell_id": "PAA12345",
        "sample_id": "yeast",
        "protocol_group_id": "pool 7",
        "protocol_run_id": "e05460c6-0000-4000-8000-000000000000",
        "started": "2025-06-03T12:01:00.000000+02:00",
        **counts,
        **(summary or {}),
    }
    files = {f"sample_sheet_{_TAIL}.csv": sheet.encode(), **raw, **called}
    listed = "".join(f"{hashlib.sha256(body).hexdigest()},{path}\n" for path, body in files.items())
    if hashes:
        files[f"output_hash_{_TAIL}.csv"] = f"file_hash,file_path\n{listed}".encode()
    files[f"final_summary_{_TAIL}.txt"] = "".join(f"{name}={value}\n" for name, value in told.items()).encode()
    name, _, rest = f"{within}{RUN}".partition("/")
    inner = f"{rest}/" if rest else ""
    return ScriptedRun(
        name,
        {f"{inner}{path}": body for path, body in files.items()},
        mishap=mishap,
        victim=inner + (victim or list(raw)[-1]),
    )
