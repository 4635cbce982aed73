"""A run in a bucket of the real store is read once, copied there, and archived: next to nothing of it is sent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_bucket import S3Bucket
from cisterna.adapters.s3_copier import LEAST_BYTES
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import SourceChanged
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ServerCopier
from cisterna.ports.source import EnteredFolder
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Answer, Effect, FaultProxy, Request, Rule
from tests.archive.test_bucket_source import BucketFacility
from tests.archive.test_kill import Killed
from tests.archive.test_resume import BrokenFolder
from tests.archive.whole import require_whole
from tests.store_fixtures import SHORT

MIB = 1024 * 1024
LARGE = os.urandom(34 * MIB)
FILES = {
    "acquisition.yaml": b"plan: here\n",
    ".done": b"",
    "0/A1_0_BF.tiff": os.urandom(LEAST_BYTES),
    "0/A1_1_BF.tiff": os.urandom(700_000),
    "0/färg ö + 日本.tiff": os.urandom(300_000),
    "0/small.tiff": os.urandom(20_000),
    "0/movie.avi": LARGE,
}
TOTAL_BYTES = sum(map(len, FILES.values()))
PARTS = 3
OURS_BYTES = 100_000
"""More than the manifest, the metrics and the previews of such a run take, and its files that are too small to copy."""


@dataclass
class Passed:
    """Counts the bytes of bodies that pass through the proxy, either way."""

    landing: str
    read_bytes: int = 0
    sent_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, answer: Answer) -> Answer:
        with self.lock:
            if request.method == "GET" and request.path.startswith(f"/{self.landing}/squid-1/run/"):
                self.read_bytes += len(answer[2])
            if request.method in {"PUT", "POST"} and "x-amz-copy-source" not in request.headers:
                self.sent_bytes += int(request.headers.get("content-length", 0))
        return answer


class BreakingZone(LandingBucket):
    """A zone in a bucket, of which one file cannot be read to its end."""

    strike: Callable[[int], None] = staticmethod(lambda _: None)

    @contextmanager
    def entered(self, folder: str) -> Iterator[EnteredFolder]:  # type: ignore[override]
        with super().entered(folder) as entered:
            yield BrokenFolder(entered, victim="0/movie.avi", strike=self.strike)


@dataclass
class CopyingFacility(BucketFacility):
    """A facility whose store and landing bucket are reached through one proxy."""

    proxy: FaultProxy = field(kw_only=True)
    passed: Passed = field(kw_only=True)
    is_proven: bool = True
    strike: Callable[[int], None] | None = None

    @property
    def zone(self) -> LandingBucket:  # type: ignore[override]
        if self.strike is None:
            return super().zone
        zone = BreakingZone(self.source, prefix="squid-1")
        zone.strike = self.strike
        return zone

    def copier(self) -> ServerCopier | None:
        witness = self.zone.witness()
        assert witness is not None
        return self.store.copier(witness) if self.is_proven else None

    def copies(self) -> list[Request]:
        return [one for one in self.proxy.requests if "x-amz-copy-source" in one.headers]


@pytest.fixture
def facility(
    catalogue: Catalogue, clock: SettableClock, tmp_path: Path, s3_endpoint: S3Access, new_store: Callable[..., S3Store]
) -> Iterator[CopyingFacility]:
    archive, landing = new_store(), new_store()
    passed = Passed(landing.bucket)
    with FaultProxy(s3_endpoint.endpoint, tamper=passed) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        source = S3Bucket(access, bucket=landing.bucket, name="s3://runs", patience=SHORT)
        store = S3Store(access, bucket=archive.bucket, patience=SHORT)
        made = CopyingFacility(
            catalogue, clock, tmp_path / "landing", store=store, source=source, proxy=proxy, passed=passed
        )
        made.image_limit_bytes = MIB
        made.zone.mark()
        yield made
        source.close()
        store.close()


def begun(facility: CopyingFacility) -> str:
    """Write the run, prove the copying, and count from now."""
    facility.write("run", FILES)
    version = facility.detect("run").version_id
    facility.copier()
    facility.proxy.requests.clear()
    facility.passed.read_bytes = facility.passed.sent_bytes = 0
    return version


def test_each_byte_is_read_once_and_next_to_none_is_sent(facility: CopyingFacility) -> None:
    version = begun(facility)

    facility.measure(version, facility.lease(version))

    assert facility.passed.read_bytes == TOTAL_BYTES
    assert facility.passed.sent_bytes < OURS_BYTES
    assert len(facility.copies()) == 3 + PARTS  # the movie has parts; what is small is sent
    assert all("x-amz-copy-source-if-match" in one.headers for one in facility.copies())

    facility.ingest(version)

    require_whole(facility, version)
    assert set(FILES.values()) <= set(facility.keys(version).values())


def test_without_the_proof_all_of_it_is_sent(facility: CopyingFacility) -> None:
    facility.is_proven = False
    facility.write("run", FILES)
    version = facility.detect("run").version_id
    facility.passed.read_bytes = facility.passed.sent_bytes = 0

    facility.measure(version, facility.lease(version))

    assert facility.passed.read_bytes == TOTAL_BYTES
    assert TOTAL_BYTES <= facility.passed.sent_bytes < TOTAL_BYTES + OURS_BYTES
    assert facility.copies() == []


def test_after_a_kill_what_was_copied_is_not_copied_again(facility: CopyingFacility) -> None:
    version = begun(facility)
    facility.readers = 1

    def strike(read: int) -> None:
        if read == 20 * MIB // 4096:
            raise Killed

    facility.strike = strike
    with pytest.raises(Killed):
        facility.measure(version, facility.lease(version))
    facility.strike = None
    before = len(facility.copies())

    facility.ingest(version)

    assert before == 3 + 1  # three images, and a part of the movie
    assert len(facility.copies()) - before == PARTS - 1
    assert facility.passed.sent_bytes < 2 * OURS_BYTES
    assert list(facility.store.unfinished_uploads("")) == []
    require_whole(facility, version)
    assert set(FILES.values()) <= set(facility.keys(version).values())


@pytest.mark.parametrize("path", ["0/A1_1_BF.tiff", "0/movie.avi"], ids=["whole", "parts"])
def test_what_is_overwritten_between_its_reading_and_its_copy_ends_the_attempt(
    facility: CopyingFacility, s3_endpoint: S3Access, path: str
) -> None:
    version = begun(facility)
    other = S3Bucket(s3_endpoint, bucket=facility.source.bucket, name="instrument", patience=SHORT)
    body = bytes(len(FILES[path]))

    def overwrite(_: Request) -> None:
        other.client.put_object(Bucket=other.bucket, Key=f"squid-1/run/{path}", Body=body)

    rule = facility.proxy.add(
        Rule(Effect.NONE, when=lambda one: one.headers.get("x-amz-copy-source", "").endswith(path), before=overwrite)
    )

    with pytest.raises(SourceChanged, match="declared complete"):
        facility.measure(version, facility.lease(version))
    other.close()

    assert rule.fired == 1
    assert facility.keys(version) == {}
    assert list(facility.store.unfinished_uploads("")) == []
    assert facility.version(version).staging is None
    again = facility.detect("run", number=2).version_id
    facility.ingest(again)
    assert body in facility.keys(again).values()
