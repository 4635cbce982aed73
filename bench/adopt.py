"""The inventory of a share of many files, beside plain `find`: rate, CPU and memory.

    python bench/adopt.py --files 1000000 --within /dev/shm

A tree as a facility's share has it is laid: projects with runs of a Squid's names, 1,000 files each, and one folder of
`--crowded` files, a tenth of all unless said. Then `find -printf` walks it and looks at every file, and the inventory
is made by the dispatcher's own slices, on a real PostgreSQL that lies on disk, at no pace. Both are done twice, in
turns. CPU is of the walking process, that of PostgreSQL apart. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

import psutil

from cisterna.adapters.booking_file import BookingFiles
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.embedded_postgres import EmbeddedPostgres
from cisterna.adapters.share_folder import ShareFolder
from cisterna.adapters.system_clock import SystemClock
from cisterna.bootstrap.profile_plug import installed_profiles
from cisterna.domain.account import Role
from cisterna.domain.adoption import Scanning
from cisterna.services.adopt_scan import AdoptSite, scan_slice
from cisterna.services.adopt_status import adoption_status
from cisterna.services.adoption import begin_adoption
from cisterna.testing.factory import make_account

_OF_A_RUN = 1000


def lay(top: Path, files: int, *, crowded: int) -> None:
    """Make the tree; its files are empty."""
    for number in range((files - crowded) // _OF_A_RUN):
        run = top / f"project-{number % 20:02}" / f"plate_{number}_2021-03-04_08-30-00.000000"
        (run / "0").mkdir(parents=True)
        for name in ("acquisition.yaml", "acquisition_channels.yaml", ".done"):
            (run / name).touch()
        for file in range(_OF_A_RUN - 3):
            os.close(os.open(run / "0" / f"A1_{file}_0_DAPI.tiff", os.O_CREAT))
    (top / "crowded").mkdir(parents=True)
    for file in range(crowded):
        os.close(os.open(top / "crowded" / f"{file}.dat", os.O_CREAT))


def plain_find(top: Path) -> dict[str, float]:
    """Let `find` look at everything."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (top.parent / "found").open("wb") as out:
        subprocess.run(["find", str(top), "-printf", "%s %p\\n"], stdout=out, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.monotonic() - began, "cpu_seconds": cpu}


def inventory(top: Path, catalogue: SqlCatalogue, server: psutil.Process, name: str) -> dict[str, object]:
    """Make the inventory as the dispatcher does."""
    clock = SystemClock()
    begin_adoption(
        name,
        path=str(top),
        share=ShareFolder(str(top)),
        scanning=Scanning(files_per_second=1_000_000, bytes_per_second=1_000_000_000),
        person="olga",
        catalogue=catalogue,
        clock=clock,
        again=True,
    )
    site = AdoptSite(
        catalogue=catalogue,
        clock=clock,
        share_of=lambda adoption: ShareFolder(adoption.path, declared=adoption.identity),
        profiles=installed_profiles(entry_points(group="cisterna.profiles")).usable,
        tables=BookingFiles(),
        keep_on=lambda: None,
        wait=time.sleep,
    )
    began, cpu, of_server = time.monotonic(), time.process_time(), _cpu(server)
    while scan_slice(name, site=site):
        pass
    seconds = time.monotonic() - began
    found = adoption_status(name, catalogue=catalogue, clock=clock)
    walk = found.walk
    if walk is None or walk.ended_at is None:
        raise SystemExit(f"the inventory did not come to its end: {walk}")
    return {
        "seconds": seconds,
        "files": walk.files,
        "folders": walk.folders,
        "runs": sum(one.finds for one in found.standings.values()),
        "files_per_second": walk.files / seconds,
        "cpu_seconds": time.process_time() - cpu,
        "postgres_cpu_seconds": _cpu(server) - of_server,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu(server: psutil.Process) -> float:
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--crowded", type=int)
    parser.add_argument("--within", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cisterna-adopt-", dir=options.within))
    database = Path(tempfile.mkdtemp(prefix="cisterna-adopt-pg-"))
    server = EmbeddedPostgres(database / "pg")
    try:
        started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        crowded = options.files // 10 if options.crowded is None else options.crowded
        lay(folder / "share", options.files, crowded=crowded)
        endpoint = server.start()
        server.ensure_database("bench")
        catalogue = SqlCatalogue(endpoint.url("bench"))
        catalogue.migrate()
        with catalogue.begin() as tx:
            tx.accounts.add(make_account("olga", role=Role.OPERATOR))
        process = psutil.Process(server.pid)
        told = {"start_mib": started}
        for turn in ("first", "second"):
            told[turn] = {
                "find": plain_find(folder / "share"),
                "inventory": inventory(folder / "share", catalogue, process, "share"),
            }
        catalogue.close()
        print(json.dumps(told, indent=2))
    finally:
        server.stop()
        shutil.rmtree(folder)
        shutil.rmtree(database)


if __name__ == "__main__":
    main()
