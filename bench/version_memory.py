"""What the values of one version take in memory: its manifest, the table of it, its inventory, and that read back.

    python bench/version_memory.py 100000 sha512

No store and no database: it shows what grows with the number of files of one object, and why that is capped.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.ocfl import Agent, Placed, next_version
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.services.data_manifest import dump_manifest, load_manifest

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def entries(count: int, *, algorithm: str) -> Iterator[FileEntry]:
    """Give entries of small files with names as a microscope gives them."""
    for number in range(count):
        body = str(number).encode()
        digest = hashlib.sha512(body).hexdigest()
        yield FileEntry(
            path=f"{number // 1000}/A1_{number}_0_Fluorescence_488_nm_Ex.tiff",
            size_bytes=len(body),
            sha512=digest,
            modified=NOON,
            content_path=f"v1/content/{'0' * 32}/{digest[:40]}",
            sha256=hashlib.sha256(body).hexdigest() if algorithm == "sha256" else None,
        )


def tell(step: str, *, begun: float) -> None:
    """Print what the process has taken so far."""
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    cpu_s = time.process_time() - begun
    print(f"{step:<24} {int(now.split()[1]) // 1024:>6} MiB now {peak_mib:>6} MiB peak {cpu_s:>6.1f} CPU s", flush=True)


def main() -> None:
    """Go the way of a version's values, and tell of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=int)
    parser.add_argument("algorithm", choices=["sha512", "sha256"])
    asked = parser.parse_args()
    begun, tables = time.process_time(), ParquetTables()
    tell("imports", begun=begun)
    manifest = Manifest.of(list(entries(asked.files, algorithm=asked.algorithm)))
    tell("manifest", begun=begun)
    body = dump_manifest(manifest, tables=tables)
    del manifest
    tell(f"table, {len(body) >> 20} MiB", begun=begun)
    manifest = load_manifest(body, tables=tables)
    tell("table read back", begun=begun)
    inventory = next_version(
        None,
        pid="ark:/99999/0bench",
        files=(
            Placed(f"data/{one.path}", one.sha512, one.content_path or "", one.delivered, one.sha256)
            for one in manifest.files
        ),
        created=NOON,
        message="v1",
        user=Agent(name="bench"),
        algorithm=manifest.algorithm,
    )
    tell(f"inventory, {len(inventory.body) >> 20} MiB", begun=begun)
    parse_inventory(inventory.body)
    tell("inventory read back", begun=begun)


if __name__ == "__main__":
    main()
