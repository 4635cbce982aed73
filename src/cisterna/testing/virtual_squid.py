"""A Squid microscope that writes real acquisitions without a microscope: same names, same side files, same order.

The order is that of Squid's own source (November 2026): channels and parameters, planned coordinates, summary, then
`run.json` that says "running"; each time point's images, actual coordinates and `.done`; at last `run.json` that says
"ended", and the top `.done`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import tifffile

from cisterna.testing.specimen import SIDE, frame
from cisterna.testing.squid_files import Plan, acquisition_yaml, actual_csv, channels_yaml, parameters_json, planned_csv
from cisterna.testing.writer_pattern import WriterPattern, put

CHANNELS = ("BF LED matrix full", "Fluorescence 488 nm Ex")


class Fault(StrEnum):
    """What goes wrong with a run."""

    NONE = "none"
    ABORT = "abort"
    """Somebody stops it half way; like Squid, it leaves every marker all the same."""
    CRASH = "crash"
    """The program dies half way: no marker, and `run.json` says "running" for ever."""
    MISSING = "missing"
    """Some images are never saved: `completed_with_errors`."""
    BLUR = "blur"
    SATURATION = "saturation"
    DARK = "dark"
    EMPTY_WELL = "empty-well"
    """In one well lies nothing, with the light as it should be."""
    DARK_WELL = "dark-well"
    """In one well the lamp does not shine."""
    BLURRED_WELL = "blurred-well"
    """One well is out of focus."""
    GROWING = "growing"
    """The last image is half there when the top `.done` comes, and grows afterwards."""
    LATE = "late"
    """The last image comes after the top `.done`, as a slow share delivers it."""
    TRUNCATED = "truncated"
    """One image stays cut off."""
    LOG_TAIL = "log-tail"
    """`acquisition.log` grows after the top `.done`, as it does at a real Squid unless logs are switched off."""


@dataclass(frozen=True)
class VirtualSquid:
    """One run to be written.

    Attributes:
        run_json: Where Squid's `run.json` goes, outside every landing zone; None writes none.
        images_per_second: 0 is as fast as it goes.
        started: Names the folder; by default the time at which writing begins.
        seed: The same seed gives the same pixels.
        missing_images: How many the fault `missing` leaves out.
        odd_well: The place among the wells of the one that a fault of one well is about.
        pattern: How the bytes of an image come onto the disk.
    """

    experiment: str = "demo"
    wells: tuple[str, ...] = ("A1", "A2", "B1")
    fovs: int = 4
    z_levels: int = 1
    time_points: int = 1
    channels: tuple[str, ...] = CHANNELS
    fault: Fault = Fault.NONE
    run_json: Path | None = None
    images_per_second: float = 0.0
    started: datetime | None = None
    seed: int = 0
    missing_images: int = 3
    odd_well: int = 0
    interval_seconds: float = 0.0
    pattern: WriterPattern = WriterPattern.STEADY
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)

    @property
    def image_count(self) -> int:
        """How many images the plan asks for."""
        return len(self.wells) * self.fovs * self.z_levels * self.time_points * len(self.channels)

    def write(self, zone: Path) -> Path:
        """Write the whole run into a new folder of the zone, and return the folder."""
        folder = zone
        for touched in self.steps(zone):
            folder = zone / touched.relative_to(zone).parts[0]
        return folder

    def steps(self, zone: Path) -> Iterator[Path]:
        """Write the run step by step: whoever drives this looks between any two of them. Yields what was touched."""
        run = _Run(self, zone, self.started or datetime.now(UTC))
        yield from run.plan()
        for time_point in range(self.time_points):
            if run.is_stopped:
                break
            yield from run.time_point(time_point)
        if self.fault is not Fault.CRASH:
            yield from run.end()


class _Run:
    """The state of a run while it is written."""

    def __init__(self, squid: VirtualSquid, zone: Path, started: datetime) -> None:
        self._squid = squid
        self._started = started
        name = squid.experiment.replace(" ", "_") + "_" + started.strftime("%Y-%m-%d_%H-%M-%S.%f")
        self._folder = zone / name
        fovs = {well: _grid(squid.fovs, 9.0 * number) for number, well in enumerate(squid.wells)}
        self._plan = Plan(
            experiment_id=name,
            started=started,
            fovs=fovs,
            channels=squid.channels,
            z_levels=squid.z_levels,
            time_points=squid.time_points,
            interval_seconds=squid.interval_seconds,
        )
        self._images = 0
        self._errors = 0
        self._left_over: tuple[Path, bytes] | None = None
        self.is_stopped = False

    def plan(self) -> Iterator[Path]:
        """Write what Squid writes before the first image."""
        self._folder.mkdir(parents=True)
        yield self._folder
        yield self._side_file("acquisition_channels.yaml", channels_yaml(self._plan))
        yield self._side_file("acquisition parameters.json", parameters_json(self._plan))
        if self._squid.fault is Fault.LOG_TAIL:
            yield self._log("INFO start acquisition")
        yield self._side_file("coordinates.csv", planned_csv(self._plan))
        yield self._side_file("acquisition.yaml", acquisition_yaml(self._plan))
        self._tell("running", None)

    def time_point(self, number: int) -> Iterator[Path]:
        """Write one time point: images, then the coordinates as they were, then its marker."""
        folder = self._folder / str(number)
        folder.mkdir()
        taken: list[tuple[str, int, int]] = []
        for well, positions in self._plan.fovs.items():
            for fov in range(len(positions)):
                for z in range(self._squid.z_levels):
                    taken.append((well, fov, z))
                    yield from self._images_at(folder, well, fov, z)
                if self.is_stopped:
                    break
            if self.is_stopped:
                break
        if self._squid.fault is Fault.CRASH and self.is_stopped:
            return
        yield self._side_file(f"{number}/coordinates.csv", actual_csv(self._plan, taken, time_point=number))
        yield self._side_file(f"{number}/.done", "")

    def end(self) -> Iterator[Path]:
        """Write why it ended, then the marker; then whatever comes too late."""
        self._tell("ended", self._reason())
        yield self._side_file(".done", "")
        if self._squid.fault is Fault.LOG_TAIL:
            yield self._log("INFO Moving back to start position")
        if self._left_over is not None:
            path, body = self._left_over
            with path.open("ab") as file:
                file.write(body)
            yield path

    def _images_at(self, folder: Path, well: str, fov: int, z: int) -> Iterator[Path]:
        for channel in self._squid.channels:
            self._images += 1
            safe = re.sub(r'[\s/\\:*?"<>|]+', "_", channel)
            path = folder / f"{well}_{fov}_{z}_{safe}.tiff"
            if self._squid.images_per_second > 0:
                self._squid.pause(1.0 / self._squid.images_per_second)
            yield from self._write_image(path, self._image(channel, well))
        halfway = self._images >= self._squid.image_count // 2
        self.is_stopped = self._squid.fault in {Fault.ABORT, Fault.CRASH} and halfway

    def _write_image(self, path: Path, body: bytes) -> Iterator[Path]:
        squid, is_last = self._squid, self._images == self._squid.image_count
        if squid.fault is Fault.MISSING and self._errors < squid.missing_images and self._images % 2 == 0:
            self._errors += 1
            return
        if squid.fault in {Fault.GROWING, Fault.LATE} and is_last:
            there = len(body) // 2 if squid.fault is Fault.GROWING else 0
            self._left_over = (path, body[there:])
            if there:
                path.write_bytes(body[:there])
                yield path
            return
        if squid.fault is Fault.TRUNCATED and self._images == 2:
            body = body[: len(body) * 3 // 5]
        yield from put(path, body, pattern=squid.pattern)

    def _image(self, channel: str, well: str) -> bytes:
        looks: dict[Fault, dict[str, float]] = {
            Fault.BLUR: {"blur_pixels": 8.0},
            Fault.SATURATION: {"gain": 40.0},
            Fault.DARK: {"gain": 0.002},
        }
        if well == self._squid.wells[self._squid.odd_well]:
            looks |= {
                Fault.BLURRED_WELL: {"blur_pixels": 8.0},
                Fault.DARK_WELL: {"gain": 0.002},
                Fault.EMPTY_WELL: {"specimen": 0.0},
            }
        pixels = frame(
            self._squid.seed * 1_000_003 + self._images,
            is_brightfield=channel.startswith("BF"),
            **looks.get(self._squid.fault, {}),
        )
        encoded = io.BytesIO()
        tifffile.imwrite(encoded, pixels)
        return encoded.getvalue()

    def _reason(self) -> str:
        if self._squid.fault is Fault.ABORT:
            return "user_abort"
        return "completed_with_errors" if self._errors else "completed"

    def _side_file(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _log(self, line: str) -> Path:
        path = self._folder / "acquisition.log"
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return path

    def _tell(self, status: str, reason: str | None) -> None:
        """Replace `run.json` in one step, as Squid does."""
        path = self._squid.run_json
        if path is None:
            return
        has_ended = status == "ended"
        record = {
            "schema_version": 1,
            "run_id": f"{self._squid.seed:032x}",
            "experiment_id": self._folder.name,
            "machine": "virtual-squid",
            "pid": os.getpid(),
            "config_path": None,
            "output_path": str(self._folder),
            "started_at": self._started.timestamp(),
            "heartbeat_at": self._started.timestamp(),
            "progress": {"images": self._images},
            "expected": {
                "timepoints": self._squid.time_points,
                "regions": len(self._squid.wells),
                "fovs": len(self._squid.wells) * self._squid.fovs,
                "channels": len(self._squid.channels),
                "z": self._squid.z_levels,
            },
            "status": status,
            "reason": reason,
            "ended_at": self._started.timestamp() if has_ended else None,
            "stats": {"total_images": self._images, "errors_encountered": self._errors} if has_ended else None,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".run-{self._squid.seed}.tmp")
        beside.write_text(json.dumps(record), encoding="utf-8")
        beside.replace(path)


def _grid(count: int, x_mm: float) -> list[tuple[float, float, float]]:
    """Lay the fields of a well out in rows of two, touching, with a pixel of 0.325 um."""
    step = SIDE * 0.325 / 1000
    return [(round(x_mm + step * (n % 2), 4), round(step * (n // 2), 4), 1.2) for n in range(count)]


def main(arguments: list[str] | None = None) -> int:
    """Write one run from the command line and print its folder."""
    parser = argparse.ArgumentParser(prog="python -m cisterna.testing.virtual_squid", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="landing zone")
    parser.add_argument("--run-json", type=Path, help="where run.json goes; outside the landing zone")
    parser.add_argument("--experiment", default="demo")
    parser.add_argument("--fault", type=Fault, choices=list(Fault), default=Fault.NONE)
    parser.add_argument("--rate", type=float, default=0.0, help="images a second; 0 is as fast as it goes")
    parser.add_argument("--wells", default="A1,A2,B1", help="names with commas between")
    parser.add_argument("--fovs", type=int, default=4, help="fields of view a well")
    parser.add_argument("--z-levels", type=int, default=1)
    parser.add_argument("--time-points", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    squid = VirtualSquid(
        experiment=given.experiment,
        wells=tuple(given.wells.split(",")),
        fovs=given.fovs,
        z_levels=given.z_levels,
        time_points=given.time_points,
        fault=given.fault,
        run_json=given.run_json,
        images_per_second=given.rate,
        seed=given.seed,
    )
    sys.stdout.write(f"{squid.write(given.to)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
