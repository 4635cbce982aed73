"""The table that one batch of reading ahead leaves in staging, for the ingest to take over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from cisterna.domain.errors import InvalidInput
from cisterna.domain.listing import SeenFile
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import Reading, TableFile
from cisterna.services.one_read import ReadFile


@dataclass(frozen=True, slots=True)
class AheadFile:
    """One file that was read ahead.

    Attributes:
        seen: As it was before, while and after it was read.
        meter: Names of the metrics that its image was measured by, with commas between.
    """

    seen: SeenFile
    result: ReadFile
    meter: str


def meter_names(names: Sequence[str]) -> str:
    """Write a meter's metrics down: an image that another meter measured is measured again."""
    return ",".join(names)


def dump_ahead(files: Sequence[tuple[SeenFile, ReadFile]], *, meter: str, tables: TableFile) -> bytes:
    """Encode what was found of some files, previews included."""
    readings = [result.reading for _, result in files]
    return tables.dump(
        {
            "seen": [seen.model_dump_json() for seen, _ in files],
            "entry": [result.entry.model_dump_json() for _, result in files],
            "reading": [one and one.model_dump_json(exclude={"thumbnail"}) for one in readings],
            "png": [one and one.thumbnail for one in readings],
            "meter": [meter] * len(files),
        }
    )


def load_ahead(body: bytes, *, tables: TableFile) -> Iterator[AheadFile]:
    """Decode. Raises `InvalidInput`."""
    table = tables.load(body)
    try:
        rows = zip(*(table[name] for name in ("seen", "entry", "reading", "png", "meter")), strict=True)
        for seen, entry, reading, png, meter in rows:
            measured = None
            if reading is not None:
                measured = Reading.model_validate_json(str(reading)).model_copy(update={"thumbnail": png})
            yield AheadFile(
                SeenFile.model_validate_json(str(seen)),
                ReadFile(FileEntry.model_validate_json(str(entry)), measured),
                str(meter),
            )
    except (KeyError, ValueError, ValidationError) as error:
        msg = (
            f"a table of what was read ahead is not what was written ({type(error).__name__}); the files are read again"
        )
        raise InvalidInput(msg) from error
