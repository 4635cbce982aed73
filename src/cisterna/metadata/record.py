"""The one model of a described version, from which every other form is made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator

from cisterna.domain.base import Day, Moment, Value
from cisterna.domain.credit import Contributors, Creator, Fundings, References, Subjects, checked_creators
from cisterna.domain.digest import Sha512
from cisterna.domain.errors import InvalidInput
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.identifier import TEST_NAAN, Ark, DatasetId
from cisterna.domain.language import Language
from cisterna.domain.outside_identifier import DevicePid, Ror, outside_identifier
from cisterna.domain.project import Access, HumanData, require_embargo
from cisterna.domain.text import Line, Prose, shorten
from cisterna.metadata.licence import spdx_identifier

Licence = Annotated[str, AfterValidator(spdx_identifier)]
"""An identifier of the SPDX licence list, in the list's own spelling."""


class Origin(StrEnum):
    """Who said a value."""

    PROFILE = "profile"
    INSTRUMENT = "instrument"
    PROJECT = "project"
    FILE = "metadata.yaml"
    SHEET = "sample sheet"
    """A plate map or sample sheet, beside the data or given later."""
    STEWARD = "steward"
    SOURCE = "source"
    """The dataset that this one was derived from."""
    CISTERNA = "cisterna"
    """Counted, digested or assigned here."""


class SampleFacts(Value):
    """What was studied, and how it was treated and made visible.

    Attributes:
        wells: How many of them hold a sample.
    """

    organisms: Subjects = ()
    tissues: Subjects = ()
    cell_lines: Subjects = ()
    diseases: Subjects = ()
    treatments: Subjects = ()
    stains: Subjects = ()
    wells: int | None = Field(default=None, ge=1, le=1_000_000)


SAMPLE_KINDS = tuple(name for name in SampleFacts.model_fields if name != "wells")
"""The fields of `SampleFacts` that hold terms."""


class SheetFacts(Value):
    """The plate map or sample sheet that was read.

    Attributes:
        path: Where it lies in the object; of an ISA-Tab its first study file.
        form: What kind of file it is.
        rows: Wells or samples that it tells of.
        wells: Of them, those that are wells.
        columns: Of the table `metadata/samples.parquet`, which says the same.
        remarks: What was noticed and does no harm, in words.
    """

    path: Line
    form: Line
    rows: int = Field(ge=1)
    wells: int = Field(ge=0)
    columns: tuple[Line, ...] = Field(default=(), max_length=10_000)
    remarks: tuple[Prose, ...] = ()


class Given(Value):
    """What a person says of a dataset, in `metadata.yaml` beside the data or as a steward; None is not said."""

    title: Line | None = None
    description: Prose | None = None
    creators: tuple[Creator, ...] | None = Field(default=None, max_length=1000)
    publisher: Line | None = None
    licence: Licence | None = None
    access: Access | None = None
    human_data: HumanData | None = None
    keywords: tuple[Line, ...] | None = Field(default=None, max_length=200)
    contributors: Contributors | None = None
    funding: Fundings | None = None
    subjects: Subjects | None = None
    references: References | None = None
    publisher_ror: Ror | None = None
    language: Language | None = None
    embargo_until: Day | None = None
    samples: SampleFacts | None = None

    @model_validator(mode="after")
    def _ends_an_embargo(self) -> Given:
        require_embargo(self.access, self.embargo_until)
        return self


class InstrumentFacts(Value):
    """The device, as an entity of its own.

    Attributes:
        pid: A DOI or Handle (PIDINST), an RRID or an address.
    """

    name: Line
    profile: Line
    model: Line | None = None
    serial: Line | None = None
    manufacturer: Line | None = None
    pid: DevicePid | None = None

    @property
    def url(self) -> str | None:
        """Where its identifier leads to."""
        return outside_identifier(self.pid).url if self.pid else None


class ImagingFacts(Value):
    """What is known of the images.

    Attributes:
        channels: As the acquisition names them.
        magnification, numerical_aperture: Of the objective.
        pixel_size_um, z_step_um: In micrometres, in the sample.
        regions, fields, z_planes, timepoints: How many there are; `fields` is per region, at most.
        images: Image files.
    """

    channels: tuple[Line, ...] = ()
    objective: Line | None = None
    magnification: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    numerical_aperture: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    pixel_size_um: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    z_step_um: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    regions: int | None = Field(default=None, ge=0)
    fields: int | None = Field(default=None, ge=0)
    z_planes: int | None = Field(default=None, ge=0)
    timepoints: int | None = Field(default=None, ge=0)
    images: int | None = Field(default=None, ge=0)


class ModelFacts(Value):
    """The model that made a derived dataset."""

    name: Line
    version: Line | None = None
    description: Prose | None = None
    sha256: str | None = None
    trained_on: Prose | None = None
    licence: Line | None = None


