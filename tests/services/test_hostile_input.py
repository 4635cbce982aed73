"""What hostile instruments, users and accidents leave in a landing zone is held with a reason, and the rest goes on."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.profiles.squid import Squid
from cisterna.services.detect import sweep_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.virtual_squid import VirtualSquid

STARTED = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def lying_tiff() -> bytes:
    """Return 122 bytes that claim 37 GiB of pixels."""
    entries = [(256, 4, 1, 141_421), (257, 4, 1, 141_421), (258, 3, 1, 16), (259, 3, 1, 1), (273, 4, 1, 8)]
    body = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    return body.ljust(122, b"\0")


def bind_socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
    finally:
        os.chdir(here)


def nest(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(500):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def replace_by_fifo(folder: Path) -> None:
    (folder / "acquisition.yaml").unlink()
    os.mkfifo(folder / "acquisition.yaml")


IMAGE = "0/A1_0_0_BF_LED_matrix_full.tiff"
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (lambda run: os.mkfifo(run / "pipe"), "'pipe': is a FIFO"),
    "a FIFO for a plan": (replace_by_fifo, "'acquisition.yaml': is a FIFO"),
    "a link to passwords": (lambda run: (run / "0" / "x.tiff").symlink_to("/etc/passwd"), "'0/x.tiff': is a link"),
    "a link to a folder": (lambda run: (run / "1").symlink_to("/etc"), "'1': is a link"),
    "a link that dangles": (lambda run: (run / "gone").symlink_to("/no/such"), "'gone': is a link"),
    "a socket": (bind_socket, "'socket': is a socket"),
    "a FIFO that is not UTF-8": (lambda run: os.mkfifo(os.fsencode(run) + b"/caf\xe9"), "'caf%E9': is a FIFO"),
    "a link that commands a terminal": (lambda run: (run / "\x1b[2J").symlink_to("x"), "'%1B[2J': is a link"),
    "a FIFO over two lines": (lambda run: os.mkfifo(run / "a\nb"), "'a%0Ab': is a FIFO"),
    "nesting without end": (nest, "64 folders deep"),
    "a TIFF that lies": (lambda run: (run / IMAGE).write_bytes(lying_tiff()), "holds 122 bytes where its header tells"),
    "a TIFF that is none": (lambda run: (run / IMAGE).write_bytes(b"<html>"), "does not begin like a TIFF"),
    "a YAML bomb": (
        lambda run: (run / "acquisition.yaml").write_text(
            "a: &a [x, x]\n"
            + "".join(f"{n}: &{n} [*{p}, *{p}, *{p}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
            + "z_stack: {nz: *h}\n"
        ),
        "its plan cannot be read",
    ),
    "a plan of a billion": (
        lambda run: (run / "acquisition.yaml").write_text(
            "z_stack: {nz: 1000000}\ntime_series: {nt: 1000}\nchannels: [{name: a}]\n"
        ),
        "asks for 1000000000 images",
    ),
    "a table without end": (
        lambda run: (run / "coordinates.csv").write_text("region\n" + "A1\n" * 300_000),
        "more than 250000 rows",
    ),
    "a huge plan": (
        lambda run: os.truncate(run / "acquisition.yaml", 10**9),
        "acquisition.yaml is larger than 8388608 bytes",
    ),
    "JSON without a bottom": (
        lambda run: (run / "acquisition parameters.json").write_text("[" * 200_000),
        "it nests too deeply",
    ),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("harm", "says"), list(HARM.values()), ids=list(HARM))
def test_a_harmful_folder_is_held_with_a_reason_and_the_next_one_is_taken_in(
    tmp_path: Path,
    catalogue: SqlCatalogue,
    clock: SettableClock,
    harm: Callable[[Path], object],
    says: str,
) -> None:
    zone = tmp_path / "zone"
    harm(VirtualSquid(experiment="bad", started=STARTED, wells=("A1",), fovs=1).write(zone))
    VirtualSquid(experiment="good", started=STARTED, wells=("A1",), fovs=1).write(zone)

    found = sweep_twice(zone, catalogue, clock)

    assert found["bad"].state is AcquisitionState.PARTIAL
    assert says in (found["bad"].held or "")
    assert "root:" not in found["bad"].model_dump_json()
    assert (found["good"].state, found["good"].held) == (AcquisitionState.COMPLETE, None)


def test_names_of_odd_bytes_hold_nothing_and_are_told_as_plain_text(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    zone = tmp_path / "zone"
    run = VirtualSquid(started=STARTED, wells=("A1",), fovs=1).write(zone)
    for name in (b"caf\xe9", b"\x1b[2J", b"a\nb"):
        Path(os.fsdecode(os.fsencode(run) + b"/" + name)).write_bytes(b"x")
    run.rename(os.fsdecode(os.fsencode(zone) + b"/b\xe4d\x1b[2J"))

    (found,) = sweep_twice(zone, catalogue, clock).values()

    assert (found.state, found.held) == (AcquisitionState.COMPLETE, None)
    assert found.folder == "b%E4d%1B[2J"


def test_nothing_beside_the_folders_is_followed_or_opened(
    tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    zone = tmp_path / "zone"
    VirtualSquid(experiment="good", started=STARTED, wells=("A1",), fovs=1).write(zone)
    (zone / "etc_x").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(zone / "pipe_x")

    found = sweep_twice(zone, catalogue, clock)

    assert "is a link" in (found["etc"].held or "")
    assert "belongs to none" in (found["pipe"].held or "")
    assert found["good"].state is AcquisitionState.COMPLETE


def sweep_twice(zone: Path, catalogue: SqlCatalogue, clock: SettableClock) -> dict[str, Acquisition]:
    """Sweep, wait for the quiet window, sweep again; give the acquisitions by the first word of their folder."""
    instrument = make_instrument(path=str(zone))
    with catalogue.begin() as tx:
        tx.instruments.add(instrument)
        tx.projects.add(make_project())
    for _ in range(2):
        sweep_instrument(
            instrument,
            zone=LandingFolder(str(zone)),
            profiles={"squid": Squid()},
            catalogue=catalogue,
            clock=clock,
            resolve_project=lambda _acquisition, _described: "cells",
            outside=read_outside,
        )
        clock.advance(30)
    with catalogue.begin() as tx:
        return {one.folder.split("_")[0]: one for one in tx.acquisitions.list()}
