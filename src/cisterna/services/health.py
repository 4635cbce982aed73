"""Looks at every part and says what fails and how to mend it. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from cisterna.domain.base import Value
from cisterna.domain.dataset import Stage
from cisterna.domain.deposit import DepositState
from cisterna.domain.erasure import ErasureState
from cisterna.domain.errors import (
    CisternaError,
    NotFound,
    SourceUnavailable,
    StoreForbids,
    StoreLacks,
    StoreUnavailable,
    StoreUnfit,
)
from cisterna.domain.instrument import Instrument
from cisterna.domain.plug_in import PlugInFault
from cisterna.domain.probe_key import probe_key
from cisterna.domain.recovery import ObjectState
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.ports.bucket import BucketAdmin, BucketPlan, Stranger
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicShelf
from cisterna.ports.source import LandingZone
from cisterna.services.provision import Outcome, Provision, provision_bucket
from cisterna.services.public_index import unrecorded_pages

CLOCK_WARNING = timedelta(minutes=1)
CLOCK_LIMIT = timedelta(minutes=15)
"""S3 refuses requests whose time is further off than this."""

TRIES_BEFORE_TOLD = 3
"""How often a sink may not take an event before somebody is told."""

RECORD_LATE = timedelta(minutes=10)
"""How long the archive may not know of a change before somebody is told."""


class Condition(StrEnum):
    """How one part is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    COULD_NOT_CHECK = "could-not-check"
    """Never the same as ok."""


class Diagnosis(Value):
    """One part, how it is, and what mends it (empty when nothing has to be)."""

    part: str
    condition: Condition
    message: str
    fix: str = ""


def diagnose(part: str, look: Callable[[], str], *, fix: str) -> Diagnosis:
    """Look at one part; a named error is a failure with its own words, and `fix` says what to do."""
    try:
        return Diagnosis(part=part, condition=Condition.OK, message=look())
    except CisternaError as error:
        return Diagnosis(part=part, condition=Condition.FAILED, message=str(error), fix=fix)


def look_at_catalogue(catalogue: Catalogue) -> str:
    """Read from it. Raises `CatalogueUnavailable`."""
    with catalogue.begin() as tx:
        return f"answers; {len(tx.instruments.list())} instruments, {len(tx.projects.list())} projects"


def look_at_store(store: ObjectStore) -> str:
    """Prove the guarantees that the archive stands on. Raises `StoreUnfit`, `StoreUnavailable`."""
    store.probe()
    return f"bucket {store.bucket} keeps conditional writes, checksums and read-after-write"


def look_at_bucket(admin: BucketAdmin, plan: BucketPlan, *, is_embedded: bool = False) -> Diagnosis:
    """Hold a bucket against its plan; what these keys may not see could not be checked.

    Args:
        admin: The bucket.
        plan: How it must be kept.
        is_embedded: Whether every start of ours brings it there.
    """
    part = f"bucket of {admin.store}"
    try:
        points = list(provision_bucket(admin, plan, dry_run=True))
    except StoreUnavailable as error:
        return _unchecked(part, error)
    by_outcome: dict[Outcome, list[Provision]] = {}
    for one in points:
        by_outcome.setdefault(one.outcome, []).append(one)
    differs = [*by_outcome.get(Outcome.TO_CHANGE, []), *by_outcome.get(Outcome.LACKING, [])]
    if unseen := by_outcome.get(Outcome.FORBIDDEN, []):
        condition, told = Condition.COULD_NOT_CHECK, [*unseen, *differs]
        fix = f"give its keys the rights of `cisterna store policy {admin.store}`"
    elif differs:
        condition, told = Condition.WARNING, differs
        by_hand = (
            f"run `cisterna store provision --store {admin.store}`; where its keys may not, with the administrator's"
        )
        fix = "start `cisterna up` anew, which sets it" if is_embedded else by_hand
    else:
        said = ", ".join(one.point for one in points)
        return Diagnosis(part=part, condition=Condition.OK, message=f"{admin.bucket} is kept as planned: {said}")
    return Diagnosis(
        part=part, condition=condition, message="; ".join(f"{one.point}: {one.message}" for one in told), fix=fix
    )


