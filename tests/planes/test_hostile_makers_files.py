"""Whatever is in a maker's file, or becomes of its reader: a named reading, never a pass, an exception or a hang."""

from __future__ import annotations

import functools
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.adapters import maker_meter
from cisterna.adapters.maker_meter import MakerMeter
from cisterna.adapters.maker_planes import MakerPlanes
from cisterna.adapters.plane_child import PlaneChildren
from cisterna.ports.quality import PlaneReading, Reading
from cisterna.testing.nd2_planes import nd2_of
from cisterna.testing.virtual_czi import XML
from cisterna.testing.virtual_lif import lif_of
from tests.planes.czi_by_hand import JPEG_XR, ZSTD, Tile, czi_of
from tests.planes.makers import Watched, cells, meter_of, metrics_as_tiff

Read = Callable[[bytes, str], Reading]
PIXELS = cells()
PLAIN = Tile(PIXELS.tobytes(), 128, 96)
STACK = np.stack([cells(seed=seed) for seed in range(6)])
FILES = {
    "a.czi": czi_of(*(Tile(one.tobytes(), 128, 96, {"C": 0, "Z": z}) for z, one in enumerate(STACK))),
    "a.nd2": nd2_of(STACK.reshape(3, 1, 2, 1, 96, 128)),
    "a.lif": lif_of({"one": STACK.reshape(3, 2, 1, 96, 128)}),
}


@functools.cache
def true_counts() -> list[float | None]:
    """Measure when a test asks: every process that collects this file would, whichever runs it."""
    return [metrics_as_tiff(one)["mean_counts"] for one in STACK]


def whys(reading: Reading) -> list[str]:
    """Give why each plane, or the file, has no metrics."""
    told = reading.planes or (reading,)
    return [one.problem or one.unmeasured or "" for one in told]


def require_honest(reading: Reading) -> None:
    """Every plane has the pixels that were written, or a reason in words."""
    for one in reading.planes:
        if one.problem is None and one.unmeasured is None:
            assert one.metrics["mean_counts"] in true_counts()
    assert reading.planes or reading.problem or reading.unmeasured


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", list(FILES))
def test_a_file_cut_off_at_any_fiftieth_gives_true_planes_or_a_reason(read: Read, name: str) -> None:
    whole = FILES[name]

    for part in range(50):
        reading = read(whole[: len(whole) * part // 50], name)

        require_honest(reading)
        if name != "a.lif" or part < 5:
            assert any(whys(reading))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", list(FILES))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_file_with_damage_anywhere_ends_in_a_reading(children: Watched, name: str, data: st.DataObject) -> None:
    body = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 9))
        body[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    meter = meter_of(children, Path("/nonexistent"), plane_seconds=5.0)

    reading = meter.read(memoryview(bytes(body)), path=name)

    assert reading.planes or reading.problem or reading.unmeasured


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(czi_of, "holds no plane", id="no plane"),
        pytest.param(
            lambda: czi_of(Tile(PIXELS.tobytes(), 5000, 5000)), "its pixels take 50,000,000", id="too few bytes"
        ),
        pytest.param(lambda: czi_of(Tile(b"", 128, 96)), "holds no pixels", id="no bytes"),
        pytest.param(lambda: czi_of(Tile(PIXELS.tobytes(), -128, 96)), "holds no plane", id="less than nothing"),
        pytest.param(
            lambda: czi_of(Tile(PIXELS.tobytes(), 128, 96, pixel_type=77)), "of a type that is not read", id="type"
        ),
        pytest.param(
            lambda: czi_of(Tile(PIXELS.tobytes(), 128, 96, compression=1)), "a way that is not read (1)", id="codec"
        ),
        pytest.param(
            lambda: czi_of(Tile(imagecodecs.zstd_encode(bytes(1 << 30)), 128, 96, compression=ZSTD)),
            "holds 1,073,741,824 bytes and its pixels take 24,576",
            id="zstd bomb",
        ),
        pytest.param(
            lambda: czi_of(Tile(imagecodecs.jpegxr_encode(PIXELS, level=1.0), 800, 600, compression=JPEG_XR)),
            "of 128 x 96 pixels where its directory tells of (800, 600)",
            id="other size inside",
        ),
        pytest.param(
            lambda: czi_of(Tile(imagecodecs.jpegxr_encode(PIXELS, level=1.0)[:400], 128, 96, compression=JPEG_XR)),
            "ends early: it holds 400 bytes",
            id="stream cut off",
        ),
        pytest.param(
            lambda: czi_of(Tile(PIXELS.tobytes(), 2**31 - 1, 2**31 - 1)),
            "at most 1,000,000 are looked at",
            id="endless",
        ),
    ],
)
def test_a_czi_that_lies_is_told_by_name(read: Read, body: Callable[[], bytes], words: str) -> None:
    """Without this look of ours libCZI would paint what is not there in black, which is a plane like any other."""
    assert [words in why for why in whys(read(body(), "a.czi"))] == [True]


