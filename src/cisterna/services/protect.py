"""Has the stores themselves keep objects: legal holds, locks until the end of keeping, and marks for another tier.

A hold that is lifted and a mark whose rule no longer applies are taken back, and that is read back as well.

Nothing is remembered as done that was not read back from the store, and what is wanted is worked out anew each time
from holds and rules. So a version that is archived after a hold was placed, a store that was away and a process that
was killed are all settled by the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import CisternaError, StoreForbids, StoreLacks, StoreUnavailable
from cisterna.domain.protection import Aspect, Protection, Standing, Wanted, is_to_look, wanted_of
from cisterna.domain.retention import RetentionRule, winning_rule
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.protection import ObjectKeeper
from cisterna.services.attempt import error_words
from cisterna.services.protect_object import Look, keep_objects, mark_data, unmark_data
from cisterna.services.retention import holds_on, judge_dataset


def protect_all(
    *,
    keepers: Mapping[str, ObjectKeeper],
    stores: Mapping[str, ObjectStore],
    catalogue: Catalogue,
    clock: Clock,
) -> Iterator[Protection]:
    """Ask each store for what is wanted of it and not done yet; a round in which nothing changed asks nothing.

    A second round, or one beside it, sets the same again. A store that is away leaves its part waiting.

    Args:
        keepers: By the names that receipts call the stores, the first one first.
        stores: The same stores, for reading inventories.
        catalogue: Holds, rules, and what was asked before.
        clock: Dates it.

    Raises:
        CatalogueUnavailable: As said there.
    """
    with catalogue.begin() as tx:
        rules = tx.retention_rules.list(standing=True)
        known = {one.dataset_id for one in tx.protections.list()}
        held = {one.target for one in tx.holds.list(standing=True) if one.legal}
        if not known and not held and not any(rule.lock or rule.tier for rule in rules):
            return
        erased = {one for erasure in tx.erasures.list() for one in erasure.dataset_ids}
        datasets = [one for one in tx.datasets.list() if one.dataset_id not in erased]
    by_id = {one.dataset_id: one for one in datasets}
    for dataset in datasets:
        whole = by_id.get(dataset.part_of or "", dataset)
        if dataset.dataset_id in known or _may_want(whole, rules=rules, held=held):
            yield from protect_dataset(
                dataset.dataset_id, keepers=keepers, stores=stores, catalogue=catalogue, clock=clock
            )


def protect_dataset(
    dataset_id: str,
    *,
    keepers: Mapping[str, ObjectKeeper],
    stores: Mapping[str, ObjectStore],
    catalogue: Catalogue,
    clock: Clock,
    now_please: bool = False,
) -> Iterator[Protection]:
    """Ask each store for what is wanted of it for one object.

    Args:
        dataset_id: The dataset.
        keepers: By the names that receipts call the stores, the first one first.
        stores: The same stores, for reading inventories.
        catalogue: Holds, rules, and what was asked before.
        clock: Dates it.
        now_please: Look also where nothing speaks for it.

    Raises:
        NotFound: There is no such dataset.
    """
    first = next(iter(keepers))
    for name, keeper in keepers.items():
        with catalogue.begin() as tx:
            case = _case(tx, dataset_id, name, first=first, clock=clock)
            is_due = now_please and (case.known is not None or not case.wanted.is_nothing)
            if not is_due and not is_to_look(case.known, case.wanted, newest=case.seen, now=clock.now()):
                continue
            tx.protections.put(case.intent(clock))
        done = _ask(case, keeper, stores[name], clock=clock)
        with catalogue.begin() as tx:
            tx.protections.put(done)
        yield done


class _Case:
    """One object in one store: what is wanted, and what was asked before."""

    def __init__(
        self, dataset: Dataset, store: str, *, wanted: Wanted, known: Protection | None, seen: str | None
    ) -> None:
        self.dataset, self.store, self.wanted, self.known, self.seen = dataset, store, wanted, known, seen

    def intent(self, clock: Clock) -> Protection:
        """Say what is about to be asked: a process that dies on the way leaves word of it."""
        waiting = Aspect(standing=Standing.WAITING, words="it was about to be asked of the store")
        return Protection(
            dataset_id=self.dataset.dataset_id,
            store=self.store,
            wanted=self.wanted,
            hold=waiting if self.asks_hold else None,
            lock=waiting if self.wanted.lock else None,
            tier=waiting if self.asks_tier else self.known and self.known.tier,
            objects=self.known.objects if self.known else 0,
            locked_until=self.known.locked_until if self.known else None,
            looked_at=clock.now(),
        )

    @property
    def asks_hold(self) -> bool:
        """Whether a legal hold is to be placed, or one that was asked for is to be lifted."""
        return self.wanted.legal_hold or (self.known is not None and self.known.hold is not None)

    @property
    def asks_tier(self) -> bool:
        """Whether data are to be marked, or marks may be left of a rule that no longer applies.

        Marks that were taken back and not seen any more are not looked for again: nothing else of ours sets any.
        """
        known = self.known
        if self.wanted.tier is not None or known is None or known.tier is None:
            return self.wanted.tier is not None
        return known.wanted.tier is not None or known.tier.standing is not Standing.DONE

    @property
    def may_have_other_marks(self) -> bool:
        """Whether data may be marked for another class than the one that is wanted."""
        known = self.known
        if known is None or known.tier is None:
            return False
        return known.wanted.tier not in {None, self.wanted.tier} or known.tier.standing is Standing.WAITING


def _case(tx: Transaction, dataset_id: str, store: str, *, first: str, clock: Clock) -> _Case:
    dataset, now = tx.datasets.get(dataset_id), clock.now()
    whole = tx.datasets.get(dataset.part_of) if dataset.part_of else dataset  # a part is kept as long as its whole
    retention = judge_dataset(tx, whole, rules=None, now=now)
    is_held = any(hold.legal for hold in holds_on(tx, dataset))
    archived = [one.version_id for one in tx.datasets.versions(dataset_id) if one.is_archived]
    if store != first:
        proven = tx.copies.proven(dataset_id)
        archived = [one for one in archived if store in proven.get(one, ())]
    return _Case(
        dataset,
        store,
        wanted=wanted_of(retention, is_legally_held=is_held, now=now),
        known=tx.protections.find(dataset_id, store),
        seen=archived[-1] if archived else None,
    )


def _ask(case: _Case, keeper: ObjectKeeper, store: ObjectStore, *, clock: Clock) -> Protection:
    told = case.intent(clock)
    if case.seen is None:
        absent = Aspect(standing=Standing.WAITING, words=f"{case.store} does not have it yet; it is asked once it has")
        changed: dict[str, object] = {
            name: absent for name in ("hold", "lock", "tier") if getattr(told, name) is not None
        }
        return told.model_copy(update=changed)
    wanted, prefix = case.wanted, f"{case.dataset.object_root}/"
    look = Look()
    changed = {}
    if case.asks_hold or wanted.lock is not None:
        failure = _failure(lambda: keep_objects(prefix, keeper, wanted, look=look, sets_hold=case.asks_hold))
        changed["hold"] = (failure or look.hold_aspect(keeper, wanted)) if case.asks_hold else None
        changed["lock"] = (failure or look.lock_aspect(keeper, wanted)) if wanted.lock is not None else None
    if case.asks_tier:
        changed["tier"] = _tier_aspect(case, keeper, store)
    until = max(filter(None, (told.locked_until, look.locked_until)), default=None)
    changed |= {"objects": look.objects or told.objects, "seen": case.seen, "locked_until": until}
    return told.model_copy(update=changed)


def _tier_aspect(case: _Case, keeper: ObjectKeeper, store: ObjectStore) -> Aspect:
    said: list[Aspect] = []

    def act() -> None:
        if case.wanted.tier is None:
            said.append(unmark_data(case.dataset, keeper=keeper, store=store))
            return
        back = case.may_have_other_marks
        said.append(mark_data(case.dataset, case.wanted.tier, keeper=keeper, store=store, takes_back=back))

    failure = _failure(act)
    return failure or said[0]


def _failure(act: Callable[[], object]) -> Aspect | None:
    """Carry it out; say why it could not be, where it could not."""
    try:
        act()
    except StoreLacks as error:
        return Aspect(standing=Standing.NOT_ENFORCED, words=error_words(error))
    except (StoreForbids, StoreUnavailable) as error:
        return Aspect(standing=Standing.WAITING, words=f"{error_words(error)}; it is tried again")
    except CisternaError as error:  # an object that is damaged, or changes under our hands
        return Aspect(standing=Standing.WAITING, words=error_words(error))
    return None


def _may_want(dataset: Dataset, *, rules: Sequence[RetentionRule], held: set[str]) -> bool:
    """Tell by what is at hand whether anything may be wanted; a project's hold may also come by the acquisition."""
    rule = winning_rule(dataset, rules)
    if rule is not None and (rule.lock or rule.tier):
        return True
    return bool(held & {dataset.dataset_id, dataset.acquisition_id, dataset.project}) or (
        dataset.acquisition_id is not None and any(not one.startswith(("ds-", "acq-")) for one in held)
    )
