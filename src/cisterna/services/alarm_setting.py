"""An instrument's settings about alerts: which kinds are off, which wells are left out, how long silence may last."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping

from cisterna.domain.alert import AlertKind
from cisterna.domain.errors import InvalidInput

OFF = "alarm_off"
"""The setting that names kinds of alerts that are not raised, with commas between."""
LEFT_OUT = "alarm_leave_out"
"""The setting that names wells that may be dark, empty or blurred: shell patterns, with commas between."""
CADENCE = "alarm_cadence_seconds"
"""The setting that says how often something is written at least, for runs whose plan does not."""
FACTOR = "alarm_silence_factor"
"""The setting that says how many times the cadence silence may last."""
INSTRUMENT_SECONDS = "alarm_instrument_seconds"
"""The setting that says how long nothing may come from the instrument."""
INSTRUMENT_SILENT = "instrument-silent"
"""What `alarm_off` names to have nobody told that nothing comes from it."""
DEFAULT_FACTOR = 1.5
"""Less than 2, at which a run counts as stalled: who is told in time may still save it."""

_LONGEST = 2000
_LONGEST_TOLD = 1000
"""So that a command that somebody copies is never cut."""


def kinds_off(settings: Mapping[str, str]) -> frozenset[AlertKind]:
    """Give the kinds that are not raised."""
    return frozenset(kind for kind in AlertKind if kind.value in _words(settings.get(OFF, "")))


def tells_of_instrument(settings: Mapping[str, str]) -> bool:
    """Tell whether anybody is to know that nothing comes from the instrument."""
    return INSTRUMENT_SILENT not in _words(settings.get(OFF, ""))


def instrument_seconds(settings: Mapping[str, str]) -> float | None:
    """Give how long nothing may come from it; None where nobody said it. What is no number was refused before."""
    try:
        seconds = float(settings.get(INSTRUMENT_SECONDS, "0"))
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None


def wells_left_out(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Give the patterns of wells that are left out."""
    return _words(settings.get(LEFT_OUT, ""))


def require_sound_alarm_settings(settings: Mapping[str, str]) -> None:
    """Refuse what could not be acted on. Raises `InvalidInput`."""
    for name in (OFF, LEFT_OUT):
        if name in settings and (not _words(settings[name]) or len(settings[name]) > _LONGEST):
            msg = f"the setting {name} names nothing, or more than {_LONGEST} characters; take it away with --unset"
            raise InvalidInput(msg, setting=name)
    kinds = [*AlertKind, INSTRUMENT_SILENT]
    unknown = [one for one in _words(settings.get(OFF, "")) if one not in kinds]
    if unknown:
        msg = f"'{unknown[0][:100]}' is no kind of alert; {OFF} takes {', '.join(kinds)}"
        raise InvalidInput(msg, setting=OFF)


def adding(settings: Mapping[str, str], name: str, word: str) -> str | None:
    """Write the option by which one more word is named beside those that a setting names, as a shell takes it.

    None for a word that the setting cannot hold: it comes from the name of a file.
    """
    words = ",".join(dict.fromkeys((*_words(settings.get(name, "")), word)))
    can_be_named = word.isprintable() and _words(word) == (word,) and len(words) <= _LONGEST_TOLD
    return f"--set {shlex.quote(f'{name}={words}')}" if can_be_named else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip() for one in text.split(","))))
