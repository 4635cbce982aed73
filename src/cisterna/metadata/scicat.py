"""Writes a description as the dataset that a SciCat catalogue takes by version 4 of its interface.

SciCat refuses what it does not know, so only fields are used that it has had since that version began. What is not
said is written empty: a change sent there leaves alone what it does not name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from pydantic import JsonValue

from cisterna.domain.credit import ContributorRole
from cisterna.metadata.citation import citation_line
from cisterna.metadata.described import Described
from cisterna.metadata.record import SAMPLE_KINDS, ImagingFacts, InstrumentFacts, ModelFacts, SampleFacts

Document = dict[str, JsonValue]

_QUANTITIES = {"magnification": "", "numerical_aperture": "", "pixel_size_um": "um", "z_step_um": "um"}
_COUNTS = ("regions", "fields", "z_planes", "timepoints", "images")


class Custody(NamedTuple):
    """What a site's settings say of all that it registers in a catalogue.

    Attributes:
        location: Site and facility, as a path; the instrument's name is put below it.
        instruments: The catalogue's identifiers of instruments, by their names here.
    """

    owner: str
    contact_email: str
    owner_group: str
    access_groups: tuple[str, ...]
    location: str
    instruments: Mapping[str, str]


def scicat_type(described: Described) -> Literal["raw", "derived"]:
    """Say which of its two kinds a dataset is."""
    return "derived" if described.record.derived else "raw"


def scicat_document(described: Described, *, custody: Custody, sources: Iterable[str], folder: str) -> Document:
    """Describe a version that is public; its PID, its kind, and whether it is to be seen are not among it.

    Args:
        described: The version.
        custody: Of the site.
        sources: What it was derived from, as the catalogue names it.
        folder: Address below which its files are had by their paths.
    """
    record = described.record
    dates = record.dates
    document: Document = {
        "owner": custody.owner,
        "ownerGroup": custody.owner_group,
        "accessGroups": list(custody.access_groups),
        "contactEmail": custody.contact_email,
        "sourceFolder": folder,
        "size": record.total_bytes,
        "numberOfFiles": record.file_count,
        "creationTime": moment_text(dates.acquired_to or dates.described),
        "keywords": [one.label for one in described.subjects if one.label],
        "description": record.summary,
        "datasetName": record.name,
        "license": record.licence or "",
        "comment": citation_line(described, described.doi_url or described.base_url or record.pid),
        "validationStatus": record.quality.verdict.value if record.quality else "",
        "principalInvestigators": _leaders(described),
        "dataFormat": ", ".join(described.formats),
        "inputDatasets": list(sources),
        "usedSoftware": _software(described),
        "scientificMetadata": scientific_metadata(described),
        **_of_instrument(record.instrument, custody),
    }
    run = {"startTime": dates.acquired_from, "endTime": dates.acquired_to}
    return document | {name: moment_text(moment) for name, moment in run.items() if moment}


def scientific_metadata(described: Described) -> Document:
    """Write the facts of the acquisition, each with its value and its unit; one without a unit has an empty one.

    No name may begin with u or v: SciCat takes such a one for a unit or a value.
    """
    record = described.record
    facts: Document = {
        "ark": _fact(record.pid),
        "dataset_version": _fact(record.version),
        "data_type": _fact(record.data_type),
        "manifest_sha512": _fact(record.manifest_digest),
    }
    if described.doi:
        facts["doi"] = _fact(described.doi)
    facts |= _instrument(record.instrument) | _imaging(record.imaging) | _samples(record.samples)
    return facts | _model(record.model)


def scicat_tombstone(title: str, reason: str) -> Document:
    """Say what stood there and why it does no longer, to those who go on seeing it."""
    return {
        "datasetName": title,
        "description": f"Withdrawn: {reason}",
        "accessGroups": [],
        "sharedWith": [],
        "keywords": [],
        "license": "",
        "comment": "",
        "validationStatus": "",
        "principalInvestigators": [],
        "creationLocation": "",
        "instrumentIds": [],
        "dataFormat": "",
        "inputDatasets": [],
        "usedSoftware": [],
        "scientificMetadata": {},
    }


def moment_text(moment: datetime) -> str:
    """Write a moment as SciCat does, so that both are the same text."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _leaders(described: Described) -> list[JsonValue]:
    """Name who led the project; where nobody is said to, who made the data."""
    record = described.record
    leaders = [one.name for one in record.contributors if one.role is ContributorRole.PROJECT_LEADER]
    return [*(leaders or [one.name for one in record.creators])]


def _software(described: Described) -> list[JsonValue]:
    record = described.record
    named = (record.software, record.model) if record.derived else ()
    return [f"{one.name} {one.version or ''}".strip() for one in named if one]


def _of_instrument(instrument: InstrumentFacts | None, custody: Custody) -> Document:
    if instrument is None:
        return {"creationLocation": custody.location, "instrumentIds": []}
    known = custody.instruments.get(instrument.name)
    below = instrument.name.replace("/", "-")
    return {"creationLocation": f"{custody.location}/{below}", "instrumentIds": [known] if known else []}


def _instrument(instrument: InstrumentFacts | None) -> Document:
    if instrument is None:
        return {}
    named = ("name", "manufacturer", "model", "serial", "pid")
    said = {name: getattr(instrument, name) for name in named}
    return {f"instrument_{name}": _fact(value) for name, value in said.items() if value}


def _imaging(imaging: ImagingFacts | None) -> Document:
    if imaging is None:
        return {}
    facts: Document = {}
    if imaging.channels:
        facts["channels"] = _fact("; ".join(imaging.channels))
    if imaging.objective:
        facts["objective"] = _fact(imaging.objective)
    for name, unit in _QUANTITIES.items():
        if (value := getattr(imaging, name)) is not None:
            facts[name.removesuffix("_um")] = _fact(value, unit)
    for name in _COUNTS:
        if (count := getattr(imaging, name)) is not None:
            facts[name] = _fact(count)
    return facts


def _samples(samples: SampleFacts | None) -> Document:
    if samples is None:
        return {}
    facts: Document = {}
    for kind in SAMPLE_KINDS:
        if labels := [one.label for one in getattr(samples, kind) if one.label]:
            facts[f"sample_{kind}"] = _fact("; ".join(labels))
    return facts


def _model(model: ModelFacts | None) -> Document:
    if model is None:
        return {}
    said = {"name": model.name, "version": model.version, "sha256": model.sha256}
    return {f"model_{name}": _fact(value) for name, value in said.items() if value}


def _fact(value: JsonValue, unit: str = "") -> JsonValue:
    return {"value": value, "unit": unit}
