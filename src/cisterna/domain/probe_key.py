"""Keys that are written to find out what a store does, and what a killed probe leaves of them.

They lie in the storage root, where OCFL 1.1 (section 4.1) allows nothing but objects; so each tells when it was made,
and one that is too old to be in use is removed.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

PROBE_PREFIX = ".cisterna-probe/"
"""Everything below it is a probe's."""

PROBE_GRACE = timedelta(hours=1)
"""No probe takes as long: clocks that are 15 minutes away from the store's are refused by S3, so two of ours differ by
30 at most."""


def probe_key(identity: str, purpose: str) -> str:
    """Name a key of one probe.

    Args:
        identity: A new UUID of version 7 (RFC 9562): it holds the time in milliseconds.
        purpose: What is tried, as one word.
    """
    return f"{PROBE_PREFIX}{identity}-{purpose}"


def probed_at(key: str) -> datetime | None:
    """Tell when a probe made a key; None for a key that no probe of ours made."""
    name = key.removeprefix(PROBE_PREFIX)
    try:
        identity = uuid.UUID(name[:36])
    except ValueError:
        return None
    if name == key or identity.version != 7 or not key.startswith(probe_key(str(identity), "")):
        return None
    return datetime.fromtimestamp((identity.int >> 80) / 1000, UTC)


def is_left_over(key: str, *, now: datetime) -> bool:
    """Tell whether a key is one of a probe that is over, whatever became of it."""
    made = probed_at(key)
    return made is not None and made < now - PROBE_GRACE
