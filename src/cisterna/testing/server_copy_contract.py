"""What every store that copies from a landing zone must keep, as tests to inherit.

Subclass `WholeCopyContract` and `CopiedUploadContract` in a test module of yours, give them fixtures `store` and
`landing`, and pytest runs every promise of `ports.object_store.ServerCopier` against them. Keys are new in each test.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    InvalidInput,
    PreconditionFailed,
    StoreForbids,
    StoreLacks,
)
from cisterna.domain.probe_key import PROBE_PREFIX
from cisterna.ports.object_store import ObjectStore, ServerCopier, SourceObject, Witness
from cisterna.testing.object_store_contract import (
    LARGE_BYTES,
    MIB,
    RESUMED_BYTES,
    eventually,
    new_prefix,
    refused,
    varied_bytes,
)

WHOLE_BYTES = (1, 100_000, LARGE_BYTES)
"""Sizes of what is copied from memory; the last is more than one part."""


class CopyLanding(Protocol):
    """A landing zone that lies in the store under test; somebody writes there."""

    def write(self, key: str, body: bytes) -> SourceObject:
        """Write an object whole, and tell of it what a reader is told."""
        ...

    def remove(self, key: str) -> None:
        """Remove an object for good."""
        ...

    def witness(self) -> Witness:
        """Give an object whose bytes nobody can guess."""
        ...


class _Copying:
    """Provide fixtures: `store`, an `ObjectStore`, and `landing`, a `CopyLanding` in reach of it."""

    @pytest.fixture
    def copier(self, store: ObjectStore, landing: CopyLanding) -> ServerCopier:
        """Give what was proven."""
        return store.copier(landing.witness())


class WholeCopyContract(_Copying):
    """The proof, and copies of whole objects."""

    def test_the_proof_may_be_given_twice_and_leaves_nothing(self, store: ObjectStore, landing: CopyLanding) -> None:
        """Each worker asks for it, and the storage root holds objects only."""
        store.copier(landing.witness())
        store.copier(landing.witness())
        assert list(store.list(PROBE_PREFIX)) == []
        assert list(store.unfinished_uploads(PROBE_PREFIX)) == []

    def test_a_zone_that_is_not_the_one_that_was_read_is_refused(
        self, store: ObjectStore, landing: CopyLanding
    ) -> None:
        """Another bucket of the same name holds another text; one that nobody sees holds none."""
        witness = landing.witness()
        hidden = witness.stored.model_copy(update={"bucket": "nowhere-to-be-seen"})
        other = witness.model_copy(update={"body": bytes(len(witness.body))})
        replaced = witness.stored.model_copy(update={"etag": "f" * 32})
        for wrong in (other, witness.model_copy(update={"stored": replaced})):
            with refused(StoreLacks):
                store.copier(wrong)
        caught: CisternaError | None = None
        try:
            store.copier(witness.model_copy(update={"stored": hidden}))
        except (StoreForbids, StoreLacks) as error:
            caught = error
        assert caught is not None
        assert list(store.list(PROBE_PREFIX)) == []

    @pytest.mark.parametrize("size_bytes", [0, *WHOLE_BYTES])
    def test_a_copy_has_the_bytes_of_its_source(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding, size_bytes: int
    ) -> None:
        """Whatever its size, and under a key that has nothing to do with the source's."""
        key, body = new_prefix() + "a", varied_bytes(size_bytes)
        source = landing.write(new_prefix() + "spaces and + µ/x?versionId=y%20z#&.tiff", body)

        copy = copier.put(key, memoryview(body), source=source)

        assert copy == store.head(key)
        assert b"".join(store.stream(key)) == body
        assert copier.holds(key, body)
        assert list(store.unfinished_uploads(key)) == []

    @pytest.mark.parametrize("size_bytes", WHOLE_BYTES)
    @pytest.mark.parametrize("is_gone", [False, True], ids=["replaced", "deleted"])
    def test_what_is_no_longer_what_was_read_is_not_copied(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding, size_bytes: int, *, is_gone: bool
    ) -> None:
        """Also where the new object has the size of the old one."""
        key, where, body = new_prefix() + "a", new_prefix() + "x", varied_bytes(size_bytes)
        source = landing.write(where, body)
        if is_gone:
            landing.remove(where)
        else:
            landing.write(where, bytes(reversed(body)) if size_bytes > 1 else b"\xff")

        with refused(PreconditionFailed):
            copier.put(key, body, source=source)

        assert store.head(key) is None

    def test_a_copy_that_is_not_what_was_read_is_said_to_be_so(
        self, copier: ServerCopier, landing: CopyLanding
    ) -> None:
        """The store's checksum, or the size, is another than that of the bytes that were read."""
        body = varied_bytes(100_000)
        source = landing.write(new_prefix() + "x", body)
        for number, read in enumerate((bytes(100_000), body[:-1])):
            key = f"{new_prefix()}{number}"
            with refused(ChecksumMismatch):
                copier.put(key, read, source=source)
            assert not copier.holds(key, read)

    def test_a_copy_stays_when_its_source_is_replaced_or_deleted(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding
    ) -> None:
        """It shares nothing with the source."""
        prefix, where = new_prefix(), new_prefix() + "x"
        for number, size_bytes in enumerate(WHOLE_BYTES):
            body = varied_bytes(size_bytes)
            copier.put(f"{prefix}{number}", body, source=landing.write(where, body))
        landing.remove(where)
        for number, size_bytes in enumerate(WHOLE_BYTES):
            assert b"".join(store.stream(f"{prefix}{number}")) == varied_bytes(size_bytes)

    def test_a_second_copy_is_harmless(self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding) -> None:
        """A run that was killed copies again."""
        key, body = new_prefix() + "a", varied_bytes(100_000)
        source = landing.write(new_prefix() + "x", body)
        copier.put(key, body, source=source)
        copier.put(key, body, source=source)
        assert store.get(key)[0] == body

    def test_nothing_is_held_where_nothing_is(self, copier: ServerCopier) -> None:
        """Nor does it raise."""
        assert not copier.holds(new_prefix() + "a", b"x")

    def test_a_key_that_stores_would_rewrite_is_refused(self, copier: ServerCopier, landing: CopyLanding) -> None:
        """As wherever something is written."""
        source = landing.write(new_prefix() + "x", b"x")
        for key in ("a//b", "a/../b", "a\nb"):
            with refused(InvalidInput):
                copier.put(key, b"x", source=source)
            with refused(InvalidInput):
                copier.begin_upload(key, source=source)
            with refused(InvalidInput):
                copier.resume_upload(key, source=source)


