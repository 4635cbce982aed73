"""Shows what a suite would have decided on datasets that were judged; it reads summaries and changes nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationError

from cisterna.domain.account import Account, Role
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import InvalidInput, NotFound, ObjectNotFound
from cisterna.domain.finding import Finding, Outcome, Verdict, verdict_of
from cisterna.domain.permission import may_see
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import MetricTable, TriedSuite
from cisterna.services.person import visible_version
from cisterna.services.plane_finding import CHECK as PLANES
from cisterna.services.staging import read_staged
from cisterna.services.summary import Summary
from cisterna.services.trend import came_at
from cisterna.services.usual import charts_for
from cisterna.services.validate import SUMMARY_FILE

MOST = 1000
_CHOICE = re.compile(r"(last|accepted):([0-9]{1,6})")
_NO_RULE = frozenset({PLANES, "whole-run", "metrics"})
"""Findings that no suite decides on: they stay what they were."""


class Choice(Value):
    """Which datasets: the newest so many, or the newest so many of those that count as good."""

    accepted: bool
    count: int = Field(ge=1, le=MOST)


class ChangedCheck(Value):
    """A check that would end otherwise; None where the one suite or the other does not have it."""

    check: str
    before: Outcome | None
    after: Outcome | None
    message: str


class TriedDataset(Value):
    """What was decided on a dataset, and what would have been."""

    version_id: str
    title: str
    before: Verdict
    after: Verdict
    checks: tuple[ChangedCheck, ...]

    @property
    def differs(self) -> bool:
        """Whether the verdict, or any check, would be another."""
        return self.before is not self.after or bool(self.checks)


class SuiteTrial(Value):
    """What a suite would have decided.

    Attributes:
        suite, suite_sha512: Of the suite that was tried.
        datasets: Newest data first.
        unread: Versions whose summary could not be read, and why.
        counts: How many datasets would go from which verdict to which, such as `passed -> review`.
        notes: What a trial cannot show.
    """

    suite: str
    suite_sha512: str
    datasets: tuple[TriedDataset, ...]
    unread: dict[str, str]
    counts: dict[str, int]
    notes: tuple[str, ...]


class KeptSummary(Value):
    """A dataset's summary as it lies in the archive."""

    version: Version
    dataset: Dataset
    summary: Summary
    rows: int
    limits: dict[str, float]


def read_choice(text: str) -> Choice:
    """Understand `last:200` or `accepted:200`. Raises `InvalidInput`."""
    found = _CHOICE.fullmatch(text.strip())
    if found is None or not 1 <= int(found[2]) <= MOST:
        msg = f"'{text[:80]}' names no datasets; write last:200 or accepted:200, of at most {MOST}"
        raise InvalidInput(msg)
    return Choice(accepted=found[1] == "accepted", count=int(found[2]))


def try_suite(
    suite: TriedSuite,
    *,
    data_type: str,
    choice: Choice,
    account: Account,
    catalogue: Catalogue,
    store: ObjectStore,
) -> SuiteTrial:
    """Judge datasets by a suite as if it had been in force when their data came.

    Args:
        suite: That may not be in force.
        data_type: Whose datasets.
        choice: Which of them.
        account: Only what this person may see is looked at.
        catalogue: Where it says what was decided, and what was usual.
        store: The archive, where the summaries are.

    Raises:
        GateUnavailable: The quality process did not answer.
        StoreUnavailable: The archive did not answer.
    """
    kept, unread = kept_summaries(data_type, choice=choice, account=account, catalogue=catalogue, store=store)
    tried = tuple(_tried(one, suite, catalogue=catalogue) for one in kept)
    counts = Counter(f"{one.before.value} -> {one.after.value}" for one in tried)
    notes = list(suite.flaws)
    others = sum(one.limits != dict(suite.limits) for one in kept)
    if others:
        notes.append(
            f"{others} of the summaries were made with other limits for single images; what `limits` change is not "
            "seen here, but when the datasets are judged anew (cisterna quality regate --all)"
        )
    return SuiteTrial(
        suite=suite.name,
        suite_sha512=suite.sha512,
        datasets=tried,
        unread=unread,
        counts=dict(sorted(counts.items())),
        notes=tuple(notes),
    )


def kept_summaries(
    data_type: str, *, choice: Choice, account: Account, catalogue: Catalogue, store: ObjectStore
) -> tuple[Sequence[KeptSummary], dict[str, str]]:
    """Read the summaries of datasets that a person may see; those that cannot be read are named with the reason."""
    kept: list[KeptSummary] = []
    unread: dict[str, str] = {}
    with catalogue.begin() as tx:
        names = tx.trends.archived(
            data_type=data_type, accepted=choice.accepted, limit=choice.count, projects=_projects_of(tx, account)
        )
    for name in names:
        try:
            with catalogue.begin() as tx:
                version, dataset, _ = visible_version(tx, name, account)
            kept.append(_kept(version, dataset, store=store))
        except NotFound:
            continue  # the person may not know of it
        except (InvalidInput, ObjectNotFound) as lacking:
            unread[name] = str(lacking)
    return kept, unread


def _projects_of(tx: Transaction, account: Account) -> frozenset[str] | None:
    """Name the projects that a person may see; None for somebody with a role everywhere."""
    if account.has_role(Role.VIEWER, project=None):
        return None
    return frozenset(one.slug for one in tx.projects.list() if may_see(account, one))


def _kept(version: Version, dataset: Dataset, *, store: ObjectStore) -> KeptSummary:
    body = read_staged(version, SUMMARY_FILE, dataset=dataset, store=store)
    try:
        told: dict[str, Any] = json.loads(body)
        table = MetricTable(columns={"path": []})
        summary = Summary(row=told["summary"], table=table, by_channel=told.get("by_channel", {}))
        return KeptSummary(
            version=version, dataset=dataset, summary=summary, rows=told["rows"], limits=told.get("limits", {})
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, ValidationError) as error:
        msg = f"the summary of {version.version_id} is not one of ours; check the object (cisterna check)"
        raise InvalidInput(msg, version_id=version.version_id) from error


def _tried(kept: KeptSummary, suite: TriedSuite, *, catalogue: Catalogue) -> TriedDataset:
    version = kept.version
    with catalogue.begin() as tx:
        before = tx.datasets.findings(version.version_id)
        at = came_at(tx, version)
    charts = charts_for(kept.summary, suite.baselines, dataset=kept.dataset, at=at, catalogue=catalogue)
    report = suite.assess(summary=kept.summary.row, rows=kept.rows, charts=charts)
    after = [*(one for one in before if one.check in _NO_RULE), *report.findings]
    return TriedDataset(
        version_id=version.version_id,
        title=kept.dataset.title,
        before=version.verdict or verdict_of(before),
        after=verdict_of(after),
        checks=_changed(before, after),
    )


def _changed(before: Sequence[Finding], after: Sequence[Finding]) -> tuple[ChangedCheck, ...]:
    old, new = ({one.check: one for one in findings} for findings in (before, after))
    changed = []
    for check in dict.fromkeys([*new, *old]):
        was, is_now = old.get(check), new.get(check)
        outcomes = (was.outcome if was else None, is_now.outcome if is_now else None)
        if outcomes[0] is outcomes[1] or set(outcomes) <= {None, Outcome.PASSED, Outcome.LEFT_OUT}:
            continue
        message = is_now.message if is_now else "The suite does not have this check."
        changed.append(ChangedCheck(check=check, before=outcomes[0], after=outcomes[1], message=message))
    return tuple(changed)
