"""The review checklist: what a steward looks at before a version may become public, and what they answered."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, model_validator

from cisterna.domain.base import Value
from cisterna.domain.digest import Sha256, sha256_of
from cisterna.domain.errors import HostileInput, InvalidInput, SettingsInvalid
from cisterna.domain.text import Line, clean_line

MOST_POINTS = 100
MOST_BYTES = 256 * 1024
"""Of a list's file."""
_TOLD_FAULTS = 10
"""So many are named in a message."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
_Short = Annotated[Line, StringConstraints(max_length=100)]
_Words = Annotated[Line, StringConstraints(max_length=1000)]


class Point(Value):
    """One thing to look at.

    Attributes:
        id: Names it, for good: decisions keep it.
        part: Heading under which it stands.
        text: What has to be so.
        help: How to tell.
        judge: Names the judgement that answers it; without one a person does.
        least: For the judgement `fair-score`, the percent that it takes.
        field: Of the description, to which the page leads.
        required: Whether a version is approved only when it is met or overruled; else it advises.
    """

    id: Name
    part: _Short
    text: Annotated[Line, StringConstraints(max_length=300)]
    help: _Words | None = None
    judge: Name | None = None
    least: int | None = Field(None, ge=1, le=100)
    field: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_.]{0,63}$")] | None = None
    required: bool = True

    @model_validator(mode="after")
    def _only_a_score_has_a_least(self) -> Point:
        if (self.judge == FAIR_SCORE) != (self.least is not None):
            msg = f"`least` is the percent that the judgement {FAIR_SCORE} takes, and nothing else has one"
            raise ValueError(msg)
        return self


FAIR_SCORE = "fair-score"


class Checklist(Value):
    """A list of points.

    Attributes:
        id, version: What decisions call it.
        title: For people.
        source: Address of what it was made after.
    """

    id: Name
    version: _Short
    title: _Short
    source: _Words | None = None
    points: tuple[Point, ...] = Field(min_length=1, max_length=MOST_POINTS)

    @model_validator(mode="after")
    def _each_point_stands_once(self) -> Checklist:
        names = [point.id for point in self.points]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"more than one point is called {', '.join(twice)}; give each an id of its own"
            raise ValueError(msg)
        return self

    @property
    def digest(self) -> Sha256:
        """Of all that it says, so that a decision tells by which list it was made."""
        return _digest(self.model_dump(mode="json"))


class JudgedPoint(Value):
    """A point, and what can be told of it without a person.

    Attributes:
        met: None where a person has to answer.
        why: What was found.
        field: Of the description, to be looked at or filled.
        remedy: What to do, where it is not met.
    """

    point: Point
    met: bool | None = None
    why: str | None = None
    field: str | None = None
    remedy: str | None = None


class JudgedList(Value):
    """A list with what can be told of each of its points, as it is shown to a person."""

    checklist: Checklist
    points: tuple[JudgedPoint, ...]

    @property
    def seen(self) -> Sha256:
        """Of what is shown: who answers names it, so that nobody approves what they did not see."""
        told = [[one.point.id, one.met, one.why] for one in self.points]
        return _digest([self.checklist.digest, told])


class Answer(Value):
    """What a person says of one point.

    Attributes:
        ticked: That it is so; of a point that was judged not to be, that it does not matter.
        remark: In words; what overrules a judgement needs one.
    """

    point: str
    ticked: bool = False
    remark: str | None = None


class AnsweredPoint(Value):
    """A point as a decision keeps it, whatever becomes of the list."""

    id: Name
    part: str
    text: str
    required: bool
    judged: bool | None = None
    why: str | None = None
    ticked: bool = False
    remark: str | None = None

    @property
    def holds(self) -> bool:
        """Whether it is met, ticked by a person, or overruled with a reason."""
        return bool(self.judged or (self.ticked and (self.judged is None or self.remark)))

    @property
    def is_overruled(self) -> bool:
        """Whether a person took it for no hindrance although it was judged not to be met."""
        return self.judged is False and self.holds

    @property
    def lack(self) -> str:
        """What is open about it, in words."""
        if self.judged is None:
            return "not answered"
        return "overruled without a reason" if self.ticked else self.why or "not met"


class AnsweredList(Value):
    """What a decision keeps of the review checklist: by which list, and how each point stood."""

    id: Name
    version: str
    digest: Sha256
    points: tuple[AnsweredPoint, ...]

    @property
    def open(self) -> tuple[AnsweredPoint, ...]:
        """The required points that do not hold."""
        return tuple(one for one in self.points if one.required and not one.holds)


def words_of_open(answered: AnsweredList) -> str:
    """Name what keeps a version from being approved, for a message."""
    told = [f"{one.text} ({one.id}): {one.lack}" for one in answered.open]
    more = f"; and {len(told) - _TOLD_FAULTS} more" if len(told) > _TOLD_FAULTS else ""
    return "; ".join(told[:_TOLD_FAULTS]) + more


def parse_checklist(body: bytes, *, name: str, judgements: Collection[str]) -> Checklist:
    """Read a list that a site wrote.

    Args:
        body: A TOML document.
        name: Of the file, for the message.
        judgements: The names of those that there are.

    Raises:
        SettingsInvalid: It is no such list; the message names the file, and the line or the point.
    """
    if len(body) > MOST_BYTES:
        msg = f"{name} has {len(body):,} bytes and a review checklist at most {MOST_BYTES:,}; shorten it"
        raise SettingsInvalid(msg, file=name)
    try:
        content = tomllib.loads(body.decode())
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        msg = f"{name} is no UTF-8 (at line {line}); save it as UTF-8"
        raise SettingsInvalid(msg, file=name) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{name} is not valid TOML: {error}; mend that line"
        raise SettingsInvalid(msg, file=name) from error
    except (RecursionError, ValueError) as error:  # brackets in brackets without end; a number with too many digits
        msg = f"{name} is no review checklist: it is nested too deeply, or a number in it is too long"
        raise SettingsInvalid(msg, file=name) from error
    try:
        checklist = Checklist.model_validate(content)
    except ValidationError as error:
        told = [_fault(content, one["loc"], one["msg"]) for one in error.errors(include_url=False)[:_TOLD_FAULTS]]
        msg = f"{name} is no review checklist: {'; '.join(told)}"
        raise SettingsInvalid(msg, file=name) from None
    for number, point in enumerate(checklist.points, start=1):
        if point.judge is not None and point.judge not in judgements:
            known = ", ".join(sorted(judgements))
            msg = f"{name}: point {number} ({point.id}): there is no judgement '{point.judge}'; there are {known}"
            raise SettingsInvalid(msg, file=name, point=point.id)
    return checklist


def _fault(content: Mapping[str, object], place: tuple[int | str, ...], words: str) -> str:
    """Name the point by its number and its id, as people find it in the file."""
    said = words.removeprefix("Value error, ")[:300]
    if place[:1] != ("points",) or len(place) < 2 or not isinstance(place[1], int):
        return f"{_path(place)}{said}"
    points = content.get("points")
    point = points[place[1]] if isinstance(points, list) else None
    known = point.get("id") if isinstance(point, dict) else None
    called = f" ({ascii(known[:64])[1:-1]})" if isinstance(known, str) else ""
    return f"point {place[1] + 1}{called}: {_path(place[2:])}{said}"


def _path(place: tuple[int | str, ...]) -> str:
    return f"{ascii('.'.join(map(str, place))[:100])[1:-1]}: " if place else ""


def answer_list(judged: JudgedList, answers: Sequence[Answer]) -> AnsweredList:
    """Put what a person said beside what was judged.

    Raises:
        InvalidInput: A point that is not on the list is answered, or one twice; a remark is no text, or too long.
    """
    said: dict[str, Answer] = {}
    known = {one.point.id for one in judged.points}
    for answer in answers:
        if answer.point not in known:
            called = ascii(answer.point[:64])
            msg = f"the checklist {judged.checklist.id} has no point {called}; look at it again"
            raise InvalidInput(msg, point=called)
        if answer.point in said:
            msg = f"the point {answer.point} is answered twice; say it once"
            raise InvalidInput(msg, point=answer.point)
        said[answer.point] = answer
    return AnsweredList(
        id=judged.checklist.id,
        version=judged.checklist.version,
        digest=judged.checklist.digest,
        points=tuple(_answered(one, said.get(one.point.id)) for one in judged.points),
    )


def answer_by_policy(judged: JudgedList, *, project: str) -> AnsweredList:
    """Let a project's policy stand for what a person would tick; what is judged has to be met all the same."""
    remark = f"no person looked: the policy of project {project} answers for it"
    asked = [one.point.id for one in judged.points if one.met is None]
    return answer_list(judged, [Answer(point=point, ticked=True, remark=remark) for point in asked])


def _answered(one: JudgedPoint, answer: Answer | None) -> AnsweredPoint:
    return AnsweredPoint(
        id=one.point.id,
        part=one.point.part,
        text=one.point.text,
        required=one.point.required,
        judged=one.met,
        why=one.why,
        ticked=answer is not None and answer.ticked and not one.met,
        remark=_remark(answer) if answer is not None else None,
    )


def _remark(answer: Answer) -> str | None:
    if answer.remark is None or not answer.remark.strip():
        return None
    try:
        return clean_line(answer.remark)
    except HostileInput as refusal:
        msg = f"the remark on the point {answer.point}: {refusal}"
        raise InvalidInput(msg, point=answer.point) from refusal


def _digest(content: object) -> Sha256:
    return sha256_of(json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode())
