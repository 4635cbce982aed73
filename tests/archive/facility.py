"""A small facility: a real landing folder, the real catalogue, and a store that fails when told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import Evidence
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.finding import Verdict
from cisterna.domain.ocfl import MOST_FILES, object_root
from cisterna.domain.part import Part
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore, ServerCopier
from cisterna.ports.profile import Described, Look, Plane, Profile
from cisterna.ports.quality import Meter, MeterChoice, Reading, TableFile
from cisterna.ports.room import Room
from cisterna.services.archive import archive_version
from cisterna.services.measure import measure_version
from cisterna.services.staging import stage_files
from cisterna.services.transition import advance
from cisterna.services.verify import verify_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_instrument,
    make_project,
    make_version,
    make_work,
)
from cisterna.testing.memory_store import MemoryStore

LEASE = timedelta(seconds=60)


class ByteMeter:
    """Measures any bytes: the mean is the focus, and a file that begins with `bad` is no image."""

    names: tuple[str, ...] = ("focus", "brightest")
    has_places = True

    def takes(self, path: str, *, is_image: bool) -> bool:
        del path
        return is_image

    def read(self, body: memoryview, *, path: str) -> Reading:
        if bytes(body[:3]) == b"bad":
            return Reading(problem=f"{path} is no image", metrics=dict.fromkeys(self.names))
        focus = sum(body[:64]) / max(1, len(body[:64]))
        return Reading(
            metrics={"focus": focus, "brightest": float(max(body[:64], default=0))},
            thumbnail=b"png" + body[:8].tobytes(),
        )

    def spool(self, path: str, *, size_bytes: int) -> None:
        del path, size_bytes


class TiffProfile:
    """Takes every `.tiff` for an image; its name is `<region>_<field>_<channel>.tiff`."""

    name = "squid"
    quiet_seconds = 1.0
    stalled_seconds = 60.0

    def claims(self, look: Look) -> bool:
        return bool(look.listing.files)

    def inspect(self, look: Look) -> Evidence:
        return Evidence(expects=bool(look.listing.files))

    def describe(self, look: Look) -> Described:
        return Described(title=look.folder, data_type="microscopy")

    def delivered(self, look: Look) -> DeliveredDigests:
        del look
        return {}

    def is_image(self, path: str) -> bool:
        return path.endswith(".tiff")

    def plane(self, path: str) -> Plane | None:
        parts = path.rsplit("/", 1)[-1].removesuffix(".tiff").split("_")
        return Plane(region=parts[0], field=parts[1], channel=parts[2]) if len(parts) == 3 else None


@dataclass
class SetRoom:
    """Room as a test says."""

    free: int | None
    reserve_bytes: int = 1000

    def free_bytes(self) -> int | None:
        return self.free


@dataclass
class Facility:
    """Everything an acquisition needs on its way, and the way itself."""

    catalogue: Catalogue
    clock: SettableClock
    landing: Path
    tables: TableFile = field(default_factory=ParquetTables)
    store: ObjectStore = field(default_factory=lambda: MemoryStore(part_bytes=4096))
    meter: Meter = field(default_factory=ByteMeter)
    profile: Profile = field(default_factory=TiffProfile)
    data_type: str = "microscopy"
    image_limit_bytes: int = 4096
    readers: int = 2
    digest: DigestAlgorithm = DIGEST_ALGORITHM
    most_files: int = MOST_FILES
    room: Room | None = None
    verdict: Verdict = Verdict.PASSED
    wait: Callable[[float], object] = time.sleep
    leases: dict[str, Attempt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.desk = self.catalogue  # where leases are given, whatever becomes of a worker's own connection

    @property
    def zone(self) -> LandingFolder:
        return LandingFolder(str(self.landing))

    def write(self, run: str, files: Mapping[str, bytes]) -> None:
        for path, body in files.items():
            file = self.landing / run / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)

    def detect(self, run: str, *, number: int = 1, cause: str = "acquired", **fields: Any) -> Version:
        """Put the folder as it is now into the catalogue, as a complete acquisition's next version."""
        listing = self.zone.listing(run)
        with self.catalogue.begin() as tx:
            if not tx.instruments.list():
                tx.instruments.add(make_instrument("squid-1", path=str(self.landing)))
            if not tx.projects.list():
                tx.projects.add(make_project("cells"))
            wanted = make_acquisition(run, project="cells")
            acquisition = tx.acquisitions.find(wanted.acquisition_id) or tx.acquisitions.save(wanted)
            dataset = make_dataset(run, acquisition=acquisition, data_type=self.data_type)
            dataset = tx.datasets.add(dataset.model_copy(update={"object_root": object_root(dataset.pid)}))
            return tx.datasets.add_version(
                make_version(dataset, number=number, cause=cause, source_fingerprint=listing.fingerprint, **fields)
            )

    def lease(self, subject: str = "work") -> Attempt:
        """Take the work on a subject, away from whoever holds it."""
        now = self.clock.advance(LEASE)
        with self.desk.begin() as tx:
            tx.inbox.request(make_work(subject, kind=WorkKind.INGEST, subject=subject))
            if subject in self.leases:
                tx.inbox.put_back(self.leases[subject], not_before=now, outcome="its worker is gone")
            claim = tx.inbox.claim(owner="worker", run_id=self.clock.new_id(), now=now, lease=LEASE)
        assert claim is not None
        assert claim.work.subject == subject
        self.leases[subject] = claim.attempt
        return claim.attempt

    def copier(self) -> ServerCopier | None:
        """Give what lets the store copy from the zone; a folder lies in none."""
        return None

    def measure(self, version: str, lease: Attempt) -> Version | None:
        return measure_version(
            version,
            lease=lease,
            zone=self.zone,
            profile=self.profile,
            catalogue=self.catalogue,
            store=self.store,
            meters=MeterChoice(self.meter),
            tables=self.tables,
            clock=self.clock,
            image_limit_bytes=self.image_limit_bytes,
            readers=self.readers,
            digest=self.digest,
            most_files=self.most_files,
            room=self.room,
            wait=self.wait,
            copier=self.copier(),
        )

    def describe(self, version: str, lease: Attempt) -> Version:
        """Stand in for gate and description: stage what they stage and take the stages."""
        with self.catalogue.begin() as tx:
            found = tx.datasets.get_version(version)
            dataset = tx.datasets.get(found.dataset_id)
        if found.stage is Stage.MEASURED:
            files = {
                "README.md": f"# {dataset.title}\n".encode(),
                "metadata/record.json": json.dumps({"title": dataset.title}).encode(),
            }
            staged = stage_files(found, files, dataset=dataset, store=self.store)
            with self.catalogue.begin() as tx:
                tx.inbox.require_lease(lease)
                gated = advance(tx, staged.model_copy(update={"verdict": self.verdict}), Stage.GATED, clock=self.clock)
                return advance(tx, gated, Stage.DESCRIBED, clock=self.clock)
        return found

    def archive(self, version: str, lease: Attempt) -> Version:
        return archive_version(
            version, lease=lease, catalogue=self.catalogue, store=self.store, tables=self.tables, clock=self.clock
        )

    def verify(self, version: str, lease: Attempt) -> CopyReceipt:
        return verify_version(
            version, lease=lease, catalogue=self.catalogue, store=self.store, tables=self.tables, clock=self.clock
        )

    def ingest(self, version: str) -> CopyReceipt | None:
        """Go the whole way, from whatever stage, as one worker."""
        return self.walk(version, self.lease(version))

    def walk(self, version: str, lease: Attempt) -> CopyReceipt | None:
        """Go the whole way under a lease that is held already."""
        if self.measure(version, lease) is None:
            return None
        self.describe(version, lease)
        self.archive(version, lease)
        return self.verify(version, lease)

    def version(self, version: str) -> Version:
        with self.catalogue.begin() as tx:
            return tx.datasets.get_version(version)

    def parts(self, version: str) -> tuple[Part, ...]:
        return self.version(version).parts

    def root_of(self, version: str) -> str:
        with self.catalogue.begin() as tx:
            return tx.datasets.get(tx.datasets.get_version(version).dataset_id).object_root

    def keys(self, version: str) -> dict[str, bytes]:
        """Give every key below the version's object, relative to it, with its bytes."""
        root = self.root_of(version)
        return {
            found.key.removeprefix(f"{root}/"): self.store.get(found.key)[0] for found in self.store.list(f"{root}/")
        }


RUN = {
    "acquisition.yaml": b"plan: here\n",
    ".done": b"",
    "0/A1_0_BF.tiff": b"A" * 600,
    "0/A1_1_BF.tiff": b"B" * 700,
    "0/A1_2_BF.tiff": b"B" * 700,
    "0/A1_3_BF.tiff": b"bad image",
    "0/färg_ö_日本.tiff": b"C" * 500,
    "0/stack_0_BF.tiff": b"D" * 10_000,
    "0/movie.avi": b"E" * 9_000,
}
"""A run with a duplicate, an empty file, a name beyond ASCII, a bad image, and two files above the limit for images."""
