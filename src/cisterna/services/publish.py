"""Makes an accepted version public, and takes it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import Forbidden, PublicationRefused
from cisterna.domain.permission import may_withdraw
from cisterna.domain.publication import Publication
from cisterna.domain.publishing import Bar, consent_given, embargo_alone, publication_bars
from cisterna.domain.review import Decision, standing_consent
from cisterna.domain.work import Attempt, Work, WorkKind, WorkState
from cisterna.metadata.record import untaken
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicRecord, Publisher
from cisterna.ports.quality import TableFile
from cisterna.ports.target import Target
from cisterna.services.consent import BY_REQUEST, consenting, counts, record_consent
from cisterna.services.decision_record import require_reason
from cisterna.services.deposit import ReserveSite, reserve_identifiers
from cisterna.services.deposit_wish import reserved_doi, unreserved, want_deposits, withdraw_deposits
from cisterna.services.disclosure import (
    access_now,
    misnamed_relations,
    newer_revisions,
    project_of,
    sources_of,
)
from cisterna.services.person import require_account, visible_version
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import bare_record, public_record, standing, was_public, what_is_said
from cisterna.services.quarantine import is_given_up, kept_back_sources
from cisterna.services.shadow import keep_from_shadow, shadows_over
from cisterna.services.transition import advance, announce
from cisterna.services.work_request import request_work

_TAKEN_BACK = "It was made public and then taken back before its publication was complete."
"""For the public to read: it tells nothing of what is not public."""


def request_publication(version_id: str, *, person: str, catalogue: Catalogue, clock: Clock) -> Work | Decision:
    """Ask for a version to be made public, with the consent of who asks, which goes on record.

    Asking again while a request is on its way is the same request; after one that failed it is another. Under an
    embargo that has an end, and with nothing else in the way, the consent is kept: on that day a round asks.

    Args:
        version_id: An accepted version.
        person: Account name; its word counts as consent if it is the project's owner's or an administrator's.
        catalogue: Where the work is requested.
        clock: Dates it.

    Returns:
        The work; or, where it waits for the end of an embargo, the consent.

    Raises:
        PublicationRefused: A condition is not met; the message names each.
        NotFound: There is no such version, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        account = require_account(tx, person)
        version, dataset, project = visible_version(tx, version_id, account)
        bars = _bars(tx, version, dataset, consent=_word_of(tx, version, dataset, person), clock=clock)
        may = project is not None and counts(tx, person, project)
        if bars and not (may and embargo_alone(bars)):
            raise _refusal(version, bars)
        given = None
        if may and project is not None:
            given = record_consent(tx, version, project, person=person, reason=BY_REQUEST, clock=clock)
        if bars and given is not None:
            return given
        earlier = [work for work in tx.inbox.list(subject=version_id) if work.kind is WorkKind.PUBLISH]
        under_way = [work for work in earlier if work.state in {WorkState.READY, WorkState.LEASED}]
        if under_way:
            return under_way[-1]
        key = f"publish:{version_id}:{person}:{len(earlier) + 1}"
        return request_work(tx, WorkKind.PUBLISH, version_id, key=key, clock=clock)


def bars_to_publication(version_id: str, *, person: str, catalogue: Catalogue, clock: Clock) -> tuple[Bar, ...]:
    """Say what stands in the way if this person asked for publication now; empty when nothing does."""
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        waits = [f"{one.target}: {one.problem or 'it was not asked yet'}" for one in unreserved(tx, version)]
        return _bars(tx, version, dataset, consent=_word_of(tx, version, dataset, person), waits=waits, clock=clock)


def ended_embargo(tx: Transaction, version: Version, dataset: Dataset, *, clock: Clock) -> str | None:
    """Name the embargo that somebody's consent waited for, by its last day, if nothing keeps the version back now."""
    ended = access_now(tx, version, dataset, clock=clock).ended
    if ended is None or _bars(tx, version, dataset, consent=consenting(tx, version, dataset), clock=clock):
        return None
    given = standing_consent(tx.datasets.decisions(version.version_id), evidence_digest=version.evidence_digest)
    if given is None:
        return None
    # Of a consent at midnight, and of an embargo that was made shorter, the end lies before it, and nobody has asked.
    works = tx.inbox.list(subject=version.version_id)
    asked = any(work.kind is WorkKind.PUBLISH and work.created_at >= given.decided_at for work in works)
    return ended.isoformat() if given.decided_at.date() < ended or not asked else None