def look_at_doors(store: ObjectStore, strangers: Sequence[Stranger], *, token: str, is_public: bool) -> Diagnosis:
    """Let those who must not reach a bucket try: of a public one only writing is closed to them.

    What was tried with is removed again, also what a stranger could write.

    Args:
        store: The bucket, with its own keys.
        strangers: Those who try.
        token: A new UUID of version 7: makes the keys of this look its own.
        is_public: Whether reading is nobody's business to refuse.
    """
    part = f"doors of {store.name}"
    bait, gift = probe_key(token, "door"), probe_key(token, "gift")
    try:
        store.put(bait, b"only the bucket's own keys read this")
        try:
            found = [
                f"{act} with {stranger.name}"
                for stranger in strangers
                for act, is_open in (
                    ("listed", not is_public and stranger.lists()),
                    ("read", not is_public and stranger.reads(bait)),
                    ("written", stranger.writes(gift)),
                )
                if is_open
            ]
        finally:
            store.delete([bait, gift])
    except (StoreUnavailable, StoreUnfit) as error:
        return _unchecked(part, error)
    if found:
        return Diagnosis(
            part=part,
            condition=Condition.FAILED,
            message=f"objects in {store.bucket} can be {', '.join(found)}",
            fix="take that right away at the store, and find out what was read or written meanwhile",
        )
    names = " and ".join(one.name for one in strangers)
    return Diagnosis(part=part, condition=Condition.OK, message=f"shut to {names}")


def look_at_clock(admin: BucketAdmin, clock: Clock) -> Diagnosis:
    """Compare the store's clock with ours."""
    part = f"clock of {admin.store}"
    try:
        before = clock.now()
        theirs = admin.clock()
        off = _outside(theirs, before, clock.now())
    except (StoreUnavailable, StoreLacks, StoreForbids) as error:
        return _unchecked(part, error)
    message = f"is {off.total_seconds():.0f} s off ours"
    fix = "set both clocks by NTP"
    if off > CLOCK_LIMIT:
        return Diagnosis(part=part, condition=Condition.FAILED, message=message, fix=fix)
    if off > CLOCK_WARNING:
        return Diagnosis(part=part, condition=Condition.WARNING, message=message, fix=fix)
    return Diagnosis(part=part, condition=Condition.OK, message=message)


def look_at_keys(with_public_keys: Sequence[str]) -> Diagnosis:
    """Refuse one pair of keys for what is public and for what is not."""
    if not with_public_keys:
        return Diagnosis(part="keys", condition=Condition.OK, message="the public keys are no other store's")
    return Diagnosis(
        part="keys",
        condition=Condition.FAILED,
        message=f"the public keys are those of {', '.join(with_public_keys)} too",
        fix="make a pair that reaches the public bucket only, and put it into store.public_access_key_id",
    )


def _outside(moment: datetime, begin: datetime, end: datetime) -> timedelta:
    """Tell how far a time lies outside a span; it is given in whole seconds."""
    return max(begin - moment - timedelta(seconds=1), moment - end, timedelta(0))


def _unchecked(part: str, error: CisternaError) -> Diagnosis:
    return Diagnosis(
        part=part, condition=Condition.COULD_NOT_CHECK, message=str(error), fix="mend that, then ask again"
    )


def look_at_work(catalogue: Catalogue) -> Diagnosis:
    """Find work that was given up, and what was put off."""
    with catalogue.begin() as tx:
        failed, put_off = tx.inbox.list(state=WorkState.FAILED), tx.inbox.put_off()
    if put_off and not failed:
        subject, reason = next(iter(put_off.items()))
        return Diagnosis(
            part="work",
            condition=Condition.WARNING,
            message=f"{len(put_off)} put off, first {subject}: {reason}",
            fix="mend the cause; it is begun again by itself",
        )
    if not failed:
        return Diagnosis(part="work", condition=Condition.OK, message="nothing was given up")
    first = failed[0]
    return Diagnosis(
        part="work",
        condition=Condition.WARNING,
        message=f"{len(failed)} given up, first {first.kind.value} of {first.subject}: {first.outcome}",
        fix="look at it with `cisterna show`, mend the cause, then ask for it again",
    )


