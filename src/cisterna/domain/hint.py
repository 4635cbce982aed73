"""What an event from outside may tell: that it is worth looking somewhere now, and nothing else."""

from __future__ import annotations

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.instrument import Instrument

BUCKET_SCHEME = "s3://"
"""What the path of a landing zone in a bucket begins with."""
LONGEST_PLACE = 4096


class Hint(Value):
    """Names an instrument, or a place that may lie in the landing zone of one.

    It is never believed: whoever gets it looks for itself, as it would have without it, only sooner.

    Attributes:
        instrument: Its name.
        place: An absolute path, or `s3://bucket/key`.
    """

    instrument: str | None = Field(None, max_length=200)
    place: str | None = Field(None, max_length=LONGEST_PLACE)

    def concerns(self, instrument: Instrument) -> bool:
        """Tell whether a look at the instrument's landing zone would see what the hint is about."""
        if not instrument.watched:
            return False
        if self.instrument is not None:
            return self.instrument == instrument.name
        return self.place is not None and _lies_in(self.place, instrument.path.rstrip("/"))


def _lies_in(place: str, zone: str) -> bool:
    """Compare text with text: what is not written plainly lies nowhere, and a look would not find it either."""
    if not place.startswith(("/", BUCKET_SCHEME)):
        return False
    if any(part in {".", ".."} for part in place.split("/")):
        return False
    return place.rstrip("/") == zone or place.startswith(f"{zone}/")
