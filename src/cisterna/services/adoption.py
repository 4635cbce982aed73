"""What people ask of a share that is taken in: to look through it, to register what is sure, to archive it, to stop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import ValidationError

from cisterna.domain.account import Role
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.adoption import (
    MOST_ASSIGNMENTS,
    WAITS,
    Adoption,
    AdoptionState,
    Archiving,
    Assignment,
    Find,
    Order,
    Registering,
    Scanning,
    Sureness,
    corrected,
)
from cisterna.domain.base import Value
from cisterna.domain.errors import AlreadyExists, IllegalTransition, InvalidInput
from cisterna.domain.hours import Hours
from cisterna.domain.instrument import ZoneIdentity
from cisterna.ports.adoption import FindsWanted
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.share import Share
from cisterna.services.account import require_role
from cisterna.services.acquisition_record import record_acquisition
from cisterna.services.adopt_archive import closed_until, lanes_of
from cisterna.services.adopt_register import bandwidth_of
from cisterna.services.inspection import UNBOUND

_LONGEST_NAME = 40
_AT_A_TIME = 500


class Assigned(Value):
    """What a person's word changed.

    Attributes:
        finds: How many it is about.
        bound: How many registered runs were bound to the project by it.
        settled: How many registered runs keep what they have: they are archived, or on their way.
    """

    finds: int = 0
    bound: int = 0
    settled: int = 0


def begin_adoption(
    name: str,
    *,
    path: str,
    share: Share,
    scanning: Scanning,
    person: str,
    catalogue: Catalogue,
    clock: Clock,
    again: bool = False,
    remounted: bool = False,
) -> Adoption:
    """Begin to take a share in, or go on with it; the same call again changes nothing.

    Args:
        name: What people call the share.
        path: Its absolute path.
        share: The same, looked at.
        scanning: How the inventory is made; its `round` is not looked at.
        person: Account name of an operator.
        catalogue: Where it is kept.
        clock: Dates it.
        again: Whether to make another inventory although one came to its end.
        remounted: A person's word that the folder at the path is the share, although the system calls it otherwise now.

    Raises:
        AlreadyExists: Another share has the name, or this one another name.
        Forbidden: The person is no operator.
        InvalidInput: The name or path has not the form it must have.
        SourceUnavailable: The share cannot be looked at, or is not the one that it was.
    """
    if not path.startswith("/"):
        raise InvalidInput(f"the share '{path[:200]}' is not an absolute path; give it from the root", path=path[:200])
    identity = share.identity()
    if not isinstance(identity, ZoneIdentity):
        raise InvalidInput(f"{path} is no folder; a bucket is taken in as an instrument's landing zone", path=path)
    with catalogue.begin() as tx:
        require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
        for other in tx.adoptions.list():
            if other.name != name and other.path == path:
                msg = f"{path} is taken in already under the name '{other.name}'; go on with that"
                raise AlreadyExists(msg, adoption=other.name)
        before = tx.adoptions.find(name)
        if before is None:
            made = _made(name, path, identity, scanning, person=person, clock=clock)
            tx.adoptions.add(made)
            return made
        if before.path != path:
            msg = f"'{name}' is the share {before.path} already; choose another name"
            raise AlreadyExists(msg, adoption=name)
        walk = tx.adoptions.walk(name)
        is_over = again and walk is not None and walk.ended_at is not None and walk.round == before.scanning.round
        if remounted:
            _take_identity(tx, name, identity)
        else:
            share.require_identity(before.identity)
        wanted = scanning.model_copy(update={"round": before.scanning.round + is_over})
        kept = identity if remounted else before.identity
        after = before.model_copy(update={"scanning": wanted, "state": AdoptionState.ACTIVE, "identity": kept})
        if before.state is AdoptionState.ENDED:
            tx.adoptions.bring_forward(lanes_of(tx, name), now=clock.now())
        return before if after == before else tx.adoptions.save(after)


def set_state(name: str, state: AdoptionState, *, person: str, catalogue: Catalogue, clock: Clock) -> Adoption:
    """Pause a share, go on with it, or end it; what is under way comes to its end, and what is archived stays.

    Raises:
        IllegalTransition: It has ended; only a new inventory begins it again.
        Forbidden: The person is no operator.
        NotFound: There is no such adoption.
    """
    with catalogue.begin() as tx:
        before = _opened(tx, name, person)
        if before.state is AdoptionState.ENDED and state is not AdoptionState.ENDED:
            msg = f"taking in '{name}' was ended; `cisterna adopt scan` begins it again"
            raise IllegalTransition(msg, adoption=name)
        after = before if before.state is state else tx.adoptions.save(before.model_copy(update={"state": state}))
        until = closed_until(after, clock.now())
        if until is not None:
            tx.adoptions.put_off(lanes_of(tx, name), until=until)
        return after


def ask_register(
    name: str, *, sure: Sureness, under: str, even_alike: bool, person: str, catalogue: Catalogue, clock: Clock
) -> Adoption:
    """Ask that runs become acquisitions, those that are found later too; the same wish again changes nothing.

    Raises:
        Forbidden: The person is no operator.
        NotFound: There is no such adoption.
    """
    with catalogue.begin() as tx:
        before = _opened(tx, name, person)
        wish = Registering(sure=sure, under=under, even_alike=even_alike, person=person, asked_at=clock.now())
        _require_room(before.registering, name)
        if any((one.sure, one.under, one.even_alike) == (sure, under, even_alike) for one in before.registering):
            return before
        return tx.adoptions.save(before.model_copy(update={"registering": (*before.registering, wish)}))


def ask_archive(
    name: str,
    *,
    hours: Hours | None,
    bytes_per_second: int | None,
    order: Order,
    under: str,
    at_once: int,
    person: str,
    catalogue: Catalogue,
    clock: Clock,
) -> Adoption:
    """Ask that registered runs go into the archive; another wish takes the place of this one.

    Raises:
        Forbidden: The person is no operator.
        NotFound: There is no such adoption.
    """
    with catalogue.begin() as tx:
        before = _opened(tx, name, person)
        asked = Archiving(
            hours=hours,
            bytes_per_second=bytes_per_second,
            order=order,
            under=under,
            at_once=at_once,
            person=person,
            asked_at=clock.now(),
        )
        after = tx.adoptions.save(before.model_copy(update={"archiving": asked}))
        for lane in lanes_of(tx, name):
            instrument = tx.instruments.lock(lane)
            tx.instruments.save(instrument.model_copy(update={"bandwidth": bandwidth_of(after)}))
        return after


def assign(
    name: str,
    *,
    under: str,
    project: str | None,
    instrument: str | None,
    profile: str | None,
    profiles: Collection[str],
    person: str,
    reason: str,
    catalogue: Catalogue,
    clock: Clock,
) -> Assigned:
    """Put a person's word over what was guessed, of all that lies under a path, now and when it is found later.

    The word is kept first; then it is written to what was found, some at a time. The same call again ends what a killed
    one left. A run that is registered and waits is bound to the project; one that is archived keeps what it has.

    Args:
        name: Of the adoption.
        under: A folder below the share, or a pattern; empty for all.
        project: Slug.
        instrument: Name of a declared one.
        profile: That knows the runs.
        profiles: Those that are installed.
        person: Account name of an operator.
        reason: In words, for the record.
        catalogue: Where it is kept.
        clock: Dates it.

    Raises:
        InvalidInput: Nothing is said, there is no reason, or no such profile.
        Forbidden: The person is no operator.
        NotFound: There is no such adoption, project or instrument.
    """
    if project is None and instrument is None and profile is None:
        raise InvalidInput("say at least one of a project, an instrument and a profile")
    if profile is not None and profile not in profiles:
        raise InvalidInput(f"there is no profile '{profile[:80]}'; installed are: {', '.join(profiles)}")
    with catalogue.begin() as tx:
        before = _opened(tx, name, person)
        if project is not None:
            tx.projects.get(project)
        if instrument is not None:
            tx.instruments.get(instrument)
        said = _assignment(under, project, instrument, profile, person=person, reason=reason, now=clock.now())
        _require_room(before.assignments, name)
        if not before.assignments or not _is_same(before.assignments[-1], said):
            before = tx.adoptions.save(before.model_copy(update={"assignments": (*before.assignments, said)}))
    return _spread(before, said, catalogue=catalogue, clock=clock)


def _spread(adoption: Adoption, said: Assignment, *, catalogue: Catalogue, clock: Clock) -> Assigned:
    """Write a person's word to all that was found and that it is about."""
    wanted, done = FindsWanted(under=said.under), Assigned()
    offset = 0
    while True:
        with catalogue.begin() as tx:
            page = tx.adoptions.finds(adoption.name, wanted, limit=_AT_A_TIME, offset=offset)
            for row in page:
                done = _said_of(tx, row.find, adoption, said, done, clock=clock)
        offset += len(page)
        if len(page) < _AT_A_TIME:
            return done


