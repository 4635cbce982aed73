"""What shadow mode saw: for each rule and run the moment at which it would have acted, and what the run lacked then.

Pure: sightings in, report out, whatever their order. Each figure has its rule, its moment and what it rests on, and is
a lower bound where two listings tell no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median

from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState
from cisterna.domain.base import Moment, Value
from cisterna.domain.shadow import Rule, Shadow
from cisterna.domain.sighting import OURS, Amount, Coverage, Sighting, missed

WORST = 3
"""Runs that a rule's line names."""


class Verified(Value):
    """A version of a run's dataset that was read back from the archive.

    Attributes:
        fingerprint: Of the listing whose bytes it holds.
        verified_at: Its first receipt.
    """

    fingerprint: str
    verified_at: Moment


class RuleOutcome(Value):
    """What one rule would have done with one run.

    Attributes:
        after: The last look before at which it would not have; None when it would have at the first look already.
        at: The look at which it would have acted: the moment lies between the two.
        file_count, size_bytes: What was in the folder then.
        late: What came, or was written again, later; at least.
        late_after, late_at: The looks between which the folder became another one; None while it has not.
        coverage: How the run stood in the archive then, for rules that delete.
    """

    rule_id: str
    after: Moment | None
    at: Moment
    file_count: int
    size_bytes: int
    late: Amount = Amount()
    late_after: Moment | None = None
    late_at: Moment | None = None
    coverage: Coverage | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the folder was another one later."""
        return self.late_at is not None


class RunReport(Value):
    """One run of the time.

    Attributes:
        state, reason: As it stands now.
        last_at: The last look that is kept; what came after it is not in the report.
        outcomes: By rule, in the order of the rules; a rule that never would have acted has none.
        declared: Our own judgements that it was complete, the first one first.
        verified_at: When the archive held what was last seen, read back; None while it does not.
        verified_seconds: From the first look at its last change to that.
    """

    acquisition_id: str
    folder: str
    project: str | None
    state: AcquisitionState
    reason: str
    first_at: Moment
    last_at: Moment
    file_count: int
    size_bytes: int
    outcomes: tuple[RuleOutcome, ...]
    declared: tuple[RuleOutcome, ...]
    verified_at: Moment | None = None
    verified_seconds: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing speaks against its being complete."""
        return self.state not in INCOMPLETE

    @property
    def mistakes(self) -> tuple[RuleOutcome, ...]:
        """Our own judgements after which it changed."""
        return tuple(one for one in self.declared if one.is_changed)


class Example(Value):
    """A run that shows what a rule would have done."""

    acquisition_id: str
    folder: str
    state: AcquisitionState
    outcome: RuleOutcome


class RuleReport(Value):
    """One rule, over all runs.

    Attributes:
        runs: For how many it would have acted.
        early: For how many of them more came, or was written again, later.
        not_whole: How many of them ended aborted, partial or stalled.
        late: What came later, of all of them together.
        unsafe: Of how many the archive did not hold all, read back, when the rule would have deleted them.
        unarchived: What that was.
        damaged: Of how many a copy was known to be damaged then.
        held: On how many somebody's hold stood then.
        worst: Some of those with most to lose.
    """

    rule: Rule
    runs: int
    early: int
    not_whole: int
    late: Amount
    unsafe: int
    unarchived: Amount
    damaged: int
    held: int
    worst: tuple[Example, ...]


class OwnWork(Value):
    """What Cisterna itself did.

    Attributes:
        complete: Runs that it judged complete.
        verified: Runs whose last listing the archive holds, read back.
        seconds_median, seconds_most: From the first look at a run's last change to that, where both were seen.
        mistakes: Runs that it judged complete and that changed later.
        late: What came to those later.
    """

    runs: int
    complete: int
    verified: int
    verified_bytes: int
    seconds_median: float | None
    seconds_most: float | None
    mistakes: int
    late: Amount


class ShadowReport(Value):
    """The report on one time in shadow mode.

    Attributes:
        until: When it was made, or the mode ended.
        longest_gap_seconds: The longest time between two looks that a moment of this report lies in.
    """

    instrument: str
    shadow: Shadow
    until: Moment
    longest_gap_seconds: float | None
    own: OwnWork
    rules: tuple[RuleReport, ...]
    runs: tuple[RunReport, ...]


def report_on(
    instrument: str,
    shadow: Shadow,
    *,
    sightings: Iterable[Sighting],
    acquisitions: Mapping[str, Acquisition],
    verified: Mapping[str, Sequence[Verified]],
    now: datetime,
) -> ShadowReport:
    """Make the report.

    Args:
        instrument: Its name.
        shadow: The time.
        sightings: All of that time, in any order.
        acquisitions: As they are now, by id.
        verified: What the archive was proven to hold of each run.
        now: When it is asked for.
    """
    by_run: dict[str, dict[int, Sighting]] = {}
    for one in sightings:
        if one.shadow_id == shadow.shadow_id and one.acquisition_id in acquisitions:
            by_run.setdefault(one.acquisition_id, {})[one.number] = one
    runs = tuple(
        _run(acquisitions[name], [looks[number] for number in sorted(looks)], shadow.rules, verified.get(name, ()))
        for name, looks in sorted(by_run.items())
    )
    runs = tuple(sorted(runs, key=lambda one: (one.first_at, one.folder)))
    gaps = [(one.at - one.after).total_seconds() for run in runs for one in run.outcomes if one.after is not None]
    return ShadowReport(
        instrument=instrument,
        shadow=shadow,
        until=shadow.ended_at or now,
        longest_gap_seconds=max((gap for gap in gaps if gap >= 0), default=None),
        own=_own(runs),
        rules=tuple(_rule(rule, runs) for rule in shadow.rules),
        runs=runs,
    )


