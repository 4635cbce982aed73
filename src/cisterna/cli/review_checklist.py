"""The review checklist in the terminal: what is judged, what is asked, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cisterna.bootstrap.checklist import own_checklist, review_desk, shipped_checklist
from cisterna.cli.answer import AsJson, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.domain.checklist import Answer, JudgedPoint
from cisterna.domain.errors import InvalidInput
from cisterna.services.approve import Answers, ShownList, shown_checklist
from cisterna.services.overview import overview_of

if TYPE_CHECKING:
    from rich.console import Console

    from cisterna.bootstrap import Parts

Tick = Annotated[
    list[str] | None,
    typer.Option("--tick", metavar="POINT", help="A point of the review checklist that you looked at, and it is so."),
]
Overrule = Annotated[
    list[str] | None,
    typer.Option("--overrule", metavar="POINT=REASON", help="A point judged not to be met that does not matter."),
]
Remark = Annotated[
    list[str] | None, typer.Option("--remark", metavar="POINT=TEXT", help="A remark on a point, kept beside it.")
]
Seen = Annotated[
    str | None,
    typer.Option("--seen", help="The `seen` that `review checklist --json` gave; else it is judged as it is now."),
]
Inside = Annotated[
    bool,
    typer.Option("--inside", help="Accept for use inside alone: the checklist is not asked, and nothing is published."),
]


def given_answers(
    *, tick: Sequence[str] | None, overrule: Sequence[str] | None, remark: Sequence[str] | None, seen: str | None
) -> Answers:
    """Read what was answered on the command line. Raises `InvalidInput`: a point is named twice, or without words."""
    overruled, remarked = _worded("--overrule", overrule), _worded("--remark", remark)
    twice = sorted(overruled.keys() & {*(tick or ()), *remarked})
    if twice:
        msg = f"{', '.join(twice)}: what overrules a point is its remark; name it once, by --overrule"
        raise InvalidInput(msg, points=twice)
    ticked = {*(tick or ()), *overruled}
    words = {**remarked, **overruled}
    names = dict.fromkeys([*(tick or ()), *words])
    return Answers([Answer(point=one, ticked=one in ticked, remark=words.get(one)) for one in names], seen)


def _worded(option: str, said: Sequence[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in said or ():
        point, _, words = one.partition("=")
        if not words.strip() or point in found:
            msg = f"{option} takes POINT=TEXT, once for each point, and not '{one[:100]}'"
            raise InvalidInput(msg, option=option)
        found[point] = words
    return found


def checklist(
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A dataset, version, acquisition or PID.", show_default=False)
    ] = None,
    *,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Hold a version against the review checklist; without ID, say which list holds here.

    What is judged `no` wants mending, or `--overrule` when it is accepted; what a person answers wants `--tick`.
    """
    with opened(home) as parts:
        if identifier is None:
            _tell_list(parts, as_json=as_json)
            return
        row = overview_of(identifier, catalogue=parts.catalogue, bucket=parts.archive_store.bucket)
        if row.version_id is None:
            msg = f"{identifier} has no version to review yet: {row.reason}"
            raise InvalidInput(msg, identifier=identifier)
        shown = shown_checklist(
            row.version_id, person=local_person(parts), desk=review_desk(parts), catalogue=parts.catalogue
        )
    document = {
        "version_id": row.version_id,
        "evidence_digest": shown.version.evidence_digest,
        "seen": shown.judged.seen,
        "digest": shown.judged.checklist.digest,
        **shown.judged.model_dump(mode="json"),
        "before": [one.model_dump(mode="json") for one in shown.before],
    }
    answer(document, as_json=as_json, show=_points(shown))


def _tell_list(parts: Parts, *, as_json: bool) -> None:
    held = review_desk(parts).checklist
    own = own_checklist(parts.settings)
    file = own if own.exists() else shipped_checklist()
    document = {"file": str(file), "own": str(own), "digest": held.digest, **held.model_dump(mode="json")}
    rows = [{**one.model_dump(mode="json"), "needed": one.required} for one in held.points]
    show = table(rows, {"id": "point", "needed": "needed", "judge": "judged by"}, told={"text": ""}, empty="")

    def both(console: Console) -> None:
        show(console)
        lines(f"{held.id} {held.version}, {len(rows)} points, from {file}; your own goes to {own}")(console)

    answer(document, as_json=as_json, show=both)


def _points(shown: ShownList) -> Callable[[Console], None]:
    rows = [
        {
            "id": one.point.id,
            "stands": _standing(one),
            "needed": one.point.required,
            "text": one.point.text,
            "why": one.why,
            "help": one.point.help if not one.met else None,
            "remedy": one.remedy,
        }
        for one in shown.judged.points
    ]
    columns = {"id": "point", "stands": "stands", "needed": "needed"}
    return table(rows, columns, told={"text": "", "why": "", "help": "", "remedy": "to do"}, empty="")


def _standing(one: JudgedPoint) -> str:
    return "you say" if one.met is None else "yes" if one.met else "no"
