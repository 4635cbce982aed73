"""Sequencers that write run folders without sequencing: real names, real headers, in the order of their makers."""

from __future__ import annotations

import json
import struct
from enum import StrEnum

from cisterna.testing.interop_files import q_metrics, tile_metrics
from cisterna.testing.scripted_run import Mishap, ScriptedRun

_CALLS = "Data/Intensities/BaseCalls"


class Platform(StrEnum):
    """A sequencer, by what its own files call it."""

    NOVASEQ_X = "NovaSeqXPlus"
    NOVASEQ = "NovaSeq Control Software"
    NEXTSEQ_2000 = "NextSeq 1000/2000 Control Software"
    NEXTSEQ_550 = "NextSeq Control Software"
    MISEQ = "MiSeq Control Software"
    HISEQ = "HiSeq Control Software"


_SERIALS = {
    Platform.NOVASEQ_X: "LH00123",
    Platform.NOVASEQ: "A00291",
    Platform.NEXTSEQ_2000: "VH00113",
    Platform.NEXTSEQ_550: "NS500179",
    Platform.MISEQ: "M00903",
    Platform.HISEQ: "D00154",
}
_COPIES = {Platform.NOVASEQ_X, Platform.NOVASEQ, Platform.NEXTSEQ_2000}
_OLD_VERSION = {Platform.NEXTSEQ_550: "2.2.0.4", Platform.MISEQ: "2.6.2.1", Platform.HISEQ: "2.2.68"}


def virtual_illumina(
    platform: Platform = Platform.NOVASEQ,
    *,
    lanes: int = 1,
    reads: tuple[int, ...] = (2, 1),
    status: str | None = None,
    mishap: Mishap = Mishap.NONE,
    victim: str | None = None,
    version: str | None = None,
) -> ScriptedRun:
    """Give a run of a sequencer.

    Args:
        platform: Which.
        lanes: Of the flow cell.
        reads: Cycles of each; every second one is an index.
        status: What `RunCompletionStatus.xml` says; None writes none.
        mishap: What goes wrong.
        victim: With which file; else with the last of the base calls.
        version: Of the control software, where it decides on the marker.
    """
    name = f"240722_{_SERIALS[platform]}_0576_AHVHL5DMXY"
    calls = _base_calls(platform, lanes=lanes, cycles=sum(reads))
    files = {
        "RunInfo.xml": run_info(name, _SERIALS[platform], lanes=lanes, reads=reads),
        "RunParameters.xml": _parameters(platform, version),
        **_run_metrics(platform, lanes=lanes, cycles=sum(reads)),
        **calls,
        "RTAComplete.txt": b"2024-07-22,11:10:02,Illumina RTA 3.4.4\n",
    }
    if status is not None:
        tag = "RunStatus" if platform is Platform.NOVASEQ_X else "CompletionStatus"
        files["RunCompletionStatus.xml"] = (
            f"<RunCompletionStatus><{tag}>{status}</{tag}></RunCompletionStatus>".encode()
        )
    if platform in _COPIES or (version or "").startswith("4."):
        files["CopyComplete.txt"] = b""
    return ScriptedRun(name, files, mishap=mishap, victim=victim or list(calls)[-1])


def virtual_aviti(
    *, outcome: str = "OutcomeCompleted", mishap: Mishap = Mishap.NONE, victim: str = "BaseCalls/R2_C002.zip"
) -> ScriptedRun:
    """Give a run of Element's AVITI: an archive a read and cycle, and `RunUploaded.json` at the very end."""
    parameters = {
        "RunName": "Yeast pool",
        "RunID": "2b6f",
        "FlowcellID": "2345678901",
        "Date": "2024-07-22T11:10:02Z",
        "PlatformVersion": "2.6.0",
        "Cycles": {"R1": 2, "R2": 2, "I1": 1, "I2": 0},
    }
    files = {
        "RunParameters.json": json.dumps(parameters).encode(),
        "RunManifest.csv": b"[SAMPLES]\n",
        "BaseCalls/I1_C001.zip": b"PK\3\4",
        **{f"BaseCalls/R{read}_C{cycle:03}.zip": b"PK\3\4" for read in (1, 2) for cycle in (1, 2)},
        "AvitiRunStats.json": b"{}",
        "RunUploaded.json": json.dumps({"version": "1.0.0", "outcome": outcome}).encode(),
    }
    return ScriptedRun("20240722_AV240405_Yeast-pool", files, mishap=mishap, victim=victim)


