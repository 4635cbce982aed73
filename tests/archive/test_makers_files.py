"""Makers' files on their way into the archive: read once, measured from a spool, and kept whatever becomes of that."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.plane_child import PlaneChild, PlaneChildren
from cisterna.adapters.spool_folder import SpoolFolder
from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import LeaseLost
from cisterna.ports.profile import Plane
from cisterna.services import one_read
from cisterna.services.derived import read_source
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.virtual_lif import lif_of
from tests.archive.facility import Facility, SetRoom, TiffProfile
from tests.archive.test_measure import manifest_of, table_of
from tests.planes.czi_by_hand import Tile, czi_of
from tests.planes.makers import Watched, cells

MIB = 1024 * 1024
STACK = np.stack([cells(seed=seed) for seed in range(4)])
FILES = {
    "a.czi": czi_of(*(Tile(one.tobytes(), 128, 96, {"C": 0, "Z": z}) for z, one in enumerate(STACK))),
    "b.nd2": nd2_of(STACK.reshape(2, 1, 1, 2, 96, 128), channels=["DAPI", "GFP"]),
    "c.lif": lif_of({"one": STACK.reshape(1, 4, 1, 96, 128)}),
    "notes.txt": b"taken on a Monday",
}


class MakersProfile(TiffProfile):
    def is_image(self, path: str) -> bool:
        return path.endswith((".czi", ".nd2", ".lif"))

    def plane(self, path: str) -> Plane | None:
        del path
        return None


@pytest.fixture(scope="module")
def children() -> Iterator[Watched]:
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        children = Watched(log=Path(folder) / "planes.log", plane_bytes=64 * MIB)
        yield children
        children.close()


def meter_of(children: PlaneChildren, folder: Path, **spooling: Any) -> MakerMeter:
    spools = SpoolFolder(folder, **{"limit_bytes": 1 << 30, "room": None, **spooling})
    return MakerMeter(TiffMeter(), spools=spools, children=children, plane_bytes=64 * MIB, most_planes=500)


@pytest.fixture
def makers(facility: Facility, children: Watched, tmp_path: Path) -> Facility:
    """A facility that measures makers' files; what is larger than 4 KiB is streamed."""
    facility.profile = MakersProfile()
    facility.meter = meter_of(children, tmp_path / "spool")
    facility.write("run", FILES)
    return facility


def measured(facility: Facility) -> dict[str, list[object]]:
    version = facility.detect("run").version_id
    facility.measure(version, facility.lease(version))
    assert facility.version(version).stage is Stage.MEASURED
    files = manifest_of(facility, version).files
    assert {file.path: file.sha512 for file in files} == {path: sha512_of(body) for path, body in FILES.items()}
    keys = facility.keys(version)
    assert [keys[file.content_path or ""] for file in files] == [FILES[file.path] for file in files]
    return table_of(facility, version, METRICS_PATH) | {"previews": table_of(facility, version, PREVIEWS_PATH)["path"]}


@pytest.mark.parametrize("limit_bytes", [4096, 64 * MIB], ids=["streamed", "whole"])
def test_each_plane_is_a_row_with_its_place(makers: Facility, limit_bytes: int) -> None:
    makers.image_limit_bytes = limit_bytes

    table = measured(makers)

    assert table["path"] == ["a.czi"] * 4 + ["b.nd2"] * 4 + ["c.lif"] * 4
    assert set(table["planes_in_file"]) == {4}
    assert set(table["problem"]) | set(table["unmeasured"]) == {None}
    assert table["channel"] == ["DAPI"] * 4 + ["DAPI", "GFP"] * 2 + ["Gray"] * 4
    assert (table["z"], table["t"]) == ([0, 1, 2, 3, 0, 0, 0, 0, 0, 1, 2, 3], [0] * 4 + [0, 0, 1, 1] + [0] * 4)
    means = [float(one.mean()) for one in STACK]
    assert table["mean_counts"] == pytest.approx(means * 3)
    assert table["previews"] == ["a.czi", "b.nd2", "c.lif"]


@pytest.mark.parametrize("limit_bytes", [4096, 64 * MIB], ids=["streamed", "whole"])
def test_each_byte_of_the_source_is_read_once(
    makers: Facility, monkeypatch: pytest.MonkeyPatch, limit_bytes: int
) -> None:
    makers.image_limit_bytes = limit_bytes
    counts: list[int] = []
    fill = one_read._fill
    monkeypatch.setattr(one_read, "_fill", lambda source, buffer: counts.append(fill(source, buffer)) or counts[-1])

    measured(makers)

    assert sum(counts) == sum(map(len, FILES.values()))