class SoftwareFacts(Value):
    """The program that made a derived dataset; a model is what it worked with."""

    name: Line
    version: Line


class Related(Value):
    """Another dataset of ours (DataCite relationType)."""

    kind: Literal["IsDerivedFrom", "IsSourceOf", "IsVersionOf", "IsPartOf", "HasPart"]
    pid: Ark
    version: str
    title: Line | None = None


class CheckResult(Value):
    """One finding, without the files it is about."""

    check: Line
    outcome: Outcome
    message: Prose


class Quality(Value):
    """What the gate said."""

    verdict: Verdict
    reason: Prose | None = None
    checks: tuple[CheckResult, ...] = ()


class Dates(Value):
    """When what happened.

    Attributes:
        acquired_from, acquired_to: The run, as the instrument says or as its end was seen.
        described: When this record was made; used where a form asks for a date of issue.
    """

    acquired_from: Moment | None = None
    acquired_to: Moment | None = None
    described: Moment


class LeftOut(Value):
    """What was said once and is not taken any more.

    Attributes:
        field: That it was said of, such as `licence` or `samples.organisms`.
        problem: What it was, in words.
        origin: Who said it; None where that is not known.
    """

    field: Line
    problem: Prose
    origin: Origin | None = None


class MetadataRecord(Value):
    """A described version.

    Attributes:
        schema_version: Of this model; `read_record` reads the earlier ones.
        publisher_ror: Of the organisation that `publisher` names.
        embargo_until: The day from which on it may be open; None while access is no embargo, or none with an end.
        data_type: Names the suites that judged it, such as `microscopy`.
        software: That made it, of a derived dataset; earlier records do not tell.
        origins: Who said each value, by field name; a field without one is empty.
        problems: What was said and could not be used, in words.
        left_out: What was said once and is not taken any more; each is among the problems too. What a steward said is
            carried on until one says the field anew: in its place nobody else's word may count in silence.
        notes: What is worth knowing of what was said and bars nothing, such as a term that nobody here could check.
    """

    schema_version: Literal[2] = 2
    pid: Ark
    dataset_id: DatasetId
    version: str
    data_type: Line
    derived: bool = False
    title: Line | None = None
    description: Prose | None = None
    creators: tuple[Creator, ...] = ()
    contributors: Contributors = ()
    publisher: Line | None = None
    publisher_ror: Ror | None = None
    publication_year: int = Field(ge=1900, le=9999)
    licence: Licence | None = None
    access: Access = Access.CLOSED
    embargo_until: Day | None = None
    human_data: HumanData = HumanData.UNANSWERED
    keywords: tuple[Line, ...] = ()
    subjects: Subjects = ()
    language: Language | None = None
    funding: Fundings = ()
    references: References = ()
    samples: SampleFacts | None = None
    sample_sheet: SheetFacts | None = None
    dates: Dates
    instrument: InstrumentFacts | None = None
    imaging: ImagingFacts | None = None
    model: ModelFacts | None = None
    software: SoftwareFacts | None = None
    relations: tuple[Related, ...] = ()
    quality: Quality | None = None
    manifest_digest: Sha512
    file_count: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    origins: dict[str, Origin] = Field(default_factory=dict)
    problems: tuple[Prose, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[Prose, ...] = ()

    @model_validator(mode="after")
    def _ends_an_embargo(self) -> MetadataRecord:
        require_embargo(self.access, self.embargo_until)
        return self

    @property
    def name(self) -> str:
        """The title, or words that say that there is none."""
        return self.title or f"Untitled dataset {self.pid}"

    @property
    def summary(self) -> str:
        """The description, or a sentence made of what was counted."""
        if self.description:
            return self.description
        made = "made from another dataset" if self.derived else "as acquired"
        made = f"made by the model {self.model.name}" if self.model else made
        by = f" by {self.instrument.name}" if self.instrument and not self.derived else ""
        return f"{self.data_type} dataset {made}{by}: {self.file_count:,} files, {self.total_bytes:,} bytes."

    @property
    def is_restricted(self) -> bool:
        """Whether its bytes, pictures and metadata must stay inside."""
        return self.human_data is not HumanData.NO or self.access is not Access.OPEN

    @property
    def is_test_pid(self) -> bool:
        """Whether the PID is from the range that is reserved for tests and resolves nowhere else."""
        return self.pid.startswith(f"ark:/{TEST_NAAN}/")


_MENDABLE = frozenset(
    {
        "language",
        "licence",
        "publisher_ror",
        "embargo_until",
        "keywords",
        "subjects",
        "contributors",
        "funding",
        "references",
        *(f"samples.{kind}" for kind in SAMPLE_KINDS),
    }
)
"""Fields that a stored record is read without where what stands there is not taken any more.

Without them it shows no more than it did: an embargo without its end goes on until somebody says when it ends.
"""
_SCHEMA_VERSION = 2
_SHOWN = 200


def read_record(document: Mapping[str, JsonValue]) -> MetadataRecord:
    """Read a record of this schema version or an earlier one; what a version did not have is empty.

    Version 1 looked at no check digits of a ROR: one that has wrong ones never was an organisation's and is left out.
    Rules grow, and what is stored has to stay readable: a describing value that is not taken any more is left out as
    well, and stands among the record's problems, so that a person sees it and says another.

    Raises:
        InvalidInput: It is no record, or of a later version.
    """
    version = document.get("schema_version")
    said = dict(document)
    if version == 1:
        said |= {"schema_version": _SCHEMA_VERSION, "creators": checked_creators(document.get("creators"))}
    try:
        return MetadataRecord.model_validate(said)
    except ValidationError as error:
        try:
            return MetadataRecord.model_validate(_mended(said, error))
        except ValidationError as fault:
            raise InvalidInput(_unreadable(version, fault)) from fault


def untaken(document: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Say what of a stored record is left out when it is read; nothing of the kind becomes public."""
    stored = document.get("problems", [])
    try:
        return read_record(document).problems[len(stored) if isinstance(stored, list) else 0 :]
    except InvalidInput as refusal:
        return (str(refusal),)


def _unreadable(version: object, fault: ValidationError) -> str:
    place = ".".join(map(str, fault.errors(include_input=False)[0]["loc"]))
    why = f"its {place[:100] or 'fields'} is amiss"
    how = "describe it anew (`cisterna reprocess VERSION --from described`)"
    if isinstance(version, int) and version > _SCHEMA_VERSION:
        why, how = "it is of a later version of Cisterna", f"use that one, or {how}"
    return f"the metadata record (schema version {str(version)[:20]}) cannot be read: {why}; {how}"


def _mended(document: Mapping[str, JsonValue], error: ValidationError) -> dict[str, JsonValue]:
    """Leave out what may be, and say what it was; of a list the items that are at fault alone."""
    mended = dict(document)
    left_out: list[dict[str, JsonValue]] = []
    for field, items in _faults(error).items():
        name, _, kind = field.partition(".")
        holder: dict[str, JsonValue] = mended
        if kind and isinstance(samples := mended[name], dict):
            holder = mended[name] = dict(samples)
        told = _taken_out(holder, kind or name, items)
        words = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in told]
        for one in words:
            problem = f"{field} '{shorten(one, _SHOWN)}' was stored and is not taken any more; say another"
            left_out.append({"field": field, "problem": problem, "origin": _origin_of(field, document)})
        if field == "embargo_until" and document.get("access") == Access.OPEN:
            mended["access"] = Access.EMBARGOED  # somebody kept the data back, until a day that nobody knows
    mended["left_out"] = _after(document.get("left_out"), left_out)
    mended["problems"] = _after(document.get("problems"), [one["problem"] for one in left_out])
    return mended


def _after(stored: JsonValue, more: Iterable[JsonValue]) -> list[JsonValue]:
    return [*(stored if isinstance(stored, list) else ()), *more]


def _faults(error: ValidationError) -> dict[str, set[int | None]]:
    """Give the places of faults by the fields that may be left out: of items of a list their number, else None."""
    faults: dict[str, set[int | None]] = {}
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        depth = 2 if fault["loc"][:1] == ("samples",) else 1
        field = ".".join(map(str, fault["loc"][:depth]))
        if field in _MENDABLE:
            item = next(iter(fault["loc"][depth:]), None)
            faults.setdefault(field, set()).add(item if isinstance(item, int) else None)
    return faults


def _origin_of(field: str, document: Mapping[str, JsonValue]) -> JsonValue:
    """Tell who said a field; of one whose kinds have origins of their own, a steward if any of them was one's."""
    origins = document.get("origins")
    said = (
        [who for name, who in origins.items() if f"{name}.".startswith(f"{field}.")]
        if isinstance(origins, dict)
        else []
    )
    return next((one for one in said if one == Origin.STEWARD), next(iter(said), None))


def _taken_out(holder: dict[str, JsonValue], name: str, items: set[int | None]) -> list[JsonValue]:
    value = holder[name]
    if not isinstance(value, list) or None in items:
        return [holder.pop(name)]
    holder[name] = [one for place, one in enumerate(value) if place not in items]
    return [one for place, one in enumerate(value) if place in items]


def missing(record: MetadataRecord) -> tuple[str, ...]:
    """Name the mandatory fields that are empty: DataCite's, the licence and the human-data answer.

    A `metadata.yaml` or another statement that could not be used counts as missing too: somebody meant to say
    something, and a person has to look before the record may pass as complete.
    """
    empty = {
        "title": record.title is None,
        "creators": not record.creators,
        "publisher": record.publisher is None,
        "licence": record.licence is None,
        "human_data": record.human_data is HumanData.UNANSWERED,
        "problems": bool(record.problems),
    }
    return tuple(name for name, is_empty in empty.items() if is_empty)