def look_at_publications(catalogue: Catalogue) -> Diagnosis:
    """Find versions that were to become public and did not, and may be public by half."""
    with catalogue.begin() as tx:
        failed = [one for one in tx.inbox.list(state=WorkState.FAILED) if one.kind is WorkKind.PUBLISH]
        last = {one.subject: one for one in failed}
        rest = [one for one in last.values() if _is_unpublished(tx, one)]
    if not rest:
        return Diagnosis(part="publications", condition=Condition.OK, message="none was given up")
    first = rest[0]
    return Diagnosis(
        part="publications",
        condition=Condition.WARNING,
        message=f"{len(rest)} versions were to become public and are not, first {first.subject}: {first.outcome}",
        fix="mend the cause, then `cisterna publish ID`; a page that a killed attempt left is carried on with once by "
        "itself, and taken back when that fails too",
    )


def look_at_pages(catalogue: Catalogue, shelf: PublicShelf) -> Diagnosis:
    """Find pages that are public and that the catalogue does not know: an older one was restored, or one was left."""
    try:
        found = unrecorded_pages(catalogue=catalogue, shelf=shelf)
    except CisternaError as error:
        fix = "see that the public bucket answers, then look again"
        return Diagnosis(part="public pages", condition=Condition.COULD_NOT_CHECK, message=str(error), fix=fix)
    if not found:
        return Diagnosis(part="public pages", condition=Condition.OK, message="the catalogue knows every one")
    return Diagnosis(
        part="public pages",
        condition=Condition.WARNING,
        message=f"{len(found)} stand of which this catalogue does not know that they were published, first {found[0]}; "
        "they are in no search, and stay as they are while access allows it",
        fix="if an older catalogue was restored: `cisterna publish ID` makes the page known again, and after that "
        "`cisterna withdraw ID` takes it back",
    )


def _is_unpublished(tx: Transaction, given_up: Work) -> bool:
    try:
        version = tx.datasets.get_version(given_up.subject)
    except NotFound:
        return False
    works = [one for one in tx.inbox.list(subject=given_up.subject) if one.kind is WorkKind.PUBLISH]
    return version.stage not in {Stage.PUBLISHED, Stage.WITHDRAWN} and works[-1].state is WorkState.FAILED


def look_at_deliveries(catalogue: Catalogue, *, clock: Clock) -> Diagnosis:
    """Find deliveries whose recipients were to be told by mail and will not be."""
    with catalogue.begin() as tx:
        projects = frozenset(one.slug for one in tx.projects.list())
        standing = tx.deliveries.list(projects=projects, good_at=clock.now())
    untold = [one for one in standing if one.mail_given_up_at is not None]
    if not untold:
        return Diagnosis(part="deliveries", condition=Condition.OK, message=f"{len(standing)} stand")
    first = untold[-1]
    return Diagnosis(
        part="deliveries",
        condition=Condition.WARNING,
        message=f"of {len(untold)} deliveries the recipients could not be told by mail, first "
        f"{first.delivery_id} of {first.version_id}: {first.mail_problem}",
        fix="mend the cause and deliver to the same recipient again, or to another address; "
        "`--print-link` gives an address to pass on",
    )


def look_at_outbox(catalogue: Catalogue) -> Diagnosis:
    """Find sinks that do not take their events."""
    with catalogue.begin() as tx:
        waiting = {sink: count for sink, count in tx.outbox.undelivered().items() if count}
    if sum(waiting.values()) < 1000:
        return Diagnosis(part="outbox", condition=Condition.OK, message=f"{sum(waiting.values())} events wait")
    named = ", ".join(f"{sink} {count}" for sink, count in sorted(waiting.items()))
    return Diagnosis(
        part="outbox",
        condition=Condition.WARNING,
        message=f"events pile up: {named}; they are kept",
        fix="see whether the sink answers, and the dispatcher's log",
    )


def look_at_sinks(catalogue: Catalogue) -> Sequence[Diagnosis]:
    """Name each sink that has not taken something for several tries, and why."""
    with catalogue.begin() as tx:
        refusals = [one for one in tx.outbox.refusals() if one.attempts >= TRIES_BEFORE_TOLD]
    return [
        Diagnosis(
            part=f"sink {one.sink}",
            condition=Condition.WARNING,
            message=f"has not taken {one.waiting} events for up to {one.attempts} tries, the oldest of "
            f"{one.since:%Y-%m-%d %H:%M} UTC: {one.reason}",
            fix="they are kept and tried again; see whether it answers, and of an alert target whether "
            "`cisterna alerts test TARGET` gets through",
        )
        for one in refusals
    ]