def _said_of(
    tx: Transaction, find: Find, adoption: Adoption, said: Assignment, done: Assigned, *, clock: Clock
) -> Assigned:
    """Write it to one find; it may be registered as soon as nothing else stands against it."""
    more = {"finds": done.finds + 1}
    fresh = corrected(find, adoption.assignments).model_copy(update={"held": None, "look_at": None})
    if find.acquisition_id is None:
        tx.adoptions.save_find(fresh)
        return done.model_copy(update=more)
    tx.adoptions.save_find(fresh.model_copy(update={"look_at": find.look_at}))
    acquisition = tx.acquisitions.lock(find.acquisition_id)
    if said.project is None or acquisition is None or acquisition.project == said.project:
        return done.model_copy(update=more)
    is_ours = tx.instruments.get(acquisition.instrument).adopted == adoption.name
    waits = acquisition.held in {WAITS, UNBOUND} or acquisition.state is AcquisitionState.WRITING
    if not is_ours or not waits or acquisition.dataset_id is not None:
        return done.model_copy(update={**more, "settled": done.settled + 1})
    held = WAITS if acquisition.held == UNBOUND else acquisition.held
    record_acquisition(
        tx, acquisition, acquisition.model_copy(update={"project": said.project, "held": held}), clock=clock
    )
    return done.model_copy(update={**more, "bound": done.bound + 1})