def _run(
    acquisition: Acquisition, looks: Sequence[Sighting], rules: Sequence[Rule], verified: Sequence[Verified]
) -> RunReport:
    last, deletions = looks[-1], {one.rule_id for one in rules if one.kind.is_deletion}
    fired: dict[str, RuleOutcome] = {}
    declared = []
    for place, look in enumerate(looks):
        for rule_id in look.fired:
            if rule_id == OURS:
                declared.append(_outcome(OURS, look, looks[place + 1 :]))
            elif rule_id not in fired:
                coverage = look.coverage if rule_id in deletions else None
                fired[rule_id] = _outcome(rule_id, look, looks[place + 1 :], coverage=coverage)
    proof = min((one.verified_at for one in verified if one.fingerprint == last.fingerprint), default=None)
    since = next(one.changed_at for one in looks if one.fingerprint == last.fingerprint)
    return RunReport(
        acquisition_id=acquisition.acquisition_id,
        folder=acquisition.folder,
        project=acquisition.project,
        state=acquisition.state,
        reason=acquisition.reason,
        first_at=looks[0].seen_at,
        last_at=last.seen_at,
        file_count=last.file_count,
        size_bytes=last.size_bytes,
        outcomes=tuple(fired[rule.rule_id] for rule in rules if rule.rule_id in fired),
        declared=tuple(declared),
        verified_at=proof,
        verified_seconds=(proof - since).total_seconds() if proof is not None and proof >= since else None,
    )


def _outcome(
    rule_id: str, look: Sighting, after: Sequence[Sighting], *, coverage: Coverage | None = None
) -> RuleOutcome:
    """Hold a look against all later ones; each is true by itself, so of several bounds the largest holds."""
    changed = [one for one in after if one.fingerprint != look.fingerprint]
    bounds = [missed(look, one) for one in changed]
    first = changed[0] if changed else None
    return RuleOutcome(
        rule_id=rule_id,
        after=look.before_at,
        at=look.seen_at,
        file_count=look.file_count,
        size_bytes=look.size_bytes,
        late=Amount(
            files=max((one.files for one in bounds), default=0),
            size_bytes=max((one.size_bytes for one in bounds), default=0),
            names=max(bounds, key=lambda one: one.files).names if bounds else (),
        ),
        late_after=first.left_after if first is not None else None,
        late_at=first.left_at if first is not None else None,
        coverage=coverage,
    )


def _rule(rule: Rule, runs: Sequence[RunReport]) -> RuleReport:
    acted = [(run, outcome) for run in runs for outcome in run.outcomes if outcome.rule_id == rule.rule_id]
    coverages = [one.coverage for _, one in acted if one.coverage is not None]
    harmed = [(run, one) for run, one in acted if _harm(run, one, rule) > (0, 0, 0)]
    worst = sorted(harmed, key=lambda pair: (*(-one for one in _harm(pair[0], pair[1], rule)), pair[0].folder))[:WORST]
    return RuleReport(
        rule=rule,
        runs=len(acted),
        early=sum(one.is_changed for _, one in acted),
        not_whole=sum(not run.is_whole for run, _ in acted),
        late=_sum(one.late for _, one in acted),
        unsafe=sum(one.unarchived.is_some for one in coverages),
        unarchived=_sum(one.unarchived for one in coverages),
        damaged=sum(one.is_damaged for one in coverages),
        held=sum(one.holds > 0 for one in coverages),
        worst=tuple(
            Example(acquisition_id=run.acquisition_id, folder=run.folder, state=run.state, outcome=outcome)
            for run, outcome in worst
        ),
    )


def _harm(run: RunReport, outcome: RuleOutcome, rule: Rule) -> tuple[int, int, int]:
    """Weigh what acting then would have cost: bytes, files, and whether the run was no whole one at all."""
    lost = outcome.coverage.unarchived if outcome.coverage is not None else Amount()
    is_wrong = not run.is_whole and not rule.kind.is_deletion
    return (
        outcome.late.size_bytes + lost.size_bytes,
        outcome.late.files + lost.files,
        int(is_wrong or outcome.is_changed),
    )


def _own(runs: Sequence[RunReport]) -> OwnWork:
    waits = [run.verified_seconds for run in runs if run.verified_seconds is not None]
    wrong = [run for run in runs if run.mistakes]
    verified = [run for run in runs if run.verified_at is not None]
    return OwnWork(
        runs=len(runs),
        complete=sum(bool(run.declared) for run in runs),
        verified=len(verified),
        verified_bytes=sum(run.size_bytes for run in verified),
        seconds_median=median(waits) if waits else None,
        seconds_most=max(waits, default=None),
        mistakes=len(wrong),
        late=_sum(run.mistakes[0].late for run in wrong),
    )


def _sum(amounts: Iterable[Amount]) -> Amount:
    """Add up; the names are those of single runs, and are told with them."""
    files, size_bytes = 0, 0
    for one in amounts:
        files, size_bytes = files + one.files, size_bytes + one.size_bytes
    return Amount(files=files, size_bytes=size_bytes)