class CopiedUploadContract(_Copying):
    """Uploads whose parts are copied."""

    @pytest.mark.parametrize("size_bytes", [5, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, RESUMED_BYTES])
    def test_an_upload_copies_its_parts_and_sends_nothing(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding, size_bytes: int
    ) -> None:
        """The object appears whole, and only when it is complete."""
        key, body = new_prefix() + "large", varied_bytes(size_bytes)
        upload = copier.begin_upload(key, source=landing.write(new_prefix() + "x", body))
        for offset in range(0, size_bytes, 3_000_001):
            upload.write(body[offset : offset + 3_000_001])
        assert store.head(key) is None

        done = upload.complete()

        assert done == store.head(key) == upload.complete()
        assert upload.sent_bytes == 0
        assert b"".join(store.stream(key)) == body
        assert list(store.unfinished_uploads(key)) == []

    @pytest.mark.parametrize("is_gone", [False, True], ids=["replaced", "deleted"])
    def test_an_upload_ends_when_its_source_is_no_longer_what_is_read(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding, *, is_gone: bool
    ) -> None:
        """Half of the parts are of what was read, and the rest would be of something else."""
        key, where, body = new_prefix() + "large", new_prefix() + "x", varied_bytes(RESUMED_BYTES)
        upload = copier.begin_upload(key, source=landing.write(where, body))
        upload.write(body[: RESUMED_BYTES // 2])
        if is_gone:
            landing.remove(where)
        else:
            landing.write(where, bytes(RESUMED_BYTES))

        with refused(PreconditionFailed):
            upload.write(body[RESUMED_BYTES // 2 :])
            upload.complete()

        upload.abort()
        assert store.head(key) is None
        assert list(store.unfinished_uploads(key)) == []

    def test_an_upload_of_other_bytes_than_its_source_has_is_never_complete(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding
    ) -> None:
        """The store's checksum of a part is another than that of what was read."""
        key, body = new_prefix() + "large", varied_bytes(LARGE_BYTES)
        upload = copier.begin_upload(key, source=landing.write(new_prefix() + "x", body))

        with refused(ChecksumMismatch):
            upload.write(body[:-1] + b"!")
            upload.complete()

        upload.abort()
        assert store.head(key) is None

    @pytest.mark.parametrize("began", ["copying", "sending"])
    @pytest.mark.parametrize("goes_on", ["copying", "sending"])
    def test_an_upload_that_was_left_is_resumed_by_copying_or_by_sending(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding, began: str, goes_on: str
    ) -> None:
        """The parts that have arrived are the same, whoever brought them."""
        prefix, body = new_prefix(), varied_bytes(RESUMED_BYTES)
        key, source = prefix + "large", landing.write(new_prefix() + "x", body)
        first = copier.begin_upload(key, source=source) if began == "copying" else store.begin_upload(key)
        first.write(body[: RESUMED_BYTES * 2 // 3])
        first.leave()
        assert eventually(lambda: list(store.unfinished_uploads(prefix)) == [key])

        second = copier.resume_upload(key, source=source) if goes_on == "copying" else store.resume_upload(key)

        assert second is not None
        second.write(body)
        assert second.complete().size_bytes == len(body)
        assert second.sent_bytes == 0 if goes_on == "copying" else 0 < second.sent_bytes < len(body)
        assert b"".join(store.stream(key)) == body
        assert list(store.unfinished_uploads(prefix)) == []

    def test_an_upload_that_was_taken_over_copies_nothing_into_what_is_complete(
        self, store: ObjectStore, copier: ServerCopier, landing: CopyLanding
    ) -> None:
        """Whoever was thought dead is told that its upload is over, and not that the source changed."""
        key, body = new_prefix() + "large", varied_bytes(RESUMED_BYTES)
        source = landing.write(new_prefix() + "x", body)
        first = copier.begin_upload(key, source=source)
        first.write(body[: RESUMED_BYTES // 2])
        assert eventually(lambda: list(store.unfinished_uploads(key)) == [key])
        second = copier.resume_upload(key, source=source)
        assert second is not None
        second.write(body)
        second.complete()

        caught: CisternaError | None = None
        try:
            first.write(body[RESUMED_BYTES // 2 :])
            first.complete()
        except CisternaError as error:
            caught = error

        assert not isinstance(caught, PreconditionFailed)
        assert b"".join(store.stream(key)) == body
