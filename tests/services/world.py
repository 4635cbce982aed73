"""A small facility for services to work in: one project, one instrument, acquisitions and gated versions."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.credit import Creator
from cisterna.domain.dataset import Dataset, Relation, Stage, StagedFile, Version, version_id
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.digest import sha512_of
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.identifier import acquisition_id, ark, dataset_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Project
from cisterna.domain.work import Claim, Work, WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.profile import Described, Look, Plane
from cisterna.services.attempt import start_attempt
from cisterna.services.data_manifest import dump_manifest
from cisterna.services.lineage import Place

PLACE = Place(host=socket.gethostname(), bucket="cisterna-archive")
LEASE = timedelta(seconds=15)
ATTEMPTS = 8
MODIFIED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FINDINGS = (
    Finding(check="focus-min", outcome=Outcome.PASSED, message="focus 12.3 is at least 4.0", observed=12.3, expected=4),
    Finding(check="saturation-max", outcome=Outcome.WARNING, message="2 % of pixels are saturated"),
)
FILES = {
    "0/A1_0_0_DAPI.tiff": b"pixels one",
    "0/A1_1_0_DAPI.tiff": b"pixels two",
    "0/notes with space 50%.txt": b"notes",
    "acquisition.json": b'{"title": "Nuclei, plate 7"}',
}


class NotesProfile:
    """Implements `ports.profile.Profile` for images `{region}_{field}_{z}_{channel}` beside an `acquisition.json`."""

    name = "notes"
    quiet_seconds = 1.0
    stalled_seconds = 60.0

    def claims(self, look: Look) -> bool:
        return "acquisition.json" in look.listing.paths

    def inspect(self, look: Look) -> Any:
        raise NotImplementedError

    def describe(self, look: Look) -> Described:
        said = json.loads(look.read("acquisition.json"))
        return Described(
            title=said["title"],
            data_type="microscopy",
            fields={"objective": "20x", "channels": ["DAPI"]},
            instrument_model="Notebook",
            started_at=MODIFIED,
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        del look
        return {}

    def is_image(self, path: str) -> bool:
        return path.endswith(".tiff")

    def plane(self, path: str) -> Plane | None:
        region, field, z, channel = path.rpartition("/")[2].removesuffix(".tiff").split("_")
        return Plane(region=region, field=field, channel=channel, z=int(z))


def found_facility(catalogue: Catalogue, clock: Clock, **defaults: Any) -> None:
    """Add the project `atlas`, open unless told otherwise, and the instrument `squid-1`."""
    said = {
        "creators": (Creator(name="Carberry, Josiah", orcid="0000-0002-1825-0097"),),
        "publisher": "The Imaging Farm",
        "licence": "CC-BY-4.0",
        "human_data": HumanData.NO,
        "access": Access.OPEN,
        **defaults,
    }
    with catalogue.begin() as tx:
        tx.projects.add(
            Project(
                slug="atlas",
                title="Atlas",
                owner="rosa",
                defaults=MetadataDefaults.model_validate(said),
                created_at=clock.now(),
            )
        )
        tx.instruments.add(Instrument(name="squid-1", profile="notes", path="/landing/squid-1", created_at=clock.now()))


def add_acquisition(catalogue: Catalogue, clock: Clock, folder: str = "run 1") -> Acquisition:
    """Add a complete acquisition of the project."""
    with catalogue.begin() as tx:
        return tx.acquisitions.save(
            Acquisition(
                acquisition_id=acquisition_id(instrument="squid-1", folder=folder),
                instrument="squid-1",
                profile="notes",
                folder=folder,
                name=folder,
                project="atlas",
                state=AcquisitionState.COMPLETE,
                reason="all there",
                file_count=len(FILES),
                total_bytes=sum(map(len, FILES.values())),
                settled_since=clock.now(),
                first_seen=clock.now(),
                last_seen=clock.now(),
                completed_at=clock.now(),
                submitter="squid-1",
            )
        )


def add_work(catalogue: Catalogue, clock: Clock, subject: str, kind: WorkKind = WorkKind.INGEST, **more: Any) -> Work:
    """Ask for work on a subject."""
    identity = clock.new_id()
    with catalogue.begin() as tx:
        return tx.inbox.request(
            Work(
                **{
                    "work_id": identity,
                    "key": f"{kind}:{subject}:{identity}",
                    "kind": kind,
                    "subject": subject,
                    "fairness": "squid-1",
                    "not_before": clock.now(),
                    "created_at": clock.now(),
                    **more,
                }
            )
        )


def begin(catalogue: Catalogue, clock: Clock, *, owner: str = "host:worker:1", attempts_max: int = ATTEMPTS) -> Claim:
    """Begin an attempt at whatever is ready."""
    claim = start_attempt(
        catalogue=catalogue, clock=clock, owner=owner, lease=LEASE, place=PLACE, attempts_max=attempts_max
    )
    assert claim is not None
    return claim


def add_version(
    catalogue: Catalogue,
    clock: Clock,
    store: ObjectStore,
    *,
    acquisition: Acquisition | None,
    files: Mapping[str, bytes] = FILES,
    number: int = 1,
    source: Version | None = None,
) -> Version:
    """Add a version that was measured and gated: its bytes and its manifest are staged, its findings are there."""
    origin = acquisition.acquisition_id if acquisition else f"derived from {source.version_id if source else ''}"
    identity = dataset_id(origin=origin)
    relations = ()
    if source is not None:
        relations = (Relation(kind="IsDerivedFrom", dataset_id=source.dataset_id, version=source.label),)
    dataset = Dataset(
        dataset_id=identity,
        origin=origin,
        title=acquisition.name if acquisition else "Counted nuclei",
        data_type="microscopy",
        project="atlas",
        acquisition_id=acquisition.acquisition_id if acquisition else None,
        instrument="squid-1" if acquisition else None,
        relations=relations,
        model=None if acquisition else "nuclei@1.0",
        pid=ark(identity),
        object_root=f"abc/def/{identity}",
        created_at=clock.now(),
    )
    staging = f"v{number}/content/token{number}"
    entries = []
    for path, body in files.items():
        digest = sha512_of(body)
        content = f"{staging}/{digest[:40]}"
        store.put(f"{dataset.object_root}/{content}", body)
        entries.append(
            FileEntry(path=path, size_bytes=len(body), sha512=digest, modified=MODIFIED, content_path=content)
        )
    manifest = Manifest.of(entries)
    body = dump_manifest(manifest, tables=ParquetTables())
    store.put(f"{dataset.object_root}/{staging}/manifest", body)
    version = Version(
        version_id=version_id(identity, number),
        dataset_id=identity,
        number=number,
        stage=Stage.GATED,
        stage_at=clock.now(),
        created_at=clock.now(),
        submitter="squid-1",
        staging=staging,
        staged={
            "provenance/manifest.parquet": StagedFile(
                content_path=f"{staging}/manifest", sha512=sha512_of(body), size_bytes=len(body)
            )
        },
        manifest_digest=manifest.digest,
        file_count=len(entries),
        total_bytes=manifest.total_bytes,
        verdict=Verdict.REVIEW,
        reason="1 of 2 checks gave a warning",
    )
    with catalogue.begin() as tx:
        tx.datasets.add(dataset)
        added = tx.datasets.add_version(version)
        tx.datasets.set_findings(version.version_id, FINDINGS)
    return added
