"""Says what an erasure would take, what speaks against it, and what it cannot reach. It only looks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cisterna.domain.account import Account, Role
from cisterna.domain.acquisition import SourceState
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset
from cisterna.domain.deposit import DepositState
from cisterna.domain.erasure import (
    ErasedObject,
    Erasure,
    Objection,
    Obstacles,
    Remainder,
    RemovalKind,
    objections,
    scope_of,
)
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound, StoreForbids, StoreUnavailable
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.release import ReleaseState
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.erasure import Content, Eraser, Onlooker
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicShelf, Publisher
from cisterna.ports.retention import EndOfLife
from cisterna.services.person import require_account, require_no_part

_MAKES = frozenset({WorkKind.INFER, WorkKind.CONVERT})


class PublicPlace(Publisher, PublicShelf, Protocol):
    """A target whose records can be read back and turned into tombstones."""


@dataclass(frozen=True, kw_only=True)
class SurveySite:
    """What looking at an erasure, and deciding on one, stands on. Nothing of it deletes.

    Attributes:
        store: The archive, which keeps the tombstone.
        copies: Stores of copies, by the name that receipts call them.
        onlooker_of: Opens a store for looking by its name. Raises `NotFound` for one that is not configured any more.
        public: Where versions are made public.
        public_store: Name of the store that it lies in.
        lineage: Where lineage events went, in words.
        end_of_life: Says when retention ends; None where no policies are kept.
    """

    catalogue: Catalogue
    store: ObjectStore
    copies: Collection[str]
    onlooker_of: Callable[[str], Onlooker]
    public: PublicShelf
    public_store: str
    clock: Clock
    lineage: Sequence[str] = ()
    end_of_life: EndOfLife | None = None


@dataclass(frozen=True, kw_only=True)
class ErasureSite(SurveySite):
    """What carrying an erasure out stands on.

    Attributes:
        eraser_of: Opens a store for deletion by its name. Raises `NotFound` for one that is not configured any more.
    """

    copies: Mapping[str, ObjectStore]
    public: PublicPlace
    eraser_of: Callable[[str], Eraser]


class StoreContent(Value):
    """What one store holds of one dataset; `problem` says why that could not be seen."""

    store: str
    dataset_id: str
    content: Content | None = None
    problem: str | None = None


class ErasurePlan(Value):
    """What would go, and what would not.

    Attributes:
        erasure: The one that is on record already; running it again goes on with it.
        objects: Datasets that go with everything below their object roots: the named one, then what was derived.
        stores: What each store holds of each.
        public: Public records that become tombstones, as `ark version`.
        remains: What no erasure reaches from here.
        objections: What speaks against beginning now.
        scope: Names the datasets and versions that go; a decision repeats it, so that it is about these.
    """

    kind: RemovalKind
    target: str
    acquisition_id: str | None
    objects: tuple[ErasedObject, ...]
    stores: tuple[StoreContent, ...]
    public: tuple[str, ...]
    remains: tuple[Remainder, ...]
    objections: tuple[Objection, ...]
    scope: str
    erasure: Erasure | None = None


def plan_erasure(
    identifier: str, *, person: str, site: SurveySite, kind: RemovalKind = RemovalKind.ERASURE
) -> ErasurePlan:
    """Look at everything an erasure would touch, and delete nothing.

    Args:
        identifier: Of a dataset or an acquisition, or a PID. No pattern: one thing, named in full.
        person: Account name of an administrator.
        site: Where data lie.
        kind: Why it is to go.

    Raises:
        Forbidden: The person is no administrator of the data's project.
        NotFound: There is no such dataset.
    """
    with site.catalogue.begin() as tx:
        require_admin(tx, identifier, person)
        target = find_dataset(tx, identifier)
        erasure = tx.erasures.of(target.dataset_id)
        objects = erasure.objects if erasure else doomed(tx, target, kind=kind)
        stores = erasure.stores if erasure else stores_of(tx, objects, site)
        found = obstacles(tx, objects, target, kind=kind, site=site)
        remains = [*beyond(tx, target, objects, site), *recipients(tx, objects)]
    contents = [look_at(store, one, site) for store in stores for one in objects]
    locks = [(f"{one.dataset_id} in {one.store}", one.content.lock) for one in contents if one.content]
    found = found.model_copy(update={"locks": tuple((where, lock) for where, lock in locks if lock)})
    is_open = erasure is None
    return ErasurePlan(
        kind=erasure.order.kind if erasure else kind,
        target=target.dataset_id,
        acquisition_id=target.acquisition_id,
        objects=objects,
        stores=tuple(contents),
        public=_public_records(objects, site),
        remains=tuple(remains),
        objections=objections(found, kind=kind, now=site.clock.now()) if is_open else (),
        scope=scope_of(objects),
        erasure=erasure,
    )


def require_admin(tx: Transaction, identifier: str, person: str) -> Account:
    """Return the account if it may decide that data go. Raises `Forbidden`, `NotFound`."""
    account = require_account(tx, person)
    project = find_dataset(tx, identifier).project
    if not account.has_role(Role.ADMIN, project=project):
        msg = f"{person} is no administrator of the data; only one can decide that they are erased"
        raise Forbidden(msg, person=person)
    return account


def find_dataset(tx: Transaction, identifier: str) -> Dataset:
    """Find the one dataset that is meant. Raises `NotFound`; a version is no dataset, since all of them go."""
    found: Dataset | None = None
    try:
        if identifier.startswith("ds-"):
            found = tx.datasets.get(identifier)
        elif identifier.startswith("ark:/"):
            found = tx.datasets.by_pid(identifier)
        elif identifier.startswith("acq-"):
            seen = tx.acquisitions.get(identifier)
            found = tx.datasets.get(seen.dataset_id) if seen.dataset_id else None
    except (NotFound, InvalidInput):  # what no catalogue can hold names nothing
        found = None
    if found is None:
        shown = ascii(identifier[:200])
        msg = f"{shown} is no dataset, acquisition with a dataset, or PID; all versions go, so name no version"
        raise NotFound(msg, identifier=identifier[:200])
    require_no_part(tx, found)
    return found


def doomed(tx: Transaction, target: Dataset, *, kind: RemovalKind) -> tuple[ErasedObject, ...]:
    """Name the dataset with its parts and, for data protection, all that was made from it.

    What has an erasure of its own has gone.
    """
    found = {target.dataset_id: target}
    waiting = [target]
    while waiting:
        source = waiting.pop().dataset_id
        derived = tx.datasets.derived_from(source) if kind is RemovalKind.ERASURE else ()
        for one in (*tx.datasets.parts_of(source), *derived):
            if one.dataset_id not in found and tx.erasures.of(one.dataset_id) is None:
                found[one.dataset_id] = one
                waiting.append(one)
    return tuple(
        ErasedObject(
            dataset_id=one.dataset_id,
            pid=one.pid,
            object_root=one.object_root,
            versions=tuple(version.label for version in tx.datasets.versions(one.dataset_id)),
        )
        for one in found.values()
    )


def stores_of(tx: Transaction, objects: Sequence[ErasedObject], site: SurveySite) -> tuple[str, ...]:
    """Name every store that may hold something: those there are, and those that ever gave a receipt."""
    told = [
        receipt.store
        for one in objects
        for version in tx.datasets.versions(one.dataset_id)
        for receipt in tx.datasets.receipts(version.version_id)
    ]
    return tuple(dict.fromkeys([site.store.name, *site.copies, *tx.copies.stores(), *sorted(told)]))


def obstacles(
    tx: Transaction, objects: Sequence[ErasedObject], target: Dataset, *, kind: RemovalKind, site: SurveySite
) -> Obstacles:
    """Gather what the catalogue says against it."""
    datasets = [tx.datasets.get(one.dataset_id) for one in objects]
    acquisitions = {one.acquisition_id for one in datasets if one.acquisition_id}
    releases = [release for one in sorted(acquisitions) for release in tx.releases.of(one)]
    due = None
    if kind is RemovalKind.RETENTION and site.end_of_life is not None:
        due = site.end_of_life.due(target.dataset_id)
    return Obstacles(
        holds=holds_on(tx, objects),
        under_way=tuple(under_way(tx, objects)),
        release_begun=any(one.state is ReleaseState.BEGUN for one in releases),
        due_at=due,
    )


def holds_on(tx: Transaction, objects: Sequence[ErasedObject]) -> tuple[Hold, ...]:
    """Give the holds that stand on any of the datasets, on their acquisitions or on their projects."""
    datasets = [tx.datasets.get(one.dataset_id) for one in objects]
    targets = [(HoldScope.DATASET, one.dataset_id) for one in datasets]
    acquisitions = {one.acquisition_id for one in datasets if one.acquisition_id}
    targets += [(HoldScope.ACQUISITION, one) for one in sorted(acquisitions)]
    targets += [(HoldScope.PROJECT, one) for one in sorted({one.project for one in datasets if one.project})]
    return tuple(tx.holds.standing_on(targets))


def under_way(tx: Transaction, objects: Sequence[ErasedObject]) -> list[str]:
    """Name work that somebody does now and that writes for one of the datasets.

    A derivation is work on what it is made from, and writes for what is made.
    """
    sources = [
        f"{relation.dataset_id}:{relation.version}"
        for one in objects
        for relation in tx.datasets.get(one.dataset_id).relations
    ]
    own = [work for subject in subjects_of(tx, objects) for work in tx.inbox.list(subject=subject)]
    making = [work for subject in sources for work in tx.inbox.list(subject=subject) if work.kind in _MAKES]
    leased = [work for work in (*own, *making) if work.state is WorkState.LEASED]
    return sorted({f"{work.kind.value} {work.subject}" for work in leased})


def subjects_of(tx: Transaction, objects: Sequence[ErasedObject]) -> list[str]:
    """Name what work for these datasets alone is about: their versions, and acquisitions."""
    found: list[str] = []
    for one in objects:
        acquisition_id = tx.datasets.get(one.dataset_id).acquisition_id
        found += [one.dataset_id, *(version.version_id for version in tx.datasets.versions(one.dataset_id))]
        found += [acquisition_id] if acquisition_id else []
    return list(dict.fromkeys(found))


def look_at(store: str, one: ErasedObject, site: SurveySite) -> StoreContent:
    """Count what a store holds of a dataset; a store that does not answer says so in words."""
    try:
        content = site.onlooker_of(store).look(one.object_root, pid=one.pid)
    except (StoreUnavailable, StoreForbids, NotFound) as failure:
        return StoreContent(store=store, dataset_id=one.dataset_id, problem=str(failure))
    return StoreContent(store=store, dataset_id=one.dataset_id, content=content)


def beyond(tx: Transaction, target: Dataset, objects: Sequence[ErasedObject], site: SurveySite) -> list[Remainder]:
    """Name what no deletion of ours reaches, each with the reason."""
    told = []
    if target.acquisition_id is not None:
        seen = tx.acquisitions.get(target.acquisition_id)
        where = f"instrument {seen.instrument}, acquisition {seen.acquisition_id}"
        if seen.source_state is not SourceState.RELEASED:
            reason = "the source is the instrument's, and a release needs copies: have it deleted there by hand"
            told.append(("the source copy", where, reason))
        reason = "the folder's name stays in the catalogue, so that the same run is known again and refused"
        told.append(("the name of the run's folder", "the catalogue", reason))
    told += [
        ("lineage that was delivered", place, "what was sent is no longer ours; ask whoever runs it")
        for place in site.lineage
    ]
    told += [
        (f"what stands at the target {one.target}", one.doi or one.key, _OUTSIDE)
        for named in objects
        for one in tx.deposits.of(named.dataset_id)
        if not (one.is_erased and one.state is DepositState.WITHDRAWN)
    ]
    told += [
        ("holds and their reasons", "the catalogue", "who held what is never removed")
        for hold in tx.holds.list()
        if hold.target in {target.dataset_id, target.acquisition_id}
    ][:1]
    told += [
        ("backups, and logs of programs", "the database's backups, the home's folder logs, Prefect's history", _ROTATE),
        (
            "previews that were shown lately",
            "the memory of the web process",
            "no page reaches them; a restart drops them",
        ),
        ("copies that people took", "wherever they are", "restored or downloaded files are not ours; ask who has them"),
    ]
    return [Remainder(what=what, where=where, reason=reason, is_open=False) for what, where, reason in told]


def recipients(tx: Transaction, objects: Sequence[ErasedObject]) -> Iterator[Remainder]:
    """Name who was given the data, and where copies were made for them: the erasure itself forgets them."""
    versions = [one for named in objects for one in tx.datasets.versions(named.dataset_id)]
    for delivery in (one for version in versions for one in tx.deliveries.of(version.version_id)):
        proof = delivery.handed_over
        where = delivery.recipient if proof is None else f"{delivery.recipient}, copy in {proof.folder}"
        reason = "tell them before it is carried out, which forgets them: what they have is not ours to delete"
        yield Remainder(what=f"delivery of {delivery.version_id}", where=where, reason=reason, is_open=False)


_OUTSIDE = "it is to be withdrawn there, and its page says when it is; ask whoever runs it to remove what still shows"
_ROTATE = "they hold ids and messages and go with their own rotation"


def _public_records(objects: Sequence[ErasedObject], site: SurveySite) -> tuple[str, ...]:
    try:
        return tuple(f"{one.pid} {record.version}" for one in objects for record in site.public.versions(one.pid))
    except StoreUnavailable:
        return (f"{site.public_store} does not answer; what is public could not be seen",)
