"""What measures files, put together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec

from cisterna.bootstrap.home import Home
from cisterna.ports.quality import Meter, MeterChoice
from cisterna.services.summary_choice import SEQUENCING, SEQUENCING_RUN
from cisterna.settings import Settings


def missing_readers() -> dict[str, str]:
    """Name the packages of makers' readers that are not installed, by the profile whose files each reads."""
    from cisterna.adapters.plane_file import LIBRARIES

    return {kind: library for kind, library in LIBRARIES.items() if find_spec(library) is None}


@contextmanager
def meter_choice(settings: Settings, home: Home) -> Iterator[MeterChoice]:
    """Measure images in memory, and what its reader has to seek in through a process and a spool of its own."""
    from cisterna.adapters.cell_meter import CellMeter
    from cisterna.adapters.disk_room import DiskRoom
    from cisterna.adapters.fcs_meter import FcsMeter
    from cisterna.adapters.file_reader import FileChildren
    from cisterna.adapters.image_meter import TiffMeter
    from cisterna.adapters.maker_meter import MakerMeter
    from cisterna.adapters.plane_child import PlaneChildren
    from cisterna.adapters.sequence_meter import SequenceMeter
    from cisterna.adapters.spectra_meter import SpectraMeter
    from cisterna.adapters.spool_folder import SpoolFolder
    from cisterna.adapters.table_meter import TableMeter

    measure = settings.measure
    room = DiskRoom(home.folder, reserve_bytes=settings.store.reserve_mib * 1024 * 1024)
    children = PlaneChildren(log=home.logs / "planes.log", plane_bytes=measure.image_limit_bytes)
    spools = SpoolFolder(home.spool, limit_bytes=measure.spool_limit_bytes, room=room)
    with closing(children), closing(FileChildren(log=home.logs / "files.log")) as readers:
        images = MakerMeter(
            TiffMeter(),
            spools=spools,
            children=children,
            plane_bytes=measure.image_limit_bytes,
            most_planes=measure.planes_per_file,
        )
        sequences = SequenceMeter()
        others: dict[str, Meter] = {
            "cytometry": FcsMeter(),
            "mass_spectrometry": SpectraMeter(),
            SEQUENCING: sequences,
            SEQUENCING_RUN: sequences,
            "single_cell": CellMeter(spools=spools, children=readers),
            "table": TableMeter(spools=spools, children=readers),
        }
        yield MeterChoice(images, others)
