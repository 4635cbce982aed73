"""A share for tests: a tree on disk, an adoption of it, and what works on that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path

from cisterna.adapters.share_folder import ShareFolder
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.bootstrap.profile_plug import installed_profiles
from cisterna.domain.account import Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Adoption, Find, Scanning, Sureness, Walk
from cisterna.domain.errors import NotFound
from cisterna.ports.adoption import FindsWanted
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.adopt_contents import KnownRun, known_run
from cisterna.services.adopt_register import register_some
from cisterna.services.adopt_scan import AdoptSite, scan_slice
from cisterna.services.adoption import ask_register, assign, begin_adoption
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.virtual_squid import VirtualSquid

PROFILES = installed_profiles(entry_points(group="cisterna.profiles")).usable
NAME = "old-nas"


class NoBookings:
    """Implements `ports.booking.BookingTables` of a site without any."""

    def read(self, path: str, *, limit_bytes: int) -> bytes:
        del limit_bytes
        raise NotFound(f"there is no {path}", path=path)


def squid_run(parent: Path, *, hour: int = 8, wells: tuple[str, ...] = ("A1",)) -> Path:
    """Write a small run as a Squid does."""
    started = datetime(2021, 3, 4, hour, 30, tzinfo=UTC)
    return VirtualSquid(started=started, wells=wells, fovs=1).write(parent)


def lay(top: Path, *paths: str, body: bytes = b"x") -> None:
    """Write files, with the folders that they need."""
    for path in paths:
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


@dataclass
class Taken:
    """A share that is taken in by an operator called `olga`."""

    top: Path
    catalogue: Catalogue
    clock: SettableClock
    scanning: Scanning = field(default_factory=lambda: Scanning(files_per_second=1_000_000))
    keep_on: Callable[[], None] = lambda: None
    store: ObjectStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        with self.catalogue.begin() as tx:
            if tx.accounts.find("olga") is None:
                tx.accounts.add(make_account("olga", role=Role.OPERATOR))

    def begin(self, **more: object) -> Adoption:
        return begin_adoption(
            NAME,
            path=str(self.top),
            share=ShareFolder(str(self.top)),
            scanning=self.scanning,
            person="olga",
            catalogue=self.catalogue,
            clock=self.clock,
            **more,  # type: ignore[arg-type]
        )

    @property
    def site(self) -> AdoptSite:
        return AdoptSite(
            catalogue=self.catalogue,
            clock=self.clock,
            share_of=lambda adoption: ShareFolder(adoption.path, declared=adoption.identity),
            profiles=PROFILES,
            tables=NoBookings(),
            keep_on=self.keep_on,
            wait=lambda seconds: self.clock.advance(max(seconds, 0.001)),
        )

    def scan(self) -> Walk:
        """Make the inventory to its end, or to where it cannot go on."""
        while scan_slice(NAME, site=self.site):
            pass
        return self.walk

    def register(self, sure: Sureness = Sureness.UNSURE, under: str = "", *, even_alike: bool = False) -> None:
        ask_register(
            NAME,
            sure=sure,
            under=under,
            even_alike=even_alike,
            person="olga",
            catalogue=self.catalogue,
            clock=self.clock,
        )
        self.carry()

    def carry(self) -> int:
        return register_some(NAME, site=self.site, known=self.known)

    def known(self, acquisition: Acquisition) -> KnownRun | None:
        """Open a known run."""
        return known_run(
            acquisition,
            catalogue=self.catalogue,
            zone_of=lambda one: ShareFolder(one.path, declared=one.identity),
            store=lambda: self.store,
            tables=ParquetTables(),
        )

    def say(self, **said: str) -> None:
        fields = {"under": "", "project": None, "instrument": None, "profile": None, "reason": "I was there", **said}
        assign(
            NAME,
            profiles=PROFILES,
            person="olga",
            catalogue=self.catalogue,
            clock=self.clock,
            **fields,  # type: ignore[arg-type]
        )

    @property
    def walk(self) -> Walk:
        with self.catalogue.begin() as tx:
            found = tx.adoptions.walk(NAME)
        assert found is not None
        return found

    @property
    def finds(self) -> dict[str, Find]:
        with self.catalogue.begin() as tx:
            rows = tx.adoptions.finds(NAME, FindsWanted())
        return {row.find.path: row.find for row in rows}

    @property
    def standings(self) -> dict[str, str]:
        with self.catalogue.begin() as tx:
            return {row.find.path: row.standing.value for row in tx.adoptions.finds(NAME, FindsWanted())}

    @property
    def acquisitions(self) -> dict[str, Acquisition]:
        with self.catalogue.begin() as tx:
            return {one.folder: one for one in tx.acquisitions.list()}
