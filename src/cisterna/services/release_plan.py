"""Releases before their deletion: what might go and why not, announcing it, taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cisterna.domain.account import Role
from cisterna.domain.acquisition import Acquisition, AcquisitionState, SourceState
from cisterna.domain.base import Value
from cisterna.domain.errors import Conflict, CouldNotCheck, Forbidden, InvalidInput, NotFound, ReleaseRefused
from cisterna.domain.permission import may_see
from cisterna.domain.project import ReleasePolicy
from cisterna.domain.release import Judgement, Release, ReleaseState, Step, judge
from cisterna.domain.review import POLICY_PREFIX
from cisterna.domain.shadow import refusal_words
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.person import require_account
from cisterna.services.release_facts import ReleaseSite, gather, require_allowed
from cisterna.services.release_record import no_longer_releasable, tell_release
from cisterna.services.transition import write_beside_others
from cisterna.services.work_request import request_work

_ASK_AGAIN = timedelta(days=1)
"""How long the planning leaves alone what was refused."""


class Candidate(Value):
    """A source copy that might go.

    Attributes:
        release: The one that is open, if there is one.
        judgement: On announcing it; None when nothing of it was ever archived or it could not be judged: `problem`.
    """

    acquisition_id: str
    name: str
    instrument: str
    source_state: SourceState
    file_count: int
    total_bytes: int
    judgement: Judgement | None = None
    problem: str | None = None
    release: Release | None = None


def list_candidates(
    *,
    person: str,
    site: ReleaseSite,
    acquisition_id: str | None = None,
    instrument: str | None = None,
) -> Sequence[Candidate]:
    """Judge every source copy that a person may see, or one; nothing is changed and nothing but names is read there.

    Raises:
        NotFound: There is no such acquisition, or the person may not see it.
    """
    with site.catalogue.begin() as tx:
        account = require_account(tx, person)
        if acquisition_id is not None:
            seen: Sequence[Acquisition] = [_visible(tx, acquisition_id, person)]
        else:
            projects = {one.slug: one for one in tx.projects.list()}
            seen = [
                one
                for one in tx.acquisitions.list(instrument=instrument)
                if one.dataset_id is not None
                and one.source_state not in {SourceState.RELEASED, SourceState.MISSING}
                and may_see(account, projects.get(one.project or ""))
            ]
        releases = {one.acquisition_id: one for one in tx.releases.open_ones()}
    return [_candidate(one, releases.get(one.acquisition_id), site=site) for one in seen]


def announce_release(acquisition_id: str, *, person: str, site: ReleaseSite) -> Release:
    """Announce that a source copy will be deleted once the undo window is over; nothing is deleted here.

    A second call finds the open release and returns it; one that was stopped, or whose work was given up, goes on.

    Args:
        acquisition_id: Whose source.
        person: Account name of a steward of its project, or `policy:<project>`.
        site: What it stands on.

    Raises:
        ReleaseRefused: Something speaks against it; the message says all that does.
        CouldNotCheck: Something that speaks for it could not be found out.
        Forbidden: The person may not.
        NotFound: There is no such acquisition, or the person may not see it.
        Conflict: The acquisition changed meanwhile.
    """
    with site.catalogue.begin() as tx:
        _require_steward(tx, acquisition_id, person)
        found = next((one for one in tx.releases.of(acquisition_id) if one.state.is_open), None)
    if found is not None:
        return write_beside_others(lambda tx: _ask_again(tx, found, site=site), catalogue=site.catalogue)
    case = gather(acquisition_id, step=Step.ANNOUNCE, site=site)
    require_allowed(judge(case.facts), acquisition_id)
    now, version = site.clock.now(), case.facts.version
    release = Release(
        release_id=site.clock.new_id(),
        acquisition_id=acquisition_id,
        dataset_id=case.dataset.dataset_id,
        version_id=version.version_id,
        manifest_digest=version.manifest_digest or "",
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        person=person,
        announced_at=now,
        due_at=now + timedelta(hours=site.rules.undo_hours),
    )
    with site.catalogue.begin() as tx:
        shadow = tx.instruments.lock(case.facts.instrument.name).in_shadow  # whoever begins one locks it as well
        if shadow is not None:
            msg = f"nothing is deleted at its source: {refusal_words(case.facts.instrument.name, shadow)}"
            raise ReleaseRefused(msg, acquisition_id=acquisition_id, conditions=["no-shadow"])
        tx.releases.add(release)
        tx.acquisitions.save(case.facts.acquisition.model_copy(update={"source_state": SourceState.RELEASABLE}))
        _request(tx, release, case.facts.acquisition, key=release.release_id, clock=site.clock)
        tell_release(tx, "release.announced", release, person=person, clock=site.clock)
    return release


def cancel_release(acquisition_id: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> Release:
    """Take an announced release back; its work finds it cancelled and does nothing.

    Whoever may ask for it may cancel it, and the project's owner. One that has begun cannot be taken back, only
    stopped by a hold.

    Raises:
        NotFound: No release of it is open, or the person may not see it.
        Forbidden: The person may not.
        InvalidInput: There is no reason.
        ReleaseRefused: The deletion has begun.
    """
    words = reason.strip()
    if not words or len(words) > 10_000:
        raise InvalidInput("a cancellation needs a reason in words, of at most 10,000 characters")

    def write(tx: Transaction) -> Release:
        acquisition = _visible(tx, acquisition_id, person)
        account = require_account(tx, person)
        owner = tx.projects.get(acquisition.project).owner if acquisition.project else None
        if person != owner and not account.has_role(Role.STEWARD, project=acquisition.project):
            msg = f"{person} may not cancel the release of {acquisition_id}; the project's owner or a steward may"
            raise Forbidden(msg, person=person, acquisition_id=acquisition_id)
        release = next((one for one in tx.releases.of(acquisition_id) if one.state.is_open), None)
        if release is None:
            raise NotFound(f"no release of {acquisition_id} is announced", acquisition_id=acquisition_id)
        if release.state is ReleaseState.BEGUN:
            msg = f"the deletion of {acquisition.name} has begun; `cisterna hold place {acquisition_id}` stops the rest"
            raise ReleaseRefused(msg, acquisition_id=acquisition_id)
        ended = {"state": ReleaseState.CANCELLED, "reason": words, "ended_by": person, "ended_at": clock.now()}
        saved = tx.releases.save(release.model_copy(update=ended))
        no_longer_releasable(tx, acquisition_id)
        tell_release(tx, "release.cancelled", saved, person=person, clock=clock)
        return saved

    return write_beside_others(write, catalogue=catalogue)


def plan_releases(*, site: ReleaseSite) -> Sequence[Release]:
    """Announce what may go in projects whose policy says so; what speaks against the others stays their own business.

    A second run finds what the first announced. What a person cancelled is never planned again, and what was refused
    is left alone for a day.
    """
    now = site.clock.now()
    with site.catalogue.begin() as tx:
        slugs = {one.slug for one in tx.projects.list() if one.policy.release is ReleasePolicy.AUTOMATIC}
        adopted = {one.name for one in tx.instruments.list() if one.adopted}  # nothing in a share ever goes
        rested = timedelta(days=site.rules.rest_days)
        wanted = [
            one
            for one in tx.acquisitions.list(state=AcquisitionState.COMPLETE, held=False)
            if one.project in slugs
            and one.instrument not in adopted
            and one.source_state is SourceState.PRESENT
            and one.dataset_id is not None
            and now - one.settled_since >= rested
            and _may_be_planned(tx.releases.of(one.acquisition_id), now=now)
        ]
    planned = []
    for one in wanted:
        try:
            planned.append(announce_release(one.acquisition_id, person=f"{POLICY_PREFIX}{one.project}", site=site))
        except (ReleaseRefused, CouldNotCheck, Conflict):
            continue
    return planned


def _candidate(acquisition: Acquisition, release: Release | None, *, site: ReleaseSite) -> Candidate:
    judgement, problem = None, None
    if release is None:
        try:
            judgement = judge(gather(acquisition.acquisition_id, step=Step.ANNOUNCE, site=site).facts)
        except (ReleaseRefused, Conflict) as refusal:
            problem = str(refusal)
    return Candidate(
        acquisition_id=acquisition.acquisition_id,
        name=acquisition.name,
        instrument=acquisition.instrument,
        source_state=acquisition.source_state,
        file_count=acquisition.file_count,
        total_bytes=acquisition.total_bytes,
        judgement=judgement,
        problem=problem,
        release=release,
    )


def _visible(tx: Transaction, acquisition_id: str, person: str) -> Acquisition:
    account, acquisition = require_account(tx, person), tx.acquisitions.find(acquisition_id)
    project = tx.projects.get(acquisition.project) if acquisition and acquisition.project else None
    if acquisition is None or not may_see(account, project):
        msg = f"there is no acquisition '{acquisition_id[:200]}'; `cisterna list` shows those you may see"
        raise NotFound(msg, acquisition_id=acquisition_id[:200])
    return acquisition


def _require_steward(tx: Transaction, acquisition_id: str, person: str) -> None:
    if person.startswith(POLICY_PREFIX):
        acquisition = tx.acquisitions.get(acquisition_id)
        policy = tx.projects.get(person.removeprefix(POLICY_PREFIX)).policy
        if policy.release is ReleasePolicy.AUTOMATIC and acquisition.project == person.removeprefix(POLICY_PREFIX):
            return
        raise Forbidden(f"the policy of {person} plans no releases", person=person, acquisition_id=acquisition_id)
    acquisition = _visible(tx, acquisition_id, person)
    if not require_account(tx, person).has_role(Role.STEWARD, project=acquisition.project):
        msg = f"{person} may not release the source of {acquisition_id}; a steward or operator of its project may"
        raise Forbidden(msg, person=person, acquisition_id=acquisition_id)


def _may_be_planned(earlier: Sequence[Release], *, now: datetime) -> bool:
    if not earlier:
        return True
    last = earlier[-1]
    if last.state is ReleaseState.REFUSED and last.ended_at is not None:
        return last.ended_at + _ASK_AGAIN <= now
    return last.state is ReleaseState.DONE


def _ask_again(tx: Transaction, release: Release, *, site: ReleaseSite) -> Release:
    """Ask for a release that nobody works on any more, once somebody has seen to what stopped it."""
    works = [one for one in tx.inbox.list(subject=release.version_id) if one.kind is WorkKind.RETAIN]
    if any(one.state in {WorkState.READY, WorkState.LEASED} for one in works):
        return release
    acquisition = tx.acquisitions.get(release.acquisition_id)
    saved = tx.releases.save(tx.releases.get(release.release_id).model_copy(update={"reason": None}))
    if acquisition.release is not None and acquisition.held is not None:
        acquisition = tx.acquisitions.save(acquisition.model_copy(update={"held": None}))
    _request(tx, saved, acquisition, key=f"{release.release_id}:{site.clock.new_id()}", clock=site.clock)
    return saved


def _request(tx: Transaction, release: Release, acquisition: Acquisition, *, key: str, clock: Clock) -> None:
    request_work(
        tx,
        WorkKind.RETAIN,
        release.version_id,
        key=f"release:{key}",
        parameters={"release_id": release.release_id},
        fairness=acquisition.instrument,
        not_before=release.due_at,
        clock=clock,
    )
