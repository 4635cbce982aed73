"""An alert: what somebody should know of a run while the instrument still writes it."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import AcquisitionId, Slug

PICTURE_LIMIT_BYTES = 68 * 1024
"""Largest picture that is kept with an alert: any grey one of 256 x 256 pixels fits."""
MOST_PLACES = 20
"""So many places are named in an alert; all are counted."""

_LONGEST = 200
_LONGEST_PATH = 500
_WELL = re.compile(r"[A-Za-z]{1,2}[0-9]{1,2}")


class AlertKind(StrEnum):
    """What is wrong."""

    UNREADABLE = "unreadable"
    """An image cannot be read, or has pixels that are no number."""
    DARK = "dark"
    EMPTY = "empty"
    BLURRED = "blurred"
    SATURATED = "saturated"
    SILENT = "silent"
    """Nothing was written for longer than the run's cadence."""


class Severity(StrEnum):
    """How grave it is."""

    WARNING = "warning"
    ERROR = "error"


class Place(Value):
    """Where in a run, as the names of its files say; the texts are the instrument's, cut and made printable."""

    region: str | None = None
    field: str | None = None
    channel: str | None = None
    t: int | None = None
    z: int | None = None
    path: str

    @classmethod
    def of(
        cls,
        path: str,
        *,
        region: str | None = None,
        field: str | None = None,
        channel: str | None = None,
        t: int | None = None,
        z: int | None = None,
    ) -> Place:
        """Make a place of whatever texts there are."""
        texts = {"region": region, "field": field, "channel": channel}
        shown = {name: None if text is None else _shown(text, _LONGEST) for name, text in texts.items()}
        return cls(path=_shown(path, _LONGEST_PATH), t=t, z=z, **shown)

    @property
    def words(self) -> str:
        """Say it in the field's words; a file whose name does not tell is named itself."""
        if self.region is None:
            return f"file {self.path}"
        kind = "well" if _WELL.fullmatch(self.region) else "region"
        parts = [f"{kind} {self.region}", f"field {self.field}", f"channel {self.channel}"]
        return ", ".join([*parts, f"time point {self.t}"])


class Acknowledgement(Value):
    """A person's word that they know of it."""

    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    at: Moment


class Alert(Value):
    """One kind of thing that is wrong with one run: raised once, and counted from then on.

    Attributes:
        project: Of the run when it was raised.
        place: Of the first image that is so; None for silence.
        places: Of the first ones, at most `MOST_PLACES`.
        count: How many there are; `is_more` says that counting has stopped there.
        words: What is wrong, in one sentence with the numbers; it may name a well or a channel.
        measure: What was measured, with its unit.
        limit_origin: Where the limit comes from.
        advice: What to look at, and how to silence it where it is meant.
        pictureless: Why there is no picture, if there is none.
        fingerprint: For silence, of the listing that did not change.
        closed_reason: Why it stands no longer.
    """

    alert_id: str
    acquisition_id: AcquisitionId
    kind: AlertKind
    severity: Severity
    instrument: Slug
    project: Slug | None = None
    place: Place | None = None
    places: tuple[Place, ...] = Field(default=(), max_length=MOST_PLACES)
    count: int = Field(default=1, ge=1)
    is_more: bool = False
    words: str = Field(min_length=1, max_length=2000)
    measure: str = Field(min_length=1, max_length=200)
    observed: float = Field(allow_inf_nan=False)
    limit: float = Field(allow_inf_nan=False)
    limit_origin: str = Field(min_length=1, max_length=500)
    advice: str = Field(min_length=1, max_length=2000)
    pictureless: str | None = None
    fingerprint: str | None = None
    raised_at: Moment
    acknowledged: Acknowledgement | None = None
    closed_at: Moment | None = None
    closed_reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.closed_at is None

    @property
    def waits(self) -> bool:
        """Whether it stands and nobody has said that they know of it."""
        return self.is_open and self.acknowledged is None


def picture_fault(picture: bytes | None) -> str | None:
    """Say why a picture cannot be kept with an alert, or None when it can."""
    if picture is None:
        return "no picture was made of it"
    if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "its picture is no PNG"
    if len(picture) > PICTURE_LIMIT_BYTES:
        return f"its picture has {len(picture)} bytes, more than the {PICTURE_LIMIT_BYTES} that are kept"
    return None


def _shown(text: str, longest: int) -> str:
    """Make a text of the instrument's printable on one line, and no longer than it may be."""
    plain = "".join(one if one.isprintable() else "?" for one in text)
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
