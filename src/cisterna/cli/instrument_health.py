"""`cisterna instrument health`: how an instrument does."""

from __future__ import annotations

from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, answer, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.domain.instrument_health import Silence
from cisterna.services.instrument_health import InstrumentHealth, instrument_health, verdict_words
from cisterna.services.silence import span


def health(
    name: Annotated[str, typer.Argument(help="Of the instrument.", show_default=False)],
    *,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Say how an instrument does: what passed, how long it is silent, what moved, what is held and what fails most."""
    with opened(home) as parts:
        found = instrument_health(
            name,
            account=local_account(parts),
            catalogue=parts.catalogue,
            clock=parts.clock,
            bucket=parts.archive_store.bucket,
        )
    answer(found.model_dump(mode="json"), as_json=as_json, show=lines(*_lines(found)))


def _lines(found: InstrumentHealth) -> list[str]:
    told = [f"{found.name} ({found.profile}, {found.path})"]
    told += [f"guarded: {found.guard}"] if found.guard else []
    for rate in found.rates:
        share = "nothing was judged" if rate.passed_share is None else f"{rate.passed_share:.1%} passed"
        told.append(f"last {rate.days} days: {share}; {verdict_words(rate.counts)}")
    told.append(_silence(found.silence))
    told += [f"alert: {one.words} (`cisterna show {one.acquisition_id}`)" for one in found.alerts]
    told += [
        f"moved: {one.metric}{f' of {one.channel}' if one.channel else ''} from {one.usual:.4g} to {one.recent:.4g}, "
        f"{one.sigmas:+.1f} sigma"
        for one in found.drift or ()
    ]
    told += [f"held: {one.title}: {one.reason}" for one in found.held]
    told += [
        f"{one.outcome.value}: {one.check} in {one.count} {'dataset' if one.count == 1 else 'datasets'}, "
        f"the newest {one.latest}"
        for one in found.failing
    ]
    return told


def _silence(silence: Silence) -> str:
    if silence.last_run is None:
        return "no run of it was ever seen"
    last = f"last run first seen {silence.last_run:%Y-%m-%d %H:%M} UTC"
    usual = "too few beginnings of runs are known to say what is usual"
    if silence.usual_seconds is not None and silence.longest_seconds is not None:
        every, longest = span(silence.usual_seconds), span(silence.longest_seconds)
        usual = f"one usually begins every {every}, with pauses of up to {longest}"
    if silence.limit_seconds is None:
        return f"{last}; {usual}"
    word = "silent" if silence.is_silent else "not silent"
    return f"{last}; {word}: nothing for {span(silence.quiet_seconds)} of {span(silence.limit_seconds)}; {usual}"
