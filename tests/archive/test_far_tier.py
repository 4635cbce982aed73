"""What lies in a storage class that it must be restored from is not readable now, and never damaged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_keeper import S3ObjectKeeper
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import (
    InvalidInput,
    NotFound,
    NotReadableNow,
    ObjectNotFound,
    StoreForbids,
    StoreLacks,
    StoreUnavailable,
)
from cisterna.domain.fixity import Fixity
from cisterna.domain.thaw import Thawing, ThawSpeed, takes
from cisterna.ports.protection import ObjectKeeper
from cisterna.services.restore import Restored, restore_version
from cisterna.services.thaw import await_thaw, thaw_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.far_tier import FarTier
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.vault import Vault

HASTY = Patience(answer_seconds=5.0, connect_seconds=1.0, attempts=2, pause_seconds=0.01)
AnyStore = S3Store | S3BotoStore | S3MinioStore


@pytest.fixture
def proxy(seaweedfs: EmbeddedSeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.endpoint) as made:
        yield made


@pytest.fixture(params=[S3Store, S3BotoStore, S3MinioStore], ids=["obstore", "boto3", "minio"])
def far(
    request: pytest.FixtureRequest, proxy: FaultProxy, object_store: S3Store, s3_endpoint: S3Access
) -> Iterator[AnyStore]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    store: AnyStore = request.param(access, bucket=object_store.bucket, name="archive", patience=HASTY)
    yield store
    store.close()


@pytest.fixture
def tier(proxy: FaultProxy, clock: SettableClock) -> FarTier:
    return FarTier(proxy, clock=clock)


@pytest.fixture
def keeper(proxy: FaultProxy, object_store: S3Store, s3_endpoint: S3Access) -> Iterator[S3ObjectKeeper]:
    access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
    made = S3ObjectKeeper(access, bucket=object_store.bucket, store="archive", patience=HASTY)
    yield made
    made.close()


def test_reading_it_says_where_it_lies_and_what_to_do(far: AnyStore, tier: FarTier, object_store: S3Store) -> None:
    object_store.put("a", b"bytes")
    tier.move(["a"])

    with pytest.raises(NotReadableNow, match="restore"):
        far.get("a")
    with pytest.raises(NotReadableNow, match="restore") as refusal:
        b"".join(far.stream("a"))

    assert not refusal.value.retryable


@pytest.mark.parametrize("share", ["one file", "every data file"])
def test_a_check_could_not_check_it_and_names_no_damage(
    facility: Facility, far: AnyStore, tier: FarTier, share: str
) -> None:
    vault = Vault(facility, far, MemoryStore(name="mirror"))
    dataset = vault.archive("far", a=b"alpha", b=b"beta", c=b"gamma")
    keys = [vault.key_of(dataset, body) for body in (b"alpha", b"beta", b"gamma")]
    tier.move(keys[: 1 if share == "one file" else 3])

    for _ in range(2):
        found = vault.look(dataset, far)

        assert found.fixity is Fixity.COULD_NOT_CHECK
        assert found.damaged == ()
        assert "storage class" in found.reason


def test_damage_beside_it_is_still_named(facility: Facility, far: AnyStore, tier: FarTier) -> None:
    vault = Vault(facility, far, MemoryStore(name="mirror"))
    dataset = vault.archive("far", a=b"alpha", b=b"beta")
    far.put(vault.key_of(dataset, b"beta"), b"bita")
    tier.move([vault.key_of(dataset, b"alpha")])

    found = vault.look(dataset, far)

    assert found.fixity is Fixity.DAMAGED
    assert len(found.damaged) == 1


@pytest.fixture
def vault(facility: Facility, far: AnyStore) -> Vault:
    return Vault(facility, far, MemoryStore(name="mirror"))


FILES = {"a": b"alpha" * 40_000, "b": b"beta" * 40_000, "c": b"gamma"}


@pytest.fixture
def moved(vault: Vault, tier: FarTier) -> str:
    """Archive three files, of which two are moved far."""
    dataset = vault.archive("far", **FILES)
    tier.move([vault.key_of(dataset, FILES[name]) for name in ("a", "b")])
    return dataset


def thaw(vault: Vault, dataset: str, keeper: ObjectKeeper, **more: Any) -> Thawing:
    asked = {"days": 7, "speed": ThawSpeed.STANDARD, **more}
    facility = vault.facility
    return thaw_version(
        f"{dataset}:v1",
        catalogue=facility.catalogue,
        store=vault.first,
        keeper=keeper,
        tables=facility.tables,
        **asked,
    )


def restore(vault: Vault, dataset: str, to: Path) -> Restored:
    return restore_version(
        f"{dataset}:v1", to=to, catalogue=vault.facility.catalogue, store=vault.first, tables=vault.facility.tables
    )


def test_a_restore_says_how_to_ask_asks_waits_and_goes_on(
    *, vault: Vault, moved: str, keeper: S3ObjectKeeper, tier: FarTier, clock: SettableClock, tmp_path: Path
) -> None:
    with pytest.raises(NotReadableNow, match="--thaw-days"):
        restore(vault, moved, tmp_path / "out")

    asked = thaw(vault, moved, keeper)

    assert (asked.asked, asked.coming, asked.is_ready) == (2, 0, False)
    assert "3 to 5 hours" in asked.words
    assert "GLACIER" in asked.words
    assert {(speed, days) for _, speed, days in tier.asked} == {("Standard", 7)}
    clock.advance(timedelta(hours=3))
    again = thaw(vault, moved, keeper)
    assert (again.asked, again.coming) == (0, 2)
    assert len(tier.asked) == 2
    with pytest.raises(NotReadableNow):
        restore(vault, moved, tmp_path / "out")
    clock.advance(timedelta(hours=2))
    assert thaw(vault, moved, keeper).is_ready
    restored = restore(vault, moved, tmp_path / "out")
    assert {name: (tmp_path / "out/data" / f"{name}.txt").read_bytes() for name in FILES} == FILES
    assert restored.files_present > 0, "what is near landed at the first try"


def test_a_copy_that_went_again_is_asked_for_again(
    vault: Vault, moved: str, keeper: S3ObjectKeeper, clock: SettableClock
) -> None:
    thaw(vault, moved, keeper, days=2)
    clock.advance(timedelta(hours=5))
    reach = keeper.reach(vault.key_of(moved, FILES["a"]))
    assert reach.readable_until is not None
    assert timedelta(days=1) < reach.readable_until - clock.now() < timedelta(days=2)

    clock.advance(timedelta(days=3))

    assert thaw(vault, moved, keeper).asked == 2


def test_only_the_files_that_are_wanted_are_asked_for_and_a_rehearsal_asks_for_none(
    *, vault: Vault, moved: str, keeper: S3ObjectKeeper, tier: FarTier, clock: SettableClock
) -> None:
    seen = thaw(vault, moved, keeper, asks=False)
    assert (seen.far, tier.asked) == (2, [])
    assert "would be asked" in seen.words

    assert thaw(vault, moved, keeper, files=["a.txt", "c.txt"], speed=ThawSpeed.BULK).asked == 1

    assert [speed for _, speed, _ in tier.asked] == ["Bulk"]
    clock.advance(timedelta(hours=5))
    assert vault.first.get(tier.asked[0][0])[0] == FILES["a"]
    with pytest.raises(NotFound):
        thaw(vault, moved, keeper, files=["no such file"])
    for days in (0, -1, 366, 10**9):
        with pytest.raises(InvalidInput, match="days"):
            thaw(vault, moved, keeper, days=days)


def test_who_waits_is_told_once_of_each_change_and_goes_on_when_all_is_there(
    vault: Vault, moved: str, keeper: S3ObjectKeeper, clock: SettableClock
) -> None:
    told: list[str] = []

    found = await_thaw(lambda: thaw(vault, moved, keeper), wait=clock.advance, pause_seconds=1800.0, tell=told.append)

    assert found.is_ready
    assert len(told) == 2
    assert ["2 of them asked for now" in words for words in told] == [True, False]


def test_what_is_near_is_never_asked_for(vault: Vault, keeper: S3ObjectKeeper, tier: FarTier) -> None:
    dataset = vault.archive("near", **FILES, empty=b"")

    assert thaw(vault, dataset, keeper).is_ready
    assert tier.asked == []


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        (Rule(Effect.ANSWER, status=501, code="NotImplemented"), StoreLacks, "cannot bring an object back"),
        (Rule(Effect.ANSWER, status=403, code="AccessDenied"), StoreForbids, "may not bring an object back"),
        (
            Rule(Effect.ANSWER, status=503, code="GlacierExpeditedRetrievalNotAvailable", times=10),
            StoreUnavailable,
            "so fast",
        ),
    ],
    ids=["lacks", "forbids", "busy"],
)
def test_a_store_that_brings_nothing_back_is_told_plainly(
    *, proxy: FaultProxy, object_store: S3Store, keeper: S3ObjectKeeper, rule: Rule, error: type[Exception], words: str
) -> None:
    object_store.put("a", b"bytes")
    rule.when = lambda one: one.method == "POST"
    rule.seen = 0
    proxy.add(rule)

    with pytest.raises(error, match=words):
        keeper.thaw("a", days=1, speed=ThawSpeed.EXPEDITED)


def test_seaweedfs_has_no_far_tier_and_says_so(object_store: S3Store, s3_endpoint: S3Access) -> None:
    object_store.put("a", b"bytes")
    keeper = S3ObjectKeeper(s3_endpoint, bucket=object_store.bucket, store="archive", patience=HASTY)

    assert keeper.reach("a").is_readable
    with pytest.raises(StoreLacks, match="archive cannot bring an object back"):
        keeper.thaw("a", days=1, speed=ThawSpeed.STANDARD)
    with pytest.raises(ObjectNotFound):
        keeper.reach("b")
    assert object_store.get("a")[0] == b"bytes"
    keeper.close()


@pytest.mark.parametrize(
    ("classes", "speed", "words"),
    [
        ((), ThawSpeed.STANDARD, "does not say"),
        (("GLACIER",), ThawSpeed.EXPEDITED, "1 to 5 minutes"),
        (("DEEP_ARCHIVE", "GLACIER"), ThawSpeed.STANDARD, "up to 12 hours"),
        (("DEEP_ARCHIVE",), ThawSpeed.EXPEDITED, "does not say"),
        (("GLACIER", "COLDLINE"), ThawSpeed.BULK, "does not say"),
    ],
)
def test_how_long_it_takes_is_said_where_it_is_documented(
    classes: tuple[str, ...], speed: ThawSpeed, words: str
) -> None:
    assert words in takes(classes, speed)


def test_what_lies_in_parts_is_brought_back_from_each_of_them(
    *, vault: Vault, keeper: S3ObjectKeeper, tier: FarTier, clock: SettableClock, tmp_path: Path
) -> None:
    vault.facility.most_files = 1
    dataset = vault.archive("far", **FILES)
    keys = {}
    for part, name in zip(vault.facility.parts(f"{dataset}:v1"), FILES, strict=True):
        keys[name] = vault.key_of(part.dataset_id, FILES[name])
    tier.move([keys["a"], keys["c"]])

    assert thaw(vault, dataset, keeper, files=["c.txt"]).asked == 1
    assert {key for key, _, _ in tier.asked} == {keys["c"]}
    assert thaw(vault, dataset, keeper).asked == 1
    clock.advance(timedelta(hours=6))

    assert thaw(vault, dataset, keeper).is_ready
    restore(vault, dataset, tmp_path / "out")
    assert {name: (tmp_path / "out/data" / f"{name}.txt").read_bytes() for name in FILES} == FILES
