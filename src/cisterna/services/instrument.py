"""Declares instruments, and changes what is declared of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pydantic import JsonValue, ValidationError

from cisterna.domain.account import Role
from cisterna.domain.bandwidth import BandwidthLimit
from cisterna.domain.base import Value
from cisterna.domain.device import device_of
from cisterna.domain.errors import AlreadyExists, Forbidden, InvalidInput
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.instrument import (
    SENTINEL_NAME,
    BucketIdentity,
    Instrument,
    ZoneIdentity,
    sentinel_text,
    sentinel_token,
)
from cisterna.domain.shadow import Shadow, refusal_words
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.source import LandingZone, SentinelWriter
from cisterna.services.account import require_role
from cisterna.services.ahead_request import OFF, READ_AHEAD
from cisterna.services.alarm_setting import CADENCE, FACTOR, require_sound_alarm_settings
from cisterna.services.inspection import ALLOW_NAMES
from cisterna.services.shadow import tell_shadow
from cisterna.services.transition import announce

_NUMBERS = {
    "quiet_seconds": 1e9,
    "stalled_seconds": 1e9,
    "mass_change_percent": 100.0,
    "mass_change_floor": 1e9,
    CADENCE: 1e9,
    FACTOR: 1000.0,
}
"""Settings that every instrument may have and that are numbers, each with its largest value."""
_LONGEST_RUN_MINUTES = 1e6


class Sentinel(Value):
    """The file by which a landing zone is known again.

    Attributes:
        path: Where it belongs.
        text: What it says.
        lies_there: Whether it does.
        is_relied_on: Whether the zone is known by it from now on, and no longer by the numbers of device and inode.
    """

    instrument: str
    path: str
    text: str
    lies_there: bool
    is_relied_on: bool


def declare_instrument(
    name: str,
    *,
    profile: Profile,
    path: str,
    settings: Mapping[str, str],
    bandwidth: Sequence[BandwidthLimit] = (),
    shadow: Shadow | None = None,
    zone: LandingZone,
    catalogue: Catalogue,
    clock: Clock,
) -> Instrument:
    """Put an instrument into the catalogue; the next sweep sees it. The same declaration again changes nothing.

    Where only the folder at the path is another one by now, the declaration again is the word that it is the zone: its
    identity is taken anew. A sentinel that lies in the zone is relied on from then on.

    Args:
        name: What people call it.
        profile: How it writes.
        path: Its landing zone: an absolute path, or `s3://bucket/prefix`.
        settings: The profile's own settings.
        bandwidth: Limits to how fast its acquisitions are read.
        shadow: Have it in shadow mode from the first moment on, in the name of an operator.
        zone: The same folder, looked at: an empty one is accepted, a missing one is not.
        catalogue: Where it is kept.
        clock: Dates it.

    Raises:
        AlreadyExists: Another instrument has the name, or the folder; or it is there and not in shadow mode.
        Forbidden: Who asks for shadow mode is no operator.
        InvalidInput: The name or path has not the form it must have.
        SourceUnavailable: The folder cannot be looked at.
    """
    if not path.startswith(("/", BUCKET_SCHEME)):
        msg = f"the landing zone '{path}' is not an absolute path; give it from the root"
        raise InvalidInput(msg, path=path)
    require_sound_settings(settings)
    try:
        instrument = Instrument(
            name=name,
            profile=profile.name,
            path=path,
            settings=dict(settings),
            bandwidth=tuple(bandwidth),
            identity=zone.identity(),
            created_at=clock.now(),
            shadow=shadow,
        )
    except ValidationError as error:
        msg = f"the instrument '{name}' cannot be declared: {error.errors()[0]['msg']}"
        raise InvalidInput(msg, instrument=name) from error
    with catalogue.begin() as tx:
        if shadow is not None:
            require_role(tx.accounts.find(shadow.person), Role.OPERATOR, project=None)
        for other in tx.instruments.list():
            if other.name != name and other.watched and _overlap(other.path, path):
                msg = (
                    f"the folder {path} overlaps with the landing zone of instrument '{other.name}'; give each its own"
                )
                raise AlreadyExists(msg, path=path, instrument=other.name)
        return _add(tx, instrument, clock=clock)


def change_settings(
    name: str, changes: Mapping[str, str | None], *, person: str, reason: str, catalogue: Catalogue, clock: Clock
) -> Instrument:
    """Change settings of a declared instrument; from the next sweep on its runs are judged by them.

    A second run finds them as they shall be, writes nothing and tells nothing.

    Args:
        name: Of the instrument.
        changes: New values by name; None takes a setting away.
        person: Account name; an operator everywhere.
        reason: In words, for the record.
        catalogue: Where it is kept, with an event.
        clock: Dates it.

    Raises:
        Forbidden: The person is no operator.
        InvalidInput: A value has not the form it must have, or there is no reason.
        NotFound: There is no such instrument.
    """
    words = reason.strip()
    if not words or len(words) > 10_000:
        msg = f"changing the settings of {name} needs a reason in words, of at most 10,000 characters"
        raise InvalidInput(msg, instrument=name)
    with catalogue.begin() as tx:
        require_role(tx.accounts.find(person), Role.OPERATOR, project=None)
        before = tx.instruments.lock(name)
        wanted = {**before.settings, **changes}
        settings = {setting: value for setting, value in wanted.items() if value is not None}
        require_sound_settings(settings)
        if settings == before.settings:
            return before
        after = before.model_copy(update={"settings": settings})
        tx.instruments.save(after)
        data: dict[str, JsonValue] = {
            "instrument": name,
            "person": person,
            "reason": words,
            "before": dict(before.settings),
            "after": dict(settings),
        }
        announce(tx, "instrument.set", name, project=None, clock=clock, data=data)
        return after


def require_sound_settings(settings: Mapping[str, str]) -> None:
    """Refuse a value that nobody could act on, of the settings that any instrument may have. Raises `InvalidInput`."""
    if not settings.get(ALLOW_NAMES, "why").strip():
        msg = f"the setting {ALLOW_NAMES} needs a reason in words for letting such names through"
        raise InvalidInput(msg, setting=ALLOW_NAMES)
    if settings.get(READ_AHEAD, OFF).strip() != OFF and not _is_number(settings[READ_AHEAD], most=_LONGEST_RUN_MINUTES):
        msg = (
            f"the setting {READ_AHEAD}={settings[READ_AHEAD][:100]} is neither 'off' nor a number of minutes from 0 to "
            f"{_LONGEST_RUN_MINUTES:g}"
        )
        raise InvalidInput(msg, setting=READ_AHEAD)
    require_sound_alarm_settings(settings)
    device_of(settings)
    for name, most in _NUMBERS.items():
        if name in settings and not _is_number(settings[name], most=most):
            msg = f"the setting {name}={settings[name][:100]} is not a number from 0 to {most:g}"
            raise InvalidInput(msg, setting=name)


def _is_number(text: str, *, most: float) -> bool:
    try:
        return 0 <= float(text) <= most
    except ValueError:
        return False


def look_after_sentinel(
    name: str, *, zone: LandingZone, catalogue: Catalogue, write: SentinelWriter | None = None
) -> Sentinel:
    """Tell the sentinel of an instrument's zone, and rely on it once it lies there. A second run changes nothing.

    Args:
        name: Of the instrument.
        zone: Its landing zone, opened without regard to what was declared of it.
        catalogue: Where the declaration is kept.
        write: Puts the file there if it is not; None leaves that to a person, since the zone is only read otherwise.

    Raises:
        NotFound: There is no such instrument.
        InvalidInput: Its zone lies in a bucket.
        SourceUnavailable: The zone cannot be looked at, or the folder there cannot be shown to be the zone.
        AlreadyExists, Forbidden: The file cannot be written; it never is in shadow mode.
    """
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(name)
    if write is not None and instrument.in_shadow is not None:
        msg = f"nothing is written to its landing zone: {refusal_words(name, instrument.in_shadow)}"
        raise Forbidden(msg, instrument=name)
    found, declared = zone.identity(), instrument.identity
    if not isinstance(found, ZoneIdentity) or isinstance(declared, BucketIdentity):
        msg = f"{instrument.path} lies in a bucket, whose sentinel `cisterna instrument add` puts and always relies on"
        raise InvalidInput(msg, instrument=name)
    text = sentinel_text(sentinel_token(instrument), instrument=name)
    if declared is not None and (declared.sentinel is None or found.sentinel != declared.sentinel):
        # No sentinel shows that this is the zone, so the numbers have to: one is never written anywhere else.
        zone.require_identity(ZoneIdentity(device=declared.device, inode=declared.inode))
    if found.sentinel is None and write is not None:
        write(instrument.path, text)
        found = zone.identity()
    with catalogue.begin() as tx:
        instrument = tx.instruments.lock(name)
        if found.sentinel is not None and (instrument.identity is None or instrument.identity.sentinel is None):
            instrument = instrument.model_copy(update={"identity": found})
            tx.instruments.save(instrument)
    relied_on = instrument.identity.sentinel if instrument.identity else None
    return Sentinel(
        instrument=name,
        path=f"{instrument.path.rstrip('/')}/{SENTINEL_NAME}",
        text=sentinel_text(sentinel_token(instrument), instrument=name),
        lies_there=found.sentinel is not None and found.sentinel == relied_on,
        is_relied_on=relied_on is not None,
    )


def _add(tx: Transaction, instrument: Instrument, *, clock: Clock) -> Instrument:
    """Add it, or take the identity of the zone anew where all else is as it was declared before."""
    present = next((one for one in tx.instruments.list() if one.name == instrument.name), None)
    if present is None:
        tx.instruments.add(instrument)
        if instrument.shadow is not None:
            tell_shadow(tx, "instrument.shadow-begun", instrument, clock=clock)
        return instrument
    if instrument.shadow is not None and present.in_shadow is None:
        msg = f"the instrument '{instrument.name}' is declared already; run `cisterna instrument shadow` for it"
        raise AlreadyExists(msg, instrument=instrument.name)
    kept = {name: getattr(present, name) for name in ("created_at", "copies", "guard", "accepted", "shadow")}
    again = instrument.model_copy(update=kept)
    if again.model_copy(update={"identity": present.identity}) != present:
        msg = (
            f"an instrument '{instrument.name}' is declared already, otherwise; choose another name, or change its "
            "settings by `cisterna instrument set`"
        )
        raise AlreadyExists(msg, instrument=instrument.name)
    tx.instruments.save(again)
    return again


def _overlap(one: str, other: str) -> bool:
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first.is_relative_to(second) or second.is_relative_to(first)
