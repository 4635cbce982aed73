"""What was counted, digested, used and measured: by one name and in one unit in every form."""

from __future__ import annotations

from typing import NamedTuple

from cisterna.metadata.record import MetadataRecord

_Value = str | int | float | list[str]


class Fact(NamedTuple):
    """One value.

    Attributes:
        key: Names it within a document.
        name: In words.
        unit: What it is measured in; None for a count or a text.
    """

    key: str
    name: str
    value: _Value
    unit: str | None = None

    @property
    def line(self) -> str:
        """The fact as people read it."""
        value = ", ".join(self.value) if isinstance(self.value, list) else str(self.value)
        return f"{self.name}: {value}{f' {self.unit}' if self.unit else ''}"


def kept_facts(record: MetadataRecord) -> list[Fact]:
    """Say what is kept, and what the gate said of it."""
    facts = [
        Fact("manifest-sha512", "SHA-512 of the manifest of the data files", record.manifest_digest),
        Fact("file-count", "number of data files", record.file_count),
        Fact("total-bytes", "size of the data files", record.total_bytes, "byte"),
    ]
    if record.quality:
        facts.append(Fact("quality-verdict", "verdict of the quality gate", record.quality.verdict.value))
    return facts


def imaging_facts(record: MetadataRecord) -> list[Fact]:
    """Say how images were taken, and how many there are."""
    imaging = record.imaging
    if imaging is None:
        return []
    return _known(
        ("channels", "channels", list(imaging.channels) or None, None),
        ("objective", "objective", imaging.objective, None),
        ("magnification", "magnification of the objective", imaging.magnification, None),
        ("numerical-aperture", "numerical aperture of the objective", imaging.numerical_aperture, None),
        ("pixel-size", "pixel size in the sample", imaging.pixel_size_um, "micrometre"),
        ("z-step", "distance between z planes", imaging.z_step_um, "micrometre"),
        ("regions", "number of regions", imaging.regions, None),
        ("fields", "fields of view in a region, at most", imaging.fields, None),
        ("z-planes", "number of z planes", imaging.z_planes, None),
        ("timepoints", "number of time points", imaging.timepoints, None),
        ("images", "number of image files", imaging.images, None),
    )


def tool_facts(record: MetadataRecord) -> list[Fact]:
    """Say what the data were made of and with."""
    facts = []
    if device := record.instrument:
        facts += _known(
            ("instrument", "instrument", device.name, None),
            ("instrument-maker", "manufacturer of the instrument", device.manufacturer, None),
            ("instrument-model", "model of the instrument", device.model, None),
            ("instrument-serial", "serial number of the instrument", device.serial, None),
        )
    if model := record.model:
        facts.append(Fact("model", "model that made the data", " ".join(filter(None, (model.name, model.version)))))
    if software := record.software:
        facts.append(Fact("software", "program that made the data", f"{software.name} {software.version}"))
    if record.samples and record.samples.wells:
        facts.append(Fact("wells", "number of wells with samples", record.samples.wells))
    return facts


def _known(*named: tuple[str, str, _Value | None, str | None]) -> list[Fact]:
    return [Fact(key, name, value, unit) for key, name, value, unit in named if value is not None]
