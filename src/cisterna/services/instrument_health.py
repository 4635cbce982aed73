"""Gathers how an instrument does, as far as the person may know of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cisterna.domain.account import Account, Role
from cisterna.domain.alert import Alert
from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.instrument import Instrument
from cisterna.domain.instrument_health import (
    PERIODS,
    RECENT,
    WINDOW,
    CheckCount,
    Drift,
    Rate,
    Silence,
    Week,
    drifts_of,
    rate_of,
    weeks_of,
)
from cisterna.domain.permission import may_see
from cisterna.domain.trend import JudgedValues
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.instrument_health import Within
from cisterna.ports.roster import Group
from cisterna.services.instrument_silence import silence_now
from cisterna.services.overview import Choice, Overview, count_overviews, list_overviews

NEWEST_RUNS = 1000
"""Of so many runs the checks that did not pass are counted."""
_SHOWN = 10
_JUDGED = 150
_NEVER = "no dataset"


class InstrumentHealth(Value):
    """How an instrument does, over what the person may see of it.

    Attributes:
        asked_at: The moment that everything is counted back from.
        guard: Why its landing zone is not believed at present, or None.
        rates: Of the last 7, 30 and 90 days, by when runs were first seen.
        weeks: The last 13, oldest first.
        told_at: When a message said that nothing comes from it, as long as nothing does.
        alerts: Those that stand, newest first, at most ten.
        held: Runs that are held, the latest first, at most ten; `held_count` counts all.
        failing: What did not pass most often, of the newest 1,000 runs of the last 90 days.
        drift: What moved away from what was usual, the farthest first; None where the person does not see all data.
    """

    name: str
    profile: str
    path: str
    watched: bool
    in_shadow: bool
    guard: str | None
    asked_at: Moment
    rates: tuple[Rate, ...]
    weeks: tuple[Week, ...]
    silence: Silence
    told_at: Moment | None
    alerts: tuple[Alert, ...]
    held: tuple[Overview, ...]
    held_count: int
    failing: tuple[CheckCount, ...]
    drift: tuple[Drift, ...] | None


def instrument_health(
    name: str, *, account: Account, catalogue: Catalogue, clock: Clock, bucket: str
) -> InstrumentHealth:
    """Gather it; what is read is bounded, however many datasets the instrument has.

    Args:
        name: The instrument's.
        account: Who asks; counts and lists are of the data that they may see.
        catalogue: What is true now.
        clock: Tells the moment.
        bucket: Of the archive.

    Raises:
        NotFound: There is no such instrument, or the person may see nothing of it.
    """
    now = clock.now()
    with catalogue.begin() as tx:
        instrument, within = visible_instrument(tx, name, account)
        days = tx.instrument_health.days(within, since=now - WINDOW, now=now)
        facts = {
            "rates": [rate_of(days, period=period) for period in PERIODS],
            "weeks": weeks_of(days, now=now),
            "silence": silence_now(tx, instrument, within, now=now),
            "alerts": tx.alerts.list(
                projects=within.projects,
                unclaimed=within.unclaimed,
                instrument=name,
                is_open=True,
                limit=_SHOWN,
            ),
            "failing": tx.instrument_health.failing(within, since=now - WINDOW, of=NEWEST_RUNS, limit=_SHOWN),
            "drift": None if within.projects is not None else drifts_of(_usual(tx, name, now), now=now, most=_SHOWN),
        }
    held = Choice(group=Group.HELD, instrument=name)
    return InstrumentHealth.model_validate(
        {
            **facts,
            "name": name,
            "profile": instrument.profile,
            "path": instrument.path,
            "watched": instrument.watched,
            "in_shadow": instrument.in_shadow is not None,
            "told_at": instrument.silence.raised_at if instrument.silence else None,
            "guard": instrument.guard.words if instrument.guard else None,
            "asked_at": now,
            "held": list_overviews(held, catalogue=catalogue, bucket=bucket, account=account, limit=_SHOWN),
            "held_count": count_overviews(held, catalogue=catalogue, account=account),
        }
    )


def verdict_words(counts: Mapping[Verdict, int]) -> str:
    """Say how many datasets have which verdict."""
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count) or _NEVER


def visible_instrument(tx: Transaction, name: str, account: Account) -> tuple[Instrument, Within]:
    """Find it and what of it the person may see; somebody with a role everywhere sees all.

    Raises:
        NotFound: There is no such instrument, or the person may see nothing of it.
    """
    unknown = NotFound(f"there is no instrument '{name[:100]}'; `cisterna instrument list` shows all", name=name[:100])
    if not name.isprintable():
        raise unknown
    try:
        instrument = tx.instruments.get(name)
    except NotFound:
        raise unknown from None
    if account.has_role(Role.VIEWER, project=None):
        return instrument, Within(instrument=name)
    told = frozenset(one.slug for one in tx.projects.list() if may_see(account, one))
    within = Within(instrument=name, projects=told, unclaimed=False)
    if not tx.instrument_health.begun(within, limit=1):
        raise unknown
    return instrument, within


def _usual(tx: Transaction, name: str, now: Moment) -> Sequence[JudgedValues]:
    """Read what counts as usual, of every data type: the newest of the last days, and the newest of those before."""
    parts = ((now - RECENT, now), (now - WINDOW, now - RECENT))
    return [
        one
        for data_type in tx.instrument_health.data_types(name, since=now - WINDOW, of=NEWEST_RUNS)
        for since, before in parts
        for one in tx.trends.usual(
            instrument=name, data_type=data_type, since=since, before=before, other_than="", limit=_JUDGED
        )
    ]
