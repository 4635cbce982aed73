"""What a profile sees of a run that is in the archive."""

from __future__ import annotations

import hashlib

import pytest

from cisterna.domain.errors import HostileInput, NotFound
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.services.archived_look import ArchivedLook
from cisterna.testing.factory import make_dataset
from cisterna.testing.memory_store import MemoryStore

BODY = bytes(range(100))


@pytest.fixture
def look() -> ArchivedLook:
    store, dataset = MemoryStore(), make_dataset()
    entries = []
    for path, body in {"a.bin": BODY, "empty": b""}.items():
        content = f"v1/content/{path}"
        store.put(f"{dataset.object_root}/{content}", body)
        digest = hashlib.sha512(body).hexdigest()
        entries.append(FileEntry(path=path, size_bytes=len(body), sha512=digest, content_path=content))
    return ArchivedLook("run", Manifest.of(entries), dataset=dataset, store=store, settings={})


@pytest.mark.parametrize("limit", [0, 1, 99, 100, 101])
def test_both_ends_of_a_file_are_read_without_the_rest(look: ArchivedLook, limit: int) -> None:
    assert look.head("a.bin", limit_bytes=limit) == BODY[:limit]
    assert look.tail("a.bin", limit_bytes=limit) == (BODY[-limit:] if limit else b"")


def test_an_empty_file_has_empty_ends(look: ArchivedLook) -> None:
    assert (look.head("empty"), look.tail("empty"), look.read("empty")) == (b"", b"", b"")


def test_a_file_that_is_not_kept_is_not_found_and_a_large_one_is_not_read_whole(look: ArchivedLook) -> None:
    for read in (look.head, look.tail, look.read):
        with pytest.raises(NotFound):
            read("nothing")
    with pytest.raises(HostileInput, match="100 bytes"):
        look.read("a.bin", limit_bytes=99)
