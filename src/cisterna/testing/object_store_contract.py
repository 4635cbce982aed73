"""What every object store must do, as tests to inherit.

Subclass `ObjectStoreContract` in a test module of yours, give it a fixture `store`, and pytest runs every promise of
`ports.object_store.ObjectStore` against it. Keys are new in each test, so that one bucket serves them all.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from cisterna.domain.errors import CisternaError, InvalidInput, ObjectNotFound, PreconditionFailed
from cisterna.domain.probe_key import PROBE_PREFIX
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore, StoredObject

RACERS = 16
MIB = 1024 * 1024
LARGE_BYTES = 20 * MIB + 7
"""More than two of the smallest parts S3 allows (5 MiB)."""
RESUMED_BYTES = 56 * MIB + 7
"""Two thirds of it are more than one part of any size that adapters use."""

ODD_KEYS = (
    "spaces and + plus/x",
    "percent%2Fencoded%20/x",
    "µm Ünïcode 写真/🔬.tif",
    "quotes '\"/x & <y>.txt",
    "question?/hash#/x=1;y,z",
    "tilde~/star*/(x) [y] {z}!@$^|`",
    "e\u0301 decomposed/x",
    ".hidden/..x/x..",
)
HOSTILE_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    "a/./b",
    "a/../b",
    "..",
    "a\x00b",
    "a\nb",
    "a\\b",
    "\ud800",
    "x" * 1025,
    "é" * 600,
)


def new_prefix() -> str:
    """Make a prefix that nobody has used, with its slash."""
    return f"contract/{uuid.uuid4().hex}/"


def varied_bytes(size_bytes: int) -> bytes:
    """Make bytes in which every 4 KiB differ, so that lost or swapped parts show."""
    blocks = (number.to_bytes(8, "big") * 512 for number in range(size_bytes // 4096 + 1))
    return b"".join(blocks)[:size_bytes]


@contextmanager
def refused(kind: type[CisternaError]) -> Iterator[None]:
    """Assert that the block raises an error of ours with a message."""
    caught: CisternaError | None = None
    try:
        yield
    except kind as error:
        caught = error
    assert caught is not None, f"nothing was raised; expected {kind.__name__}"
    assert str(caught), f"{kind.__name__} came without a message"


def race(act: Callable[[int], StoredObject]) -> list[tuple[int, StoredObject]]:
    """Let 16 threads act at one moment; give the number and result of each that was not refused its condition."""
    start = threading.Barrier(RACERS)

    def run(number: int) -> tuple[int, StoredObject] | None:
        start.wait()
        try:
            return number, act(number)
        except PreconditionFailed:
            return None

    with ThreadPoolExecutor(RACERS) as pool:
        return [won for won in pool.map(run, range(RACERS)) if won is not None]


def eventually(claim: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    """Wait until the claim holds; False when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class ObjectStoreContract:
    """Inherit, and provide a pytest fixture `store` that gives an `ObjectStore`."""

    def test_what_was_put_is_read_back_with_its_facts(self, store: ObjectStore) -> None:
        """Put, get, head and list agree on bytes, size and ETag."""
        key, body = new_prefix() + "a.bin", varied_bytes(100_000)

        put = store.put(key, body, content_type="application/octet-stream")

        got, facts = store.get(key)
        assert got == body
        assert put == facts == store.head(key) == next(iter(store.list(key)))
        assert (put.key, put.size_bytes) == (key, len(body))
        assert put.etag
        assert '"' not in put.etag

    def test_every_read_after_a_write_sees_it(self, store: ObjectStore) -> None:
        """No read gives an older content."""
        key = new_prefix() + "a"
        for number in range(20):
            body = b"%d" % number
            store.put(key, body)
            assert store.get(key)[0] == body

    def test_other_bytes_have_another_etag(self, store: ObjectStore) -> None:
        """An ETag tells contents of the same length apart."""
        key = new_prefix() + "a"
        assert store.put(key, b"one").etag != store.put(key, b"two").etag

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        """Zero bytes are kept, found, and streamed as nothing."""
        key = new_prefix() + "empty"
        put = store.put(key, b"")
        assert store.head(key) == put
        assert store.get(key)[0] == b""
        assert b"".join(store.stream(key)) == b""

    def test_a_body_may_be_a_view_of_a_reused_buffer(self, store: ObjectStore) -> None:
        """The store has what the buffer held when `put` was called."""
        key, buffer = new_prefix() + "a", bytearray(b"first")
        store.put(key, memoryview(buffer)[1:4])
        buffer[:] = b"other"
        assert store.get(key)[0] == b"irs"

    def test_what_is_absent_is_named_as_absent(self, store: ObjectStore) -> None:
        """Reads of no object are `ObjectNotFound`; `head` and `list` give nothing."""
        prefix = new_prefix()
        with refused(ObjectNotFound):
            store.get(prefix + "a")
        with refused(ObjectNotFound):
            next(iter(store.stream(prefix + "a")))
        assert store.head(prefix + "a") is None
        assert list(store.list(prefix)) == []

    def test_a_folder_of_keys_is_no_object(self, store: ObjectStore) -> None:
        """Where only `a/b` was written, there is no `a`."""
        prefix = new_prefix()
        store.put(prefix + "a/b", b"x")
        assert store.head(prefix + "a") is None
        with refused(ObjectNotFound):
            store.get(prefix + "a")
        with refused(ObjectNotFound):
            next(iter(store.stream(prefix + "a")))

    def test_keys_are_kept_to_the_letter(self, store: ObjectStore) -> None:
        """Unicode, escapes and punctuation in keys come back as they were given."""
        prefix = new_prefix()
        for key in ODD_KEYS:
            store.put(prefix + key, key.encode())
        for key in ODD_KEYS:
            assert store.get(prefix + key)[0] == key.encode()
            assert store.head(prefix + key) is not None
        listed = [one.key for one in store.list(prefix)]
        assert listed == sorted((prefix + key for key in ODD_KEYS), key=lambda key: key.encode())
        store.delete([prefix + key for key in ODD_KEYS])
        assert list(store.list(prefix)) == []

    def test_a_key_that_stores_would_rewrite_is_refused(self, store: ObjectStore) -> None:
        """Hostile keys reach no store."""
        for key in HOSTILE_KEYS:
            with refused(InvalidInput):
                store.put(key, b"x")
            with refused(InvalidInput):
                store.get(key)
            with refused(InvalidInput):
                next(iter(store.stream(key)))
            with refused(InvalidInput):
                store.head(key)
            with refused(InvalidInput):
                store.begin_upload(key)
            with refused(InvalidInput):
                store.delete([key])

    def test_a_key_is_created_once(self, store: ObjectStore) -> None:
        """`IfAbsent` refuses what is there and leaves it as it was."""
        key = new_prefix() + "a"
        store.put(key, b"first", condition=IfAbsent())
        with refused(PreconditionFailed):
            store.put(key, b"second", condition=IfAbsent())
        assert store.get(key)[0] == b"first"

    def test_only_what_was_seen_is_replaced(self, store: ObjectStore) -> None:
        """`IfMatch` wants the present ETag, and an object."""
        key = new_prefix() + "a"
        seen = store.put(key, b"first")
        now = store.put(key, b"second", condition=IfMatch(etag=seen.etag))
        with refused(PreconditionFailed):
            store.put(key, b"third", condition=IfMatch(etag=seen.etag))
        assert store.get(key) == (b"second", now)
        with refused(PreconditionFailed):
            store.put(key + "-absent", b"x", condition=IfMatch(etag=now.etag))
        assert store.head(key + "-absent") is None

    def test_of_sixteen_creations_one_wins(self, store: ObjectStore) -> None:
        """`IfAbsent` is atomic."""
        key = new_prefix() + "a"
        winners = race(lambda number: store.put(key, b"racer %d" % number, condition=IfAbsent()))
        assert len(winners) == 1
        assert store.get(key) == (b"racer %d" % winners[0][0], winners[0][1])

    def test_of_sixteen_creations_of_the_same_bytes_one_wins(self, store: ObjectStore) -> None:
        """Who lost is told so even where the winner wrote the same bytes."""
        key = new_prefix() + "a"
        assert len(race(lambda _: store.put(key, b"the same", condition=IfAbsent()))) == 1

    def test_of_sixteen_replacements_one_wins(self, store: ObjectStore) -> None:
        """`IfMatch` is atomic."""
        key = new_prefix() + "a"
        seen = store.put(key, b"start")
        winners = race(lambda number: store.put(key, b"racer %d" % number, condition=IfMatch(etag=seen.etag)))
        assert len(winners) == 1
        assert store.get(key) == (b"racer %d" % winners[0][0], winners[0][1])

    def test_a_large_object_appears_whole_and_only_when_complete(self, store: ObjectStore) -> None:
        """Until `complete` readers see what was there before."""
        key, body = new_prefix() + "large", varied_bytes(LARGE_BYTES)
        upload = store.begin_upload(key)
        for offset in range(0, len(body), 1_000_003):
            upload.write(body[offset : offset + 1_000_003])
        assert store.head(key) is None

        done = upload.complete()

        assert (done.key, done.size_bytes) == (key, len(body))
        assert done == store.head(key)
        assert b"".join(store.stream(key)) == body
        assert upload.complete() == done

    def test_an_upload_may_be_small_or_empty(self, store: ObjectStore) -> None:
        """The size need not be known when an upload begins."""
        prefix = new_prefix()
        for number, body in enumerate((b"", b"x", varied_bytes(5 * MIB), varied_bytes(8 * MIB))):
            upload = store.begin_upload(f"{prefix}{number}")
            upload.write(body)
            assert upload.complete().size_bytes == len(body)
            assert store.get(f"{prefix}{number}")[0] == body

    def test_an_upload_takes_its_bytes_before_the_buffer_changes(self, store: ObjectStore) -> None:
        """The caller reuses one buffer for all that it reads."""
        key, body = new_prefix() + "large", varied_bytes(LARGE_BYTES)
        buffer = bytearray(MIB)
        upload = store.begin_upload(key)
        for offset in range(0, len(body), MIB):
            piece = body[offset : offset + MIB]
            buffer[: len(piece)] = piece
            upload.write(memoryview(buffer)[: len(piece)])
            buffer[:] = bytes(MIB)
        upload.complete()
        assert b"".join(store.stream(key)) == body

    def test_an_upload_replaces_an_object_whole(self, store: ObjectStore) -> None:
        """Readers see the old content until then, the new one after."""
        key = new_prefix() + "large"
        store.put(key, b"old")
        upload = store.begin_upload(key)
        upload.write(varied_bytes(LARGE_BYTES))
        assert store.get(key)[0] == b"old"
        upload.complete()
        assert store.get(key)[0] == varied_bytes(LARGE_BYTES)

    def test_an_aborted_upload_leaves_nothing(self, store: ObjectStore) -> None:
        """Neither an object nor parts, and a second abort is harmless."""
        prefix = new_prefix()
        upload = store.begin_upload(prefix + "large")
        upload.write(varied_bytes(LARGE_BYTES))
        upload.abort()
        upload.abort()
        assert store.head(prefix + "large") is None
        assert list(store.unfinished_uploads(prefix)) == []
        with refused(CisternaError):
            upload.complete()
        assert store.head(prefix + "large") is None

    def test_an_abort_after_completion_changes_nothing(self, store: ObjectStore) -> None:
        """Clean-up code may abort whatever it finds."""
        key = new_prefix() + "large"
        upload = store.begin_upload(key)
        upload.write(varied_bytes(LARGE_BYTES))
        done = upload.complete()
        upload.abort()
        assert store.head(key) == done

    def test_bytes_may_be_put_straight_into_the_room_of_an_upload(self, store: ObjectStore) -> None:
        """What is read into the lent buffer needs no copy, however little comes at a time."""
        key, body = new_prefix() + "large", varied_bytes(LARGE_BYTES)
        upload, offset = store.begin_upload(key), 0
        while offset < len(body):
            room = upload.room()
            assert room.nbytes > 0
            count = min(len(room), 3_000_001, len(body) - offset)
            room[:count] = body[offset : offset + count]
            upload.fill(count)
            offset += count
        assert upload.complete().size_bytes == len(body)
        assert b"".join(store.stream(key)) == body

    def test_bytes_are_sent_only_after_somebody_else_has_read_them(self, store: ObjectStore) -> None:
        """Whoever digests a piece may still be reading it when the next one is filled."""
        key, body = new_prefix() + "large", varied_bytes(LARGE_BYTES)
        upload = store.begin_upload(key)
        with ThreadPoolExecutor(1) as others:
            offset, seen = 0, list[bytes]()

            def read(piece: memoryview) -> None:
                seen.append(bytes(piece))

            while offset < len(body):
                room = upload.room()
                count = min(len(room), 3_000_001, len(body) - offset)
                room[:count] = body[offset : offset + count]
                upload.fill(count, after=others.submit(read, room[:count]))
                offset += count
            assert upload.complete().size_bytes == len(body)
        assert b"".join(seen) == body
        assert b"".join(store.stream(key)) == body

    @pytest.mark.parametrize("size_bytes", [5, LARGE_BYTES])
    def test_an_upload_fails_when_somebody_else_could_not_read_its_bytes(
        self, store: ObjectStore, size_bytes: int
    ) -> None:
        """What was not digested is not archived."""
        key, failed = new_prefix() + "large", Future[None]()
        failed.set_exception(BufferError("not read"))
        upload = store.begin_upload(key)

        def bring(left: int) -> None:
            while left:
                count = min(len(upload.room()), left)
                upload.fill(count, after=failed)
                left -= count
            upload.complete()

        with pytest.raises(BufferError, match="not read"):
            bring(size_bytes)
        upload.abort()
        assert list(store.list(key)) == []
        assert list(store.unfinished_uploads(key)) == []

    def test_an_upload_that_was_left_is_resumed_from_the_parts_that_arrived(self, store: ObjectStore) -> None:
        """Who goes on gives all bytes again; what the store has is not sent again."""
        prefix = new_prefix()
        body = varied_bytes(RESUMED_BYTES)
        first = store.begin_upload(prefix + "large")
        first.write(body[: RESUMED_BYTES * 2 // 3])
        first.leave()
        with refused(CisternaError):
            first.room()
        assert eventually(lambda: list(store.unfinished_uploads(prefix)) == [prefix + "large"])

        second = store.resume_upload(prefix + "large")

        assert second is not None
        second.write(body)
        assert second.complete().size_bytes == len(body)
        assert 0 < second.sent_bytes < len(body)
        assert b"".join(store.stream(prefix + "large")) == body
        assert list(store.unfinished_uploads(prefix)) == []

    def test_a_part_of_other_bytes_is_sent_again(self, store: ObjectStore) -> None:
        """The bytes that count are those of who completes the upload."""
        key = new_prefix() + "large"
        first = store.begin_upload(key)
        first.write(bytes(RESUMED_BYTES))
        first.leave()
        body = varied_bytes(RESUMED_BYTES)

        second = store.resume_upload(key)

        assert second is not None
        second.write(body)
        second.complete()
        assert second.sent_bytes == len(body)
        assert b"".join(store.stream(key)) == body

    def test_who_resumes_may_have_less_than_who_began(self, store: ObjectStore) -> None:
        """Parts beyond the end are not in the object."""
        key, body = new_prefix() + "large", varied_bytes(RESUMED_BYTES)
        first = store.begin_upload(key)
        first.write(body + body)
        first.leave()

        second = store.resume_upload(key)

        assert second is not None
        second.write(body)
        assert second.complete().size_bytes == len(body)
        assert b"".join(store.stream(key)) == body

    def test_there_is_nothing_to_resume_without_exactly_one_unfinished_upload(self, store: ObjectStore) -> None:
        """None, one that was completed, one that was aborted, and two."""
        prefix = new_prefix()
        assert store.resume_upload(prefix + "none") is None
        done, gone = store.begin_upload(prefix + "done"), store.begin_upload(prefix + "gone")
        for upload in (done, gone, *(store.begin_upload(prefix + "two") for _ in range(2))):
            upload.write(varied_bytes(LARGE_BYTES))
        done.complete()
        gone.abort()
        assert eventually(lambda: list(store.unfinished_uploads(prefix)) == [prefix + "two"] * 2)
        for name in ("done", "gone", "two"):
            assert store.resume_upload(prefix + name) is None, name

    def test_an_upload_that_was_taken_over_cannot_put_its_bytes_in(self, store: ObjectStore) -> None:
        """Whoever was thought dead and is not, changes nothing of what is complete."""
        key, body = new_prefix() + "large", varied_bytes(RESUMED_BYTES)
        first = store.begin_upload(key)
        first.write(body[: RESUMED_BYTES * 2 // 3])
        assert eventually(lambda: list(store.unfinished_uploads(key)) == [key])
        second = store.resume_upload(key)
        assert second is not None
        second.write(body)
        second.complete()

        with refused(CisternaError):
            first.write(bytes(RESUMED_BYTES))
            first.complete()

        assert b"".join(store.stream(key)) == body

    def test_unfinished_uploads_are_found_and_aborted_below_a_prefix(self, store: ObjectStore) -> None:
        """Others' uploads go on, and an aborted one cannot make its object appear."""
        prefix = new_prefix()
        lost, going_on = store.begin_upload(prefix + "one/lost"), store.begin_upload(prefix + "two/on")
        for upload in (lost, going_on):
            upload.write(varied_bytes(LARGE_BYTES))
        both = [prefix + "one/lost", prefix + "two/on"]
        assert eventually(lambda: sorted(store.unfinished_uploads(prefix)) == both)

        store.abort_unfinished(prefix + "one/")

        assert list(store.unfinished_uploads(prefix)) == [prefix + "two/on"]
        with refused(CisternaError):
            lost.complete()
        assert store.head(prefix + "one/lost") is None
        assert going_on.complete().size_bytes == LARGE_BYTES
        assert list(store.unfinished_uploads(prefix)) == []
        lost.abort()

    def test_unfinished_uploads_are_told_by_when_they_were_begun(self, store: ObjectStore) -> None:
        """What is collected after a grace must not be what has just begun."""
        prefix, earlier = new_prefix(), datetime.now(UTC) - timedelta(hours=1)
        upload = store.begin_upload(prefix + "young")
        upload.write(varied_bytes(LARGE_BYTES))

        assert eventually(lambda: list(store.unfinished_uploads(prefix)) == [prefix + "young"])
        assert list(store.unfinished_uploads(prefix, begun_before=earlier)) == []
        later = datetime.now(UTC) + timedelta(hours=1)
        assert list(store.unfinished_uploads(prefix, begun_before=later)) == [prefix + "young"]
        upload.abort()

    def test_uploads_of_sixteen_threads_keep_apart(self, store: ObjectStore) -> None:
        """One store serves many threads."""
        prefix = new_prefix()

        def run(number: int) -> bool:
            body = b"%02d" % number * 3 * MIB
            upload = store.begin_upload(f"{prefix}{number}")
            upload.write(body)
            upload.complete()
            return store.get(f"{prefix}{number}")[0] == body

        with ThreadPoolExecutor(RACERS) as pool:
            assert all(pool.map(run, range(RACERS)))

    def test_a_range_is_read_to_the_byte(self, store: ObjectStore) -> None:
        """`end` is not included; what lies beyond the object's end is not there."""
        key, body = new_prefix() + "a", varied_bytes(3 * MIB + 5)
        store.put(key, body)
        size = len(body)
        for start, end in ((0, 1), (1, 3), (4096, 2 * MIB), (size - 1, None), (10, None), (size - 2, size + 9)):
            assert b"".join(store.stream(key, start=start, end=end)) == body[start:end], (start, end)
        for start, end in ((0, 0), (7, 7), (9, 7), (size, None), (size + 5, None), (size, size + 1)):
            assert b"".join(store.stream(key, start=start, end=end)) == b"", (start, end)

    def test_a_range_before_the_beginning_is_refused(self, store: ObjectStore) -> None:
        """A negative offset is a mistake, never the end of the object."""
        key = new_prefix() + "a"
        store.put(key, b"abc")
        for start, end in ((-1, None), (0, -1)):
            with refused(InvalidInput):
                next(iter(store.stream(key, start=start, end=end)))

    def test_a_stream_comes_in_bounded_chunks_and_may_be_left(self, store: ObjectStore) -> None:
        """No chunk is larger than 16 MiB, and a reader may stop where it likes."""
        key = new_prefix() + "large"
        upload = store.begin_upload(key)
        for number in range(40):
            upload.write(bytes([number]) * MIB)
        upload.complete()
        chunks = store.stream(key)
        assert 0 < len(next(chunks)) <= 16 * MIB
        del chunks
        assert all(0 < len(chunk) <= 16 * MIB for chunk in store.stream(key))
        assert store.put(key, b"still there").size_bytes == 11

    def test_objects_are_listed_in_the_order_of_their_keys(self, store: ObjectStore) -> None:
        """The order is that of the keys' UTF-8, folders or not."""
        prefix = new_prefix()
        keys = ["a-b", "a/b", "a/b0", "a/c/d", "a.b", "a0", "ab", "Z", "z", "é", "\uffee", "🔬"]
        for key in keys:
            store.put(prefix + key, b"x")
        listed = [one.key for one in store.list(prefix)]
        assert listed == sorted((prefix + key for key in keys), key=lambda key: key.encode())

    def test_a_prefix_is_any_beginning_of_a_key(self, store: ObjectStore) -> None:
        """Prefixes do not stop at slashes."""
        prefix = new_prefix()
        for key in ("v1/x", "v10/x", "v2/x", "v1x"):
            store.put(prefix + key, b"x")
        assert [one.key for one in store.list(prefix + "v1")] == [prefix + key for key in ("v1/x", "v10/x", "v1x")]
        assert [one.key for one in store.list(prefix + "v1/")] == [prefix + "v1/x"]
        assert [one.key for one in store.list(prefix + "v1/x")] == [prefix + "v1/x"]
        assert list(store.list(prefix + "w")) == []

    def test_more_than_a_page_is_listed_and_deleted(self, store: ObjectStore) -> None:
        """S3 gives 1,000 keys a page and deletes 1,000 at a time; nobody notices."""
        prefix = new_prefix()
        keys = [f"{prefix}{number % 7}/{number:05d}" for number in range(1_205)]
        with ThreadPoolExecutor(RACERS) as pool:
            list(pool.map(lambda key: store.put(key, b"x"), keys))
        assert [one.key for one in store.list(prefix)] == sorted(keys)
        store.delete(iter([*keys, prefix + "absent"]))
        assert list(store.list(prefix)) == []

    def test_deleting_what_is_absent_is_no_error(self, store: ObjectStore) -> None:
        """A clean-up may run twice, and touches what it names only."""
        prefix = new_prefix()
        for key in ("a", "b"):
            store.put(prefix + key, b"x")
        store.delete([])
        store.delete([prefix + "a"])
        store.delete([prefix + "a", prefix + "never"])
        assert [one.key for one in store.list(prefix)] == [prefix + "b"]
        with refused(ObjectNotFound):
            store.get(prefix + "a")

    def test_the_probe_passes_and_leaves_nothing(self, store: ObjectStore) -> None:
        """A fit store is called fit as often as one asks."""
        store.probe()
        store.probe()
        assert list(store.list(PROBE_PREFIX)) == []
        assert list(store.unfinished_uploads(PROBE_PREFIX)) == []
