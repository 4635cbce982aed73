"""What may be public of a version on a given day, by everything that is said of access and of people in the data.

Several say something: the project, the version's own description, a newer description of the same data, and all that
it was derived from. The strictest word counts, and of several embargoes the one that ends last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.base import Value
from cisterna.domain.dataset import Relation, Version
from cisterna.domain.project import Access, HumanData, Project

_STRICTNESS = list(Access)


class Extent(StrEnum):
    """How much of a version is public."""

    NOTHING = "nothing"
    METADATA = "metadata"
    """Its description: no file, no name of one, no picture, and nothing that was measured of them."""
    FILES = "files"
    """Description, files and pictures."""

    def is_within(self, other: Extent) -> bool:
        """Tell whether it shows nothing that the other does not."""
        order = list(Extent)
        return order.index(self) <= order.index(other)


class AccessWord(Value):
    """What one of them says.

    Attributes:
        embargo_until: The day on which an embargo ends, at 00:00 UTC; None for one that nobody gave an end.
        shows_metadata: Whether the project's policy lets the description be public while the files are not.
    """

    access: Access
    embargo_until: date | None = None
    human_data: HumanData
    shows_metadata: bool = False

    def on(self, day: date) -> Access:
        """Say what it asks for on that day: an embargo that has ended asks for nothing."""
        return Access.OPEN if self.ended_by(day) is not None else self.access

    def ended_by(self, day: date) -> date | None:
        """Name the end of its embargo, if that has come."""
        until = self.embargo_until if self.access is Access.EMBARGOED else None
        return until if until is not None and until <= day else None


class AccessNow(Value):
    """What all of them say together, on one day.

    Attributes:
        embargo_until: While access is embargoed, when the last embargo ends; None when one of them has no end.
        ended: The last end of an embargo that has come.
        changes_on: The next day on which one of their embargoes ends, and more may be public without a word of anybody.
        human_data: `no` only where everybody says so.
        extent: How much may be public.
    """

    access: Access
    embargo_until: date | None = None
    ended: date | None = None
    changes_on: date | None = None
    human_data: HumanData
    extent: Extent


class SaidOfVersion(NamedTuple):
    """What decides about a version.

    Attributes:
        is_rejected: Whether a steward rejected it.
        said: What its description says, as far as access hangs on it; None where it is not described.
    """

    version_id: str
    number: int
    revision: int
    is_rejected: bool
    said: Mapping[str, JsonValue] | None

    @property
    def is_restricted(self) -> bool:
        """Whether it says itself that it must stay inside, as `Version.is_restricted`."""
        said = self.said
        return said is not None and (said.get("human_data") != "no" or said.get("access") != "open")


class SaidOfDataset(NamedTuple):
    """What decides about a dataset.

    Attributes:
        is_found: Whether the catalogue has it.
        project: That claims it.
        versions: By number and revision, oldest first.
    """

    dataset_id: str
    is_found: bool
    project: Project | None
    relations: tuple[Relation, ...]
    versions: tuple[SaidOfVersion, ...]


NOBODYS_WORD = AccessWord(access=Access.CLOSED, human_data=HumanData.UNANSWERED)
"""Of what no project claims: nobody may be asked, so nobody has said that it may be public."""


def word_of_project(project: Project) -> AccessWord:
    """Say what a project asks for all its data."""
    said = project.defaults
    return AccessWord(
        access=said.access,
        embargo_until=said.embargo_until,
        human_data=said.human_data,
        shows_metadata=project.policy.show_metadata,
    )


def word_of_version(version: Version, project: Project) -> AccessWord:
    """Say what a version's description asks for; see `word_of_description`."""
    return word_of_description(version.metadata or {}, project)


