"""Guesses which instrument wrote a run of a share, and whose project it is: pure, each guess with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Guess, Sureness, least_sure
from cisterna.domain.base import Value
from cisterna.domain.identifier import acquisition_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Binding, BindingKind, Project
from cisterna.ports.booking import BookingTables
from cisterna.ports.profile import Described
from cisterna.services.project import resolve_project

_TOKEN = re.compile(r"[a-z0-9]+")
_NAMING = ("instrument", "microscope", "instrument_serial", "sequencer", "cytometer", "system_name")
"""Fields in which a run says what wrote it."""
_SHORTEST_TOKEN = 3


class Known(Value):
    """What the facility knows, against which a run is held.

    Attributes:
        instruments: Those that are declared, without those of shares and of folders that were brought by hand.
    """

    instruments: tuple[Instrument, ...] = ()
    projects: tuple[Project, ...] = ()
    bindings: tuple[Binding, ...] = ()


def guess_instrument(path: str, *, share: str, profile: str | None, described: Described | None, known: Known) -> Guess:
    """Guess which instrument wrote a run.

    Args:
        path: Of the run, below the share.
        share: Absolute path of the share.
        profile: That knows the run.
        described: What it says of itself.
        known: What there is.
    """
    place, own = f"{share.rstrip('/')}/{path}", _named_by(described)
    fits = [one for one in known.instruments if one.profile == profile]
    found = _by_zone(place, known) or _by_metadata(own, known) or _by_path(path, fits, known)
    if found is not None:
        return found
    if len(fits) == 1:
        return _unsure(fits[0].name, f"it is the only instrument that writes as the profile '{profile}' says")
    if own:
        return Guess(reason=f"its own metadata name '{own[0][:80]}', and no declared instrument is called so")
    return Guess(reason="nothing in its path or metadata names an instrument")


def _by_zone(place: str, known: Known) -> Guess | None:
    for one in known.instruments:
        if place.startswith(f"{one.path.rstrip('/')}/"):
            return _certain(one.name, f"it lies in the landing zone of '{one.name}'")
    return None


def _by_metadata(own: Sequence[str], known: Known) -> Guess | None:
    for one in known.instruments:
        for told in own:
            if _tokens(told) == _tokens(one.name):
                return _certain(one.name, f"its own metadata name '{told[:80]}'")
    return None


def _by_path(path: str, fits: Sequence[Instrument], known: Known) -> Guess | None:
    """Look for an instrument's name on the way, nearest to the run first."""
    for segment in reversed(path.split("/")[:-1]):
        for one in known.instruments:
            if _tokens(one.name) == _tokens(segment):
                sure = Sureness.LIKELY if one in fits else Sureness.UNSURE
                return Guess(value=one.name, sure=sure, reason=f"a folder on its way is called '{segment[:80]}'")
    for segment in reversed(path.split("/")):
        part = [one for one in fits if _is_within(_tokens(one.name), _tokens(segment))]
        if len(part) == 1:
            return _unsure(part[0].name, f"the name '{segment[:80]}' on its way holds the instrument's")
    return None


def guess_project(
    path: str,
    *,
    share: str,
    instrument: Guess,
    described: Described | None,
    known: Known,
    tables: BookingTables,
    now: datetime,
) -> Guess:
    """Guess whose a run is.

    Args:
        path: Of the run, below the share.
        share: Absolute path of the share.
        instrument: That is thought to have written it; bookings are looked up for it.
        described: What the run says of itself.
        known: What there is.
        tables: Reads booking tables.
        now: For a run that does not say when it began: no booking is looked up for it.
    """
    bound = _bound(path, share=share, instrument=instrument, described=described, known=known, tables=tables, now=now)
    if bound is not None:
        return bound
    for segment in reversed(path.split("/")[:-1]):
        found = [one for one in known.projects if _tokens(segment) in (_tokens(one.slug), _tokens(one.title))]
        if len(found) == 1:
            return _likely(found[0].slug, f"a folder on its way is called '{segment[:80]}', as the project is")
    for segment in reversed(path.split("/")[:-1]):
        found = [one for one in known.projects if _tokens(segment) & _people(one)]
        if len(found) == 1:
            return _unsure(found[0].slug, f"a folder on its way is called '{segment[:80]}', as somebody of the project")
        if found:
            slugs = ", ".join(one.slug for one in found[:5])
            return Guess(reason=f"a folder on its way is called '{segment[:80]}', as people of several: {slugs}")
    return Guess(reason="no binding, booking, or name on its way tells a project")


def _bound(
    path: str,
    *,
    share: str,
    instrument: Guess,
    described: Described | None,
    known: Known,
    tables: BookingTables,
    now: datetime,
) -> Guess | None:
    """Ask the rules that bind acquisitions to projects; a booking is as sure as the instrument it is of."""
    told = described or Described(title=path, data_type="folder")
    rules = [one for one in known.bindings if one.kind is not BindingKind.BOOKING or told.started_at is not None]
    name = instrument.value or "unknown"
    run = Acquisition(
        acquisition_id=acquisition_id(instrument=name, folder=path),
        instrument=name,
        profile="folder",
        folder=path,
        name=path,
        settled_since=now,
        first_seen=now,
        last_seen=now,
        submitter=name,
    )
    ways = (
        ([one for one in rules if one.kind is not BindingKind.BOOKING], Sureness.CERTAIN),
        ([one for one in rules if one.kind is BindingKind.BOOKING], least_sure((Sureness.LIKELY, instrument.sure))),
    )
    for bindings, sure in ways:
        found = resolve_project(
            run, told, landing_path=share, bindings=bindings, projects=known.projects, tables=tables
        )
        if found.project is not None:
            return Guess(value=found.project, sure=sure, reason=found.reason[:1000])
    return None


def _named_by(described: Described | None) -> Sequence[str]:
    if described is None:
        return ()
    told = [described.fields.get(name) for name in _NAMING]
    return [one for one in (*told, described.instrument_model) if isinstance(one, str) and one.strip()]


def _people(project: Project) -> frozenset[str]:
    """Give the names of a project's people as they may be parts of a folder's name."""
    names = [project.owner, *project.people, *(one.name for one in project.defaults.creators)]
    return frozenset(token for token in _all_tokens(names) if len(token) >= _SHORTEST_TOKEN)


def _all_tokens(names: Iterable[str]) -> Iterable[str]:
    return (token for name in names for token in _TOKEN.findall(name.casefold()))


def _tokens(name: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(name.casefold())) or frozenset({name})


def _is_within(part: frozenset[str], whole: frozenset[str]) -> bool:
    return part <= whole and any(len(token) >= _SHORTEST_TOKEN for token in part)


def _certain(value: str, reason: str) -> Guess:
    return Guess(value=value, sure=Sureness.CERTAIN, reason=reason)


def _likely(value: str, reason: str) -> Guess:
    return Guess(value=value, sure=Sureness.LIKELY, reason=reason)


def _unsure(value: str, reason: str) -> Guess:
    return Guess(value=value, sure=Sureness.UNSURE, reason=reason)
