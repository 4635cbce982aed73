"""Looks at every part and says what fails and how to mend it. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from cisterna.domain.base import Value
from cisterna.domain.errors import CisternaError
from cisterna.domain.work import WorkState
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.source import LandingZone


class Condition(StrEnum):
    """How one part is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


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


def look_at_work(catalogue: Catalogue) -> Diagnosis:
    """Find work that was given up."""
    with catalogue.begin() as tx:
        failed = tx.inbox.list(state=WorkState.FAILED)
    if not failed:
        return Diagnosis(part="work", condition=Condition.OK, message="nothing was given up")
    first = failed[0]
    return Diagnosis(
        part="work",
        condition=Condition.WARNING,
        message=f"{len(failed)} given up, first {first.kind.value} of {first.subject}: {first.outcome}",
        fix="look at it with `cisterna show`, mend the cause, then ask for it again",
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
        found.append(diagnose(f"landing zone {instrument.name}", look, fix=fix))
    return found
