"""Keys of probes tell their age, and nothing else passes for one."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.probe_key import PROBE_GRACE, PROBE_PREFIX, is_left_over, probe_key, probed_at

OTHER = "01a20669-9204-71d7-bae9-b4025eb723dc"
RANDOM = "320852eb-91b5-4f03-a872-e9dabfaad39f"


def test_a_key_tells_when_it_was_made() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=2)
    made = probed_at(probe_key(SystemClock().new_id(), "store") + "-race")

    assert made is not None
    assert before <= made <= datetime.now(UTC)


def test_a_key_is_left_over_when_no_probe_can_be_at_it_any_more() -> None:
    key, now = probe_key(SystemClock().new_id(), "distinct"), datetime.now(UTC)

    assert not is_left_over(key, now=now)
    assert not is_left_over(key, now=now + PROBE_GRACE / 2)
    assert not is_left_over(key, now=now - PROBE_GRACE), "made by a clock that is ahead of ours"
    assert is_left_over(key, now=now + PROBE_GRACE + timedelta(seconds=1))


@pytest.mark.parametrize(
    "key",
    [
        "",
        PROBE_PREFIX,
        f"{PROBE_PREFIX}ready",
        f"{PROBE_PREFIX}{uuid.UUID(int=0)}-store",
        f"{PROBE_PREFIX}{RANDOM}-store",
        f"{PROBE_PREFIX}{OTHER}",
        f"{PROBE_PREFIX}{OTHER.upper()}-store",
        f"{PROBE_PREFIX}{uuid.UUID(OTHER).hex}-store",
        f"{PROBE_PREFIX}folder/{OTHER}-store",
        f"x{probe_key(OTHER, 'store')}",
        f"{OTHER}-store",
        "abc/def/012/object/inventory.json",
    ],
)
def test_what_no_probe_made_is_never_left_over(key: str) -> None:
    assert probed_at(key) is None
    assert not is_left_over(key, now=datetime.max.replace(tzinfo=UTC))
