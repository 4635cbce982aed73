"""The FAIR score of a described version: how findable, accessible, interoperable and reusable it is, and what lacks.

A pure function: the same description gives the same score. It is made when it is asked for and lies in no object, since
what is asked of data changes and objects do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.metadata.fair_criteria import CRITERIA
from cisterna.metadata.fair_criterion import Criterion, FairSubject, Priority, RestsOn, Standing

_EARNED = {Standing.MET: 1.0, Standing.PARTLY: 0.5, Standing.NOT_MET: 0.0, Standing.NOT_ASSESSABLE: 0.0}


class JudgedCriterion(Value):
    """One criterion and how it stands.

    Attributes:
        principle: The FAIR principle, such as `R1.1`.
        sources: Published indicators that ask for it.
        points, of: Earned, and to be earned; 0 of 0 where nobody can tell.
        why: What was found.
        field: Of the description, to be filled; None where it is met or cannot be said.
        remedy: `FIELD=VALUE` of `cisterna metadata set` where there is a field, else what can be done, in words.
    """

    key: str
    principle: str
    asks: str
    priority: Priority
    rests_on: RestsOn
    sources: tuple[str, ...]
    standing: Standing
    points: float = Field(ge=0)
    of: int = Field(ge=0)
    why: str
    field: str | None = None
    remedy: str | None = None

    @property
    def lacks(self) -> float:
        """How many points it would bring."""
        return self.of - self.points


class Letter(Value):
    """What was earned of one of the four letters."""

    letter: str
    points: float
    of: int

    @property
    def percent(self) -> float | None:
        """The share; None where nothing can be earned."""
        return _percent(self.points, self.of)


class FairScore(Value):
    """The score, and all that it is made of.

    Attributes:
        percent: Share of the points that description, data and site have earned, rounded down: 100 only if nothing is
            missing. None where nothing could be judged.
        letters: The same for findable, accessible, interoperable and reusable.
        missing: What is missing, the most points first.
        criteria: All that counts.
        by_software: What Cisterna does for every dataset. It counts nothing here.
    """

    percent: float | None
    points: float
    of: int
    letters: tuple[Letter, ...]
    missing: tuple[JudgedCriterion, ...]
    criteria: tuple[JudgedCriterion, ...]
    by_software: tuple[JudgedCriterion, ...]


def fair_score(subject: FairSubject) -> FairScore:
    """Judge a described version by every criterion."""
    judged = [_judged(criterion, subject) for criterion in CRITERIA]
    counted = tuple(one for one in judged if one.rests_on is not RestsOn.SOFTWARE)
    points, of = sum(one.points for one in counted), sum(one.of for one in counted)
    return FairScore(
        percent=_percent(points, of),
        points=points,
        of=of,
        letters=tuple(_letter(letter, counted) for letter in "FAIR"),
        missing=tuple(sorted((one for one in counted if one.lacks), key=lambda one: -one.lacks)),
        criteria=counted,
        by_software=tuple(one for one in judged if one.rests_on is RestsOn.SOFTWARE),
    )


def wanted_fields(score: FairScore) -> tuple[str, ...]:
    """Name the fields of the description that would bring points, the most first."""
    return tuple(dict.fromkeys(chain.from_iterable([one.field] if one.field else [] for one in score.missing)))


def _judged(criterion: Criterion, subject: FairSubject) -> JudgedCriterion:
    judgement = criterion.judge(subject)
    is_open = judgement.standing in {Standing.PARTLY, Standing.NOT_MET}
    weight = 0 if judgement.standing is Standing.NOT_ASSESSABLE else criterion.priority.weight
    return JudgedCriterion(
        key=criterion.key,
        principle=criterion.principle,
        asks=criterion.asks,
        priority=criterion.priority,
        rests_on=criterion.rests_on,
        sources=criterion.sources,
        standing=judgement.standing,
        points=weight * _EARNED[judgement.standing],
        of=weight,
        why=judgement.why,
        field=(judgement.field or criterion.field) if is_open else None,
        remedy=(judgement.remedy or criterion.remedy or None) if is_open else None,
    )


def _letter(letter: str, judged: Iterable[JudgedCriterion]) -> Letter:
    own = [one for one in judged if one.principle.startswith(letter)]
    return Letter(letter=letter, points=sum(one.points for one in own), of=sum(one.of for one in own))


def _percent(points: float, of: int) -> float | None:
    """Give tenths of a percent, rounded down."""
    return int(points * 1000 / of) / 10 if of else None