def look_at_record(catalogue: Catalogue, *, clock: Clock) -> Diagnosis:
    """Find changes that have been in the catalogue alone for too long."""
    with catalogue.begin() as tx:
        since = tx.records.unrecorded_since()
        waiting = tx.records.unrecorded() if since is not None else 0
    if since is None or clock.now() - since < RECORD_LATE:
        return Diagnosis(part="record", condition=Condition.OK, message=f"{waiting} changes wait to be recorded")
    return Diagnosis(
        part="record",
        condition=Condition.WARNING,
        message=f"{waiting} changes are in the catalogue alone, the oldest since {since:%Y-%m-%d %H:%M} UTC",
        fix="see whether the archive can be written, and the dispatcher's log",
    )


def look_at_recoveries(catalogue: Catalogue) -> Diagnosis:
    """Find objects of the archive that recovery could not bring to rest, or that are not ours."""
    with catalogue.begin() as tx:
        notes = tx.recoveries.list()
    troubles = [one for one in notes if one.state is not ObjectState.RECOVERED]
    if not troubles:
        times = sum(one.recoveries for one in notes)
        message = f"{times} interrupted commits were rolled forward or back; every object is at rest"
        return Diagnosis(part="recovery", condition=Condition.OK, message=message)
    first = next((one for one in troubles if one.state is ObjectState.REFUSED), troubles[0])
    counts = Counter(one.state.value for one in troubles)
    return Diagnosis(
        part="recovery",
        condition=Condition.WARNING,
        message=f"{', '.join(f'{counts[one]} {one}' for one in sorted(counts))}; {first.object_root}: {first.reason}",
        fix="run `cisterna check` on what is refused; find out who wrote what is strange",
    )


def look_at_erasures(catalogue: Catalogue) -> Diagnosis:
    """Find erasures that have not come to their end."""
    with catalogue.begin() as tx:
        every = tx.erasures.list()
    waiting = [one for one in every if one.state is not ErasureState.DONE]
    if not waiting:
        return Diagnosis(part="erasures", condition=Condition.OK, message=f"{len(every)} came to their end")
    first = waiting[0]
    left = next((one for one in first.remains if one.is_open), None)
    return Diagnosis(
        part="erasures",
        condition=Condition.WARNING,
        message=f"{len(waiting)} have not come to their end; {first.target}: {first.words}"
        + (f"; {left.what} in {left.where}: {left.reason}" if left else ""),
        fix=f"run `cisterna erase {first.target} --execute` again",
    )


def look_at_deposits(catalogue: Catalogue, targets: Sequence[str]) -> Diagnosis:
    """Find what places outside have refused, what is not withdrawn there yet, and what no target is left for."""
    with catalogue.begin() as tx:
        failed, lost = tx.deposits.list(state=DepositState.FAILED), tx.deposits.lost(targets)
        hanging = [one for one in tx.deposits.list(state=DepositState.WITHDRAWING) if one.problem]
    told = [
        *(f"{one.version_id} was given up at {one.target}: {one.problem}" for one in failed),
        *(f"{one.version_id} is still to be withdrawn at {one.target}: {one.problem}" for one in hanging),
        *(f"{one.version_id} is to go to {one.target}, which the settings do not name" for one in lost),
    ]
    if not told:
        return Diagnosis(part="targets", condition=Condition.OK, message="nothing was given up")
    return Diagnosis(
        part="targets",
        condition=Condition.WARNING,
        message=f"{len(told)} need a person, such as: {told[0]}",
        fix="`cisterna target test NAME` looks at the target; then `cisterna publish ID --target NAME` asks again",
    )


def look_at_uploads(store: ObjectStore) -> str:
    """Count the uploads that go on or were left. Raises `StoreUnavailable`."""
    count = sum(1 for _ in store.unfinished_uploads(""))
    return f"{count} uploads go on, or wait to be taken up or collected"


