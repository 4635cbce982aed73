"""A copy for a recipient in their bucket: whole, read back from there, and never half of it called whole."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.bootstrap.deliveries import copy_bucket
from cisterna.domain.delivery import Delivery, DeliveryRules, DeliveryState
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, InvalidInput
from cisterna.services import copy_bucket as bucket_copy
from cisterna.services.copy_bucket import MARKER, BucketCopy, read_address
from cisterna.services.copy_place import LIST, CopiedFile
from cisterna.services.delivery import deliver_version
from cisterna.services.hand_over import hand_over
from cisterna.settings import load_settings
from cisterna.testing.factory import make_account
from cisterna.testing.memory_store import READS, WRITES, MemoryStore
from tests.archive.facility import RUN, Facility
from tests.web.site import quick_passwords

PREFIX = "from/facility"
PLACE = f"s3://vera-data/{PREFIX}"
OTHERS = "from/facility-2/thesis.txt"


@pytest.fixture
def bucket() -> MemoryStore:
    made = MemoryStore(name="vera's", bucket="vera-data")
    made.put(OTHERS, b"mine")
    return made


@pytest.fixture
def delivery(facility: Facility) -> Delivery:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    with facility.catalogue.begin() as tx:
        tx.accounts.add(make_account("ada"))
    made, _ = deliver_version(
        version,
        to="ada",
        person="ada",
        rules=DeliveryRules(),
        reason="Nobody has judged it yet.",
        with_link=True,
        copy_to=PLACE,
        catalogue=facility.catalogue,
        clock=facility.clock,
        passwords=quick_passwords(),
    )
    return made


def carry_out(facility: Facility, delivery: Delivery, bucket: MemoryStore) -> Delivery:
    return hand_over(
        delivery.delivery_id,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        clock=facility.clock,
        bucket=bucket,
    )


def held(bucket: MemoryStore) -> dict[str, bytes]:
    return {one.key.removeprefix(f"{PREFIX}/"): bucket.get(one.key)[0] for one in bucket.list(f"{PREFIX}/")}


def kept(facility: Facility, delivery: Delivery) -> Delivery:
    with facility.catalogue.begin() as tx:
        return tx.deliveries.get(delivery.delivery_id)


def test_the_copy_is_read_back_from_the_bucket_listed_and_proven(
    facility: Facility, delivery: Delivery, bucket: MemoryStore, tmp_path: Path
) -> None:
    done = carry_out(facility, delivery, bucket)

    found = held(bucket)
    assert {path: found[f"data/{path}"] for path in RUN} == RUN
    assert MARKER not in found
    for path, body in found.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    checked = subprocess.run(["sha512sum", "-c", "--strict", LIST], cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    proof = done.handed_over
    assert proof is not None
    assert (proof.folder, proof.files) == (PLACE, len(found) - 1)
    assert proof.bytes_read == sum(len(body) for path, body in found.items() if path != LIST)
    assert proof.list_sha512 == sha512_of(found[LIST])
    assert done.state(now=facility.clock.now()) is DeliveryState.HANDED_OVER
    assert bucket.get(OTHERS)[0] == b"mine"


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_nothing_is_called_whole_and_the_same_call_goes_on(
    facility: Facility, delivery: Delivery, bucket: MemoryStore, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    monkeypatch.setattr(bucket_copy, "_HELD_BYTES", 8)  # so that what a test writes goes up in parts
    left = bucket.begin_upload(f"{PREFIX}/data/acquisition.yaml")  # as a kill leaves it that nothing runs after
    left.write(b"plan:")
    left.leave()
    for nth in range(1, 1000):
        fault = bucket.fail_on(READS | WRITES, nth=nth, after=after, error=KeyboardInterrupt())
        try:
            carry_out(facility, delivery, bucket)
        except KeyboardInterrupt:
            assert kept(facility, delivery).handed_over is None
            bucket.heal()
            continue
        assert not fault.fired
        break

    bucket.heal()
    assert nth > 3
    assert {path: held(bucket)[f"data/{path}"] for path in RUN} == RUN
    assert MARKER not in held(bucket)
    assert list(bucket.unfinished_uploads("")) == []
    assert carry_out(facility, delivery, bucket) == kept(facility, delivery)


@pytest.mark.parametrize("other", [f"{PREFIX}/thesis.txt", f"{PREFIX}/{MARKER}"])
def test_a_place_that_holds_other_things_is_left_as_it_is(
    facility: Facility, delivery: Delivery, bucket: MemoryStore, other: str
) -> None:
    bucket.put(other, b'{"copy_of": "another"}')
    before = held(bucket)

    with pytest.raises(AlreadyExists):
        carry_out(facility, delivery, bucket)

    assert held(bucket) == before
    assert kept(facility, delivery).handed_over is None


def test_bytes_that_the_bucket_gives_back_otherwise_give_no_proof(
    facility: Facility, delivery: Delivery, bucket: MemoryStore
) -> None:
    carry_out(facility, delivery, bucket)
    with facility.catalogue.begin() as tx:
        tx.deliveries.put(delivery)  # as if it had never been put on record
    bucket.put(f"{PREFIX}/data/acquisition.yaml", b"plan: gone\n")

    with pytest.raises(AlreadyExists) as refusal:
        carry_out(facility, delivery, bucket)

    assert isinstance(refusal.value.__cause__, ChecksumMismatch)
    assert kept(facility, delivery).handed_over is None


def test_bytes_that_the_archive_gives_otherwise_do_not_go_there(
    facility: Facility, delivery: Delivery, bucket: MemoryStore
) -> None:
    store = facility.store
    key = next(one.key for one in store.list("") if store.get(one.key)[0] == RUN["acquisition.yaml"])
    store.put(key, b"plan: gone\n")

    with pytest.raises(ChecksumMismatch, match=r"data/acquisition\.yaml"):
        carry_out(facility, delivery, bucket)

    assert "data/acquisition.yaml" not in held(bucket)
    assert kept(facility, delivery).handed_over is None


def test_asked_again_what_changed_there_is_named_and_what_is_gone_is_made_anew(
    facility: Facility, delivery: Delivery, bucket: MemoryStore
) -> None:
    done = carry_out(facility, delivery, bucket)
    bucket.delete([f"{PREFIX}/data/acquisition.yaml"])
    with pytest.raises(ChecksumMismatch) as changed:
        carry_out(facility, delivery, bucket)
    assert changed.value.facts["paths"] == ["data/acquisition.yaml"]
    bucket.delete([one.key for one in bucket.list(f"{PREFIX}/")])
    facility.clock.advance(timedelta(hours=1))

    again = carry_out(facility, delivery, bucket)

    assert again.handed_over is not None
    assert done.handed_over is not None
    assert again.handed_over.list_sha512 == done.handed_over.list_sha512
    assert again.handed_over.read_back_at > done.handed_over.read_back_at


def test_no_other_bucket_takes_the_copy(facility: Facility, delivery: Delivery) -> None:
    with pytest.raises(InvalidInput):
        carry_out(facility, delivery, MemoryStore(name="other", bucket="other-data"))


@pytest.mark.parametrize(
    "text",
    [
        "s3://b",
        "s3://bucket",
        "s3://bucket/",
        "s3://Bucket/x",
        "s3://bucket//x",
        "s3://bucket/../x",
        "s3://bucket/a/./b",
        "s3://key:secret@bucket/x",
        "s3://bucket/a b",
        "s3://bucket/\n",
        "s3://bucket/x?y",
        "https://bucket/x",
        "",
    ],
)
def test_what_names_no_place_in_a_bucket_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_address(text)


def named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *buckets: str) -> Callable[[str], str | None]:
    keys = {"endpoint": "http://127.0.0.1:1", "access_key_id": "k", "secret_access_key": "hush-hush"}
    monkeypatch.setenv("CISTERNA_HOME", str(tmp_path))
    monkeypatch.setenv("CISTERNA_DELIVER__BUCKETS", json.dumps([{**keys, "bucket": one} for one in buckets]))
    settings = load_settings()

    def opened(copy_to: str) -> str | None:
        with copy_bucket(copy_to, settings) as store:
            return store.bucket if store else None

    return opened


def test_credentials_are_those_of_the_settings_and_no_bucket_of_ours_takes_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = named(monkeypatch, tmp_path, "vera-data", "cisterna-public", "cisterna-archive")

    assert opened(PLACE) == "vera-data"
    assert opened("/a/folder") is None
    for bucket in ("cisterna-public", "cisterna-archive", "none-such"):
        with pytest.raises(InvalidInput, match="vera-data") as refusal:
            opened(f"s3://{bucket}/x")
        assert "hush" not in str(refusal.value)


def test_two_buckets_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="name of its own"):
        named(monkeypatch, tmp_path, "vera-data", "vera-data")


@pytest.mark.torture  # starts an object store
def test_a_real_bucket_takes_a_copy_with_files_of_several_parts(s3_endpoint: S3Access) -> None:
    bucket = S3Store(s3_endpoint, bucket="vera-data", name="vera's")
    bucket.create_bucket()
    archived, files = MemoryStore(name="archive", bucket="archive"), []
    for path, body in {"data/large.bin": b"0123456789abcdef" * 1_250_000, "data/none": b"", "a b/ö.txt": b"x"}.items():
        archived.put(sha512_of(body), body)
        files.append(CopiedFile(path, sha512_of(body), sha512_of(body)))
    place = BucketCopy(bucket, f"{PREFIX}/", archive=archived, of="v1")
    left = bucket.begin_upload(f"{PREFIX}/data/large.bin")
    left.write(bytes(9_000_000))
    left.leave()

    place.make(files)
    found = place.read_back(files)
    again = place.digest("data/large.bin")
    bucket.close()

    assert (found.files, found.bytes_read) == (3, 20_000_001)
    assert again == files[0].sha512
