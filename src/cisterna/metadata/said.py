"""Weighs what profile, instrument, project, file, source and steward say of a dataset, field by field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, TypeVar

from cisterna.domain.credit import Reference, ReferenceKind, Subject
from cisterna.domain.dataset import Dataset
from cisterna.domain.device import Device, device_of
from cisterna.domain.errors import InvalidInput
from cisterna.domain.instrument import Instrument
from cisterna.domain.language import language_tag
from cisterna.domain.project import Access, HumanData, Project
from cisterna.domain.text import clean_line, clean_prose, cut_line
from cisterna.metadata.imaging import imaging_of
from cisterna.metadata.licence import licence_in_force
from cisterna.metadata.record import (
    SAMPLE_KINDS,
    Given,
    ImagingFacts,
    InstrumentFacts,
    LeftOut,
    MetadataRecord,
    Origin,
    SampleFacts,
)
from cisterna.metadata.vocabulary import TermDesk
from cisterna.ports.profile import Described, Plane
from cisterna.ports.vocabulary import Vocabulary

T = TypeVar("T")
H = TypeVar("H")

Offer = tuple[Origin, Any]

_STRICTNESS = list(Access)
_OF_SOURCE = "of what it was made from, "
_MOST = {"funding": 200, "subjects": 1000, "references": 500}
"""How many a record takes, of what several sources may pass on."""


class Said:
    """Who says what, the winner's name per field, and what could not be used."""

    def __init__(
        self,
        *,
        steward: Given | None,
        given: Given | None,
        sheet: SampleFacts | None = None,
        project: Project | None,
        sources: Sequence[MetadataRecord | None],
        problems: list[str],
        vocabulary: Vocabulary | None = None,
        left_out: Sequence[LeftOut] = (),
    ) -> None:
        self.steward, self.given = steward or Given(), given or Given()
        self.sheet = sheet
        self.project = project
        self.sources = sources
        self.source = next((source for source in sources if source is not None), None)
        self.problems = problems
        self.left_out = tuple(dict.fromkeys((*left_out, *self._left_out_of_sources())))
        self.problems += [one.problem for one in self.left_out]
        self.notes: list[str] = []
        self.origins: dict[str, Origin] = {}
        self._desk = TermDesk(vocabulary, problems=problems, notes=self.notes) if vocabulary else None

    def first(self, name: str, *offers: Offer, clean: Callable[[Any], Any]) -> Any:
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
        """Settle what a citation needs: title, description, creators, publisher, keywords and their language."""
        own = (Origin.PROFILE if dataset.acquisition_id else Origin.CISTERNA, dataset.title or None)
        told = described.fields.get("description") if described else None
        profile = {
            "title": [(Origin.PROFILE, described.title if described else None), own],
            "description": [(Origin.PROFILE, cut_line(told) if isinstance(told, str) else None)],
        }
        creators = self.first("creators", *self._word("creators"), self._of_source("creators"), clean=tuple)
        return {
            "title": self.first("title", *self._word("title"), *profile["title"], clean=clean_line),
            "description": self.first(
                "description", *self._word("description"), *profile["description"], clean=clean_prose
            ),
            "creators": creators or (),
            **self._publisher(),
            "keywords": self.first("keywords", *self._word("keywords"), clean=_keywords) or (),
            "language": self.first("language", *self._word("language"), clean=language_tag),
        }

    def credit(self) -> dict[str, object]:
        """Settle who else and what else is credited and connected: contributors, money, subjects, references, samples.

        What was made of data goes on to be about the same things and owes to the same money; what the source says of
        them comes before what the project says of all its data.
        """
        contributors = self.first("contributors", *self._word("contributors"), clean=tuple)
        return {
            "contributors": contributors or (),
            "funding": self._inherited("funding", clean=_each_once),
            "subjects": self._judged("subjects", self._inherited("subjects", clean=_each_once)),
            "references": self._references(),
            "samples": self._samples(),
        }

    def conditions(self) -> dict[str, object]:
        """Settle licence, access, the end of an embargo, and the human-data answer.

        Data that were made of others stay under the others' licence: a project's usual one may allow more. Where the
        others have several, none of them is taken: which holds for what was made of all is a person's to say.
        """
        steward, file, project = self._word("licence")
        several = sorted({source.licence for source in self.sources if source and source.licence})
        offers: tuple[Offer, ...] = (steward, file, self._of_source("licence"), project)
        if self._lacks("licence"):
            offers = (steward,)
        elif len(several) > 1 and not (self.steward.licence or self.given.licence):
            self.problems.append(
                f"licence from source is not used: what it was made from is under {' and '.join(several)};"
                " a steward has to say under which licence that allows what was made of it"
            )
            offers = (steward, file)
        licence = self.first("licence", *offers, clean=licence_in_force)
        access = self.access()
        if self.steward.embargo_until is not None and access is not Access.EMBARGOED:
            self.problems.append(  # the record has no place for it: unsaid, a project that opens later would open all
                f"embargo_until from steward is not used: access is {access.value} by word of"
                f" {self.origins['access'].value}; to keep the data back until then, say access: embargoed too"
            )
        return {
            "licence": licence,
            "access": access,
            "embargo_until": self.embargo_until() if access is Access.EMBARGOED else None,
            "human_data": self.human_data(),
        }

    def access(self) -> Access:
        """Take the steward's word, else the strictest that project, file and sources ask for.

        Who says until when an embargo lasts asks for one.
        """
        if self.steward.access is not None:
            self.origins["access"] = Origin.STEWARD
            return self.steward.access
        offers = (
            [(Origin.PROJECT, self.project.defaults.access)] if self.project else [(Origin.CISTERNA, Access.CLOSED)]
        )
        is_kept_back = self.steward.embargo_until is not None or self._lacks("embargo_until")
        offers += [(Origin.STEWARD, Access.EMBARGOED)] if is_kept_back else []
        offers += [(Origin.FILE, asked)] if (asked := _asked_by_file(self.given)) else []
        offers += [(Origin.SOURCE, source.access if source else Access.CLOSED) for source in self.sources]
        self.origins["access"], access = max(offers, key=lambda offer: _STRICTNESS.index(offer[1]))
        return access

    def embargo_until(self) -> date | None:
        """Take the steward's day, else the last that project, file and sources ask for; one without an end has none."""
        if self.steward.embargo_until is not None:
            self.origins["embargo_until"] = Origin.STEWARD
            return self.steward.embargo_until
        if self._lacks("embargo_until"):
            return None  # a steward named an end that nobody can read: another's may be earlier
        embargoed = [source for source in self.sources if source and source.access is Access.EMBARGOED]
        asked = [(Origin.SOURCE, source.embargo_until) for source in embargoed]
        if self.project and self.project.defaults.access is Access.EMBARGOED:
            asked.append((Origin.PROJECT, self.project.defaults.embargo_until))
        if self.steward.access is Access.EMBARGOED and not asked:
            return None  # a steward named no end, and the file may not name one in the steward's place
        if _asked_by_file(self.given) is Access.EMBARGOED:
            asked.append((Origin.FILE, self.given.embargo_until))
        days = [(origin, day) for origin, day in asked if day is not None]
        if not days or len(days) < len(asked):
            return None
        self.origins["embargo_until"], last = max(days, key=lambda offer: offer[1])
        return last

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
        if answer is None or (answer is HumanData.UNANSWERED and origin is not Origin.STEWARD):
            return HumanData.UNANSWERED
        self.origins["human_data"] = origin  # a steward's too who takes an answer back: it goes on into later versions
        return answer

    def instrument(self, instrument: Instrument | None, described: Described | None) -> InstrumentFacts | None:
        """Name the device, as its declaration says, else as its files tell."""
        if instrument is None:
            return None
        self.origins["instrument"] = Origin.INSTRUMENT
        try:
            device = device_of(instrument.settings)
        except InvalidInput as refusal:
            self.problems.append(f"the declaration of {instrument.name} is not used: {refusal}")
            device = Device()
        model = described.instrument_model if described else None
        serial = described.instrument_serial if described else None
        return InstrumentFacts(
            name=instrument.name,
            profile=instrument.profile,
            model=device.model or (cut_line(model) if model else None),
            serial=device.serial or (cut_line(serial) if serial else None),
            manufacturer=device.manufacturer,
            pid=device.pid,
        )

    def imaging(self, described: Described | None, planes: Iterable[Plane], images: int | None) -> ImagingFacts | None:
        """Tell what is known of the images."""
        facts = imaging_of(described, planes, images)
        if facts is not None:
            self.origins["imaging"] = Origin.PROFILE
        return facts

    def _lacks(self, name: str) -> bool:
        """Tell whether a steward or a source had a word on a field that is not taken any more."""
        return any(one.field == name for one in self.left_out)

    def _left_out_of_sources(self) -> Iterator[LeftOut]:
        """Give the licences of sources that are not taken any more: a project's usual one may allow more."""
        for source in self.sources:
            for one in source.left_out if source and not self.steward.licence else ():
                if one.field == "licence":
                    told = _OF_SOURCE + one.problem.removeprefix(_OF_SOURCE)
                    yield LeftOut(field=one.field, problem=told, origin=Origin.SOURCE)

    def _word(self, name: str) -> Iterator[Offer]:
        """Give what people say of a field, in the order of their rank."""
        yield Origin.STEWARD, getattr(self.steward, name)
        yield Origin.FILE, getattr(self.given, name)
        yield Origin.PROJECT, getattr(self.project.defaults, name, None) if self.project else None

    def _of_source(self, name: str) -> Offer:
        return Origin.SOURCE, getattr(self.source, name) if self.source else None

    def _of_sources(self, name: str) -> tuple[Any, ...]:
        """Give what any of the sources says, each once."""
        return tuple(dict.fromkeys(one for source in self.sources if source for one in getattr(source, name)))

    def _publisher(self) -> dict[str, str | None]:
        """Settle who publishes, with the ROR that was said of that organisation and not of another."""
        offers = [*self._word("publisher"), self._of_source("publisher")]
        rors = [*self._word("publisher_ror"), self._of_source("publisher_ror")]
        name = self.first("publisher", *offers, clean=clean_line)
        outranks = True
        for (origin, offered), (_, ror) in zip(offers, rors, strict=True):
            is_same = offered is not None and cut_line(offered) == name
            if name and ror and (is_same or (outranks and offered is None)):
                self.origins["publisher_ror"] = origin
                return {"publisher": name, "publisher_ror": ror}
            outranks = outranks and origin is not self.origins.get("publisher")
        return {"publisher": name, "publisher_ror": None}

    def _inherited(self, name: str, *, clean: Callable[[Any], Any]) -> tuple[Any, ...]:
        steward, file, project = self._word(name)
        offers = (steward, file, (Origin.SOURCE, self._of_sources(name)), project)
        return self._within(name, self.first(name, *offers, clean=clean) or ())

    def _references(self) -> tuple[Reference, ...]:
        """Settle each kind by itself; what binds the project or a source binds here, whatever else is said."""
        steward, file, project = self._word("references")
        offers = (steward, file, project, (Origin.SOURCE, self._of_sources("references")))
        settled: list[Reference] = []
        for kind in sorted(ReferenceKind, key=lambda one: not one.is_binding):
            told = [(origin, tuple(one for one in said or () if one.kind is kind)) for origin, said in offers]
            told = told if kind.is_binding else told[:3]
            first: tuple[Reference, ...] = self.first(f"references.{kind.value}", *told, clean=_each_once) or ()
            bound = [one for _, said in told[2:] for one in said] if kind.is_binding else []
            settled += {one.identifier: one for one in (*bound, *first)}.values()
        return self._within("references", tuple(settled))

    def _samples(self) -> SampleFacts | None:
        """Settle each kind by itself: who says the treatments has said nothing of the cell lines."""
        values: dict[str, object] = {}
        for kind in SampleFacts.model_fields:
            offers = [(origin, getattr(facts, kind) if facts else None) for origin, facts in self._sample_words()]
            clean: Callable[[Any], Any] = int if kind == "wells" else _each_once
            if settled := self.first(f"samples.{kind}", *offers, clean=clean):
                values[kind] = settled if kind == "wells" else self._judged(f"samples.{kind}", settled)
        return SampleFacts.model_validate(values) if values else None

    def _sample_words(self) -> list[tuple[Origin, SampleFacts | None]]:
        sources = [source.samples for source in self.sources if source and source.samples]
        inherited = joined_samples(sources)
        return [
            (Origin.STEWARD, self.steward.samples),
            (Origin.SHEET, self.sheet),
            (Origin.FILE, self.given.samples),
            (Origin.SOURCE, inherited),
        ]

    def _judged(self, name: str, terms: tuple[Subject, ...]) -> tuple[Subject, ...]:
        """Hold terms against the vocabularies. Every term of a record passes here.

        By itself the model knows the form of a term and not whether there is one.
        """
        if self._desk is None or not terms:
            return terms
        return self._desk.judged(terms, place=f"{name} from {self.origins[name].value}")

    def _within(self, name: str, values: tuple[T, ...]) -> tuple[T, ...]:
        """Keep to what a record takes; several sources may pass on more."""
        most = _MOST[name]
        if len(values) > most:
            self.problems.append(f"{name} are {len(values):,}, and the first {most:,} are kept; say which matter")
        return values[:most]


def joined_samples(facts: Sequence[SampleFacts]) -> SampleFacts | None:
    """Put together what several say of their samples, each term once; wells add up to nothing that can be told."""
    if not facts:
        return None
    terms = {kind: dict.fromkeys(one for fact in facts for one in getattr(fact, kind)) for kind in SAMPLE_KINDS}
    kept = {kind: tuple(ones)[: _MOST["subjects"]] for kind, ones in terms.items()}
    return SampleFacts.model_validate({**kept, "wells": facts[0].wells if len(facts) == 1 else None})


def _asked_by_file(given: Given) -> Access | None:
    return Access.EMBARGOED if given.access is None and given.embargo_until else given.access


def _keywords(keywords: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean_line(keyword) for keyword in keywords))


def _each_once(values: tuple[H, ...]) -> tuple[H, ...]:
    return tuple(dict.fromkeys(values))
