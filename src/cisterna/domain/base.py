"""The one base of every value in the domain."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


def _require_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "a time needs a zone; give it in UTC"
        raise ValueError(msg)
    return moment


Moment = Annotated[datetime, AfterValidator(_require_zone)]
"""An aware time; naive ones are refused."""


def _require_day(said: object) -> date:
    """Take a day of the calendar as it is written; pydantic would take a number for seconds since 1970."""
    try:
        if isinstance(said, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said.strip()):
            said = date.fromisoformat(said.strip())
    except ValueError:
        said = str(said)
    if type(said) is not date or said.year < _FIRST_YEAR:
        msg = f"'{str(said)[:40]}' is no day of the calendar; write it as 2027-06-30"
        raise ValueError(msg)
    return said


_FIRST_YEAR = 1900

Day = Annotated[date, BeforeValidator(_require_day)]
"""A day, without a time and a zone."""
