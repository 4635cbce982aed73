"""Retention: rules set and ended in the name of a person, and what has come to its end by them. It deletes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue, ValidationError

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.identifier import DatasetId
from cisterna.domain.permission import may_see
from cisterna.domain.retention import (
    LockMode,
    Retention,
    RetentionFacts,
    RetentionRule,
    StoreLock,
    Tier,
    end_of_life,
)
from cisterna.domain.work import KEEPING, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.account import require_role
from cisterna.services.person import require_account
from cisterna.services.transition import announce


def set_rule(
    *,
    project: str | None,
    instrument: str | None,
    data_type: str | None,
    keep_years: int | None,
    keep_days: int | None,
    tier: tuple[str, int] | None,
    lock: LockMode | None,
    person: str,
    reason: str,
    catalogue: Catalogue,
    clock: Clock,
) -> RetentionRule:
    """Say how long what matches is kept, in the name of an operator; of an administrator where nobody can undo it.

    Args:
        project: What it matches; None matches any.
        instrument: As well.
        data_type: As well; it is not looked for, since data of it may come later.
        keep_years: How long; without years and days it is forever.
        keep_days: How long, in days.
        tier: Storage class, and after how many days data move there.
        lock: Have the stores themselves keep it until the end.
        person: Account name.
        reason: In words.
        catalogue: Keeps it.
        clock: Dates it.

    Raises:
        AlreadyExists: A standing rule matches the same.
        Forbidden: The person may not.
        InvalidInput: It does not say one clear thing.
        NotFound: There is no such project or instrument.
    """
    try:
        rule = RetentionRule(
            rule_id=clock.new_id(),
            project=project,
            instrument=instrument,
            data_type=data_type,
            keep_years=keep_years,
            keep_days=keep_days,
            tier=Tier(storage_class=tier[0], after_days=tier[1]) if tier else None,
            lock=lock,
            person=person,
            reason=reason,
            set_at=clock.now(),
        )
    except ValidationError as error:
        raise _no_rule(error) from None
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        require_role(account, Role.ADMIN if lock is LockMode.COMPLIANCE else Role.OPERATOR, project=None)
        if project is not None:
            tx.projects.get(project)
        if instrument is not None:
            tx.instruments.get(instrument)
        tx.retention_rules.add(rule)
        _tell(tx, "retention.set", rule, person=person, reason=rule.reason, clock=clock)
    return rule


def remove_rule(rule_id: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> RetentionRule:
    """End a rule, in the name of an operator; what stores have locked by it stays locked until its date.

    Marks for another tier that only it asked for are taken back by the dispatcher's next round.

    Raises:
        Conflict: Somebody has ended it already.
        Forbidden: The person may not.
        InvalidInput: There is no reason.
        NotFound: There is no such rule.
    """
    with catalogue.begin() as tx:
        require_role(require_account(tx, person), Role.OPERATOR, project=None)
        rule = tx.retention_rules.get(rule_id)
        end = {"ended_at": clock.now(), "ended_by": person, "ended_reason": reason}
        try:
            ended = RetentionRule.model_validate({**rule.model_dump(), **end})
        except ValidationError as error:
            raise _no_rule(error) from None
        tx.retention_rules.end(ended)
        _tell(tx, "retention.removed", ended, person=person, reason=ended.ended_reason, clock=clock)
    return ended


def list_rules(*, account: Account, catalogue: Catalogue, ended: bool = False) -> Sequence[RetentionRule]:
    """Give the rules, newest first, without those of projects that the person may not see."""
    with catalogue.begin() as tx:
        visible = {one.slug for one in tx.projects.list() if may_see(account, one)}
        rules = tx.retention_rules.list(standing=None if ended else True)
    return [rule for rule in rules if rule.project is None or rule.project in visible]


def list_retentions(
    *, account: Account, catalogue: Catalogue, clock: Clock, due_only: bool = True
) -> Sequence[tuple[Dataset, Retention]]:
    """Judge every dataset that a person may see; first those whose time ended longest ago."""
    with catalogue.begin() as tx:
        visible = {one.slug for one in tx.projects.list() if may_see(account, one)}
        sees_unclaimed = may_see(account, None)
        rules = tuple(tx.retention_rules.list(standing=True))
        if due_only and all(rule.is_forever for rule in rules):
            return []  # nothing ends, however much there is
        datasets = [
            one
            for one in tx.datasets.list()
            if one.part_of is None and (one.project in visible if one.project else sees_unclaimed)
        ]
    found = []
    for dataset in datasets:  # a transaction each: a long list must not hold a snapshot open
        with catalogue.begin() as tx:
            judged = judge_dataset(tx, dataset, rules=rules, now=clock.now())
        if judged.is_due or not due_only:
            found.append((dataset, judged))
    return sorted(found, key=lambda one: (one[1].ends_at is None, one[1].ends_at or clock.now()))


def wanted_tiers(catalogue: Catalogue) -> Sequence[str]:
    """Name the storage classes that standing rules move data to."""
    with catalogue.begin() as tx:
        return sorted({rule.tier.storage_class for rule in tx.retention_rules.list(standing=True) if rule.tier})


class CatalogueEndOfLife:
    """Implements `ports.retention.EndOfLife` by the rules in the catalogue.

    Args:
        catalogue: What is true now.
        clock: Tells what has passed.
    """

    def __init__(self, *, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def due(self, dataset_id: DatasetId) -> datetime | None:
        """Give the moment at which its life ended."""
        judged = self.judge(dataset_id)
        return judged.ends_at if judged.is_due else None

    def judge(self, dataset_id: DatasetId) -> Retention:
        """Give the rule that holds, the date, and everything that defers it. Raises `NotFound`."""
        with self._catalogue.begin() as tx:
            return judge_dataset(tx, tx.datasets.get(dataset_id), rules=None, now=self._clock.now())


def judge_dataset(
    tx: Transaction, dataset: Dataset, *, rules: Sequence[RetentionRule] | None, now: datetime
) -> Retention:
    """Gather what is known of a dataset and judge its end of life.

    Args:
        tx: What is true now.
        dataset: The dataset.
        rules: Those that stand, where the caller has them at hand.
        now: The moment.
    """
    versions = tuple(tx.datasets.versions(dataset.dataset_id))
    subjects = [one.version_id for one in versions] + ([dataset.acquisition_id] if dataset.acquisition_id else [])
    works = (work for subject in subjects for work in tx.inbox.list(subject=subject))
    facts = RetentionFacts(
        now=now,
        dataset=dataset,
        rules=tuple(tx.retention_rules.list(standing=True) if rules is None else rules),
        versions=versions,
        holds=tuple(holds_on(tx, dataset)),
        publications=tuple(one for version in versions for one in tx.datasets.publications(version.version_id)),
        locks=tuple(
            StoreLock(store=one.store, until=one.locked_until)
            for one in tx.protections.of(dataset.dataset_id)
            if one.locked_until is not None
        ),
        open_work=tuple(
            work.kind.value
            for work in works
            if work.state in {WorkState.READY, WorkState.LEASED} and work.kind not in KEEPING
        ),
    )
    return end_of_life(facts)


def holds_on(tx: Transaction, dataset: Dataset) -> Sequence[Hold]:
    """Give every hold that stands on a dataset: its own, its acquisition's, and those of the projects of both.

    What stands on a dataset stands on its parts.
    """
    if dataset.part_of is not None:
        return holds_on(tx, tx.datasets.get(dataset.part_of))
    targets = {(HoldScope.DATASET, dataset.dataset_id)}
    if dataset.project is not None:
        targets.add((HoldScope.PROJECT, dataset.project))
    if dataset.acquisition_id is not None:
        targets.add((HoldScope.ACQUISITION, dataset.acquisition_id))
        acquisition = tx.acquisitions.find(dataset.acquisition_id)
        if acquisition is not None and acquisition.project is not None:
            targets.add((HoldScope.PROJECT, acquisition.project))
    return tx.holds.standing_on(sorted(targets))


def find_dataset(tx: Transaction, identifier: str) -> Dataset:
    """Find a dataset by its id, a version's id or its ARK. Raises `NotFound`."""
    found = tx.datasets.by_pid(identifier) if identifier.startswith("ark:/") else None
    if found is None and identifier.startswith("ds-"):
        found = tx.datasets.get(identifier.partition(":")[0])
    if found is None:
        msg = f"there is no dataset '{identifier[:200]}'; look at `cisterna list`"
        raise NotFound(msg, identifier=identifier[:200])
    return found


def _no_rule(error: ValidationError) -> InvalidInput:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    words = first["msg"].removeprefix("Value error, ")
    return InvalidInput(f"that is no retention rule: {place + ': ' if place else ''}{words}", field=place)


def _tell(tx: Transaction, name: str, rule: RetentionRule, *, person: str, reason: str | None, clock: Clock) -> None:
    data: dict[str, JsonValue] = {
        "rule": rule.model_dump(mode="json"),
        "project": rule.project,
        "person": person,
        "reason": reason,
    }
    announce(tx, name, rule.rule_id, project=rule.project, clock=clock, data=data)
