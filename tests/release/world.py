"""A facility whose run may be released: archived, verified, copied, accepted, rested, and still at its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.event import Event
from cisterna.domain.instrument import Instrument
from cisterna.domain.release import Release, ReleaseRules
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.hold import SourceHold
from cisterna.ports.source import LandingZone
from cisterna.services.release import execute_release
from cisterna.services.release_facts import ReleaseSite
from cisterna.services.release_plan import announce_release
from cisterna.services.transition import advance
from cisterna.testing.factory import make_decision, make_sha512
from tests.archive.facility import RUN, Facility

LEASE = timedelta(hours=1)
RULES = ReleaseRules()


@dataclass
class ReleaseWorld:
    """One run that may go, and the hands that let it go."""

    facility: Facility
    systems: list[SourceHold] = field(default_factory=list)
    stores: tuple[str, ...] = ("archive", "second")
    rules: ReleaseRules = RULES
    run: str = "run-1"
    version_id: str = ""
    acquisition_id: str = ""
    root: str = ""

    @property
    def folder(self) -> Path:
        return self.facility.landing / self.run

    @property
    def site(self) -> ReleaseSite:
        return ReleaseSite(
            catalogue=self.facility.catalogue,
            store=self.facility.store,
            stores=self.stores,
            tables=self.facility.tables,
            clock=self.facility.clock,
            zone_of=self.zone_of,
            systems=self.systems,
            rules=self.rules,
            ask_seconds=2.0,
        )

    def zone_of(self, instrument: Instrument) -> LandingZone:
        return LandingFolder(instrument.path, declared=instrument.identity)

    def prepare(self, files: Mapping[str, bytes] = RUN) -> None:
        """Bring the run to where it may be announced."""
        facility, clock = self.facility, self.facility.clock
        facility.write(self.run, files)
        version = facility.detect(self.run)
        receipt = facility.ingest(version.version_id)
        assert receipt is not None
        with facility.catalogue.begin() as tx:
            second = {"receipt_id": clock.new_id(), "store": "second", "verified_at": clock.now()}
            tx.datasets.add_receipt(receipt.model_copy(update=second))
        self.adopt(version.version_id)

    def adopt(self, version_id: str) -> None:
        """Let what is archived and copied already be accepted, and rest until it may be announced."""
        facility, clock = self.facility, self.facility.clock
        self.version_id, self.root = version_id, facility.root_of(version_id)
        with facility.catalogue.begin() as tx:
            for name, role in (("sten", Role.STEWARD), ("vera", Role.VIEWER)):
                if tx.accounts.find(name) is None:
                    granted = (Grant(role=role, project="cells"),)
                    tx.accounts.add(Account(name=name, grants=granted, created_at=clock.now()))
            version = tx.datasets.get_version(version_id)
            self._settle(version)
            dataset = tx.datasets.get(version.dataset_id)
            acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
            self.acquisition_id = acquisition.acquisition_id
            listing = facility.zone.listing(self.run)
            seen = {
                "state": AcquisitionState.COMPLETE,
                "reason": "all there",
                "fingerprint": listing.fingerprint,
                "file_count": len(listing.files),
                "completed_at": clock.now(),
                "settled_since": clock.now(),
            }
            tx.acquisitions.save(acquisition.model_copy(update=seen))
            instrument = tx.instruments.get("squid-1")
            tx.instruments.save(instrument.model_copy(update={"identity": facility.zone.identity()}))
        self._end_ingest()
        clock.advance(timedelta(days=8))

    def _settle(self, version: Version) -> None:
        with self.facility.catalogue.begin() as tx:
            shown = tx.datasets.save_version(version.model_copy(update={"evidence_digest": make_sha512("shown")}))
            tx.datasets.add_decision(make_decision(shown, decided_at=self.facility.clock.now()))
            advance(tx, shown, Stage.ACCEPTED, clock=self.facility.clock)

    def _end_ingest(self) -> None:
        dataset = self.version_id.partition(":")[0]
        with self.facility.catalogue.begin() as tx:
            for subject in [one for one in self.facility.leases if one.startswith(f"{dataset}:")]:
                tx.inbox.finish(self.facility.leases.pop(subject), outcome="archived")

    def announce(self, person: str = "sten") -> Release:
        return announce_release(self.acquisition_id, person=person, site=self.site)

    def announce_and_wait(self) -> Release:
        release = self.announce()
        self.facility.clock.advance(timedelta(hours=self.rules.undo_hours, minutes=1))
        return release

    def lease(self) -> Attempt:
        """Take the release's work, as a worker does when it is due."""
        now = self.facility.clock.now()
        with self.facility.desk.begin() as tx:
            claim = tx.inbox.claim(
                owner="worker", run_id=self.facility.clock.new_id(), now=now, lease=LEASE, kinds=[WorkKind.RETAIN]
            )
        assert claim is not None, "no release is due"
        return claim.attempt

    def put_back(self, lease: Attempt) -> None:
        """Give the work back, as if its worker had died."""
        with self.facility.desk.begin() as tx:
            tx.inbox.put_back(lease, not_before=self.facility.clock.now(), outcome="its worker is gone")

    def execute(self, release: Release, lease: Attempt | None = None) -> Release:
        return execute_release(release.release_id, lease=lease or self.lease(), site=self.site)

    def acquisition(self) -> Acquisition:
        with self.facility.desk.begin() as tx:
            return tx.acquisitions.get(self.acquisition_id)

    def change_acquisition(self, **fields: object) -> None:
        with self.facility.desk.begin() as tx:
            tx.acquisitions.save(tx.acquisitions.get(self.acquisition_id).model_copy(update=fields))

    def release(self, release: Release) -> Release:
        with self.facility.desk.begin() as tx:
            return tx.releases.get(release.release_id)

    def told(self) -> list[Event]:
        """What was told of releases."""
        with self.facility.desk.begin() as tx:
            return [event for event in tx.outbox.history([self.version_id]) if event.name.startswith("release.")]

    def events(self) -> list[str]:
        return [event.name for event in self.told()]

    def files(self) -> dict[str, bytes]:
        """What is at the source now."""
        root = self.folder
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    def logs(self) -> dict[str, bytes]:
        """What is in the object's `logs/` now."""
        store = self.facility.store
        return {found.key: store.get(found.key)[0] for found in store.list(f"{self.root}/logs/")}
