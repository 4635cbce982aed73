"""A run that lies in a bucket is measured, archived and verified, and touches no disk of ours on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import SourceChanged
from cisterna.ports.catalogue import Catalogue
from cisterna.services.detect import SweepResult, sweep_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument
from tests.archive.facility import RUN, Facility
from tests.store_fixtures import SHORT


@dataclass
class BucketFacility(Facility):
    """A facility whose instrument writes to a bucket."""

    source: S3Bucket = field(kw_only=True)

    @property
    def zone(self) -> LandingBucket:  # type: ignore[override]
        return LandingBucket(self.source, prefix="squid-1")

    def write(self, run: str, files: Mapping[str, bytes]) -> None:
        for path, body in files.items():
            self.source.client.put_object(Bucket=self.source.bucket, Key=f"squid-1/{run}/{path}", Body=body)

    def sweep(self) -> SweepResult:
        instrument = make_instrument("squid-1", path="s3://runs/squid-1", identity=self.zone.identity())
        return sweep_instrument(
            instrument,
            zone=LandingBucket(self.source, prefix="squid-1", declared=instrument.identity),
            profiles={"squid": self.profile},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: None,
        )


@pytest.fixture
def facility(
    catalogue: Catalogue,
    clock: SettableClock,
    tmp_path: Path,
    s3_endpoint: S3Access,
    new_store: Callable[..., S3Store],
) -> Iterator[BucketFacility]:
    archive, landing = new_store(), new_store()
    source = S3Bucket(s3_endpoint, bucket=landing.bucket, name="s3://runs", patience=SHORT)
    made = BucketFacility(catalogue, clock, tmp_path / "landing", store=archive, source=source)
    made.zone.mark()
    yield made
    source.close()


def test_a_run_in_a_bucket_is_archived_and_read_back(facility: BucketFacility, tmp_path: Path) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    receipt = facility.ingest(version)

    assert receipt is not None
    assert set(RUN.values()) <= set(facility.keys(version).values())
    assert list(tmp_path.rglob("*")) == []


def test_a_run_that_changes_in_its_bucket_is_not_archived_as_it_was(facility: BucketFacility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.write("run", {"0/movie.avi": b"F" * 9_000})

    with pytest.raises(SourceChanged, match="declared complete"):
        facility.ingest(version)


def test_a_sweep_sees_the_runs_of_a_bucket_and_infers_nothing_when_it_is_emptied(facility: BucketFacility) -> None:
    facility.write("run", RUN)

    with facility.catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1", path="s3://runs/squid-1"))
    first = facility.sweep()
    assert (first.folders, first.unavailable) == (1, None)
    declared = facility.zone.identity()
    for file in [".cisterna-zone", *(f"run/{path}" for path in RUN)]:
        facility.source.client.delete_object(Bucket=facility.source.bucket, Key=f"squid-1/{file}")
    facility.zone.mark()
    assert facility.zone.identity() != declared

    gone = sweep_instrument(
        make_instrument("squid-1", path="s3://runs/squid-1", identity=declared),
        zone=LandingBucket(facility.source, prefix="squid-1", declared=declared),
        profiles={"squid": facility.profile},
        catalogue=facility.catalogue,
        clock=facility.clock,
        resolve_project=lambda _acquisition, _described: None,
    )

    assert gone.unavailable is not None
    with facility.catalogue.begin() as tx:
        (one,) = tx.acquisitions.list()
    assert one.state.value == "unavailable"