def peak_kib(pid: int | str) -> int:
    """Give the most memory that a process has had since its peak was last forgotten."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1])


@pytest.mark.timeout(60)
def test_a_million_by_a_million_pixels_cost_no_memory_and_no_black_plane(children: Watched, tmp_path: Path) -> None:
    meter = meter_of(children, tmp_path, most_planes=5)
    assert whys(meter.read(memoryview(czi_of(Tile(PIXELS.tobytes(), 128, 96))), path="a.czi")) == [""]
    processes = ["self", children.lent[-1].pid]
    before = []
    for one in processes:
        Path(f"/proc/{one}/clear_refs").write_text("5")  # the peak of what was read before is no concern of this
        before.append(peak_kib(one))

    reading = meter.read(memoryview(czi_of(Tile(PIXELS.tobytes(), 10**6, 10**6))), path="a.czi")

    assert all("its pixels take 2,000,000,000,000" in why for why in whys(reading))
    assert children.lent[-1].pid == processes[1]
    # The reader lists a million places at most before it looks at their pixels, which would take two terabytes.
    allowed = (64 * 1024, 256 * 1024)
    assert [peak_kib(one) - held < most for one, held, most in zip(processes, before, allowed, strict=True)] == [
        True,
        True,
    ]


def lying_nd2(**told: int) -> bytes:
    return nd2_of(PIXELS[None, None, None, None], told=told)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(lying_nd2(uiWidth=10**6, uiHeight=10**6, uiWidthBytes=2 * 10**6), "beyond its own end", id="vast"),
        pytest.param(lying_nd2(uiHeight=0), "no pixels", id="no row"),
        pytest.param(lying_nd2(uiComp=4), "", id="components"),
        pytest.param(lying_nd2(eCompression=1), "compressed with losses", id="lossy"),
        pytest.param(lying_nd2(eCompression=0), "cannot be read", id="not packed at all"),
        pytest.param(
            nd2_of(STACK.reshape(6, 1, 1, 1, 96, 128), left_out=range(6)), "holds no pixels of it", id="empty"
        ),
    ],
)
def test_an_nd2_that_lies_is_told_by_name(read: Read, body: bytes, words: str) -> None:
    reading = read(body, "a.nd2")

    assert all(why and words in why for why in whys(reading)), whys(reading)


def test_frames_that_an_nd2_speaks_of_and_has_not_are_not_black(read: Read) -> None:
    reading = read(nd2_of(STACK.reshape(6, 1, 1, 1, 96, 128), left_out=[1, 4]), "a.nd2")

    assert [one.problem is None for one in reading.planes] == [True, False, True, True, False, True]
    require_honest(reading)


@pytest.mark.timeout(120)
def test_a_bomb_in_an_nd2_is_stopped_by_the_memory_limit(read: Read) -> None:
    """A frame of 8 MiB that would unpack to 4 GiB, which is more than the reader may have."""
    body = bytearray(nd2_of(np.zeros((1, 1, 1, 1, 2048, 2048), np.uint16), told={"eCompression": 0}))
    packer = zlib.compressobj(9, wbits=-15)
    part = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb = b"\x78\x9c" + part * 256
    at = body.index(b"ImageDataSeq|0!") - 16
    assert len(bomb) < 2048 * 2048 * 2
    body[at + 4096 : at + 4096 + len(bomb)] = bomb

    assert whys(read(bytes(body), "a.nd2")) == ["its reader needs more memory for it than it may have"]


def lying_lif(old: str, new: str) -> bytes:
    whole = lif_of({"one": PIXELS[None, None, None]})
    body = whole.replace(old.encode("utf-16-le"), new.encode("utf-16-le"))
    assert body != whole
    shift = len(body) - len(whole)
    size, _, count = struct.unpack_from("<IBI", body, 4)
    return body[:4] + struct.pack("<IBI", size + shift, 0x2A, count + shift // 2) + body[13:]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(lying_lif('NumberOfElements="128"', 'NumberOfElements="99999999"'), "do not lie plane", id="vast"),
        pytest.param(lying_lif('NumberOfElements="96"', 'NumberOfElements="0"'), "", id="no row"),
        pytest.param(lying_lif('MemoryBlockID="MemBlock_0"', 'MemoryBlockID="MemBlock_9"'), "", id="no block"),
        pytest.param(lying_lif('Resolution="16"', 'Resolution="999"'), "resolution", id="depth"),
        pytest.param(lif_of({}), "holds no plane", id="no image"),
        pytest.param(
            lying_lif("<Element ", "<!DOCTYPE o [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><Element "), "", id="entities"
        ),
    ],
)
def test_a_lif_that_lies_is_told_by_name(read: Read, body: bytes, words: str) -> None:
    reading = read(body, "a.lif")

    assert all(why and words in why for why in whys(reading)), whys(reading)


def test_entities_in_a_czi_cost_no_plane(read: Read) -> None:
    entities = "<!DOCTYPE o [<!ENTITY a 'x'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 9}'>" for n in range(9)) + "]>"

    reading = read(czi_of(PLAIN, xml=entities + XML), "a.czi")

    assert reading.planes[0].metrics == metrics_as_tiff(PIXELS)


class Stops:
    """Sends a signal to the reader before the planes that are named."""

    def __init__(self, children: Watched, number: signal.Signals, *, before: tuple[int, ...]) -> None:
        self._children, self._number, self._before = children, number, before
        self._seen = -1

    def __call__(self) -> None:
        self._seen += 1
        if self._seen in self._before:
            pid = self._children.lent[-1].pid
            assert pid is not None
            os.kill(pid, self._number)


def measured_while(meter: MakerMeter, keep_on: Callable[[], None]) -> Reading:
    place = meter.spool("a.czi", size_bytes=len(FILES["a.czi"]))
    assert place is not None
    with place as spool:
        spool.write(memoryview(FILES["a.czi"]))
        return spool.read(keep_on=keep_on)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_reader_that_crashes_costs_one_plane(meter: MakerMeter, children: Watched, number: signal.Signals) -> None:
    reading = measured_while(meter, Stops(children, number, before=(2,)))

    told = whys(reading)
    assert told[2] == f"its reader ended by signal {int(number)} while the plane was read"
    assert [why == "" for why in told] == [True, True, False, True, True, True]
    true = true_counts()
    assert [one.metrics["mean_counts"] for one in reading.planes if one.metrics] == [*true[:2], *true[3:]]


def test_a_reader_that_hangs_is_killed_and_costs_one_plane(children: Watched, tmp_path: Path) -> None:
    meter = meter_of(children, tmp_path, plane_seconds=0.5)

    reading = measured_while(meter, Stops(children, signal.SIGSTOP, before=(1,)))

    told = whys(reading)
    assert told[1] == "its reader gave no answer within 0.5 s and was killed while the plane was read"
    assert [why == "" for why in told] == [True, False, True, True, True, True]
    assert children.lent[-2].pid is None


def test_a_reader_that_crashes_again_and_again_is_given_up(meter: MakerMeter, children: Watched) -> None:
    reading = measured_while(meter, Stops(children, signal.SIGSEGV, before=(0, 2, 4)))

    told = whys(reading)
    assert [told[1], told[3]] == ["", ""]
    assert told[5] == "its reader was lost too often in this file"
    assert reading.planes_in_file == 6


def test_a_reader_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("a file")
    children = PlaneChildren(log=tmp_path / "no folder" / "log", plane_bytes=1 << 20)

    reading = meter_of(children, tmp_path).read(memoryview(FILES["a.czi"]), path="a.czi")
    children.close()

    assert "its reader could not be started" in (reading.unmeasured or "")


def test_a_file_that_takes_too_long_is_left_where_it_stands(children: Watched, tmp_path: Path) -> None:
    path = tmp_path / "a.czi"
    path.write_bytes(FILES["a.czi"])
    with path.open("rb") as file:
        planes = MakerPlanes(file, "czi", children, most=500, plane_seconds=5.0, file_seconds=0.0)
        assert planes.open() is None
        reading = planes.pixels(0)
        planes.close()

    assert isinstance(reading, PlaneReading)
    assert reading.unmeasured == "its file had taken more than 0 s"


def test_a_reader_that_died_while_it_waited_is_replaced(meter: MakerMeter, read: Read, children: Watched) -> None:
    read(FILES["a.czi"], "a.czi")
    pid = children.lent[-1].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while children.lent[-1].pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)

    assert whys(read(FILES["a.czi"], "a.czi")) == [""] * 6


def test_a_reader_lets_go_of_a_file_as_soon_as_it_is_measured(read: Read, children: Watched) -> None:
    """The room of a file without a name is free only when nobody has it open any more."""
    for name, body in FILES.items():
        read(body, name)

        held = [str(one.readlink()) for one in Path(f"/proc/{children.lent[-1].pid}/fd").iterdir()]
        assert not [target for target in held if "spool" in target or "memfd" in target]


def test_a_reader_has_none_of_our_secrets(read: Read, children: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    own = PlaneChildren(log=Path(os.devnull), plane_bytes=1 << 20)
    child = own.take()

    told = Path(f"/proc/{child.pid}/environ").read_bytes()
    child.kill()
    own.close()

    assert b"hush" not in told


def test_without_its_package_a_file_is_named_and_not_measured(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker_meter, "find_spec", lambda _: None)

    reading = read(FILES["a.czi"], "a.czi")

    assert reading.problem is None
    assert reading.planes == ()
    assert reading.unmeasured == (
        "the package pylibCZIrw is not installed, so its planes were not read; "
        "install cisterna[vendor] and reprocess the dataset"
    )


def test_a_wrong_answer_of_a_reader_is_named(read: Read, monkeypatch: pytest.MonkeyPatch, children: Watched) -> None:
    """A library may give what it was not asked for: nothing is believed unseen."""
    from cisterna.adapters.local_service import Message
    from cisterna.adapters.plane_child import PlaneChild

    asked = PlaneChild.ask
    answers: list[Any] = [
        Message({"shape": [96, 128], "dtype": "<u2"}, [b"short"]),
        Message({"shape": [9, 1], "dtype": "<u2"}, [bytes(18)]),
        Message({"shape": [96, 128], "dtype": "<c8"}, [bytes(96 * 128 * 8)]),
        Message({"shape": "wide", "dtype": "none of ours"}),
        Message({}),
        Message({"shape": [96, 128], "dtype": "|O"}, [bytes(96 * 128 * 8)]),
    ]

    def lie(self: PlaneChild, content: dict[str, Any], **options: Any) -> Message:
        answer = asked(self, content, **options)
        return answers[content["index"]] if content["op"] == "plane" else answer

    monkeypatch.setattr(PlaneChild, "ask", lie)
    reading = read(FILES["a.czi"], "a.czi")

    assert all("its reader gave" in why for why in whys(reading)), whys(reading)


ORPHAN = """
import os, signal, sys
from pathlib import Path
from cisterna.adapters.plane_child import PlaneChildren
child = PlaneChildren(log=Path(os.devnull), plane_bytes=1 << 20).take()
child.ask({"op": "close"}, timeout_seconds=30)
os.kill(child.pid, signal.SIGSTOP)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_reader_dies_with_its_worker_even_when_it_hangs() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        reader = Path(f"/proc/{int(worker.stdout.readline())}")
        assert reader.exists()
        worker.kill()

    deadline = time.monotonic() + 20
    while reader.exists() and "Z" not in (reader / "stat").read_text().split()[2] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not reader.exists() or "Z" in (reader / "stat").read_text().split()[2]
