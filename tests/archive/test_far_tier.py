"""What lies in a storage class that it must be restored from is not readable now, and never damaged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_minio import S3MinioStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import NotReadableNow
from cisterna.domain.fixity import Fixity
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


def moved(proxy: FaultProxy, *, ends: str) -> None:
    """Answer for keys with that last part as S3 does for an object in GLACIER."""
    name = ends.rpartition("/")[2]
    proxy.add(
        Rule(
            Effect.ANSWER,
            status=403,
            code="InvalidObjectState",
            times=10_000,
            when=lambda one: one.method == "GET" and one.path.endswith(f"/{name}"),
        )
    )


def test_reading_it_says_where_it_lies_and_what_to_do(far: AnyStore, proxy: FaultProxy, object_store: S3Store) -> None:
    object_store.put("a", b"bytes")
    moved(proxy, ends="/a")

    with pytest.raises(NotReadableNow, match="restore"):
        far.get("a")
    with pytest.raises(NotReadableNow, match="restore") as refusal:
        b"".join(far.stream("a"))

    assert not refusal.value.retryable


@pytest.mark.parametrize("share", ["one file", "every data file"])
def test_a_check_could_not_check_it_and_names_no_damage(
    facility: Facility, far: AnyStore, proxy: FaultProxy, share: str
) -> None:
    vault = Vault(facility, far, MemoryStore(name="mirror"))
    dataset = vault.archive("far", a=b"alpha", b=b"beta", c=b"gamma")
    keys = [vault.key_of(dataset, body) for body in (b"alpha", b"beta", b"gamma")]
    for key in keys[: 1 if share == "one file" else 3]:
        moved(proxy, ends=key)

    for _ in range(2):
        found = vault.look(dataset, far)

        assert found.fixity is Fixity.COULD_NOT_CHECK
        assert found.damaged == ()
        assert "storage class" in found.reason


def test_damage_beside_it_is_still_named(facility: Facility, far: AnyStore, proxy: FaultProxy) -> None:
    vault = Vault(facility, far, MemoryStore(name="mirror"))
    dataset = vault.archive("far", a=b"alpha", b=b"beta")
    far.put(vault.key_of(dataset, b"beta"), b"bita")
    moved(proxy, ends=vault.key_of(dataset, b"alpha"))

    found = vault.look(dataset, far)

    assert found.fixity is Fixity.DAMAGED
    assert len(found.damaged) == 1
