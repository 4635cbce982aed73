"""Joins what profile, instrument, project, file and steward say into one record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import JsonValue

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import IllegalTransition, InvalidInput
from cisterna.domain.finding import Finding
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Access, Creator, HumanData, Project
from cisterna.metadata.licence import spdx_identifier
from cisterna.metadata.record import (
    CheckResult,
    Dates,
    Given,
    ImagingFacts,
    InstrumentFacts,
    MetadataRecord,
    ModelFacts,
    Origin,
    Quality,
    Related,
)
from cisterna.metadata.text import clean_line, clean_prose, cut_line, cut_prose
from cisterna.ports.profile import Described, Plane

T = TypeVar("T")

_STRICTNESS = list(Access)
_CHECKS_KEPT = 200


def build_record(
    dataset: Dataset,
    version: Version,
    *,
    described_at: datetime,
    project: Project | None = None,
    instrument: Instrument | None = None,
    described: Described | None = None,
    planes: Iterable[Plane] = (),
    images: int | None = None,
    acquired_to: datetime | None = None,
    given: Given | None = None,
    steward: Given | None = None,
    model: ModelFacts | None = None,
    related: Sequence[Related] = (),
    sources: Sequence[MetadataRecord] = (),
    findings: Sequence[Finding] = (),
    problems: Sequence[str] = (),
) -> MetadataRecord:
    """Build the record of a measured version.

    For each field the first who says something wins: the steward, then `metadata.yaml`, the profile, the project. With
    two exceptions, since the file lies where the instrument writes: it may make access stricter, never wider, and it
    may say that data come from people but not take that back.

    Args:
        dataset: What is described.
        version: Of it, with a manifest digest.
        described_at: Dates the record.
        project: Its defaults.
        instrument: For acquired data.
        described: What the acquisition says of itself.
        planes: Where each image belongs, for counting.
        images: How many image files there are.
        acquired_to: When the end of the run was seen.
        given: From `metadata.yaml`.
        steward: What stewards said of this version or the one before it.
        model: For derived data.
        related: Datasets of ours that it stands in relation to.
        sources: Records of what it was derived from; what was made from restricted data stays as restricted.
        findings: Of the gate; together with the version's verdict.
        problems: What could not be read, in words.

    Raises:
        IllegalTransition: The version has not been measured.
    """
    if version.manifest_digest is None:
        msg = f"{version.version_id} has no manifest yet; it is described after it was measured and gated"
        raise IllegalTransition(msg, version_id=version.version_id)
    said = _Said(steward=steward, given=given, project=project, sources=sources, problems=list(problems))
    values = {
        **said.citation(dataset, described),
        **said.conditions(),
        "data_type": cut_line(dataset.data_type) or "unknown",
        "instrument": said.instrument(instrument, described),
        "imaging": said.imaging(described, planes, images),
        "dates": _dates(described, described_at, acquired_to),
        "model": model,
        "relations": tuple(related),
        "quality": _quality(version, findings),
    }
    origins = {**said.origins, **dict.fromkeys(("pid", "publication_year", "manifest_digest"), Origin.CISTERNA)}
    return MetadataRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        derived=dataset.acquisition_id is None,
        publication_year=described_at.year,
        manifest_digest=version.manifest_digest,
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        origins=origins,
        problems=tuple(cut_prose(problem) or "a problem without words" for problem in said.problems),
        **values,
    )


def steward_said(record: MetadataRecord) -> Given:
    """Take out of a record what a steward said, so that a later version or revision says it too."""
    said = {name: getattr(record, name) for name, origin in record.origins.items() if origin is Origin.STEWARD}
    return Given(**{name: value for name, value in said.items() if name in Given.model_fields})


def joined(newer: Given | None, older: Given | None) -> Given | None:
    """Put one statement over another: what the newer leaves unsaid, the older says."""
    if newer is None or older is None:
        return newer or older
    update = {name: value for name in Given.model_fields if (value := getattr(newer, name)) is not None}
    return older.model_copy(update=update)


class _Said:
    """Who says what, the winner's name per field, and what could not be used."""

    def __init__(
        self,
        *,
        steward: Given | None,
        given: Given | None,
        project: Project | None,
        sources: Sequence[MetadataRecord],
        problems: list[str],
    ) -> None:
        self.steward, self.given = steward or Given(), given or Given()
        self.project = project
        self.sources = sources
        self.source = sources[0] if sources else None
        self.problems = problems
        self.origins: dict[str, Origin] = {}

    def first(self, name: str, *offers: tuple[Origin, T | None], clean: Callable[[T], T]) -> T | None:
        """Take the first offer that holds something usable; one that cannot be used becomes a problem."""
        for origin, value in offers:
            if value is None or value == ():
                continue
            try:
                cleaned = clean(value)
            except (InvalidInput, ValueError) as refusal:
                self.problems.append(f"{name} from {origin.value} is not used: {refusal}")
                continue
            self.origins[name] = origin
            return cleaned
        return None

    def citation(self, dataset: Dataset, described: Described | None) -> dict[str, object]:
        steward, given = self.steward, self.given
        defaults = self.project.defaults if self.project else None
        own = (Origin.PROFILE if dataset.acquisition_id else Origin.CISTERNA, dataset.title or None)
        profile = (Origin.PROFILE, described.title if described else None)
        title = self.first(
            "title", (Origin.STEWARD, steward.title), (Origin.FILE, given.title), profile, own, clean=clean_line
        )
        description = self.first(
            "description",
            (Origin.STEWARD, steward.description),
            (Origin.FILE, given.description),
            (Origin.PROFILE, _text(described, "description")),
            clean=clean_prose,
        )
        creators = self.first(
            "creators",
            (Origin.STEWARD, steward.creators),
            (Origin.FILE, given.creators),
            (Origin.PROJECT, defaults.creators if defaults else None),
            (Origin.SOURCE, self.source.creators if self.source else None),
            clean=_clean_creators,
        )
        publisher = self.first(
            "publisher",
            (Origin.STEWARD, steward.publisher),
            (Origin.FILE, given.publisher),
            (Origin.PROJECT, defaults.publisher if defaults else None),
            (Origin.SOURCE, self.source.publisher if self.source else None),
            clean=clean_line,
        )
        keywords = self.first(
            "keywords",
            (Origin.STEWARD, steward.keywords),
            (Origin.FILE, given.keywords),
            (Origin.PROJECT, defaults.keywords if defaults else None),
            clean=_clean_keywords,
        )
        return {
            "title": title,
            "description": description,
            "creators": creators or (),
            "publisher": publisher,
            "keywords": keywords or (),
        }

    def conditions(self) -> dict[str, object]:
        steward, given = self.steward, self.given
        defaults = self.project.defaults if self.project else None
        licence = self.first(
            "licence",
            (Origin.STEWARD, steward.licence),
            (Origin.FILE, given.licence),
            (Origin.PROJECT, defaults.licence if defaults else None),
            (Origin.SOURCE, self.source.licence if self.source else None),
            clean=spdx_identifier,
        )
        return {"licence": licence, "access": self.access(), "human_data": self.human_data()}

    def access(self) -> Access:
        """Take the steward's word, else the strictest that project, file and sources ask for."""
        if self.steward.access is not None:
            self.origins["access"] = Origin.STEWARD
            return self.steward.access
        offers = (
            [(Origin.PROJECT, self.project.defaults.access)] if self.project else [(Origin.CISTERNA, Access.CLOSED)]
        )
        offers += [(Origin.FILE, self.given.access)] if self.given.access else []
        offers += [(Origin.SOURCE, source.access) for source in self.sources]
        self.origins["access"], access = max(offers, key=lambda offer: _STRICTNESS.index(offer[1]))
        return access

    def human_data(self) -> HumanData:
        """Take the steward's word; else anybody's yes, then an unanswered source, then the first answer there is."""
        default = self.project.defaults.human_data if self.project else HumanData.UNANSWERED
        offers = [(Origin.STEWARD, self.steward.human_data)]
        rest = [(Origin.PROJECT, default), (Origin.FILE, self.given.human_data)]
        rest += [(Origin.SOURCE, source.human_data) for source in self.sources]
        offers += [offer for offer in rest if offer[1] is HumanData.YES]
        if any(source.human_data is HumanData.UNANSWERED for source in self.sources):
            offers.append((Origin.SOURCE, HumanData.UNANSWERED))
        offers += [offer for offer in rest if offer[1] is HumanData.NO]
        origin, answer = next((offer for offer in offers if offer[1] is not None), (Origin.PROJECT, None))
        if answer is None or answer is HumanData.UNANSWERED:
            return HumanData.UNANSWERED
        self.origins["human_data"] = origin
        return answer

    def instrument(self, instrument: Instrument | None, described: Described | None) -> InstrumentFacts | None:
        if instrument is None:
            return None
        self.origins["instrument"] = Origin.INSTRUMENT
        model = described.instrument_model if described else None
        return InstrumentFacts(
            name=instrument.name, profile=instrument.profile, model=cut_line(model) if model else None
        )

    def imaging(self, described: Described | None, planes: Iterable[Plane], images: int | None) -> ImagingFacts | None:
        counted = _counts(planes)
        if described is None and not images:
            return None
        named = _texts(described, "channels") or counted.pop("channels", ())
        counted.pop("channels", None)
        facts = ImagingFacts.model_validate(
            {
                "channels": named,
                "objective": _text(described, "objective"),
                "magnification": _positive(described, "magnification"),
                "numerical_aperture": _positive(described, "numerical_aperture"),
                "pixel_size_um": _positive(described, "pixel_size_um"),
                "z_step_um": _positive(described, "z_step_um"),
                "images": images,
                "z_planes": _whole(described, "z_levels"),
                "timepoints": _whole(described, "time_points"),
                **counted,
            }
        )
        if facts == ImagingFacts():
            return None
        self.origins["imaging"] = Origin.PROFILE
        return facts


