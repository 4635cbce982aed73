"""What stages of targets have alike that are spoken to by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from cisterna.testing.fault_proxy import FaultProxy, Rule
from cisterna.testing.outside_server import Fault, OutsideServer, strike


class ProxiedStage:
    """Begins `testing.target_contract.Stage`: a proxy before a stand-in breaks requests, and a trap sees what strays.

    Attributes:
        proxy: Where the target finds the stand-in.
        trap: Another host, which no target has anything to tell.
    """

    faults = frozenset(Fault)
    proxy: FaultProxy
    trap: OutsideServer

    def stand_before(self, server: OutsideServer, stack: ExitStack) -> None:
        """Start both, the proxy before a stand-in that runs."""
        self.trap = stack.enter_context(OutsideServer())
        self.proxy = stack.enter_context(FaultProxy(server.url))

    def strike(self, fault: Fault, *, skip: int) -> Rule:
        return strike(self.proxy, fault, skip=skip, elsewhere=self.trap.url)

    def heal(self) -> None:
        self.proxy.heal()

    def strayed(self) -> Sequence[object]:
        return self.trap.seen
