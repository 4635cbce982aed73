"""A landing zone on a real Samba, mounted through FUSE: what lags, locks and dies there never passes for what a run is.

`make torture` runs these where Debian's `samba`, `smbnetfs` and `fuse` are installed; what needs a second SMB client
asks for the package `smbprotocol` as well.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.zone_sentinel import write_sentinel
from cisterna.domain.acquisition import AcquisitionState, SourceState
from cisterna.domain.errors import NotFound, SourceUnavailable
from cisterna.domain.instrument import ZoneIdentity, sentinel_text
from cisterna.ports.source import SourceFile
from cisterna.services.detect import SweepMemory, SweepResult
from cisterna.testing.clock import SettableClock
from cisterna.testing.virtual_squid import Fault
from tests.services.samba_share import SambaServer, ShareMount, mounted, serving, until
from tests.services.test_detect import Bench

pytestmark = [pytest.mark.torture, pytest.mark.timeout(240)]

W, C, A, P, S, U = AcquisitionState
OLD_NS = 1_000_000_000_000_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SambaServer]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def mount(server: SambaServer, tmp_path: Path) -> Iterator[ShareMount]:
    with mounted(server, tmp_path / "first") as made:
        yield made


class ShareBench(Bench):
    """A zone on the share that is known by its sentinel, swept as the dispatcher does: with a memory."""

    server: SambaServer

    @property
    def served(self) -> Path:
        """The zone, as the server sees it."""
        return self.server.share / "zone"

    def write_on_server(self, **changes: object) -> Path:
        return self.squid(run_json=self.server.share / "run.json", **changes).write(self.served)

    def until_complete(self) -> None:
        """Sweep until every run is complete; the clock goes so slowly that silence decides nothing meanwhile."""

        def is_complete() -> bool:
            self.sweep(after=0.5)
            return {one.state for one in self.all().values()} == {C}

        until(is_complete, what="the runs are complete")

    def count_as_ingested(self) -> None:
        for one in self.all().values():
            self.change(one, ingested_fingerprint=one.fingerprint)


@pytest.fixture
def bench(server: SambaServer, mount: ShareMount, catalogue: SqlCatalogue, clock: SettableClock) -> ShareBench:
    made = ShareBench(mount.share, catalogue, clock, memory=SweepMemory())
    made.server = server
    write_sentinel(str(made.served), sentinel_text("a" * 32, instrument="squid-1"))
    identity = LandingFolder(made.zone).identity()
    made.declared = made.declared.model_copy(update={"identity": identity})
    made.watched = LandingFolder(made.zone, declared=identity)
    return made


class Client:
    """Another SMB client of the share, which says how others may open a file meanwhile."""

    def __init__(self, server: SambaServer) -> None:
        self._smb: Any = pytest.importorskip("smbclient", reason="the package smbprotocol is not installed")
        self._port = server.port
        # A guest has no key that the negotiation could be proven with.
        self._smb.ClientConfig(require_secure_negotiate=False)
        self._smb.register_session(
            "127.0.0.1",
            username="anybody",
            password="any",
            port=self._port,
            require_signing=False,
            auth_protocol="ntlm",
        )

    def open(self, path: Path, mode: str, *, others_may: str) -> Any:
        return self._smb.open_file(self._name(path), mode=mode, share_access=others_may, port=self._port, buffering=0)

    def make_folder(self, path: Path) -> None:
        self._smb.makedirs(self._name(path), exist_ok=True, port=self._port)

    def set_time(self, path: Path, mtime_ns: int) -> None:
        self._smb.utime(self._name(path), ns=(mtime_ns, mtime_ns), port=self._port)

    def leave(self) -> None:
        self._smb.reset_connection_cache(fail_on_error=False)

    def _name(self, path: Path) -> str:
        return "\\\\127.0.0.1\\zone\\" + str(path).replace("/", "\\")


@contextmanager
def other_client(server: SambaServer) -> Iterator[Client]:
    client = Client(server)
    try:
        yield client
    finally:
        client.leave()


def require_nothing_inferred(bench: ShareBench, result: SweepResult) -> None:
    """The zone is told as such; what is safe stays as it was, what is not is held, and nothing has vanished."""
    assert result.unavailable is not None
    assert result.requested == ()
    for one in bench.all().values():
        assert one.source_state is SourceState.PRESENT
        assert (one.state is C) if one.ingested_fingerprint else (one.state is U and one.held == result.unavailable)


def test_a_zone_on_a_share_is_known_listed_and_read_as_the_disk_behind_it(bench: ShareBench) -> None:
    run = bench.write_on_server()
    on_disk, through = LandingFolder(bench.served), LandingFolder(bench.zone, declared=bench.declared.identity)

    seen, there = through.listing(run.name), on_disk.listing(run.name)

    assert through.identity().sentinel == on_disk.identity().sentinel == "a" * 32
    assert (through.folders(), through.strays()) == ([run.name], ())
    assert [(file.path, file.size_bytes) for file in seen.files] == [
        (file.path, file.size_bytes) for file in there.files
    ]
    for mine, its in zip(seen.files, there.files, strict=True):
        assert 0 <= its.mtime_ns - mine.mtime_ns < 100  # SMB counts in tenths of a microsecond
    assert through.listing(run.name).fingerprint == seen.fingerprint
    with through.entered(run.name) as entered:
        for file in seen.files:
            with entered.open(file.path) as opened:
                body = bytearray(file.size_bytes + 1)
                assert opened.readinto(memoryview(body)) == file.size_bytes
                assert bytes(body[:-1]) == (run / file.path).read_bytes()
                assert opened.still() == opened.opened == file
            assert through.read_tail(run.name, file.path, limit_bytes=7) == (run / file.path).read_bytes()[-7:]
    with pytest.raises(NotFound):
        through.read_small(run.name, "nothing.csv", limit_bytes=10)


def test_what_grows_on_the_server_is_seen_late_and_an_open_file_tells_it_too(bench: ShareBench) -> None:
    run = bench.write_on_server()
    zone, file = LandingFolder(bench.zone), run / "coordinates.csv"
    before = zone.listing(run.name).fingerprint

    with file.open("ab") as more:
        more.write(b"1,2,3\n")
    until(lambda: zone.listing(run.name).fingerprint != before, seconds=10, what="the listing tells the growth")

    with zone.open(run.name, "coordinates.csv") as opened:
        with file.open("ab") as more:
            more.write(b"4,5,6\n")
        until(lambda: opened.still() != opened.opened, seconds=10, what="the open file tells the growth")


@pytest.mark.parametrize(
    ("is_through_the_mount", "fault"),
    [  # smbnetfs cannot open a new file for appending, as the faults do, and says so: these are the server's alone
        pytest.param(True, Fault.NONE, id="through the mount"),
        pytest.param(False, Fault.NONE, id="on the server"),
        pytest.param(False, Fault.LATE, id="on the server, late"),
        pytest.param(False, Fault.GROWING, id="on the server, growing"),
    ],
)
def test_a_run_written_to_a_share_is_never_complete_before_its_last_byte(
    bench: ShareBench, is_through_the_mount: bool, fault: Fault
) -> None:
    given = {} if is_through_the_mount else {"run_json": bench.server.share / "run.json"}
    states = []

    for _ in bench.squid(time_points=2, fault=fault, **given).steps(
        bench.zone if is_through_the_mount else bench.served
    ):
        bench.sweep(after=1)
        states.extend(one.state for one in bench.all().values())
    bench.until_complete()

    assert set(states[:-1]) == {W}
    assert len(bench.work()) == 1
    found = {file.path: file.size_bytes for file in LandingFolder(bench.zone).listing(bench.only().folder).files}
    there = LandingFolder(bench.served).listing(bench.only().folder).files
    assert found == {file.path: file.size_bytes for file in there}


def test_a_run_copied_with_its_markers_first_and_old_times_is_complete_with_its_last_file(
    bench: ShareBench, tmp_path: Path
) -> None:
    source = bench.squid(run_json=bench.server.share / "run.json").write(tmp_path / "microscope")
    paths = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    states = []

    with other_client(bench.server) as client:
        for path in paths:
            body, target = (source / path).read_bytes(), Path("zone", source.name, path)
            client.make_folder(target.parent)
            with client.open(target, "xb", others_may="r") as file:
                file.truncate(len(body))  # a copy has its full size before it has its content
                bench.sweep(after=1)
                states.append(bench.only().state)
                file.write(body)
            client.set_time(target, OLD_NS)
    bench.until_complete()

    assert paths[0].name == ".done"
    assert C not in states
    until(lambda: _times(bench, source.name) == {OLD_NS}, what="every time is told as the copy set it")


def _times(bench: ShareBench, folder: str) -> set[int]:
    return {file.mtime_ns for file in LandingFolder(bench.zone).listing(folder).files}


def test_names_that_differ_only_in_case_hold_a_run_whose_share_gives_each_its_bytes(bench: ShareBench) -> None:
    run = bench.write_on_server()
    (run / "notes.txt").write_text("small")
    (run / "NOTES.txt").write_text("great")
    zone = LandingFolder(bench.zone)

    def is_held() -> bool:
        bench.sweep(after=60)
        return "NOTES.txt" in (bench.only().held or "")

    until(is_held, what="the run is held for its names")
    assert zone.read_small(run.name, "notes.txt", limit_bytes=9) == b"small"
    assert zone.read_small(run.name, "NOTES.txt", limit_bytes=9) == b"great"
    assert zone.read_small(run.name.upper(), "0/.DONE", limit_bytes=9) == (run / "0" / ".done").read_bytes()
    assert bench.work() == []


def test_a_file_that_another_client_has_for_itself_alone_delays_its_run_and_hurts_nothing(bench: ShareBench) -> None:
    run = bench.write_on_server()
    image = next(path for path in sorted(run.rglob("*.tiff")))

    with other_client(bench.server) as client:
        with client.open(Path("zone", run.name, image.relative_to(run)), "r+b", others_may=""):
            result = bench.sweep(after=1)
            states = {one.state for one in bench.all().values()}

            assert result.requested == ()
            assert C not in states
            with pytest.raises(SourceUnavailable):
                LandingFolder(bench.zone).read_tail(run.name, str(image.relative_to(run)), limit_bytes=9)
        until(lambda: bool(bench.sweep(after=61).requested), seconds=60, what="the run is complete")

    assert bench.only().state is C


def test_a_server_killed_in_the_middle_of_a_read_fails_the_read_and_ends_no_file(bench: ShareBench) -> None:
    (bench.served / "run").mkdir()
    body = random.Random(5).randbytes(24 * 1024 * 1024)
    (bench.served / "run" / "large.bin").write_bytes(body)
    zone, piece = LandingFolder(bench.zone), memoryview(bytearray(1024 * 1024))

    with zone.open("run", "large.bin") as file:
        assert file.readinto(piece) == len(piece)
        bench.server.kill()
        with pytest.raises(SourceUnavailable, match=r"reading large\.bin failed"):
            _read_to_the_end(file, piece)
    bench.server.start()

    until(lambda: _reads(zone, body), what="the file is read after the restart")


def _read_to_the_end(file: SourceFile, piece: memoryview) -> None:
    while file.readinto(piece) == len(piece):
        pass


def _reads(zone: LandingFolder, body: bytes) -> bool:
    try:
        return zone.read_small("run", "large.bin", limit_bytes=len(body)) == body
    except SourceUnavailable:
        return False


def test_a_server_killed_in_the_middle_of_a_listing_never_gives_a_shorter_one(bench: ShareBench) -> None:
    for number in range(600):
        file = bench.served / "run" / f"{number % 6}" / f"{number}.tiff"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"pixels")
    zone, seen, refused, chance = (
        LandingFolder(bench.zone, declared=bench.declared.identity),
        set(),
        0,
        random.Random(7),
    )

    for _ in range(6):
        killer = threading.Timer(chance.uniform(0.0, 0.3), bench.server.kill)
        killer.start()
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            try:
                seen.add(len(zone.listing("run").files))
            except SourceUnavailable:
                refused += 1
        killer.join()
        bench.server.start()
        until(lambda: _lists(zone), what="the folder is listed after the restart")

    assert seen <= {600}
    assert refused


def _lists(zone: LandingFolder) -> bool:
    try:
        return len(zone.listing("run").files) == 600
    except SourceUnavailable:
        return False


@pytest.mark.parametrize("gone", ["killed server", "killed client", "unmounted", "moved on the server", "another"])
def test_a_share_that_is_gone_is_unavailable_and_never_empty_and_comes_back_as_it_was(
    bench: ShareBench, mount: ShareMount, gone: str
) -> None:
    whole = bench.write_on_server()
    bench.until_complete()
    bench.count_as_ingested()
    open_run = bench.write_on_server(experiment="second", fault=Fault.CRASH)
    until(lambda: _sweeps(bench, runs=2), what="the second run is seen")
    share = bench.server.share
    away = share.with_name("away")

    if gone == "killed server":
        bench.server.kill()
    elif gone == "killed client":
        mount.kill_client()
    elif gone == "unmounted":
        mount.unmount()
    else:
        share.rename(away)
        if gone == "another":
            (share / "zone").mkdir(parents=True)
    until(lambda: _is_unavailable(bench), what="the zone is unavailable")
    for _ in range(3):
        require_nothing_inferred(bench, bench.sweep(after=1))
    if gone == "killed server":
        bench.server.start()
    elif away.exists():
        if share.exists():
            (share / "zone").rmdir()
            share.rmdir()
        away.rename(share)
    else:
        mount.unmount()
        mount.mount()

    until(lambda: not _is_unavailable(bench), what="the zone is available again")
    # The client gives files that it lost sight of new inodes: a run may seem changed then, and is judged anew.
    until(lambda: _is_complete_again(bench, whole.name), what="the whole run is complete again")
    assert {one.source_state for one in bench.all().values()} <= {SourceState.PRESENT, SourceState.CHANGED}
    assert {folder: one.state for folder, one in bench.all().items()} == {whole.name: C, open_run.name: W}


def _sweeps(bench: ShareBench, *, runs: int) -> bool:
    bench.sweep(after=1)
    return len(bench.all()) == runs


def _is_complete_again(bench: ShareBench, folder: str) -> bool:
    bench.sweep(after=10)
    return bench.all()[folder].state is C


def _is_unavailable(bench: ShareBench) -> bool:
    return bench.sweep(after=1).unavailable is not None


def test_a_share_mounted_again_is_known_by_its_sentinel_alone_and_its_new_inodes_are_not_believed_to_be_changes(
    bench: ShareBench, mount: ShareMount, tmp_path: Path
) -> None:
    for number in range(5):
        bench.write_on_server(experiment=f"run{number}")
    bench.sweep()
    bench.sweep(after=60)
    bench.count_as_ingested()
    before, known = LandingFolder(bench.zone).identity(), bench.all()
    bare = ZoneIdentity(device=before.device, inode=before.inode)

    mount.unmount()
    with mounted(bench.server, tmp_path / "second"):  # takes the number of the device that went
        mount.mount()
        for path in sorted(bench.served.rglob("*"), reverse=True):  # the client numbers files as it meets them
            (bench.zone / path.relative_to(bench.served)).stat()
        after = LandingFolder(bench.zone).identity()
        result = bench.sweep(after=3700)

    assert after.device != before.device
    LandingFolder(bench.zone).require_identity(before)
    with pytest.raises(SourceUnavailable, match="a sentinel outlives that"):
        LandingFolder(bench.zone).require_identity(bare)
    assert (result.unavailable, result.guarded, result.written) == (None, 5, ())
    assert bench.all() == known