def test_the_reader_of_planes_never_has_the_source(
    makers: Facility, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A share that goes away under a mapped file would kill whoever mapped it."""
    asked, seen = PlaneChild.ask, []

    def ask(self: PlaneChild, content: dict[str, Any], **options: Any) -> Any:
        answer = asked(self, content, **options)
        folder = Path(f"/proc/{self.pid}")
        seen.append((folder / "maps").read_text() + str([one.readlink() for one in (folder / "fd").iterdir()]))
        return answer

    monkeypatch.setattr(PlaneChild, "ask", ask)

    measured(makers)

    assert len(seen) == 3 * (4 + 2)
    assert not [one for one in seen if str(tmp_path / "landing") in one]


def test_a_reader_that_is_killed_costs_a_measurement_and_no_byte(
    makers: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, victims = PlaneChild.ask, {"nd2": 1}

    def ask(self: PlaneChild, content: dict[str, Any], **options: Any) -> Any:
        if content.get("kind") in victims:
            del victims[content["kind"]]
            assert self.pid is not None
            os.kill(self.pid, signal.SIGSEGV)
        return asked(self, content, **options)

    monkeypatch.setattr(PlaneChild, "ask", ask)

    table = measured(makers)

    rows = list(zip(table["path"], table["unmeasured"], strict=True))
    assert [why for path, why in rows if path != "b.nd2"] == [None] * 8
    assert [why for path, why in rows if path == "b.nd2"] == ["its reader ended by signal 11 while the file was opened"]


def test_a_disk_without_room_costs_a_measurement_and_no_byte(
    makers: Facility, children: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cisterna.adapters.spool_folder.IN_MEMORY_BYTES", 1)
    makers.meter = meter_of(children, tmp_path / "spool", room=SetRoom(free=1000))

    table = measured(makers)

    assert all("do not fit into spool beside the archive's own" in str(why) for why in table["unmeasured"])
    assert len(table["path"]) == 3


def test_a_disk_that_fills_up_on_the_way_costs_a_measurement_and_no_byte(
    makers: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cisterna.adapters.spool_folder.IN_MEMORY_BYTES", 1)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("w+b", buffering=0))  # noqa: SIM115 - the spool closes it

    table = measured(makers)

    assert set(table["unmeasured"]) == {"its bytes could not be kept for its reader (No space left on device)"}


def test_a_file_beyond_the_limit_is_named_and_not_spooled(makers: Facility, children: Watched, tmp_path: Path) -> None:
    makers.meter = meter_of(children, tmp_path / "spool", limit_bytes=1000)

    table = measured(makers)

    assert all("measure.spool_limit_bytes" in str(why) for why in table["unmeasured"])
    assert not (tmp_path / "spool").exists()


def test_a_spooled_file_has_no_name_and_its_room_comes_back(tmp_path: Path) -> None:
    room = SetRoom(free=100 * MIB)
    spools = SpoolFolder(tmp_path / "spool", limit_bytes=1 << 30, room=room)

    with spools.file(40 * MIB) as first, spools.file(40 * MIB) as second:
        assert not isinstance(first, str)
        assert isinstance(second, str)
        first.write(bytes(20 * MIB))
        assert list((tmp_path / "spool").iterdir()) == []
    with spools.file(40 * MIB) as again:
        assert not isinstance(again, str)


def test_an_attempt_that_lost_its_lease_stops_between_two_planes(children: Watched, tmp_path: Path) -> None:
    meter, looks = meter_of(children, tmp_path / "spool"), iter(range(3))
    place = meter.spool("a.czi", size_bytes=len(FILES["a.czi"]))
    assert place is not None

    def keep_on() -> None:
        if next(looks) == 2:
            raise LeaseLost("somebody else has it")

    with place as spool:
        spool.write(memoryview(FILES["a.czi"]))
        with pytest.raises(LeaseLost):
            spool.read(keep_on=keep_on)
    with meter.spool("a.czi", size_bytes=9) or pytest.fail("a spool") as again:
        again.write(memoryview(FILES["a.czi"]))
        assert len(again.read(keep_on=lambda: None).planes) == 4


def test_planes_in_makers_files_are_given_to_no_model_and_converted_by_nobody(makers: Facility) -> None:
    """Who derives is given whole files, and a row a plane would give the same file again and again."""
    version = makers.detect("run").version_id
    makers.ingest(version)

    source = read_source(version, catalogue=makers.catalogue, store=makers.store, tables=makers.tables)

    assert list(source.images()) == []
