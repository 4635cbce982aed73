"""A place outside in memory that keeps real state and fails when told to; it passes the same kit as real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import TargetUnavailable
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport
from cisterna.testing.outside_server import RETRY_SECONDS, Fault


@dataclass
class Strike:
    """A fault that waits for its call."""

    fault: Fault
    skip: int
    error: Exception | None = None
    seen: int = 0
    fired: int = 0


@dataclass
class Shelved:
    """What lies there under a key.

    Attributes:
        record: What it was deposited with, last.
        bodies: Its files.
        reason: Why it was withdrawn.
    """

    outside_id: str
    state: DepositState
    record: PublicRecord | None = None
    bodies: dict[str, bytes] = field(default_factory=dict)
    reason: str | None = None


class MemoryTarget:
    """Implements `ports.target.Target`.

    Args:
        clock: Dates what it says.
        name: Of the target.
        reserves: Whether it gives DOIs before publication.
        narrows: Whether what stands there can lose its files; where not, what stands is left alone.
    """

    secret = "sesame-1234567890"  # noqa: S105 - what nobody may be told
    faults = frozenset({Fault.THROTTLED, Fault.BROKEN, Fault.UNREACHED, Fault.LOST})

    def __init__(self, clock: Clock, *, name: str = "memory", reserves: bool = False, narrows: bool = True) -> None:
        self.name = name
        self.title = name.title()
        self.reserves = reserves
        self.narrows = narrows
        self.shelf: dict[str, Shelved] = {}
        self.during: Callable[[], object] = lambda: None
        self._clock = clock
        self._strikes: list[Strike] = []
        self._writes = 0

    @property
    def target(self) -> MemoryTarget:
        """Itself, as kits want it."""
        return self

    def reserve(self, request: ReserveRequest) -> Deposit | None:
        """Give a DOI that is made of the key."""
        if not self.reserves:
            return None
        return self._told(self._write(lambda: self._shelve(request.key)))

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Make a draft, take the files, and show it."""
        del known
        if not self.narrows and self.standing(request.key):
            return self._told(self.shelf[request.key])
        found = self._write(lambda: self._shelve(request.key))
        wanted = list(files.files(request.record))
        for path in found.bodies.keys() - {one.path for one in wanted}:
            del found.bodies[path]
        for file in wanted:
            with files.open(file) as chunks:
                found.bodies[file.path] = b"".join(chunks)
        self.during()
        return self._told(self._write(lambda: self._show(found, request.record)))

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Hide it."""
        del known
        found = self.shelf.get(request.key)
        if found is None:
            return None
        return self._told(self._write(lambda: self._hide(found, request.record, reason)))

    def test(self) -> TargetReport:
        """Say that it is there."""
        return TargetReport(is_usable=True, words="it answers", limits=("nothing",))

    def strike(self, fault: Fault, *, skip: int = 0, error: Exception | None = None) -> Strike:
        """Let one write fail, after the next `skip` have passed; with an error of the test's, by that."""
        struck = Strike(fault, skip, error)
        self._strikes.append(struck)
        return struck

    def heal(self) -> None:
        """Fail no more."""
        self._strikes.clear()

    def standing(self, key: str) -> Sequence[str]:
        """Give what is shown under a key."""
        return [one.outside_id for one in self._under(key) if one.state is DepositState.DEPOSITED]

    def made(self, key: str) -> Sequence[str]:
        """Give whatever is there under a key."""
        return [one.outside_id for one in self._under(key)]

    def told(self, key: str) -> str:
        """Give what is said under a key."""
        return " ".join(
            f"{one.record.model_dump_json() if one.record else ''} {one.reason}" for one in self._under(key)
        )

    def writes(self) -> int:
        """Count the writes."""
        return self._writes

    def strayed(self) -> Sequence[object]:
        """Nothing goes anywhere."""
        return []

    def _under(self, key: str) -> Sequence[Shelved]:
        return [self.shelf[key]] if key in self.shelf else []

    def _write(self, act: Callable[[], Shelved]) -> Shelved:
        struck = self._due()
        if struck is not None and struck.fault is not Fault.LOST:
            raise self._refusal(struck)
        done = act()
        self._writes += 1
        if struck is not None:
            raise self._refusal(struck)
        return done

    def _due(self) -> Strike | None:
        for one in self._strikes:
            one.seen += 1
            if one.seen == one.skip + 1:
                one.fired += 1
                return one
        return None

    def _refusal(self, struck: Strike) -> Exception:
        if struck.error is not None:
            return struck.error
        facts = {"retry_after_seconds": RETRY_SECONDS} if struck.fault is Fault.THROTTLED else {}
        return TargetUnavailable(f"{self.name} is {struck.fault.value}", target=self.name, **facts)

    def _shelve(self, key: str) -> Shelved:
        return self.shelf.setdefault(key, Shelved(f"{self.name}-{len(self.shelf) + 1}", DepositState.RESERVED))

    def _show(self, found: Shelved, record: PublicRecord) -> Shelved:
        found.state, found.record = DepositState.DEPOSITED, record
        return found

    def _hide(self, found: Shelved, record: PublicRecord, reason: str) -> Shelved:
        found.state, found.record, found.reason = DepositState.WITHDRAWN, record, reason
        found.bodies.clear()
        return found

    def _told(self, found: Shelved) -> Deposit:
        return Deposit(
            target=self.name,
            outside_id=found.outside_id,
            address=f"https://{self.name}.example.org/{found.outside_id}",
            doi=f"10.5072/{found.outside_id}",
            state=found.state,
            told_at=self._clock.now(),
        )
