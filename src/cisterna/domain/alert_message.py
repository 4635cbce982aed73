"""What is told to the targets that a site names: one message about one thing, and nothing that the data say."""

from __future__ import annotations

from enum import StrEnum

from cisterna.domain.base import Value


class MessageKind(StrEnum):
    """What a message is about; a target names those that it wants."""

    QUARANTINED = "quarantined"
    NOT_ASSESSED = "not-assessed"
    REVIEW = "review"
    ALERT = "alert"
    """Something is wrong with a run that is being written."""
    SILENT = "silent"
    """A run is silent for longer than its plan foresees."""
    INSTRUMENT_SILENT = "instrument-silent"
    """Nothing has come from an instrument for longer than is usual for it."""
    GUARDED = "guarded"
    """Many runs are gone or changed at once, and nobody believes it."""
    DAMAGED = "damaged"
    """A copy in a store does not have the digest on record."""
    RELEASE_REFUSED = "release-refused"
    """The instrument's copy was not deleted although that was announced."""
    PUBLICATION_FAILED = "publication-failed"
    """What was to become public has not, for another reason than that it may not."""
    DEPOSIT_FAILED = "deposit-failed"
    """What is public here was given up at a place outside."""
    DELIVERY_UNMAILED = "delivery-unmailed"
    """Somebody was to be told by mail of data that were delivered to them, and will not be."""


WANTED = tuple(kind for kind in MessageKind if kind is not MessageKind.REVIEW)
"""What a target gets that names no kinds: what is in review by rule is a matter of every day."""


class AlertMessage(Value):
    """One message.

    Attributes:
        subject: In one line.
        lines: The rest, without the address.
        address: Of the page where somebody looks and acts.
        instrument, project: Of the data; a target may want those of some only.
    """

    kind: MessageKind
    subject: str
    lines: tuple[str, ...]
    address: str
    instrument: str | None = None
    project: str | None = None

    @property
    def body(self) -> str:
        """The lines and the address, as text."""
        return "\n".join([*self.lines, self.address])
