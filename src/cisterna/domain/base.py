"""The one base of every value in the domain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


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
