"""Puts instruments into shadow mode and takes them out, in the name of a person; tells whose data it covers.

In shadow mode everything is done but three things: no source is deleted, nothing is written to the landing zone, and
nothing is published. Each of those asks here, or `Instrument.in_shadow`, at the moment at which it would be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from pydantic import JsonValue, ValidationError

from cisterna.domain.account import Role
from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import IllegalTransition, InvalidInput
from cisterna.domain.instrument import Instrument
from cisterna.domain.release import ReleaseState
from cisterna.domain.shadow import Shadow, choose_rules
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import MarkedProfile, Profile
from cisterna.services.account import require_role
from cisterna.services.release_record import no_longer_releasable, tell_release
from cisterna.services.transition import announce, write_beside_others

DAYS = 30.0


def markers_of(profile: Profile) -> tuple[str, ...]:
    """Give the names by which scripts usually take a run of the profile for ended; few profiles know any."""
    return profile.markers if isinstance(profile, MarkedProfile) else ()


def new_shadow(
    name: str, *, days: float, rules: Iterable[str], markers: Sequence[str], person: str, reason: str, clock: Clock
) -> Shadow:
    """Say that an instrument is in shadow mode from now on, without writing it down.

    Args:
        name: Of the instrument.
        days: After how many the report is announced.
        rules: That are followed beside ours, in place of the usual ones of their kinds.
        markers: That the profile knows.
        person: Account name.
        reason: In words.
        clock: Dates it.

    Raises:
        InvalidInput: There is no reason, or days or rules have not the form they must have.
    """
    words = _words(name, reason)
    chosen = choose_rules(rules, markers=markers)
    try:
        return Shadow(
            shadow_id=clock.new_id(), person=person, reason=words, begun_at=clock.now(), days=days, rules=chosen
        )
    except ValidationError as error:
        msg = f"{name} cannot be put into shadow mode for {days:g} days; give a number up to 3650"
        raise InvalidInput(msg, instrument=name, days=days) from error


def begin_shadow(
    name: str,
    *,
    days: float = DAYS,
    rules: Iterable[str] = (),
    markers: Sequence[str] = (),
    person: str,
    reason: str,
    catalogue: Catalogue,
    clock: Clock,
) -> Instrument:
    """Put an instrument into shadow mode; releases of its runs that are announced are cancelled.

    A deletion that is under way stops at its next file. A second run with the same days and rules finds it in shadow
    mode and changes nothing.

    Args:
        name: Of the instrument.
        days: After how many the report is announced; the mode lasts until somebody ends it.
        rules: That are followed beside ours, in place of the usual ones of their kinds.
        markers: That the profile knows.
        person: Account name; an operator everywhere.
        reason: In words, for the record.
        catalogue: Where it is kept, with an event.
        clock: Dates it.

    Raises:
        Forbidden: The person is no operator.
        InvalidInput: There is no reason, a rule is none, or the instrument is that of folders brought by hand.
        IllegalTransition: It is in shadow mode already, with other days or rules.
        NotFound: There is no such instrument.
    """
    wanted = new_shadow(name, days=days, rules=rules, markers=markers, person=person, reason=reason, clock=clock)

    def write(tx: Transaction) -> Instrument:
        require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
        before = tx.instruments.lock(name)
        present = before.in_shadow
        if present is not None:
            if (present.days, present.rules) == (wanted.days, wanted.rules):
                return before
            msg = f"{name} is in shadow mode since {present.begun_at:%Y-%m-%d %H:%M} UTC, otherwise; end that first"
            raise IllegalTransition(msg, instrument=name)
        if not before.watched:
            msg = f"{name} stands for folders that were brought by hand; nothing there is swept or ever deleted"
            raise InvalidInput(msg, instrument=name)
        after = before.model_copy(update={"shadow": wanted})
        tx.instruments.save(after)
        _cancel_announced(tx, name, wanted, clock=clock)
        tell_shadow(tx, "instrument.shadow-begun", after, clock=clock)
        return after

    return write_beside_others(write, catalogue=catalogue)


def end_shadow(name: str, *, person: str, reason: str, catalogue: Catalogue, clock: Clock) -> Instrument:
    """Take an instrument out of shadow mode; from now on the ordinary rules hold, for what was made in it as well.

    Nothing is published or deleted by that alone: what was accepted meanwhile is published when somebody asks for it,
    and releases are judged, announced and can be cancelled as ever. A second run changes nothing.

    Args:
        name: Of the instrument.
        person: Account name; an operator everywhere.
        reason: In words, for the record.
        catalogue: Where it is kept, with an event.
        clock: Dates it.

    Raises:
        Forbidden: The person is no operator.
        InvalidInput: There is no reason.
        IllegalTransition: It never was in shadow mode.
        NotFound: There is no such instrument.
    """
    words = _words(name, reason)
    with catalogue.begin() as tx:
        require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
        before = tx.instruments.lock(name)
        if before.shadow is None:
            raise IllegalTransition(f"{name} is not in shadow mode, so there is nothing to end", instrument=name)
        if not before.shadow.is_on:
            return before
        ended = {"ended_at": clock.now(), "ended_by": person, "ended_reason": words}
        after = before.model_copy(update={"shadow": before.shadow.model_copy(update=ended)})
        tx.instruments.save(after)
        tell_shadow(tx, "instrument.shadow-ended", after, clock=clock)
    return after


def announce_report(name: str, *, catalogue: Catalogue, clock: Clock) -> bool:
    """Announce, once, that the days of an instrument in shadow mode are over; tell whether it was announced now."""
    with catalogue.begin() as tx:
        instrument = tx.instruments.lock(name)
        shadow = instrument.in_shadow
        if shadow is None or shadow.told_at is not None or clock.now() < shadow.due_at:
            return False
        told = instrument.model_copy(update={"shadow": shadow.model_copy(update={"told_at": clock.now()})})
        tx.instruments.save(told)
        tell_shadow(tx, "instrument.shadow-report", told, clock=clock)
    return True


def tell_shadow(tx: Transaction, name: str, instrument: Instrument, *, clock: Clock) -> None:
    """Append the event of what became of a shadow mode; it names no run."""
    shadow = instrument.shadow
    if shadow is None:
        return
    data: dict[str, JsonValue] = {
        "instrument": instrument.name,
        "shadow_id": shadow.shadow_id,
        "person": shadow.ended_by or shadow.person,
        "reason": shadow.ended_reason or shadow.reason,
        "begun_at": shadow.begun_at.isoformat(),
        "days": shadow.days,
    }
    announce(tx, name, instrument.name, project=None, clock=clock, data=data)


def shadows_over(tx: Transaction, dataset: Dataset) -> Sequence[str]:
    """Name the instruments in shadow mode that a dataset comes from, or anything that it was made from."""
    declared = {one.name: one for one in tx.instruments.list()}
    shadowed = [one for one in declared.values() if one.in_shadow]
    if not shadowed:
        return ()
    origins = [declared[name] for name in _origins(tx, dataset) if name in declared]
    return tuple(sorted(one.name for one in shadowed if any(_covers(one, origin) for origin in origins)))


def keep_from_shadow(tx: Transaction, dataset: Dataset) -> None:
    """Have whoever puts an instrument of a dataset into shadow mode wait for the end of this transaction."""
    declared = {one.name for one in tx.instruments.list()}
    for name in _origins(tx, dataset):
        if name in declared:
            tx.instruments.lock(name)


def _origins(tx: Transaction, dataset: Dataset) -> Sequence[str]:
    """Name the instruments that a dataset comes from, however far back."""
    found, waiting, seen = set(), [dataset], {dataset.dataset_id}
    while waiting:
        present = waiting.pop()
        found |= {present.instrument} if present.instrument else set()
        for relation in present.relations:
            if relation.dataset_id not in seen:
                seen.add(relation.dataset_id)
                waiting.append(tx.datasets.get(relation.dataset_id))
    return sorted(found)


def _covers(shadowed: Instrument, instrument: Instrument) -> bool:
    """Tell whether a shadow mode holds for an instrument: its own, or of whose zone a folder was brought by hand."""
    if shadowed.name == instrument.name:
        return True
    one, other = PurePosixPath(shadowed.path), PurePosixPath(instrument.path)
    return not instrument.watched and (one.is_relative_to(other) or other.is_relative_to(one))


def _cancel_announced(tx: Transaction, name: str, shadow: Shadow, *, clock: Clock) -> None:
    for release in tx.releases.open_ones():
        if release.state is not ReleaseState.ANNOUNCED:
            continue
        if tx.acquisitions.get(release.acquisition_id).instrument != name:
            continue
        words = f"the instrument {name} was put into shadow mode: {shadow.reason}"
        ended = {"state": ReleaseState.CANCELLED, "reason": words, "ended_by": shadow.person, "ended_at": clock.now()}
        saved = tx.releases.save(release.model_copy(update=ended))
        no_longer_releasable(tx, release.acquisition_id)
        tell_release(tx, "release.cancelled", saved, person=shadow.person, clock=clock)


def _words(name: str, reason: str) -> str:
    words = reason.strip()
    if not words or len(words) > 10_000:
        msg = f"the shadow mode of {name} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, instrument=name)
    return words