def _clean_creators(creators: tuple[Creator, ...]) -> tuple[Creator, ...]:
    return tuple(
        creator.model_copy(
            update={
                "name": clean_line(creator.name),
                "affiliation": clean_line(creator.affiliation) if creator.affiliation else None,
            }
        )
        for creator in creators
    )


def _clean_keywords(keywords: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean_line(keyword) for keyword in keywords))


def _text(described: Described | None, name: str) -> str | None:
    value = described.fields.get(name) if described else None
    return cut_line(value) if isinstance(value, str) else None


def _texts(described: Described | None, name: str) -> tuple[str, ...]:
    value: JsonValue = described.fields.get(name) if described else None
    if not isinstance(value, list):
        return ()
    texts = (cut_line(one) for one in value[:200] if isinstance(one, str))
    return tuple(text for text in texts if text)


def _positive(described: Described | None, name: str) -> float | None:
    value = described.fields.get(name) if described else None
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
    return float(value) if usable and isinstance(value, int | float) else None


def _whole(described: Described | None, name: str) -> int | None:
    value = _positive(described, name)
    return int(value) if value is not None and value.is_integer() else None


def _counts(planes: Iterable[Plane]) -> dict[str, object]:
    fields: dict[str, set[str]] = {}
    channels: dict[str, None] = {}
    levels: set[int] = set()
    times: set[int] = set()
    for plane in planes:
        fields.setdefault(plane.region, set()).add(plane.field)
        channels[plane.channel] = None
        levels.add(plane.z)
        times.add(plane.t)
    if not fields:
        return {}
    named = (cut_line(channel) for channel in list(channels)[:200])
    return {
        "channels": tuple(channel for channel in named if channel),
        "regions": len(fields),
        "fields": max(map(len, fields.values())),
        "z_planes": len(levels),
        "timepoints": len(times),
    }


def _dates(described: Described | None, described_at: datetime, acquired_to: datetime | None) -> Dates:
    return Dates(
        acquired_from=described.started_at if described else None, acquired_to=acquired_to, described=described_at
    )


def _quality(version: Version, findings: Sequence[Finding]) -> Quality | None:
    if version.verdict is None:
        return None
    checks = ((finding, cut_line(finding.check), cut_prose(finding.message)) for finding in findings[:_CHECKS_KEPT])
    return Quality(
        verdict=version.verdict,
        reason=cut_prose(version.reason) if version.reason else None,
        checks=tuple(
            CheckResult(check=check or "unnamed", outcome=finding.outcome, message=message or "no words")
            for finding, check, message in checks
        ),
    )
