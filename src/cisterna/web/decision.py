"""Decisions of stewards as they come from pages and programs, and who may take which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Version
from cisterna.domain.permission import may_reprocess
from cisterna.domain.quarantine import KEPT_BACK, is_quarantined
from cisterna.domain.review import Act, Decision, inside_word, last_word
from cisterna.services.approve import UNANSWERED, Answers, decide_by_checklist
from cisterna.services.detail import Detail
from cisterna.services.discard import discard_version
from cisterna.services.overview import Overview
from cisterna.services.person import stewards_of
from cisterna.services.review import open_acts
from cisterna.web.checklist_view import review_desk
from cisterna.web.parts import WebParts


class Chance(NamedTuple):
    """What this person can do about a version that waits, and who else can.

    Attributes:
        decides: Whether they are a steward who may decide on it.
        own: Whether they submitted it, and so do not accept it.
        rechecks: Whether it is in quarantine and they may have it judged again.
        others: The stewards who may decide on it.
    """

    decides: bool
    own: bool
    rechecks: bool
    others: Sequence[str]


def take_decision(
    parts: WebParts,
    account: Account,
    version_id: str,
    act: Act,
    *,
    reason: str,
    evidence_digest: str,
    assignee: str | None,
    answers: Answers = UNANSWERED,
    inside_only: bool = False,
) -> Version:
    """Record what a person decided and answered on the checklist, with whatever follows from it."""
    if act is Act.DISCARD:
        return discard_version(
            version_id,
            person=account.name,
            reason=reason,
            evidence_digest=evidence_digest,
            catalogue=parts.catalogue,
            publisher=parts.publisher,
            clock=parts.clock,
        )
    return decide_by_checklist(
        version_id,
        act,
        person=account.name,
        reason=reason,
        evidence_digest=evidence_digest,
        assignee=assignee if act is Act.ASSIGN else None,
        answers=answers,
        inside_only=inside_only,
        desk=review_desk(parts),
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


def quarantine_context(found: Detail, *, is_steward: bool) -> dict[str, object]:
    """Tell a version's page which acts it is open for, and what quarantine means for it."""
    decisions = found.decisions
    acts = open_acts(found.stage, decisions) if found.stage else frozenset[Act]()
    kept_back = found.shown is not None and found.shown.is_archived and is_quarantined(found.shown, decisions)
    given_up = [one for one in decisions if one.act is Act.DISCARD]
    return {
        "acts": [act.value for act in Act if act in acts and act is not Act.DISCARD],
        "can_decide": is_steward and bool(acts - {Act.DISCARD}),
        "can_discard": is_steward and Act.DISCARD in acts,
        "discarded": given_up[-1] if given_up else None,
        "is_kept_back": kept_back and not given_up,
        "is_inside_alone": inside_word(decisions) is not None,
        "accepted_nevertheless": None if kept_back or found.shown is None else _nevertheless(found.shown, decisions),
    }


def chances(parts: WebParts, rows: Sequence[Overview], account: Account) -> dict[str, Chance]:
    """Tell by version what this person can do about those that wait for a steward."""
    found: dict[str, Chance] = {}
    with parts.catalogue.begin() as tx:
        projects = {one.slug: one for one in tx.projects.list()}
        stewards = {slug: stewards_of(slug, tx=tx) for slug in {row.project for row in rows}}
    for row in rows:
        if row.version_id is None:
            continue
        found[row.version_id] = Chance(
            decides=account.has_role(Role.STEWARD, project=row.project),
            own=account.name == row.submitter,
            rechecks=row.verdict in KEPT_BACK and may_reprocess(account, projects.get(row.project or "")),
            others=stewards[row.project],
        )
    return found


def _nevertheless(version: Version, decisions: Sequence[Decision]) -> str | None:
    """Name who accepted what did not pass, while that word stands."""
    word = last_word(decisions)
    stood = word is not None and word.act is Act.ACCEPT and word.evidence_digest == version.evidence_digest
    return word.person if word is not None and stood and is_quarantined(version, ()) else None