def _take_identity(tx: Transaction, name: str, identity: ZoneIdentity) -> None:
    """Let all that stands for devices in the share know it by what it is called now."""
    for lane in lanes_of(tx, name):
        tx.instruments.save(tx.instruments.lock(lane).model_copy(update={"identity": identity}))


def _made(name: str, path: str, identity: ZoneIdentity, scanning: Scanning, *, person: str, clock: Clock) -> Adoption:
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(f"the name '{name[:80]}' has more than {_LONGEST_NAME} characters; choose a shorter one")
    try:
        return Adoption(
            name=name, path=path, identity=identity, scanning=scanning, begun_by=person, begun_at=clock.now()
        )
    except ValidationError as error:
        msg = f"the share cannot be taken in as '{name[:80]}': {error.errors()[0]['msg']}"
        raise InvalidInput(msg, adoption=name[:80]) from error


def _assignment(
    under: str,
    project: str | None,
    instrument: str | None,
    profile: str | None,
    *,
    person: str,
    reason: str,
    now: datetime,
) -> Assignment:
    words = reason.strip()
    if not words or len(words) > 10_000:
        raise InvalidInput("a word on what was guessed needs a reason in words, of at most 10,000 characters")
    try:
        return Assignment(
            under=under,
            project=project,
            instrument=instrument,
            profile=profile,
            person=person,
            reason=words,
            said_at=now,
        )
    except ValidationError as error:
        raise InvalidInput(f"that cannot be said: {error.errors()[0]['msg']}") from error


def _is_same(one: Assignment, other: Assignment) -> bool:
    return one.model_copy(update={"said_at": other.said_at}) == other


def _opened(tx: Transaction, name: str, person: str) -> Adoption:
    require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
    return tx.adoptions.get(name)


def _require_room(wishes: Sequence[object], name: str) -> None:
    if len(wishes) >= MOST_ASSIGNMENTS:
        msg = f"'{name}' has {MOST_ASSIGNMENTS} of these already; say it of a folder above, or by a pattern"
        raise InvalidInput(msg, adoption=name)
