"""What shadow mode saw of an instrument: the page to print, and the same for programs."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.account import Role
from cisterna.domain.errors import NotFound
from cisterna.domain.shadow_report import RuleOutcome, RunReport, ShadowReport
from cisterna.services.shadow_report import shadow_report
from cisterna.web.parts import WebParts
from cisterna.web.signed import ApiPerson, Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter()

_SHOWN = 200


class LateRow(NamedTuple):
    """A run that changed after it was taken for complete, by whoever did so first of those that were wrong."""

    run: RunReport
    words: str
    outcome: RuleOutcome


@router.get("/instruments/{name}/shadow", include_in_schema=False)
def show(request: Request, parts: Parts, person: Person, name: str) -> Response:
    """Show the report to an operator."""
    report = _report(parts, person, name)
    rows = late_rows(report)
    context = {
        "report": report,
        "complete": [one for one in report.rules if not one.rule.kind.is_deletion],
        "deletion": [one for one in report.rules if one.rule.kind.is_deletion],
        "late": rows[:_SHOWN],
        "late_more": max(0, len(rows) - _SHOWN),
        "runs": report.runs[:_SHOWN],
        "runs_more": max(0, len(report.runs) - _SHOWN),
    }
    return page(request, "shadow.html", context)


@router.get("/api/v1/instruments/{name}/shadow", tags=["v1"])
def read_shadow_report(parts: Parts, person: ApiPerson, name: str) -> ShadowReport:
    """Give the report on the last time in shadow mode of an instrument, to an operator."""
    return _report(parts, person, name)


def late_rows(report: ShadowReport) -> list[LateRow]:
    """Give the runs that changed after somebody took them for complete, those to which most came first."""
    words = {one.rule.rule_id: one.rule.words for one in report.rules if not one.rule.kind.is_deletion}
    rows = []
    for run in report.runs:
        taken = [one for one in run.outcomes if one.rule_id in words]
        wrong = [one for one in (*taken, *run.declared) if one.is_changed]
        if wrong:
            first = min(wrong, key=lambda one: one.at)
            rows.append(LateRow(run, words.get(first.rule_id) or say("shadow.ours"), first))
    return sorted(rows, key=lambda row: (-row.outcome.late.size_bytes, -row.outcome.late.files, row.run.folder))


def _report(parts: WebParts, person: Signed, name: str) -> ShadowReport:
    """Make the report; to whoever is no operator there is nothing at this address."""
    if not person.account.has_role(Role.OPERATOR, project=None):
        raise NotFound(say("problem.404.detail"))
    return shadow_report(name, account=person.account, catalogue=parts.catalogue, clock=parts.clock)
