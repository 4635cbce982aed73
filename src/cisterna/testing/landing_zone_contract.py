"""What every `LandingZone` keeps; inherit the class and give it zones to write to."""

from __future__ import annotations

import os
from typing import Protocol

import pytest

from cisterna.domain.errors import HostileInput, NotFound, SourceUnavailable
from cisterna.domain.instrument import Identity
from cisterna.ports.source import LandingZone


class ZoneWriter(Protocol):
    """Writes to a landing zone as an instrument does, and looks at it."""

    def write(self, path: str, body: bytes) -> None:
        """Write a file, as `folder/path`; the one that is there is replaced."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    def swap(self) -> None:
        """Put another, empty zone in its place."""
        ...

    def zone(self, *, declared: Identity | None = None) -> LandingZone:
        """Open the zone."""
        ...


class LandingZoneContract:
    """Give `writer`, a fixture: a zone that was declared, with nothing in it yet."""

    def test_folders_come_in_the_order_of_their_names_and_what_lies_beside_is_named(self, writer: ZoneWriter) -> None:
        """Nothing in a zone goes unseen."""
        for path in ("run-b/x", "run-a/0/y", "run/z", "note.txt"):
            writer.write(path, b"1")
        zone = writer.zone()

        assert list(zone.folders()) == ["run", "run-a", "run-b"]
        assert [stray.shown for stray in zone.strays()] == ["note.txt"]

    def test_a_declared_zone_may_be_empty(self, writer: ZoneWriter) -> None:
        """It is declared before the first run."""
        zone = writer.zone(declared=writer.zone().identity())

        assert (list(zone.folders()), list(zone.strays())) == ([], [])

    def test_a_listing_has_every_file_below_a_folder_and_of_no_other(self, writer: ZoneWriter) -> None:
        """Sizes are those of the bytes; the order is that of the paths."""
        for path in ("run/b.csv", "run/0/deep/A1.tiff", "run/a.csv", "run-2/other", "run/empty"):
            writer.write(path, b"" if path.endswith("empty") else path.encode())

        listing = writer.zone().listing("run")

        found = [(file.path, file.size_bytes) for file in listing.files]
        assert found == [("0/deep/A1.tiff", 18), ("a.csv", 9), ("b.csv", 9), ("empty", 0)]
        assert listing.obstacles == ()

    def test_a_fingerprint_is_the_same_until_something_changes(self, writer: ZoneWriter) -> None:
        """Also when a file is replaced by one of the same size at once."""
        writer.write("run/a", b"one")
        zone = writer.zone()
        first, again = zone.listing("run").fingerprint, zone.listing("run").fingerprint
        writer.write("run/a", b"two")
        replaced = zone.listing("run").fingerprint
        writer.write("run/b", b"")

        assert first == again
        assert len({first, replaced, zone.listing("run").fingerprint}) == 3

    @pytest.mark.parametrize(("limit", "end"), [(3, b"hij"), (10, b"abcdefghij"), (4096, b"abcdefghij")])
    def test_the_end_of_a_file_is_read_without_the_rest(self, writer: ZoneWriter, limit: int, end: bytes) -> None:
        """Whatever is asked for: fewer bytes only when there are no more."""
        writer.write("run/a", b"abcdefghij")
        writer.write("run/empty", b"")
        zone = writer.zone()

        assert zone.read_tail("run", "a", limit_bytes=limit) == end
        assert zone.read_tail("run", "empty", limit_bytes=limit) == b""
        with pytest.raises(NotFound):
            zone.read_tail("run", "other", limit_bytes=limit)

    def test_an_entered_folder_opens_its_files_one_after_another(self, writer: ZoneWriter) -> None:
        """Each as it was when it was opened."""
        for path in ("run/0/a", "run/0/b", "run/1/c"):
            writer.write(path, path.encode())
        zone = writer.zone()

        with zone.entered("run") as folder:
            for file in zone.listing("run").files:
                with folder.open(file.path) as source:
                    buffer = bytearray(file.size_bytes)
                    assert source.opened == file
                    assert source.readinto(memoryview(buffer)) == file.size_bytes
                    assert buffer == f"run/{file.path}".encode()
            with pytest.raises(NotFound), folder.open("0/other"):
                pass

    def test_what_is_not_there_is_not_found(self, writer: ZoneWriter) -> None:
        """A part of a name is no name."""
        writer.write("run/a", b"1")
        zone = writer.zone()

        for look in (
            lambda: zone.listing("ru"),
            lambda: zone.read_small("run", "b", limit_bytes=1),
            lambda: zone.read_small("other", "a", limit_bytes=1),
            lambda: zone.open("run", "b").__enter__(),
        ):
            with pytest.raises(NotFound):
                look()

    def test_a_small_file_is_read_whole_or_refused(self, writer: ZoneWriter) -> None:
        """The limit counts bytes that are there."""
        writer.write("run/a", b"12345")
        zone = writer.zone()

        assert zone.read_small("run", "a", limit_bytes=5) == b"12345"
        with pytest.raises(HostileInput, match="larger than 4"):
            zone.read_small("run", "a", limit_bytes=4)

    def test_a_file_is_read_once_from_the_front_and_is_what_was_listed(self, writer: ZoneWriter) -> None:
        """Before the first byte and after the last."""
        body = os.urandom(300_000)
        writer.write("run/big", body)
        writer.write("run/empty", b"")
        zone = writer.zone()
        listed = {file.path: file for file in zone.listing("run").files}

        for path, wanted in (("big", body), ("empty", b"")):
            with zone.open("run", path) as file:
                before, read, buffer = file.still(), bytearray(), bytearray(64 * 1024)
                while count := file.readinto(memoryview(buffer)):
                    read += buffer[:count]
                after = file.still()
            assert (bytes(read), before, after) == (wanted, listed[path], listed[path])

    def test_a_file_that_is_replaced_while_it_is_read_is_not_what_was_listed(self, writer: ZoneWriter) -> None:
        """By bytes of the same number."""
        writer.write("run/a", b"1" * 100_000)
        zone = writer.zone()
        (listed,) = zone.listing("run").files

        with zone.open("run", "a") as file:
            before = file.still()
            file.readinto(memoryview(bytearray(10)))
            writer.write("run/a", b"2" * 100_000)
        with zone.open("run", "a") as file:
            after = file.still()

        assert before == listed
        assert after != listed

    @pytest.mark.parametrize("path", ["../run/a", "/etc/passwd", "x/../a", "", "./a", "a\0b", "%2E%2E/a"])
    def test_a_path_that_climbs_is_refused(self, writer: ZoneWriter, path: str) -> None:
        """Whether it would lead anywhere or not."""
        writer.write("run/a", b"1")

        with pytest.raises(HostileInput):
            writer.zone().read_small("run", path, limit_bytes=10)

    @pytest.mark.parametrize("folder", ["..", ".", "", "run/0", "/etc"])
    def test_a_folder_that_is_no_name_is_refused(self, writer: ZoneWriter, folder: str) -> None:
        """Folders lie directly in the zone."""
        writer.write("run/0/a", b"1")

        with pytest.raises(HostileInput):
            writer.zone().listing(folder)
        with pytest.raises(HostileInput):
            writer.zone().read_small(folder, "a", limit_bytes=10)

    def test_another_zone_in_its_place_is_unavailable_and_never_empty(self, writer: ZoneWriter) -> None:
        """An empty mount point, an emptied bucket: nothing is inferred from either."""
        writer.write("run/a", b"1")
        declared = writer.zone().identity()
        zone = writer.zone(declared=declared)
        assert list(zone.folders()) == ["run"]
        writer.swap()

        for look in (
            zone.folders,
            zone.strays,
            lambda: zone.listing("run"),
            lambda: zone.require_identity(declared),
            lambda: writer.zone().require_identity(declared),
        ):
            with pytest.raises(SourceUnavailable):
                look()

    def test_an_open_file_says_which_object_it_is_where_it_is_one(self, writer: ZoneWriter) -> None:
        """The store that the zone lies in is told to copy this very object and no other."""
        writer.write("run/a.tiff", b"first")
        zone = writer.zone()
        with zone.open("run", "a.tiff") as file:
            first = file.stored
        writer.write("run/a.tiff", b"other")
        with zone.open("run", "a.tiff") as file:
            other = file.stored

        witness = zone.witness()

        assert (first is None, other is None) == (witness is None, witness is None)
        if first is not None and witness is not None:
            assert (first.size_bytes, first.key.rpartition("/")[2]) == (5, "a.tiff")
            assert first != other
            assert witness.stored.bucket == first.bucket
            assert witness.stored.size_bytes == len(witness.body)