def look_at_profiles(faults: Sequence[PlugInFault]) -> Sequence[Diagnosis]:
    """Name profiles of others that cannot be used; everything else goes on without them."""
    return [
        Diagnosis(part=f"profile {fault.name}", condition=Condition.WARNING, message=fault.words, fix=fault.fix)
        for fault in faults
    ]


def look_at_instruments(catalogue: Catalogue, profiles: Collection[str]) -> Sequence[Diagnosis]:
    """Find watched instruments whose profile is not there: their runs are held."""
    with catalogue.begin() as tx:
        lost = [one for one in tx.instruments.list() if one.watched and one.profile not in profiles]
    return [
        Diagnosis(
            part=f"instrument {one.name}",
            condition=Condition.FAILED,
            message=f"its profile '{one.profile}' is not there, so its runs are held",
            fix="install the package that brings it, or mend it, and start Cisterna again",
        )
        for one in lost
    ]


def look_at_readers(catalogue: Catalogue, missing: Mapping[str, str]) -> Sequence[Diagnosis]:
    """Find watched instruments whose files nobody can look into.

    Args:
        catalogue: Knows the instruments.
        missing: The package that is not installed, by the profile whose files it reads.
    """
    with catalogue.begin() as tx:
        blind = [one for one in tx.instruments.list() if one.watched and one.profile in missing]
    return [
        Diagnosis(
            part=f"instrument {one.name}",
            condition=Condition.WARNING,
            message=f"the package {missing[one.profile]} is not installed, so planes in its files are not measured",
            fix="install cisterna[vendor], start Cisterna again and reprocess what is not assessed",
        )
        for one in blind
    ]


def look_at_zones(catalogue: Catalogue, zone_of: Callable[[str], LandingZone]) -> Sequence[Diagnosis]:
    """Look whether each watched landing zone is there and is the one that was declared."""
    with catalogue.begin() as tx:
        instruments = [one for one in tx.instruments.list() if one.watched]
    found: list[Diagnosis] = []
    for instrument in instruments:
        zone = zone_of(instrument.path)

        def look(zone: LandingZone = zone) -> str:
            zone.require_identity(instrument.identity)  # noqa: B023 - called at once, below
            return f"{len(zone.folders())} folders"

        fix = f"mount {instrument.path} again, or declare the instrument anew if the folder was replaced on purpose"
        found.append(_guarded(instrument) or diagnose(f"landing zone {instrument.name}", look, fix=fix))
    return found


def look_at_server_copies(
    catalogue: Catalogue, store: ObjectStore, zone_of: Callable[[str], LandingZone]
) -> Sequence[Diagnosis]:
    """Let the archive's store show for each watched zone that lies in it whether it copies from there.

    Of zones in folders, in other stores, or where the settings want everything sent, nothing is said.
    """
    with catalogue.begin() as tx:
        instruments = [one for one in tx.instruments.list() if one.watched]
    found: list[Diagnosis] = []
    for instrument in instruments:
        part = f"copies from {instrument.name}"
        try:
            witness = zone_of(instrument.path).witness()
            if witness is None:
                continue
            store.copier(witness)
        except SourceUnavailable:
            continue  # told of the zone itself
        except (StoreForbids, StoreLacks, StoreUnavailable) as error:
            fix = f"let the archive's keys read {instrument.path}, or set server_copy = false for its bucket"
            message = f"{error}; what is read there is sent instead"
            found.append(Diagnosis(part=part, condition=Condition.WARNING, message=message, fix=fix))
        else:
            message = f"{store.name} copies what was read in {instrument.path}, and is not sent it"
            found.append(Diagnosis(part=part, condition=Condition.OK, message=message))
    return found


def _guarded(instrument: Instrument) -> Diagnosis | None:
    """Tell of a mass change that waits for a person's word."""
    if instrument.guard is None:
        return None
    return Diagnosis(
        part=f"landing zone {instrument.name}",
        condition=Condition.WARNING,
        message=f"{instrument.guard.words}; such as {', '.join(instrument.guard.examples)}",
        fix=f"mount the right share, or run `cisterna instrument accept-change {instrument.name} --reason TEXT`",
    )
