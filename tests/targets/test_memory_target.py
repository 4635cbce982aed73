"""The target in memory keeps what every target must keep."""

from __future__ import annotations

import pytest

from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.target_contract import TargetContract


@pytest.mark.usefixtures("stage")
class TestMemoryTarget(TargetContract):
    @pytest.fixture(params=[False, True], ids=["plain", "reserving"])
    def stage(self, request: pytest.FixtureRequest) -> MemoryTarget:
        return MemoryTarget(SettableClock(), reserves=request.param)
