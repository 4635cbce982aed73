"""One site of plain pages that several homes, or threads, write to at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cisterna.adapters.target_place import BucketPlace, FolderPlace
from cisterna.adapters.target_static import SHELF
from cisterna.ports.object_store import Condition, StoredObject
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.target_request import FILES, REASON, deposit_request, tombstone_of
from tests.targets.test_static_site import StaticStage


class MeanwhileStore(MemoryStore):
    """Lets something happen once, between the reading or before the writing of a key and what its caller does next."""

    def __init__(self) -> None:
        super().__init__()
        self.during: dict[tuple[str, str], Callable[[], object]] = {}

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        try:
            return super().get(key)
        finally:
            self._let("get", key)

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        self._let("put", key)
        return super().put(key, body, condition=condition, content_type=content_type)

    def _let(self, method: str, key: str) -> None:
        if act := self.during.pop((method, key), None):
            act()


@pytest.mark.parametrize("moment", [("get", f"site/{SHELF}"), ("put", "site/index.html")])
@pytest.mark.parametrize("is_first", [True, False])
def test_two_homes_that_write_to_one_site_at_once_lose_nothing_of_each_other(
    moment: tuple[str, str], is_first: bool
) -> None:
    """A version that was withdrawn meanwhile is not led to again, and one that was brought is not left out."""
    store = MeanwhileStore()
    one, other = (StaticStage(BucketPlace(store, prefix="site/"), store) for _ in range(2))
    gone, brought, mine = (deposit_request("mirror", name=name) for name in ("gone", "brought", "mine"))
    if not is_first:
        other.target.deposit(gone, known=None, files=FILES)

    def meanwhile() -> None:
        other.target.deposit(brought, known=None, files=FILES)
        if not is_first:
            other.target.withdraw(tombstone_of(gone), known=None, reason=REASON)

    store.during[moment] = meanwhile

    one.target.deposit(mine, known=None, files=FILES)

    assert store.during == {}
    listed = (one.place.read("index.html") or b"").decode()
    assert all(one.standing(request.key) for request in (brought, mine))
    assert all(f"Nuclei of {name}" in listed for name in ("brought", "mine"))
    assert one.standing(gone.key) == []
    assert "Nuclei of gone" not in listed


def test_several_threads_that_write_to_one_folder_lose_nothing_of_each_other(tmp_path: Path) -> None:
    stages = [StaticStage(FolderPlace(tmp_path, target="mirror")) for _ in range(4)]
    requests = [deposit_request("mirror", name=f"plate {number}") for number in range(len(stages))]

    with ThreadPoolExecutor(len(stages)) as threads:
        list(
            threads.map(
                lambda it: it[0].target.deposit(it[1], known=None, files=FILES), zip(stages, requests, strict=True)
            )
        )

    assert all(stages[0].standing(request.key) for request in requests)