def run_info(name: str, serial: str, *, lanes: int, reads: tuple[int, ...]) -> bytes:
    """Write `RunInfo.xml`."""
    told = "".join(
        f'<Read Number="{number}" NumCycles="{cycles}" IsIndexedRead="{"NY"[number % 2 == 0]}"/>'
        for number, cycles in enumerate(reads, 1)
    )
    return (
        f'<?xml version="1.0"?>\n<RunInfo Version="5"><Run Id="{name}" Number="576"><Flowcell>HVHL5DMXY</Flowcell>'
        f"<Instrument>{serial}</Instrument><Date>2024-07-22T08:00:00Z</Date><Reads>{told}</Reads>"
        f'<FlowcellLayout LaneCount="{lanes}" SurfaceCount="2" SwathCount="1" TileCount="1"/></Run></RunInfo>\n'
    ).encode()


def cbcl(tiles: int = 2, *, block_bytes: int = 40) -> bytes:
    """Make a CBCL file: its header tells the size of each tile's block."""
    header_bytes = 12 + 4 + 16 * tiles + 1
    head = struct.pack("<HIBBII", 1, header_bytes, 2, 2, 0, tiles)
    entries = b"".join(struct.pack("<IIII", 1101 + tile, 100, 100, block_bytes) for tile in range(tiles))
    return head + entries + b"\1" + b"\x1f" * (tiles * block_bytes)


def _run_metrics(platform: Platform, *, lanes: int, cycles: int) -> dict[str, bytes]:
    """Write what the sequencer measured of a good run: two tiles a lane, nine tenths of the calls of the best bin."""
    is_old = platform in _OLD_VERSION
    tiles = [(lane, tile) for lane in range(1, lanes + 1) for tile in (1101, 1102)]
    calls = {(*tile, cycle): (20, 30, 50, 900) for cycle in range(1, cycles + 1) for tile in tiles}
    return {
        "InterOp/QMetricsOut.bin": q_metrics(calls, version=6 if is_old else 7),
        "InterOp/TileMetricsOut.bin": tile_metrics(dict.fromkeys(tiles, (1250.0, 1000.0)), version=2 if is_old else 3),
    }


def _base_calls(platform: Platform, *, lanes: int, cycles: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for cycle in range(1, cycles + 1):
        for lane in range(1, lanes + 1):
            folder = f"{_CALLS}/L{lane:03}"
            match platform:
                case Platform.NOVASEQ_X | Platform.NOVASEQ | Platform.NEXTSEQ_2000:
                    for surface in (1, 2):
                        found[f"{folder}/C{cycle}.1/L{lane:03}_{surface}.cbcl"] = cbcl()
                case Platform.NEXTSEQ_550:
                    found[f"{folder}/{cycle:04}.bcl.bgzf"] = b"\x1f\x8b\x08\x04"
                case Platform.MISEQ | Platform.HISEQ:
                    for tile in (1101, 1102):
                        found[f"{folder}/C{cycle}.1/s_{lane}_{tile}.bcl.gz"] = b"\x1f\x8b\x08\x00"
    return found


def _parameters(platform: Platform, version: str | None) -> bytes:
    said = version or _OLD_VERSION.get(platform, "1.7.5")
    tag = "InstrumentType" if platform is Platform.NOVASEQ_X else "ApplicationName"
    inner = f"<{tag}>{platform.value}</{tag}><ApplicationVersion>{said}</ApplicationVersion>"
    if platform in {Platform.MISEQ, Platform.HISEQ}:
        inner = f"<Setup>{inner}</Setup>"
    return f"<RunParameters><ExperimentName>Yeast pool</ExperimentName>{inner}</RunParameters>\n".encode()
