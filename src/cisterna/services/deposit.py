"""Carries public versions to places outside, one step at a time, and never in a transaction while it speaks to one.

What is to be done is a row of the catalogue. Who takes it claims it for a while; what came of it is written afterwards.
A kill in between leaves the row as it was: the claim runs out, the step is made again, and the target finds by its key
what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cisterna.domain.access import Extent
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.deposit import (
    Deposit,
    DepositState,
    DepositWish,
    after_failure,
    after_success,
    claims_of,
    deposit_key,
    overtaken,
    own_doi,
    to_withdraw,
)
from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    IdentifierPending,
    LeaseLost,
    PublicationRefused,
    ReviewPending,
    TargetRefused,
)
from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import Elsewhere, PublicRecord, Publisher
from cisterna.ports.quality import TableFile
from cisterna.ports.target import DepositRequest, ReserveRequest, Target
from cisterna.services.attempt import error_words, is_retryable
from cisterna.services.deposit_wish import RESTRICTED_AGAIN, new_wish, tell_deposit
from cisterna.services.disclosure import access_now
from cisterna.services.public_bytes import ArchivedBytes
from cisterna.services.public_entry import entry_of
from cisterna.services.public_record import standing

CLAIMED = timedelta(minutes=30)
"""How long a claim lasts without a sign of life: longer than any request but an upload, which gives signs."""
_BEAT_SECONDS = 60.0
_TOLD = {
    DepositState.DEPOSITED: "deposit.made",
    DepositState.FAILED: "deposit.failed",
    DepositState.RESERVED: "deposit.reserved",
    DepositState.WITHDRAWN: "deposit.withdrawn",
}


@dataclass(frozen=True)
class DepositSite:
    """What deposits stand on.

    Attributes:
        store: The archive.
        publisher: The portal: what it has made public is what goes out.
        base_url: Address of the site.
        home: Name of the home that this is done from, which no other on the same catalogue has.
    """

    catalogue: Catalogue
    store: ObjectStore
    tables: TableFile
    publisher: Publisher
    clock: Clock
    base_url: str
    home: str


def carry_next(target: Target, *, site: DepositSite) -> DepositWish | None:
    """Take what is due longest at a target one step on, and return how it stands now; None when nothing is due.

    Raises:
        CatalogueUnavailable: Nothing is lost; the step is made again.
    """
    now = site.clock.now()
    with site.catalogue.begin() as tx:
        claim = claims_of(site.home) + site.clock.new_id()
        wish = tx.deposits.claim(target.name, now=now, until=now + CLAIMED, claim=claim)
    if wish is None:
        return None
    try:
        return _done(wish, _act(wish, target, site), target, site)
    except LeaseLost:
        return _lost(wish, site)
    except CisternaError as error:
        return _failed(wish, error, site)
    except Exception as error:  # noqa: BLE001 - a defect of one target must not keep back what waits behind
        return _failed(wish, error, site)


@dataclass(frozen=True)
class ReserveSite:
    """What reservations stand on.

    Attributes:
        base_url: Address of the site.
    """

    catalogue: Catalogue
    clock: Clock
    base_url: str


def reserve_identifiers(
    version: Version,
    dataset: Dataset,
    names: Sequence[str],
    person: str,
    *,
    lease: Attempt | None,
    targets: Mapping[str, Target],
    site: ReserveSite,
) -> None:
    """Have every named target that gives identifiers before publication give its own; a second run finds them.

    Args:
        version: That is to be made public.
        dataset: Of the version.
        names: Of targets, as its project names them.
        person: On whose word.
        lease: Of the attempt that does it.
        targets: Those that there are, by name.
        site: Keeps and dates what was reserved.

    Raises:
        IdentifierPending: A target does not answer now; the same call may succeed later.
        TargetRefused: A target gives none; a person has to act.
        PublicationRefused: The settings do not name a target that is wanted.
    """
    unknown = [name for name in names if name not in targets]
    if unknown:  # it may be the one that gives the DOI
        msg = f"{version.version_id} waits: its project names the target '{unknown[0]}' and the settings do not"
        raise PublicationRefused(msg, version_id=version.version_id, target=unknown[0])
    for target in (targets[name] for name in names if targets[name].reserves):
        wish = _to_reserve(version, dataset, target.name, person=person, lease=lease, site=site)
        if wish.doi is not None:
            continue
        request = ReserveRequest(
            key=wish.key, pid=wish.pid, version=wish.version, address=f"{site.base_url.rstrip('/')}/{wish.pid}"
        )
        try:
            reserved = _reserved(target, request)
        except CisternaError as error:
            may_help, words = is_retryable(error), error_words(error)
            with site.catalogue.begin() as tx:
                known = tx.deposits.find(wish.key) or wish
                if known.doi is None:
                    tx.deposits.put(after_failure(known, words, may_help=may_help, now=site.clock.now()))
            if not may_help:
                raise
            msg = f"{version.version_id} waits for its DOI, which {target.title} has not reserved yet: {words}"
            raise IdentifierPending(msg, version_id=version.version_id, target=target.name) from error
        with site.catalogue.begin() as tx:
            known = tx.deposits.find(wish.key) or wish
            if known.doi is None:  # else another attempt was quicker, and what it made may stand by now
                saved = after_success(known, reserved, now=site.clock.now())
                tx.deposits.put(saved)
                tell_deposit(tx, "deposit.reserved", saved, clock=site.clock)


def _to_reserve(
    version: Version, dataset: Dataset, target: str, *, person: str, lease: Attempt | None, site: ReserveSite
) -> DepositWish:
    now = site.clock.now()
    with site.catalogue.begin() as tx:
        if lease is not None:
            tx.inbox.require_lease(lease)
        tx.datasets.lock(dataset.dataset_id)
        known = tx.deposits.find(deposit_key(version.version_id, target=target))
        wish = known or new_wish(version, dataset, target, person=person, next_at=None, now=now)
        if wish.state is DepositState.FAILED and wish.deposit is None:
            wish = wish.model_copy(update={"state": DepositState.WANTED, "attempts": 0, "next_at": None})
        wish = wish.model_copy(update={"is_own": True})
        tx.deposits.put(wish)
        return wish


def _reserved(target: Target, request: ReserveRequest) -> Deposit:
    reserved = target.reserve(request)
    if reserved is None or reserved.doi is None:
        msg = f"{target.title} was to reserve a DOI for {request.key} and gave none; look at its settings"
        raise TargetRefused(msg, target=target.name)
    return reserved


def _act(wish: DepositWish, target: Target, site: DepositSite) -> Deposit | None:
    record = site.publisher.find(wish.pid, version=wish.version)
    if wish.keeps_description and target.narrows and (kept := _narrowed(wish, record, target, site)):
        return kept
    if wish.reason is not None:
        return _withdrawn(wish, record, wish.reason, target, site)
    if record is None or record.tombstone is not None:
        msg = f"{wish.version_id} is not public here, and only what is goes to {target.title}; publish it first"
        raise PublicationRefused(msg, version_id=wish.version_id)
    if record.extent is not Extent.FILES and not target.narrows and _is_shown_still(wish):
        return _withdrawn(wish, record, RESTRICTED_AGAIN, target, site)
    return _deposited(wish, record, target, site)


def _is_shown_still(wish: DepositWish) -> bool:
    """Tell whether the target said that it could not hide what it was to withdraw: that may have files."""
    there = wish.deposit
    return there is not None and there.state is DepositState.WITHDRAWN and there.remark is not None


def _withdrawn(
    wish: DepositWish, record: PublicRecord | None, reason: str, target: Target, site: DepositSite
) -> Deposit | None:
    request = _request(wish, _tombstone(wish, record, reason, site), site)
    request = request.model_copy(update={"was_public": record is not None})
    gone = target.withdraw(request, known=wish.deposit, reason=reason)
    return gone if gone is None else _require_state(gone, DepositState.WITHDRAWN, target)


def _deposited(wish: DepositWish, record: PublicRecord, target: Target, site: DepositSite) -> Deposit:
    with site.catalogue.begin() as tx:
        _require_open(tx, wish, record, clock=site.clock)
    beat = _Beat(wish, record, site)
    files = ArchivedBytes(site.store, site.tables, beat=beat)
    done = target.deposit(_request(wish, record, site), known=wish.deposit, files=files)
    return _require_state(done, DepositState.DEPOSITED, target)


def _narrowed(wish: DepositWish, record: PublicRecord | None, target: Target, site: DepositSite) -> Deposit | None:
    """Let the description alone take the place of what stands there; None where it has to be withdrawn after all.

    Raises:
        Conflict: The portal shows the files still: it is being brought to what access allows, and this waits for it.
    """
    if record is None or record.tombstone is not None:
        return None
    if record.extent is Extent.FILES:
        msg = f"{wish.version_id} is being narrowed to its description here; {target.title} follows in a moment"
        raise Conflict(msg, version_id=wish.version_id)
    try:
        return _deposited(wish, record, target, site)
    except (PublicationRefused, TargetRefused):  # no files stay there because of a description
        return None


def _require_open(tx: Transaction, wish: DepositWish, record: PublicRecord, *, clock: Clock) -> None:
    """Refuse what is public here and may be so no longer: what goes out now would be out for good."""
    version, dataset = tx.datasets.get_version(wish.version_id), tx.datasets.get(wish.dataset_id)
    allowed = access_now(tx, version, dataset, clock=clock).extent
    if allowed is Extent.NOTHING or not record.extent.is_within(allowed):
        msg = f"access to {wish.version_id} is stricter than what is public of it, so it goes nowhere; ask again later"
        raise PublicationRefused(msg, version_id=wish.version_id)


def _require_state(deposit: Deposit, state: DepositState, target: Target) -> Deposit:
    if deposit.state is not state:
        msg = f"{target.title} was to say that {deposit.outside_id} is {state}, and says that it is {deposit.state}"
        raise TargetRefused(msg, target=target.name)
    return deposit


class _Beat:
    """Holds a claim for as long as bytes go, and finds out when it is void or they may go no longer."""

    def __init__(self, wish: DepositWish, record: PublicRecord, site: DepositSite) -> None:
        self._wish = wish
        self._record = record
        self._site = site
        self._last = site.clock.monotonic()

    def __call__(self) -> None:
        clock = self._site.clock
        if clock.monotonic() - self._last < _BEAT_SECONDS:
            return
        self._last = clock.monotonic()
        with self._site.catalogue.begin() as tx:
            tx.deposits.renew(self._wish.key, claim=self._wish.claim or "", until=clock.now() + CLAIMED)
            _require_open(tx, self._wish, self._record, clock=clock)


def _request(wish: DepositWish, record: PublicRecord, site: DepositSite) -> DepositRequest:
    with site.catalogue.begin() as tx:
        others = [one for one in reversed(tx.deposits.of(wish.dataset_id)) if one.target == wish.target]
    stood = [(one.created_at < wish.created_at, one.deposit) for one in others if one.deposit and one.key != wish.key]
    return DepositRequest(
        key=wish.key,
        pid=wish.pid,
        version=wish.version,
        address=f"{site.base_url.rstrip('/')}/{wish.pid}",
        record=record,
        doi=record.doi,
        earlier=tuple(deposit for is_earlier, deposit in stood if is_earlier),
        later=tuple(deposit for is_earlier, deposit in stood if not is_earlier),
    )


def _tombstone(wish: DepositWish, record: PublicRecord | None, reason: str, site: DepositSite) -> PublicRecord:
    """Give what the portal shows of what was withdrawn; where that is gone too, or all is to go, a name and why."""
    if record is not None and record.tombstone is not None and not wish.is_erased:
        return record
    if record is None:
        with site.catalogue.begin() as tx:
            doi = own_doi(one for one in tx.deposits.of(wish.dataset_id) if one.version_id == wish.version_id)
    else:
        doi = record.doi
    return PublicRecord(
        pid=wish.pid,
        dataset_id=wish.dataset_id,
        version=wish.version,
        title=wish.pid,
        metadata={},
        doi=doi,
        published_at=record.published_at if record else wish.created_at,
        withdrawn_at=wish.changed_at,
        tombstone=reason,
    )


def _done(wish: DepositWish, deposit: Deposit | None, target: Target, site: DepositSite) -> DepositWish:
    with site.catalogue.begin() as tx:
        tx.datasets.lock(wish.dataset_id)  # before the row, as whoever publishes or withdraws does
        current = tx.deposits.find(wish.key) or wish
        if current.claim != wish.claim:
            if deposit is not None and current.deposit is None:  # withdrawn meanwhile: that shall find what stands
                current = current.model_copy(update={"deposit": deposit})
            return _overtaken(tx, current, site)
        saved = after_success(current, deposit, now=site.clock.now())
        if current.once_more:
            return _overtaken(tx, saved, site)
        tx.deposits.put(saved)
        if saved.state in _TOLD:
            tell_deposit(tx, _TOLD[saved.state], saved, clock=site.clock)
        if saved.state is DepositState.DEPOSITED:
            _show_elsewhere(tx, saved, target, site)
    return saved


def _lost(wish: DepositWish, site: DepositSite) -> DepositWish:
    with site.catalogue.begin() as tx:
        tx.datasets.lock(wish.dataset_id)
        current = tx.deposits.find(wish.key)
        return wish if current is None else _overtaken(tx, current, site)


def _overtaken(tx: Transaction, current: DepositWish, site: DepositSite) -> DepositWish:
    """Say that what another has done meanwhile is to be done again: ours may have come after it, and undone it."""
    now = site.clock.now()
    publication = standing(tx.datasets.publications(current.version_id))
    is_described = publication is not None and publication.extent is Extent.METADATA
    if is_described and current.claim is None and current.state is DepositState.DEPOSITED:  # by now it may have files
        saved = to_withdraw(current, RESTRICTED_AGAIN, keeps_description=True, now=now)
    else:
        saved = overtaken(current, now=now)
    tx.deposits.put(saved)
    return saved


def _show_elsewhere(tx: Transaction, wish: DepositWish, target: Target, site: DepositSite) -> None:
    """Let the landing page tell where else it stands; of who gives its DOI, that this leads here now."""
    record = site.publisher.find(wish.pid, version=wish.version)
    if record is None or record.tombstone is not None or standing(tx.datasets.publications(wish.version_id)) is None:
        return
    deposit = wish.deposit
    if deposit is None or (deposit.doi or deposit.address) is None:
        return  # nobody outside could go there
    is_same = deposit.doi is not None and deposit.doi == record.doi
    doi = None if is_same else deposit.doi
    said = Elsewhere(target=target.name, title=target.title, address=deposit.address, doi=doi)
    others = [one for one in record.elsewhere if one.target != target.name]
    is_own = is_same and target.reserves  # others repeat the DOI that they were told, also while it is a draft
    told: dict[str, object] = {"doi_leads_here": True} if is_own else {"elsewhere": (*others, said)}
    shown = record.model_copy(update=told)
    if shown != record:
        site.publisher.publish(shown)
        tx.public_index.put([entry_of(shown, base_url=site.base_url)], clock=site.clock)


def _failed(wish: DepositWish, error: Exception, site: DepositSite) -> DepositWish:
    with site.catalogue.begin() as tx:
        tx.datasets.lock(wish.dataset_id)
        current = tx.deposits.find(wish.key) or wish
        if current.claim != wish.claim:
            return _overtaken(tx, current, site)
        saved = after_failure(
            current,
            error_words(error),
            may_help=is_retryable(error),
            counts=not isinstance(error, ReviewPending),
            wait=_wait(error),
            now=site.clock.now(),
        )
        tx.deposits.put(saved)
        if saved.state is DepositState.FAILED:
            tell_deposit(tx, "deposit.failed", saved, clock=site.clock)
    return saved


def _wait(error: Exception) -> timedelta | None:
    asked = error.facts.get("retry_after_seconds") if isinstance(error, CisternaError) else None
    return timedelta(seconds=asked) if isinstance(asked, int) else None