def publish_version(
    version_id: str,
    *,
    lease: Attempt | None,
    catalogue: Catalogue,
    store: ObjectStore,
    publisher: Publisher,
    tables: TableFile,
    clock: Clock,
    base_url: str,
    targets: Mapping[str, Target] | None = None,
) -> Publication:
    """Make an accepted version public, as far as access allows, by a consent that is on record.

    First every target that its project names and that gives DOIs has to reserve one.

    A second run writes the same record again and finds the version published. The stage is taken first and held while
    the target is written, so that nobody can reopen the review in between; a kill before the commit leaves a record
    that the next run either confirms or, should a condition no longer hold, turns into a tombstone.

    Args:
        version_id: The version.
        lease: Of the attempt that does this, when a worker does.
        catalogue: Where it is recorded.
        store: The archive that the record is read from.
        publisher: The portal.
        tables: Reads the object's tables.
        clock: Dates it.
        base_url: Address of the site, for the landing page's own.
        targets: Places outside that there are, by name; None where nobody asks any for a DOI.

    Raises:
        IdentifierPending: Its DOI could not be reserved now; nothing is public, and the same call goes on.
        TargetRefused: Its DOI was refused; nothing is public.
        PublicationRefused: A condition is not met; the message names each.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        standing_now = standing(tx.datasets.publications(version_id))
        if version.stage is Stage.PUBLISHED and standing_now is not None:
            return standing_now
        try:
            word = _require_publishable(tx, version, dataset, clock=clock)
        except PublicationRefused:
            take_back_unrecorded(tx, version_id, publisher=publisher, clock=clock)
            raise
        said = what_is_said(tx, version, dataset, access=access_now(tx, version, dataset, clock=clock))
        targeted = project.policy.targets if (project := project_of(tx, dataset)) else ()
    if targets is not None:
        reserve_identifiers(
            version, dataset, targeted, word, lease=lease, targets=targets, site=ReserveSite(catalogue, clock, base_url)
        )
    with catalogue.begin() as tx:
        doi = reserved_doi(tx, version, targeted)
    found = publisher.find(dataset.pid, version=version.label)
    published_at = found.published_at if found else clock.now()
    record, lacking = public_record(
        said, store=store, tables=tables, base_url=base_url, published_at=published_at, doi=doi
    )
    with catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        keep_from_shadow(tx, dataset)
        allowed = _require_still(tx, version, dataset, record.extent, publisher=publisher, clock=clock)
        saved = advance(tx, version, Stage.PUBLISHED, clock=clock, pid=dataset.pid)
        publication = _made_public(version, dataset, record, publisher, allowed, lacking=lacking)
        tx.datasets.put_publication(publication)
        want_deposits(tx, saved, dataset, targeted, person=allowed, clock=clock)
        tell_publication(tx, "publication.made", publication, saved, dataset, clock=clock)
        tx.public_index.put([entry_of(record, base_url=base_url)], clock=clock)  # last: others who write wait from here
    return publication


def _made_public(
    version: Version,
    dataset: Dataset,
    record: PublicRecord,
    publisher: Publisher,
    allowed: str,
    *,
    lacking: dict[str, str],
) -> Publication:
    return Publication(
        publication_id=f"{version.version_id}@{publisher.name}",
        version_id=version.version_id,
        target=publisher.name,
        pid=dataset.pid,
        url=publisher.publish(record),
        consent=allowed,
        published_at=record.published_at,
        lacking=lacking,
        extent=record.extent,
    )


def withdraw_version(
    version_id: str,
    *,
    person: str,
    reason: str,
    lease: Attempt | None = None,
    catalogue: Catalogue,
    publisher: Publisher | None,
    clock: Clock,
) -> Publication:
    """Take a publication back; a tombstone with the reason stays under its PID.

    It leaves the index of what is public, then the public record goes and the catalogue follows, so that a kill in
    between leaves nothing public that was taken back; a second run finds the tombstone standing and completes.

    Args:
        version_id: A published version.
        person: Account name of the project's owner or of a steward.
        reason: In words, for the public to read.
        lease: Of the attempt that does this, when a worker does.
        catalogue: Where it is recorded.
        publisher: The target; None for a rehearsal, which touches nothing public.
        clock: Dates it.

    Raises:
        Forbidden: The person may not.
        InvalidInput: There is no reason.
        PublicationRefused: It is not published.
    """
    words = require_reason(reason, version_id)
    with catalogue.begin() as tx:
        version, dataset, _ = _withdrawable(tx, version_id, person=person, lease=lease)
        tx.public_index.withdraw(dataset.pid, version.label, clock=clock)
    with catalogue.begin() as tx:
        _, dataset, _ = _withdrawable(tx, version_id, person=person, lease=lease)
        tx.datasets.lock(dataset.dataset_id)  # whoever brings it to what access allows waits, or is waited for
        version, dataset, publication = _withdrawable(tx, version_id, person=person, lease=lease)
        _, withdrawn = take_back(
            tx, version, dataset, publication, person=person, words=words, publisher=publisher, clock=clock
        )
    return withdrawn


def _withdrawable(
    tx: Transaction, version_id: str, *, person: str, lease: Attempt | None
) -> tuple[Version, Dataset, Publication]:
    """Return what stands and this person may withdraw. Raises `Forbidden`, `PublicationRefused`."""
    if lease is not None:
        tx.inbox.require_lease(lease)
    account = require_account(tx, person)
    version, dataset, project = visible_version(tx, version_id, account)
    if not may_withdraw(account, project):
        msg = f"{person} may not withdraw {version_id}; the project's owner or a steward may"
        raise Forbidden(msg, person=person, version_id=version_id)
    tx.datasets.lock(dataset.dataset_id)  # who writes a form that its record lacks waits, or has done it
    publication = standing(tx.datasets.publications(version_id))
    if publication is None:
        msg = f"{version_id} is not published, so there is nothing to withdraw"
        raise PublicationRefused(msg, version_id=version_id)
    return version, dataset, publication


def take_back(
    tx: Transaction,
    version: Version,
    dataset: Dataset,
    publication: Publication,
    *,
    person: str,
    words: str,
    publisher: Publisher | None,
    clock: Clock,
) -> tuple[Version, Publication]:
    """Withdraw a publication that stands, in the transaction of whatever makes it necessary; see `withdraw_version`."""
    now = clock.now()
    tx.datasets.lock(dataset.dataset_id)  # who tells on its public record where else it stands waits, or is seen
    saved = advance(tx, version, Stage.WITHDRAWN, clock=clock, decided_by=person, decision=words)
    withdrawn = publication.model_copy(update={"withdrawn_at": now, "withdrawn_reason": words})
    tx.datasets.put_publication(withdrawn)
    withdraw_deposits(
        tx, dataset.dataset_id, version_id=version.version_id, reason=words, keeps_description=False, clock=clock
    )
    tell_publication(tx, "publication.withdrawn", withdrawn, saved, dataset, clock=clock)
    if publisher is not None:
        found = publisher.find(dataset.pid, version=version.label)
        record = found or _cited_record(version, dataset, publication)
        if access_now(tx, version, dataset, clock=clock).extent is Extent.NOTHING:
            record = bare_record(record)
        publisher.withdraw(record.model_copy(update={"withdrawn_at": now, "tombstone": words}))
    tx.public_index.withdraw(dataset.pid, version.label, clock=clock)
    return saved, withdrawn


def _word_of(tx: Transaction, version: Version, dataset: Dataset, person: str) -> str | None:
    """Return the person if their word would count, else whose word is on record."""
    project = project_of(tx, dataset)
    if project is not None and counts(tx, person, project):
        return person
    return consenting(tx, version, dataset)


def _bars(
    tx: Transaction,
    version: Version,
    dataset: Dataset,
    *,
    consent: str | None,
    waits: Sequence[str] = (),
    clock: Clock,
) -> tuple[Bar, ...]:
    return publication_bars(
        version,
        project_of(tx, dataset),
        day=clock.now().date(),
        decisions=tx.datasets.decisions(version.version_id),
        receipts=[
            receipt
            for subject in (version.version_id, *(part.version_id for part in version.parts))
            for receipt in tx.datasets.receipts(subject)
        ],
        sources=sources_of(tx, dataset),
        revisions=newer_revisions(tx, version),
        are_sources_public=all(
            was_public(tx, relation.dataset_id) for relation in dataset.relations if relation.kind == "IsDerivedFrom"
        ),
        misnamed=misnamed_relations(tx, version),
        untaken=untaken(version.metadata) if version.metadata else (),
        shadows=shadows_over(tx, dataset),
        kept_back=kept_back_sources(tx, dataset),
        is_given_up=is_given_up(tx, version),
        unreserved=waits,
        consent=consent,
    )


def _require_publishable(tx: Transaction, version: Version, dataset: Dataset, *, clock: Clock) -> str:
    """Return whose word allows it. Raises `PublicationRefused` with every condition that is not met."""
    consent, project = consenting(tx, version, dataset), project_of(tx, dataset)
    bars = _bars(tx, version, dataset, consent=consent, clock=clock)
    allowed = consent_given(version, project, consent=consent) if project else None
    if bars or allowed is None:
        raise _refusal(version, bars)
    return allowed


def _require_still(
    tx: Transaction, version: Version, dataset: Dataset, extent: Extent, *, publisher: Publisher, clock: Clock
) -> str:
    """Ask once more, now that the record is read; of what is refused here nobody comes again to see what is left."""
    tx.datasets.lock(dataset.dataset_id)  # who discards another revision of the same data waits, or is seen
    try:
        allowed = _require_publishable(tx, version, dataset, clock=clock)
        _require_no_narrower(tx, version, dataset, extent, clock=clock)
    except PublicationRefused:
        take_back_unrecorded(tx, version.version_id, publisher=publisher, clock=clock)
        raise
    return allowed


def _refusal(version: Version, bars: tuple[Bar, ...]) -> PublicationRefused:
    words = "; ".join(f"{bar.condition} ({bar.remedy})" for bar in bars)
    msg = f"{version.version_id} may not be made public: {words}"
    return PublicationRefused(msg, version_id=version.version_id, conditions=[bar.condition for bar in bars])


def _require_no_narrower(tx: Transaction, version: Version, dataset: Dataset, extent: Extent, *, clock: Clock) -> None:
    """Refuse to show more than may be shown by now: access changed while the record was being read."""
    if not extent.is_within(access_now(tx, version, dataset, clock=clock).extent):
        msg = f"access to {version.version_id} became stricter while it was being made public; ask for it again"
        raise PublicationRefused(msg, version_id=version.version_id)


def take_back_unrecorded(tx: Transaction, version_id: str, *, publisher: Publisher, clock: Clock) -> None:
    """Withdraw what a killed attempt made public and never recorded; what another has recorded meanwhile stands."""
    dataset = tx.datasets.get(tx.datasets.get_version(version_id).dataset_id)
    tx.datasets.lock(dataset.dataset_id)
    version = tx.datasets.get_version(version_id)
    if version.stage in {Stage.PUBLISHED, Stage.WITHDRAWN}:
        return
    found = publisher.find(dataset.pid, version=version.label)
    if found is not None and found.tombstone is None:
        gone = {"withdrawn_at": clock.now(), "tombstone": _TAKEN_BACK}
        publisher.withdraw(bare_record(found).model_copy(update=gone))  # it may be restricted by now


def _cited_record(version: Version, dataset: Dataset, publication: Publication) -> PublicRecord:
    return PublicRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        title=dataset.title,
        metadata=version.metadata or {},
        published_at=publication.published_at,
    )


def tell_publication(
    tx: Transaction, name: str, publication: Publication, version: Version, dataset: Dataset, *, clock: Clock
) -> None:
    """Tell what became of a publication; of what is not open only to those inside."""
    announce(
        tx,
        name,
        publication.version_id,
        project=dataset.project,
        clock=clock,
        data={"dataset_id": dataset.dataset_id, "version": version.label, **publication.model_dump(mode="json")},
        restricted=version.is_restricted,
    )
