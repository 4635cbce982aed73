"""An archive with a copy and a public bucket, from which things are erased."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.portal import Portal
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_erasure import S3Eraser
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Relation, Version
from cisterna.domain.erasure import Order
from cisterna.domain.errors import NotFound, StoreUnavailable
from cisterna.domain.project import HumanData
from cisterna.ports.erasure import Content, Eraser, Removed
from cisterna.ports.publisher import PublicRecord
from cisterna.services.copy_object import copy_object
from cisterna.services.erase_plan import ErasureSite
from cisterna.services.record import copy_record, record_all
from cisterna.services.send_events import send_due
from cisterna.testing.factory import make_account, make_publication
from tests.archive.facility import RUN, Facility

SHORT = Patience(answer_seconds=20.0, connect_seconds=1.0, attempts=2, pause_seconds=0.02)
SECRET = "patient Zero Doe"
"""What must be found nowhere after the erasure but where the answer says."""
ORDER = Order(
    controller="Example University", basis="GDPR Art. 17(1)(b)", decision="12/2026", reason="withdrew consent"
)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


class Away:
    """Implements `ports.erasure.Eraser` for a store that does not answer."""

    bucket = "away"

    def __init__(self, store: str) -> None:
        self.store = store

    def look(self, object_root: str, *, pid: str) -> Content:
        raise StoreUnavailable(f"{self.store} did not answer for {object_root} of {pid}")

    def remove(self, object_root: str, *, pid: str) -> Removed:
        raise StoreUnavailable(f"{self.store} did not answer for {object_root} of {pid}")

    def remove_segment(self, key: str) -> Removed:
        raise StoreUnavailable(f"{self.store} did not answer for {key}")

    def remove_replaced(self, pid: str) -> Removed:
        raise StoreUnavailable(f"{self.store} did not answer for {pid}")


@dataclass
class Yard:
    """Where things are erased."""

    facility: Facility
    catalogue: SqlCatalogue
    access: S3Access
    archive: S3Store
    copy: S3Store
    public: S3Store
    erasers: dict[str, Eraser] = field(default_factory=dict)
    opened: list[S3Eraser] = field(default_factory=list)

    def settle_in(self) -> None:
        self.archive.name, self.copy.name, self.public.name = "archive", "second", "public"
        self.facility.store = self.archive
        self.portal = Portal(self.public, base_url="https://f.example")
        self.sink = ArchiveLogSink(store=self.archive, catalogue=self.catalogue)
        for store in (self.archive, self.copy, self.public):
            eraser = S3Eraser(
                self.access, bucket=store.bucket, store=store.name, clock=self.facility.clock, patience=SHORT
            )
            self.opened.append(eraser)
            self.erasers[store.name] = eraser
        with self.catalogue.begin() as tx:
            tx.outbox.register([self.sink.name])
            tx.copies.register(["archive", "second"])
            tx.accounts.add(make_account("anna", role=Role.ADMIN))
            tx.accounts.add(make_account("sten"))

    def close(self) -> None:
        for one in self.opened:
            one.close()

    @property
    def site(self) -> ErasureSite:
        return ErasureSite(
            catalogue=self.catalogue,
            store=self.archive,
            copies={"second": self.copy},
            onlooker_of=self.eraser_of,
            eraser_of=self.eraser_of,
            public=self.portal,
            public_store="public",
            clock=self.facility.clock,
            lineage=("the lineage file",),
        )

    def eraser_of(self, name: str) -> Eraser:
        if name not in self.erasers:
            raise NotFound(f"there is no store '{name}'", store=name)
        return self.erasers[name]

    def anna(self) -> Account:
        return make_account("anna", role=Role.ADMIN)

    def archived(self, run: str = "run-1", *, copied: bool = True, published: bool = False) -> Version:
        """Archive a run whose title and bytes hold the secret, copy it and perhaps make it public."""
        self.facility.write(run, {**RUN, "notes.txt": SECRET.encode()})
        version = self.facility.detect(run).version_id
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
            tx.datasets.save(dataset.model_copy(update={"title": f"{SECRET} {run}"}))
        self.facility.ingest(version)
        if copied:
            self.copied(version)
        if published:
            self.publish(version)
        self.finish(version)
        return self.facility.version(version)

    def copied(self, version: str) -> None:
        copy_object(
            self.facility.version(version).dataset_id,
            source=self.archive,
            target=self.copy,
            lease=self.facility.leases[version],
            catalogue=self.catalogue,
            clock=self.facility.clock,
        )

    def publish(self, version_id: str) -> None:
        """Make a version public, and change its record once, so that a bucket with versions keeps the first."""
        version = self.facility.version(version_id)
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
            tx.datasets.put_publication(make_publication(version))
        record = PublicRecord(
            pid=dataset.pid,
            dataset_id=dataset.dataset_id,
            version=version.label,
            title=dataset.title,
            metadata={"creator": SECRET, "human_data": HumanData.NO.value},
            documents={"application/ld+json": SECRET},
            previews={"a": SECRET.encode()},
            published_at=self.facility.clock.now(),
        )
        self.portal.publish(record)
        self.portal.publish(record.model_copy(update={"title": f"{SECRET} again"}))

    def derive(self, source: Version, name: str = "labels") -> Version:
        """Archive a dataset that is derived from a version."""
        made = self.archived(name)
        with self.catalogue.begin() as tx:
            relation = Relation(kind="IsDerivedFrom", dataset_id=source.dataset_id, version=source.label)
            derived = tx.datasets.get(made.dataset_id)
            tx.datasets.save(derived.model_copy(update={"relations": (relation,), "model": "nuclei@1"}))
        return made

    def finish(self, version: str) -> None:
        """End the work on a version, as its worker does."""
        with self.catalogue.begin() as tx:
            tx.inbox.finish(self.facility.leases.pop(version), outcome="archived")

    def record(self) -> None:
        """Deliver what is due, and write the record, to the copy as well."""
        self.facility.clock.advance(600)
        send_due(self.sink, catalogue=self.catalogue, clock=self.facility.clock)
        record_all(catalogue=self.catalogue, store=self.archive, clock=self.facility.clock)
        copy_record(store=self.archive, to=self.copy, catalogue=self.catalogue)

    def below(self, store: S3Store, root: str) -> list[str]:
        return [one.key for one in store.list(f"{root}/")]

    def root(self, dataset_id: str) -> str:
        with self.catalogue.begin() as tx:
            return tx.datasets.get(dataset_id).object_root

    def everything(self, store: S3Store) -> dict[str, bytes]:
        return {one.key: store.get(one.key)[0] for one in store.list("")}

    def versioned(self, store: S3Store) -> None:
        """Let a bucket keep what is replaced or deleted."""
        self.client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})

    def stored_versions(self, store: S3Store, prefix: str) -> list[tuple[str, str]]:
        """Give every version and mark below a prefix, by key and version."""
        answer: Any = self.client.list_object_versions(Bucket=store.bucket, Prefix=prefix)
        found = [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        return sorted((one["Key"], one["VersionId"]) for one in found)

    @property
    def client(self) -> Any:
        return self.opened[0]._s3.client