def word_of_description(said: Mapping[str, JsonValue], project: Project) -> AccessWord:
    """Say what a description asks for; what it does not say is as the project says.

    What cannot be understood counts as the strictest there is.
    """
    whole = word_of_project(project)
    access, human = said.get("access"), said.get("human_data")
    if access is None and human is None:
        return whole
    asked = whole.access if access is None else _known_access(access)
    until = _end_of(said) if access is not None else whole.embargo_until
    return AccessWord(
        access=asked,
        embargo_until=until if asked is Access.EMBARGOED else None,
        human_data=whole.human_data if human is None else _known_answer(human),
        shows_metadata=whole.shows_metadata,
    )


def words_of(versions: Iterable[Version], project: Project | None) -> list[AccessWord]:
    """Gather what is said of several versions of a dataset, and of all that its project has."""
    if project is None:
        return [NOBODYS_WORD]
    return [word_of_project(project), *(word_of_version(one, project) for one in versions)]


def access_of(
    version: SaidOfVersion, dataset: SaidOfDataset, sources: Iterable[SaidOfDataset], *, day: date
) -> AccessNow:
    """Say how much of a version may be public on a day.

    A newer description of the same data has a word too: who makes access stricter need not wait for a review. One that
    a steward rejected has none. Of what it was made from every version has, and what cannot be found says no.

    Args:
        version: Of the dataset.
        dataset: That it belongs to.
        sources: All that the dataset was derived from, however far back.
        day: By UTC.
    """
    newer = [
        one
        for one in dataset.versions
        if one.number == version.number
        and one.revision > version.revision
        and one.said is not None
        and not one.is_rejected
    ]
    words = _words_said([version, *newer], dataset.project)
    for source in sources:
        if source.versions or not source.is_found:
            words += _words_said(source.versions, source.project)
    return access_on(day, words)


def _words_said(versions: Iterable[SaidOfVersion], project: Project | None) -> list[AccessWord]:
    if project is None:
        return [NOBODYS_WORD]
    return [word_of_project(project), *(word_of_description(one.said or {}, project) for one in versions)]


def access_on(day: date, words: Iterable[AccessWord]) -> AccessNow:
    """Put together what everybody says: the strictest word counts. Of nobody's word nothing may be public."""
    said = list(words) or [NOBODYS_WORD]
    access = max((one.on(day) for one in said), key=_STRICTNESS.index)
    running = [one.embargo_until for one in said if one.on(day) is Access.EMBARGOED]
    ends = [until for until in running if until is not None]
    human = next((one.human_data for one in said if one.human_data is not HumanData.NO), HumanData.NO)
    coming = [one.embargo_until for one in said if one.access is Access.EMBARGOED and one.embargo_until is not None]
    return AccessNow(
        access=access,
        embargo_until=max(ends) if access is Access.EMBARGOED and len(ends) == len(running) else None,
        ended=max((ended for one in said if (ended := one.ended_by(day)) is not None), default=None),
        changes_on=min((until for until in coming if until > day), default=None),
        human_data=human,
        extent=min((_extent(one, day) for one in said), key=list(Extent).index),
    )


def _extent(word: AccessWord, day: date) -> Extent:
    if word.human_data is not HumanData.NO:
        return Extent.NOTHING
    match word.on(day):
        case Access.OPEN:
            return Extent.FILES
        case Access.EMBARGOED | Access.RESTRICTED:
            return Extent.METADATA if word.shows_metadata else Extent.NOTHING
        case Access.CLOSED:
            return Extent.NOTHING


def _known_access(said: object) -> Access:
    return Access(said) if isinstance(said, str) and said in set(Access) else Access.CLOSED


def _known_answer(said: object) -> HumanData:
    return HumanData(said) if isinstance(said, str) and said in set(HumanData) else HumanData.UNANSWERED


def _end_of(said: Mapping[str, JsonValue]) -> date | None:
    """Read until when an embargo lasts. One that was over when it was described is a slip: it ends by no clock."""
    dates = said.get("dates")
    described = _day(str(dates.get("described"))[:10]) if isinstance(dates, dict) else None
    until = _day(said.get("embargo_until"))
    return None if until is None or (described is not None and until <= described) else until


def _day(said: object) -> date | None:
    try:
        return date.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
