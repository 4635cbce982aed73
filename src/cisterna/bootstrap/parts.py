"""The one composition root: which adapter stands behind which port."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from cisterna.adapters.landing_folder import read_outside
from cisterna.adapters.system_clock import SystemClock
from cisterna.bootstrap.alert_sinks import alert_sinks
from cisterna.bootstrap.home import Endpoints, Home
from cisterna.bootstrap.lineage_sink import lineage_sink
from cisterna.bootstrap.profile_plug import InstalledProfiles, installed_profiles
from cisterna.bootstrap.sheets import Sheets, sheets_of
from cisterna.bootstrap.stores import Stores
from cisterna.bootstrap.suites import suite_folders
from cisterna.bootstrap.vocabulary import vocabulary_of
from cisterna.bootstrap.zones import Zones
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.errors import NotFound, SettingsInvalid, StoreUnavailable
from cisterna.domain.event import Event
from cisterna.domain.instrument import Instrument
from cisterna.domain.release import ReleaseRules
from cisterna.domain.stored_copy import ARCHIVE
from cisterna.ports.booking import BookingTables
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.hold import SourceHold
from cisterna.ports.inference import InferenceRunner
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.password import Passwords
from cisterna.ports.profile import Described, Profile
from cisterna.ports.protection import ObjectKeeper
from cisterna.ports.quality import MeterChoice, QualityGate, TableFile
from cisterna.ports.room import Room
from cisterna.ports.sink import EventSink
from cisterna.ports.source import LandingZone, OutsideReader, SentinelWriter
from cisterna.ports.target import Target
from cisterna.ports.view import ViewWriter
from cisterna.ports.vocabulary import Vocabulary
from cisterna.services.alarm import Alarm
from cisterna.services.deposit import DepositSite
from cisterna.services.release_facts import ReleaseSite
from cisterna.services.retention import CatalogueEndOfLife
from cisterna.services.verify_copy import ArchivedDigests
from cisterna.settings import Settings

if TYPE_CHECKING:
    from cisterna.adapters.gx_gate import GxGate
    from cisterna.adapters.portal import Portal
    from cisterna.services.sender import Sender

_LONGEST_SOCKET_BYTES = 100  # sun_path holds 107
_KEEPING_ATTEMPTS = 2
"""A file that a store cannot give is asked for again by the check itself, and each time may take the store long."""
SHIPPED_MODEL = "nuclei-unet"
"""Trained on synthetic images only; see its README."""


class Parts:
    """The parts of one process, each made when it is first asked for: a command that lists does not load numba."""

    def __init__(self, settings: Settings, stack: contextlib.ExitStack) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._stack = stack

    @cached_property
    def endpoints(self) -> Endpoints | None:
        """Where the embedded parts answer; None when settings name servers for all of them."""
        settings = self.settings
        if settings.database.dsn and settings.store.endpoint and settings.prefect.api_url and settings.web.public_url:
            return None
        return self.home.endpoints()

    @cached_property
    def clock(self) -> Clock:
        """The machine's."""
        return SystemClock()

    @cached_property
    def catalogue(self) -> Catalogue:
        """PostgreSQL."""
        from cisterna.adapters.catalogue_sql import SqlCatalogue

        dsn = self.settings.database.dsn or self._embedded().dsn
        waiting = 2 * len(self.settings.alerts.targets)  # each target's thread holds two while the target answers
        catalogue = SqlCatalogue(dsn.get_secret_value(), pool_size=4 + waiting)
        self._stack.callback(catalogue.close)
        return catalogue

    @cached_property
    def public_catalogue(self) -> Catalogue:
        """The same, by connections of their own: for what anybody may ask, which waits for nobody and nobody for it."""
        from cisterna.adapters.catalogue_connection import PUBLIC_USAGE
        from cisterna.adapters.catalogue_sql import SqlCatalogue

        dsn = self.settings.database.dsn or self._embedded().dsn
        catalogue = SqlCatalogue(dsn.get_secret_value(), usage=PUBLIC_USAGE)
        self._stack.callback(catalogue.close)
        return catalogue

    @contextlib.contextmanager
    def catalogue_beside(self, name: str, *, keep: bool) -> Iterator[Catalogue]:
        """Open a catalogue on a database of that name beside this one's, made when it is not there.

        Args:
            name: Of the database.
            keep: Whether a database that was made for it stays.

        Raises:
            AlreadyExists: The database holds something else than a catalogue.
        """
        from cisterna.adapters.catalogue_database import database_beside
        from cisterna.adapters.catalogue_sql import SqlCatalogue

        dsn = self.settings.database.dsn or self._embedded().dsn
        with database_beside(dsn.get_secret_value(), name, keep=keep) as beside:
            catalogue = SqlCatalogue(beside)
            try:
                catalogue.migrate()
                yield catalogue
            finally:
                catalogue.close()

    def store_named(self, name: str | None) -> ObjectStore:
        """Give the archive, or the store of that name which keeps a copy of it. Raises `NotFound`."""
        if name is None or name == self.archive_store.name:
            return self.archive_store
        found = self.copy_stores.get(name)
        if found is None:
            there = ", ".join([self.archive_store.name, *self.copy_stores])
            raise NotFound(f"no store is called '{name}'; there are: {there}", store=name)
        return found

    @cached_property
    def stores(self) -> Stores:
        """Where the object stores are, with which keys, and who must not reach them."""
        return Stores(self.settings, embedded=self._embedded, stack=self._stack)

    @cached_property
    def archive_store(self) -> ObjectStore:
        """The bucket of the OCFL storage root, with the archive's credentials."""
        return self.stores.open("archive")

    @cached_property
    def copy_stores(self) -> Mapping[str, ObjectStore]:
        """The further stores that keep a copy of every object, by the name that receipts call them."""
        return {name: self.stores.open(name, attempts=_KEEPING_ATTEMPTS) for name in self.stores.copies}

    @property
    def room(self) -> Room | None:
        """The disk of the embedded store; of another one nobody can tell."""
        from cisterna.adapters.disk_room import DiskRoom

        if not self.stores.is_embedded:
            return None
        return DiskRoom(self.home.store, reserve_bytes=self.settings.store.reserve_mib * 1024 * 1024)

    def prove_stores(self) -> None:
        """Prove that every store keeps what the archive stands on. A copy's store that is away is proven later.

        Raises:
            StoreUnfit: One does not; the message says which, and what it lacks.
            StoreUnavailable: The archive or the public bucket does not answer.
        """
        self.archive_store.probe()
        self.public_store.probe()
        for store in self.copy_stores.values():
            with contextlib.suppress(StoreUnavailable):
                store.probe()

    @cached_property
    def keeping_stores(self) -> Mapping[str, ObjectStore]:
        """Every store that keeps copies, the archive first, as copying and checking use them."""
        return {ARCHIVE: self.stores.open(ARCHIVE, attempts=_KEEPING_ATTEMPTS), **self.copy_stores}

    @cached_property
    def object_keepers(self) -> Mapping[str, ObjectKeeper]:
        """What holds, locks and marks single objects in every store that keeps copies, the archive first."""
        return {name: self.stores.keeper(name) for name in (ARCHIVE, *self.stores.copies)}

    @cached_property
    def end_of_life(self) -> CatalogueEndOfLife:
        """Tells which datasets' time is over, by the retention rules."""
        return CatalogueEndOfLife(catalogue=self.catalogue, clock=self.clock)

    @cached_property
    def keeping_pace(self) -> Callable[[bytes], object]:
        """Hold copying and checking back to the rate that is set."""
        from cisterna.services.pace import Bucket

        wanted = self.settings.archive.check_mib_per_second
        rate = None if wanted is None else wanted * 1024 * 1024
        bucket = Bucket(lambda: rate, clock=self.clock)
        return lambda chunk: bucket.take(len(chunk))

    @cached_property
    def public_store(self) -> ObjectStore:
        """The bucket of what is public, with credentials that reach nothing else."""
        return self.stores.open("public")

    @cached_property
    def tables(self) -> TableFile:
        """Parquet."""
        from cisterna.adapters.table_parquet import ParquetTables

        return ParquetTables()

    @property
    def sheets(self) -> Sheets:
        """Plate maps and sample sheets."""
        return sheets_of(self.settings)

    @cached_property
    def meters(self) -> MeterChoice:
        """What measures files, by data type."""
        from cisterna.bootstrap.meter import meter_choice

        return self._stack.enter_context(meter_choice(self.settings, self.home))

    @cached_property
    def views(self) -> ViewWriter:
        """OME-Zarr."""
        from cisterna.adapters.view_zarr import ZarrViews

        return ZarrViews(image_limit_bytes=self.settings.measure.image_limit_bytes)

    def warm(self) -> None:
        """Do once what is slow the first time: load compiled code and the table library. For workers."""
        from cisterna.adapters.image_meter import TiffMeter

        TiffMeter().warm()
        self.tables.load(self.tables.dump({"path": ["a"], "size_bytes": [1]}))

    @property
    def gate_socket(self) -> Path:
        """Where the quality process listens."""
        return self._socket("gate")

    @property
    def model_socket(self) -> Path:
        """Where the model process listens."""
        return self._socket("model")

    @cached_property
    def gate(self) -> QualityGate:
        """Great Expectations, in its own process."""
        return self.suite_desk

    @cached_property
    def suite_desk(self) -> GxGate:
        """The same, as where suites are tried; the facility's own folder of suites goes before ours."""
        from cisterna.adapters.gx_gate import GxGate

        return GxGate(self.gate_socket, expectations=suite_folders(self.settings, self.home))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Every vocabulary that is here."""
        return vocabulary_of(self.settings, self.home)

    @cached_property
    def alarm(self) -> Alarm:
        """Judges what is measured while an instrument still writes."""
        return Alarm(self.catalogue, self.clock, self.profiles, self.gate.limits)

    @cached_property
    def inference(self) -> InferenceRunner:
        """BioImage.IO models, in their own process."""
        from cisterna.adapters.model_runner import ModelRunner

        return ModelRunner(self.model_socket, models=self.home.models)

    @cached_property
    def publisher(self) -> Portal:
        """The built-in portal on the public bucket: publisher, and the shelf that landing pages are read from."""
        from cisterna.adapters.portal import Portal

        return Portal(self.public_store, base_url=self.base_url)

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """Places outside to which public versions go, by name."""
        from cisterna.bootstrap.targets import open_targets

        return open_targets(self.settings, stack=self._stack, clock=self.clock)

    @property
    def deposit_site(self) -> DepositSite:
        """What deposits there stand on."""
        base, home = self.base_url, self.home.name()
        return DepositSite(
            self.catalogue, self.archive_store, self.tables, self.publisher, self.clock, base_url=base, home=home
        )

    @property
    def senders(self) -> Mapping[str, Sender]:
        """Who may send hints, by name."""
        from cisterna.services.sender import Sender

        return {
            one.name: Sender(name=one.name, secret=one.secret, token=one.token) for one in self.settings.events.senders
        }

    @cached_property
    def passwords(self) -> Passwords:
        """argon2id."""
        from cisterna.adapters.passwords import Argon2Passwords

        return Argon2Passwords()

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Every installed profile that can be used; `folder`, which fits any, comes last."""
        return self.installed_profiles.usable

    @cached_property
    def installed_profiles(self) -> InstalledProfiles:
        """Profiles of the entry points `cisterna.profiles`, ours and others', and what is wrong with the rest."""
        return installed_profiles(entry_points(group="cisterna.profiles"))

    @property
    def base_url(self) -> str:
        """Address at which people reach the pages."""
        return (self.settings.web.public_url or self._embedded().web_url).rstrip("/")

    @property
    def prefect_api_url(self) -> str:
        """Address of Prefect's API."""
        return self.settings.prefect.api_url or self._embedded().prefect_api_url

    def profile(self, name: str) -> Profile:
        """Return a profile. Raises `NotFound`, naming those there are."""
        found = self.profiles.get(name)
        if found is None:
            fault = self.installed_profiles.fault_of(name)
            if fault is not None:
                raise NotFound(f"{fault.words}; {fault.fix}", profile=name)
            msg = f"there is no profile '{name}'; installed are: {', '.join(self.profiles) or 'none'}"
            raise NotFound(msg, profile=name)
        return found

    @cached_property
    def zones(self) -> Zones:
        """Landing zones, in folders and in buckets."""
        return Zones(self.settings, stores=self.stores, stack=self._stack)

    def zone_of(self, instrument: Instrument) -> LandingZone:
        """Open an instrument's landing zone, and no other folder that stands in its place."""
        opens = self.zones.share if instrument.adopted else self.zones.open
        return opens(instrument.path, declared=instrument.identity)

    def zone_at(self, path: Path | str) -> LandingZone:
        """Open any folder, or a prefix `s3://bucket/prefix`, as a landing zone."""
        return self.zones.open(str(path))

    @property
    def sentinel_writer(self) -> SentinelWriter:
        """Puts a sentinel into a landing zone, when an administrator asks."""
        from cisterna.adapters.zone_sentinel import write_sentinel

        return write_sentinel

    @property
    def outside(self) -> OutsideReader:
        """Reads the files outside landing zones that instruments' settings name."""
        return read_outside

    @cached_property
    def booking_tables(self) -> BookingTables:
        """Booking tables on disk."""
        from cisterna.adapters.booking_file import BookingFiles

        return BookingFiles()

    @cached_property
    def source_holds(self) -> Sequence[SourceHold]:
        """Systems that are asked before a source goes: lists of the settings, then the entry points `cisterna.holds`.

        A plug-in that cannot be loaded stays in the list: it could not be asked, which counts as held.
        """
        from cisterna.adapters.path_list_hold import PathListHold
        from cisterna.adapters.plugged_hold import PluggedHold

        holds = self.settings.holds
        longest = timedelta(hours=holds.list_hours)
        lists = [PathListHold(path, longest_age=longest, clock=self.clock) for path in holds.path_lists]
        points = sorted(entry_points(group="cisterna.holds"), key=lambda point: point.name)
        return [*lists, *(PluggedHold(point.name, point.load) for point in points)]

    @property
    def release_site(self) -> ReleaseSite:
        """What releases of source copies stand on."""
        rules = self.settings.release
        return ReleaseSite(
            catalogue=self.catalogue,
            store=self.archive_store,
            stores=self.store_names,
            tables=self.tables,
            clock=self.clock,
            zone_of=self.zone_of,
            systems=self.source_holds,
            rules=ReleaseRules(
                copies=rules.copies,
                receipt_days=rules.receipt_days,
                rest_days=rules.rest_days,
                undo_hours=rules.undo_hours,
            ),
            ask_seconds=self.settings.holds.ask_seconds,
        )

    @cached_property
    def archived_digests(self) -> ArchivedDigests:
        """Tells which bytes are safe in the archive."""
        return ArchivedDigests(
            catalogue=self.catalogue,
            store=self.archive_store,
            stores=self.store_names,
            tables=self.tables,
            clock=self.clock,
            longest_age=timedelta(days=self.settings.release.receipt_days),
        )

    @property
    def store_names(self) -> tuple[str, ...]:
        """Give the names of the archive and of every store of copies."""
        return (self.archive_store.name, *(copy.name for copy in self.settings.store.copies))

    def find_project(self, instrument_path: str) -> Callable[[Acquisition, Described], str | None]:
        """Return what ties acquisitions of a landing zone to projects, by the rules as they are when it is called."""

        def find(acquisition: Acquisition, described: Described) -> str | None:
            from cisterna.services.project import resolve_project

            with self.catalogue.begin() as tx:
                bindings, projects = tx.projects.bindings(), tx.projects.list()
            return resolve_project(
                acquisition,
                described,
                landing_path=instrument_path,
                bindings=bindings,
                projects=projects,
                tables=self.booking_tables,
            ).project

        return find

    def companions(self) -> Sequence[tuple[str, Sequence[str], Path]]:
        """Say how the quality and the model process are started, and where each listens.

        Nobody waits for them; work that needs them does.
        """
        gate = ["cisterna.adapters.gx_process", "--socket", str(self.gate_socket)]
        gate += [f"--expectations={folder}" for folder in suite_folders(self.settings, self.home)]
        model = ["cisterna.adapters.model_process", "--socket", str(self.model_socket)]
        model += ["--models", str(self.home.models)]
        started = (("gate", gate, self.gate_socket), ("model", model, self.model_socket))
        return [(name, [sys.executable, "-m", *argv], socket) for name, argv, socket in started]

    def sinks(self) -> Sequence[EventSink]:
        """Return the sinks that the outbox is drained to, Prefect's own aside (flows/ adds it)."""
        from cisterna.adapters.sink_archive_log import ArchiveLogSink, CopyLogSink

        first = ArchiveLogSink(catalogue=self.catalogue, store=self.archive_store)
        further = (CopyLogSink(first, copy=store) for store in self.copy_stores.values())
        told = alert_sinks(self.settings, catalogue=self.catalogue, base_url=self.base_url)
        return (lineage_sink(self.settings, self.home), first, *further, *self._mail_sink(), *told)

    def openlineage_lines(self, events: Iterable[Event]) -> Iterator[str]:
        """Write events as OpenLineage, one JSON document a line."""
        from cisterna.adapters.sink_openlineage import openlineage_lines

        return openlineage_lines(events, namespace=self.settings.lineage.namespace)

    def models(self) -> Sequence[str]:
        """Name the admitted models."""
        return self.inference.models()

    def collect_unadmitted(self) -> Sequence[str]:
        """Remove what killed admissions of models left half copied; return its names."""
        from cisterna.adapters.model_package import collect_incoming

        return collect_incoming(self.home.models)

    def admit_shipped_model(self) -> str:
        """Admit the model that comes with Cisterna, unless a site has put another in its place; return its name."""
        from cisterna.adapters.model_package import admit_package, list_packages
        from cisterna.adapters.shared_data import shared_folder

        if SHIPPED_MODEL not in list_packages(self.home.models):
            admit_package(shared_folder("models") / SHIPPED_MODEL, self.home.models, name=SHIPPED_MODEL)
        return SHIPPED_MODEL

    def _mail_sink(self) -> Sequence[EventSink]:
        """Return the sinks that mail, when the settings name a server."""
        from cisterna.bootstrap.deliveries import mail_sinks

        return mail_sinks(
            self.settings.mail,
            catalogue=self.catalogue,
            base_url=self.base_url,
            clock=self.clock,
            passwords=self.passwords,
        )

    def _socket(self, name: str) -> Path:
        """Name a socket in the home, or, where that path is too long for one, in a private folder of the system's."""
        wanted = self.home.run / f"{name}.sock"
        if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_BYTES:
            return wanted
        token = hashlib.sha256(os.fsencode(self.home.folder)).hexdigest()[:16]
        folder = Path(os.environ.get("XDG_RUNTIME_DIR", tempfile.gettempdir())) / f"cisterna-{os.getuid()}-{token}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
            msg = f"{folder} is not private to this user; remove it, or choose a home with a shorter path"
            raise SettingsInvalid(msg, folder=str(folder))
        return folder / f"{name}.sock"

    def _embedded(self) -> Endpoints:
        return self.endpoints or self.home.endpoints()


@contextlib.contextmanager
def open_parts(settings: Settings) -> Iterator[Parts]:
    """Compose the parts from the settings, and close what was opened when the block ends.

    Raises:
        NotReady: An embedded part is needed and nothing runs on the home.
    """
    with contextlib.ExitStack() as stack:
        yield Parts(settings, stack)
