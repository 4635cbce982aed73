"""A run that lasts: time points come one after another, and what settled is read ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.ahead import Ahead
from cisterna.domain.dataset import Version
from cisterna.domain.event import Event
from cisterna.domain.identifier import TEST_ARKS, acquisition_id
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.profile import Look, Stretch
from cisterna.ports.quality import MeterChoice
from cisterna.services.drop_ahead import collect_ahead
from cisterna.services.read_ahead import AheadMeans, Measured, read_ahead, tell_nobody
from cisterna.services.squid_stretch import squid_stretches
from cisterna.testing.factory import make_acquisition, make_instrument, make_project, make_work
from tests.archive.facility import LEASE, Facility, TiffProfile

GRACE = timedelta(hours=24)


class SteppedProfile(TiffProfile):
    """Tells time points apart: each is a folder, and `.done` in it says that it ended."""

    later_digests = frozenset[str]()

    def stretches(self, look: Look) -> Sequence[Stretch]:
        return squid_stretches(look.listing.paths, fields=(), marker=".done")


def time_point(number: int, *, images: int = 4, size: int = 600, marked: bool = True) -> dict[str, bytes]:
    """Give the files of one time point, each with bytes of its own, and one above the limit for images."""
    files = {
        f"{number}/A1_{field}_BF.tiff": bytes([number + 1, field + 1]) + bytes([field + 65]) * size
        for field in range(images)
    }
    files[f"{number}/stack_0_BF.tiff"] = bytes([number + 1]) * 9_000
    return files | ({f"{number}/.done": b""} if marked else {})


@dataclass
class LongRun:
    """One acquisition on its way, in a facility."""

    facility: Facility
    name: str = "run"
    measured: Measured = tell_nobody
    gives_way: Callable[[], bool] = lambda: False
    files: dict[str, bytes] = field(default_factory=dict)
    leases: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.facility.profile = SteppedProfile()

    @property
    def acquisition_id(self) -> str:
        return acquisition_id(instrument="squid-1", folder=self.name)

    def begin(self, **fields: Any) -> Acquisition:
        """Write down that the run is seen and is being written."""
        self.write({"acquisition.yaml": b"plan: here\n"})
        told = {"project": "cells", "state": AcquisitionState.WRITING, **fields}
        with self.facility.desk.begin() as tx:
            if not tx.instruments.list():
                tx.instruments.add(make_instrument("squid-1", path=str(self.facility.landing)))
            if not tx.projects.list():
                tx.projects.add(make_project("cells"))
            return tx.acquisitions.save(make_acquisition(self.name, **told))

    def write(self, files: Mapping[str, bytes]) -> None:
        self.facility.write(self.name, files)
        self.files |= files

    def lease(self) -> Attempt:
        """Take a round of reading ahead, away from whoever holds one."""
        clock = self.facility.clock
        now = clock.advance(LEASE)
        with self.facility.desk.begin() as tx:
            for held in self.leases:
                tx.inbox.put_back(held, not_before=now, outcome="its worker is gone")
            self.leases.clear()
            asked = make_work(f"ahead {self.name}", kind=WorkKind.AHEAD, subject=self.acquisition_id)
            tx.inbox.request(asked.model_copy(update={"fairness": "ahead squid-1"}))
            run_id = clock.new_id()
            claim = tx.inbox.claim(owner="worker", run_id=run_id, now=now, lease=LEASE, kinds=[WorkKind.AHEAD])
        assert claim is not None
        self.leases.append(claim.attempt)
        return claim.attempt

    def release(self) -> None:
        """End the rounds that are held or wait."""
        with self.facility.desk.begin() as tx:
            for held in self.leases:
                tx.inbox.finish(held, outcome="done")
            self.leases.clear()
            now = self.facility.clock.now() + timedelta(days=1)
            while claim := tx.inbox.claim(
                owner="worker", run_id=self.facility.clock.new_id(), now=now, lease=LEASE, kinds=[WorkKind.AHEAD]
            ):
                tx.inbox.finish(claim.attempt, outcome="done")

    def round(self, lease: Attempt | None = None) -> str:
        """Read ahead once."""
        place = self.facility
        means = AheadMeans(
            zone=place.zone,
            profile=place.profile,
            catalogue=place.catalogue,
            store=place.store,
            meters=MeterChoice(place.meter),
            tables=place.tables,
            clock=place.clock,
            image_limit_bytes=place.image_limit_bytes,
            readers=place.readers,
            digest=place.digest,
            most_files=place.most_files,
            room=place.room,
            arks=TEST_ARKS,
            measured=self.measured,
            gives_way=self.gives_way,
            wait=place.clock.advance,
        )
        return read_ahead(self.acquisition_id, lease=lease or self.lease(), means=means)

    def complete(self) -> Version:
        """Write down that the run is all there, and open its version."""
        self.become(AcquisitionState.COMPLETE)
        self.release()
        return self.facility.detect(self.name)

    def become(self, state: AcquisitionState) -> None:
        with self.facility.desk.begin() as tx:
            found = tx.acquisitions.get(self.acquisition_id)
            tx.acquisitions.save(found.model_copy(update={"state": state}))

    def ahead(self) -> Ahead | None:
        with self.facility.desk.begin() as tx:
            return tx.aheads.find(self.acquisition_id)

    def early(self) -> list[Event]:
        with self.facility.desk.begin() as tx:
            history = tx.outbox.history([self.acquisition_id])
        return [event for event in history if event.name == "acquisition.settled-early"]

    def collect(self) -> list[str]:
        """Let the recovery remove what nobody came for."""
        place = self.facility
        found = collect_ahead(catalogue=place.catalogue, store=place.store, clock=place.clock, grace=GRACE)
        return [one.acquisition_id for one in found]

    def stored(self) -> set[str]:
        return {one.key for one in self.facility.store.list("")}
