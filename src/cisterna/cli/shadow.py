"""`cisterna instrument shadow`: try Cisterna beside what there is, and read what it saw."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, answer, human_bytes, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import InvalidInput, SourceUnavailable
from cisterna.domain.shadow import Shadow
from cisterna.domain.shadow_report import Example, RuleReport, ShadowReport
from cisterna.domain.sighting import Amount
from cisterna.ports.source import LandingZone
from cisterna.services.shadow import DAYS, begin_shadow, end_shadow, markers_of, new_shadow
from cisterna.services.shadow_report import shadow_report

RuleOption = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="KIND=VALUE", help="Follow this instead of the usual rules of its kind."),
]
DaysOption = Annotated[float, typer.Option("--days", help="After how many days its report is announced.")]


def shadow(
    name: Annotated[str, typer.Argument(help="Of the instrument.", show_default=False)],
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, in words; kept with the act.")] = None,
    days: DaysOption = DAYS,
    rule: RuleOption = None,
    end: Annotated[bool, typer.Option("--end", help="End it: the ordinary rules hold again.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Show what it saw.")] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Watch and archive an instrument's runs while nothing is deleted, written to its zone or published; or report."""
    if report and (end or reason or rule):
        raise InvalidInput("--report goes with no other option: it changes nothing")
    if end and rule:
        raise InvalidInput("--rule goes with the begin of shadow mode and not with its end")
    with opened(home) as parts:
        if report:
            found = shadow_report(name, account=local_account(parts), catalogue=parts.catalogue, clock=parts.clock)
            answer(found.model_dump(mode="json"), as_json=as_json, show=lambda console: _show(found, console))
            return
        if reason is None:
            raise InvalidInput("give --reason with the begin and the end of shadow mode, or --report")
        catalogue = catalogue_for(parts.catalogue, dry_run=dry_run)
        if end:
            after = end_shadow(name, person=local_person(parts), reason=reason, catalogue=catalogue, clock=parts.clock)
        else:
            after = begin_shadow(
                name,
                days=days,
                rules=rule or (),
                markers=_markers(name, parts),
                person=local_person(parts),
                reason=reason,
                catalogue=catalogue,
                clock=parts.clock,
            )
    verb = "would be" if dry_run else "is"
    text = f"{name} {verb} {'out of' if end else 'in'} shadow mode"
    if not end and after.shadow is not None:
        text += f"; its report is announced at {_moment(after.shadow.due_at)}"
    answer({**after.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


def shadow_from_the_start(
    name: str, profile: str, zone: LandingZone, *, days: float, rule: list[str] | None, reason: str | None, parts: Parts
) -> Shadow:
    """Say that an instrument that is declared now is in shadow mode from its first moment on."""
    if reason is None:
        raise InvalidInput("--shadow needs a --reason; it is kept with the act")
    try:
        zone.identity()
    except SourceUnavailable as unknown:
        msg = f"{unknown}. In shadow mode nothing is written there: put the sentinel of 32 hexadecimal digits by hand"
        raise SourceUnavailable(msg, instrument=name) from unknown
    return new_shadow(
        name,
        days=days,
        rules=rule or (),
        markers=markers_of(parts.profile(profile)),
        person=local_person(parts),
        reason=reason,
        clock=parts.clock,
    )


def shadowed(shadow: Shadow | None) -> str | None:
    """Say in a list that an instrument is in shadow mode."""
    if shadow is None:
        return None
    return f"since {_moment(shadow.begun_at)} ({shadow.person}: {shadow.reason}); nothing is deleted or published"


def _markers(name: str, parts: Parts) -> tuple[str, ...]:
    with parts.catalogue.begin() as tx:
        profile = parts.profiles.get(tx.instruments.get(name).profile)
    return markers_of(profile) if profile is not None else ()


def _show(report: ShadowReport, console: Console) -> None:
    shadow, own = report.shadow, report.own
    until = "until now" if shadow.is_on else f"ended by {shadow.ended_by}: {shadow.ended_reason}"
    archived = f"{own.verified} archived and read back ({human_bytes(own.verified_bytes)})"
    said = [
        f"{report.instrument}: in shadow mode from {_moment(shadow.begun_at)} to {_moment(report.until)}, {until}",
        f"asked for by {shadow.person}: {shadow.reason}",
        "",
        "What Cisterna itself did",
        f"  {own.runs} runs seen, {own.complete} judged complete, {archived}",
    ]
    if own.seconds_median is not None and own.seconds_most is not None:
        said.append(
            f"  from a run's last change to that: median {_span(own.seconds_median)}, {_span(own.seconds_most)} at most"
        )
    said += [f"  {own.mistakes} judged complete that changed later{_amount(own.late)}", ""]
    said.append("What other rules would have done; every figure is a lower bound")
    if report.longest_gap_seconds is not None:
        said.append(f"  each moment lies between two looks, at most {_span(report.longest_gap_seconds)} apart")
    lines(*said)(console)
    columns = {"rule": "rule", "runs": "runs", "early": "changed later", "not_whole": "not whole", "late": "came later"}
    columns |= {"unsafe": "not archived yet", "unarchived": "lost"}
    told = {"words": "", "worst": "worst"}
    table([_row(one) for one in report.rules], columns, told=told, empty="No rule is followed.")(console)


def _row(one: RuleReport) -> dict[str, Any]:
    is_deletion = one.rule.kind.is_deletion
    return {
        "rule": one.rule.rule_id,
        "words": one.rule.words,
        "runs": one.runs,
        "early": one.early,
        "not_whole": one.not_whole,
        "late": _amount(one.late).removeprefix(": "),
        "unsafe": one.unsafe if is_deletion else "",
        "unarchived": _amount(one.unarchived).removeprefix(": ") if is_deletion else "",
        "worst": [_worst(example) for example in one.worst],
    }


def _worst(example: Example) -> str:
    outcome, coverage = example.outcome, example.outcome.coverage
    when = f"by {_moment(outcome.at)}"
    if outcome.after is not None:
        when = f"between {_moment(outcome.after)} and {_moment(outcome.at)}"
    said = f"{example.folder} ({example.state.value}) {when}"
    if coverage is not None and coverage.unarchived.names:
        said += f", not archived were {', '.join(coverage.unarchived.names)}"
    return said + (f", later came {', '.join(outcome.late.names)}" if outcome.late.names else "")


def _amount(amount: Amount) -> str:
    return f": {amount.files} files, {human_bytes(amount.size_bytes)}" if amount.is_some else ""


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
