"""Weighs what profile, instrument, project, file, source and steward say of a dataset, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pydantic import JsonValue

from cisterna.domain.credit import Creator
from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import InvalidInput
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Access, HumanData, Project
from cisterna.domain.text import clean_line, clean_prose, cut_line
from cisterna.metadata.licence import spdx_identifier
from cisterna.metadata.record import Given, ImagingFacts, InstrumentFacts, MetadataRecord, Origin
from cisterna.ports.profile import Described, Plane

T = TypeVar("T")

_STRICTNESS = list(Access)


class Said:
    """Who says what, the winner's name per field, and what could not be used."""

    def __init__(
        self,
        *,
        steward: Given | None,
        given: Given | None,
        project: Project | None,
        sources: Sequence[MetadataRecord | None],
        problems: list[str],
    ) -> None:
        self.steward, self.given = steward or Given(), given or Given()
        self.project = project
        self.sources = sources
        self.source = next((source for source in sources if source is not None), None)
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
        """Settle what a citation needs: title, description, creators, publisher, keywords."""
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
        """Settle licence, access and the human-data answer."""
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
        offers += [(Origin.SOURCE, source.access if source else Access.CLOSED) for source in self.sources]
        self.origins["access"], access = max(offers, key=lambda offer: _STRICTNESS.index(offer[1]))
        return access

    def human_data(self) -> HumanData:
        """Take the steward's word; else anybody's yes, then an unanswered source, then the first answer there is."""
        default = self.project.defaults.human_data if self.project else HumanData.UNANSWERED
        offers = [(Origin.STEWARD, self.steward.human_data)]
        rest = [(Origin.PROJECT, default), (Origin.FILE, self.given.human_data)]
        answers = [source.human_data if source else HumanData.UNANSWERED for source in self.sources]
        rest += [(Origin.SOURCE, answer) for answer in answers]
        offers += [offer for offer in rest if offer[1] is HumanData.YES]
        if HumanData.UNANSWERED in answers:
            offers.append((Origin.SOURCE, HumanData.UNANSWERED))
        offers += [offer for offer in rest if offer[1] is HumanData.NO]
        origin, answer = next((offer for offer in offers if offer[1] is not None), (Origin.PROJECT, None))
        if answer is None or answer is HumanData.UNANSWERED:
            return HumanData.UNANSWERED
        self.origins["human_data"] = origin
        return answer

    def instrument(self, instrument: Instrument | None, described: Described | None) -> InstrumentFacts | None:
        """Name the device, with the model that the acquisition tells."""
        if instrument is None:
            return None
        self.origins["instrument"] = Origin.INSTRUMENT
        model = described.instrument_model if described else None
        serial = described.instrument_serial if described else None
        return InstrumentFacts(
            name=instrument.name,
            profile=instrument.profile,
            model=cut_line(model) if model else None,
            serial=cut_line(serial) if serial else None,
        )

    def imaging(self, described: Described | None, planes: Iterable[Plane], images: int | None) -> ImagingFacts | None:
        """Join what the acquisition says of its images with what their names count up to; counts win."""
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
                "regions": _whole(described, "scenes"),
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
