"""What measuring adds to the whole archiving of a run of images: with the meter and without, in turns, in one run.

    python bench/overhead.py --images 48 --rounds 9

A run of TIFF files (real nuclei, photon noise and read noise, uint16) goes the way of every acquisition: read once,
digested and sent to the SeaweedFS that Cisterna embeds, committed, and read back in full to be digested again. Rounds
come in pairs, the order turned each time; each round has a bucket of its own. CPU seconds are of our own process, with
all its threads, and of the store. The catalogue is a real PostgreSQL and not counted, and neither are gate and
description, which are of a dataset and not of its bytes. Every run has as many thumbnails as `services/measurement.py`
keeps, up to 120, so that the fewer its images are the more of them are drawn.

A ratio is the median over pairs of the pairs' own ratios. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import archive  # noqa: E402 - beside this file
import numpy as np  # noqa: E402
from metrics import picture, tiff  # noqa: E402 - beside this file; it bounds threads

from cisterna.adapters.catalogue_sql import SqlCatalogue  # noqa: E402
from cisterna.adapters.embedded_postgres import EmbeddedPostgres  # noqa: E402
from cisterna.adapters.image_meter import TiffMeter  # noqa: E402
from cisterna.adapters.s3_access import S3Access  # noqa: E402
from cisterna.adapters.s3_obstore import S3Store  # noqa: E402
from cisterna.testing.clock import SettableClock  # noqa: E402
from tests.archive.facility import Facility  # noqa: E402 - the tests' own way through the services

DRAWN = 12
"""Pictures that are drawn; the others are these, turned and shifted, since a file that is there already is not sent."""


class Blind(TiffMeter):
    """A meter that takes nothing."""

    def takes(self, path: str, *, is_image: bool) -> bool:
        del path, is_image
        return False


def write(folder: Path, images: int, side: int) -> None:
    folder.mkdir(parents=True)
    drawn = [picture(side, seed) for seed in range(min(DRAWN, images))]
    for number in range(images):
        image = np.roll(drawn[number % DRAWN], 7 * (number // DRAWN), axis=0)
        (folder / f"A{number + 1}_0_DAPI.tiff").write_bytes(tiff(image))


@contextmanager
def catalogue(folder: Path) -> Iterator[SqlCatalogue]:
    server = EmbeddedPostgres(folder)
    try:
        endpoint = server.start()
        server.ensure_database("bench")
        made = SqlCatalogue(endpoint.url("bench"))
        made.migrate()
        yield made
        made.close()
    finally:
        server.stop()


class Bench:
    """One store and one catalogue, and the same files under a new name for each round."""

    def __init__(self, place: archive.Seaweed, made: SqlCatalogue, landing: Path, *, digest: str, readers: int) -> None:
        self._place, self._landing = place, landing
        self._files = sorted((landing / "origin").iterdir())
        access = S3Access(endpoint=place.endpoint, access_key_id=place.key, secret_access_key=place.secret)
        self._access = access
        self._facility = Facility(
            made, SettableClock(), landing, image_limit_bytes=256 * 1024 * 1024, readers=readers, digest=digest
        )
        self._meters = {"with": TiffMeter(), "without": Blind()}
        for meter in self._meters.values():
            meter.warm()

    def archived(self, run: str, way: str) -> dict[str, float]:
        """Archive the files once; give what it took, an image, in milliseconds of CPU."""
        (self._landing / run).mkdir()
        for file in self._files:
            os.link(file, self._landing / run / file.name)
        bucket = self._place.new_bucket()
        facility = self._facility
        facility.store, facility.meter = S3Store(self._access, bucket=bucket), self._meters[way]
        version = facility.detect(run).version_id
        lease = facility.lease(version)
        served, steps = self._place.cpu_seconds(), {}
        for step in ("measure", "describe", "archive", "verify"):
            before = time.process_time()
            getattr(facility, step)(version, lease)
            steps[step] = time.process_time() - before
        taken = self._place.cpu_seconds() - served
        self._require(version, way)
        self._place.drop_bucket(bucket)
        del steps["describe"]
        steps |= {"client": sum(steps.values()), "store": taken}
        steps["client and store"] = steps["client"] + taken
        return {name: 1000 * seconds / len(self._files) for name, seconds in steps.items()}

    def _require(self, version: str, way: str) -> None:
        facility = self._facility
        found = facility.version(version)
        staged = found.staged["quality/metrics.parquet"]
        keys = facility.keys(version)
        body = next(keys[path] for path in keys if path == staged.content_path)
        focus = [one for one in facility.tables.load(body).get("focus", []) if one is not None]
        if len(focus) != (len(self._files) if way == "with" else 0):
            sys.exit(f"{len(focus)} images were measured {way} the meter")


def pairs(bench: Bench, *, rounds: int) -> dict[str, list[dict[str, float]]]:
    samples: dict[str, list[dict[str, float]]] = {"with": [], "without": []}
    for turn in range(rounds + 1):
        for way in sorted(samples, reverse=bool(turn % 2)):
            took = bench.archived(f"run-{turn}-{way}", way)
            print(turn, way, {name: round(one, 2) for name, one in took.items()}, file=sys.stderr, flush=True)
            if turn:  # the first one warms up
                samples[way].append(took)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--digest", choices=["sha512", "sha256"], default="sha512")
    options = parser.parse_args()
    began = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="cis-") as name:
        folder = Path(name)
        write(folder / "landing" / "origin", options.images, options.side)
        with catalogue(folder / "pg") as made, archive.seaweed(folder) as place:
            bench = Bench(place, made, folder / "landing", digest=options.digest, readers=options.readers)
            samples = pairs(bench, rounds=options.rounds)
    both = list(zip(samples["with"], samples["without"], strict=True))
    told = {
        what: {
            **{way: round(statistics.median(one[what] for one in some), 2) for way, some in samples.items()},
            "overhead_share": round(statistics.median(one[what] / other[what] for one, other in both) - 1, 3),
            "overhead_share_smallest": round(min(one[what] / other[what] for one, other in both) - 1, 3),
            "overhead_share_largest": round(max(one[what] / other[what] for one, other in both) - 1, 3),
        }
        for what in samples["with"][0]
    }
    load = [round(began, 1), round(os.getloadavg()[0], 1)]
    print(json.dumps({"asked": vars(options), "cpu_ms_an_image": told, "load_average": load}, indent=1))


if __name__ == "__main__":
    main()
