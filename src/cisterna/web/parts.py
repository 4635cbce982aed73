"""What the pages stand on; the composition root fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cisterna.domain.control_chart import BaselineRule
from cisterna.domain.dataset import Version
from cisterna.domain.delivery import DeliveryRules
from cisterna.metadata.fair import FairScore
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.password import Passwords
from cisterna.ports.publisher import PublicFile, PublicRecord, PublicShelf, Publisher
from cisterna.ports.quality import SuiteDesk, TableFile
from cisterna.ports.sample_sheet import SheetReader
from cisterna.ports.vocabulary import Vocabulary
from cisterna.services.erase_plan import SurveySite
from cisterna.services.project_edit import Offered
from cisterna.services.public_files import FileLists
from cisterna.services.report_trend import Baselines
from cisterna.services.retention import CatalogueEndOfLife
from cisterna.services.sender import Sender
from cisterna.services.verify_copy import ArchivedDigests
from cisterna.web.dataset_content import Content, ContentCache
from cisterna.web.hint_count import HintCount
from cisterna.web.public_door import Door
from cisterna.web.report_sources import ReportSources
from cisterna.web.score_cache import ScoreCache


def _no_models() -> Sequence[str]:
    return ()


def _no_baselines(_data_type: str) -> Sequence[BaselineRule]:
    return ()


@dataclass(frozen=True, kw_only=True)
class WebParts:
    """The parts of the web process.

    Attributes:
        catalogue: What is true now.
        public_catalogue: The same by connections of their own, for what anybody may ask of the index of what is public.
        store: The archive; pages read thumbnails and files from it.
        shelf: What is public; landing pages are made from it alone.
        publisher: The target that a withdrawal goes to; usually the same object as `shelf`.
        tables: Reads the tables kept in objects.
        passwords: Makes secrets and judges passwords.
        clock: Tells the time.
        base_url: Address people use, such as `http://127.0.0.1:8080`; its host is the only one that is answered,
            beside `hosts`.
        hosts: More host names to answer to, without ports.
        prefect_url: Address of Prefect's pages, for operators; None hides the link.
        site_name: What the site is called, in feeds and to harvesters.
        contact: Mail address of who answers for what is public.
        archived: Tells which bytes are safe in the archive.
        survey: What erasures are decided on; nothing of it deletes.
        end_of_life: Tells whose time is over, by the retention rules.
        targets: Names of the places outside to which public versions go.
        stores: Names of the archive and of the stores of copies.
        release_copies: Stores that must hold a file before it counts as safe.
        delivery_rules: How long an address of a delivery is good, and whether it can be mailed.
        models: Names the admitted models, for the form that asks for one.
        baselines: Gives the rules of a data type's suite that ask what was usual, for charts.
        suites: Where suites are tried.
        sheets: Reads plate maps and sample sheets.
        vocabulary: Where terms are looked up.
        upload_limit_bytes: Largest body of a request.
        senders: Who may send hints, by name.
        hint_count: What became of those.
        contents: Keeps what was read last of archived versions.
        report_sources: Keeps what reports on quality are drawn from.
        file_lists: Looks files up in the manifests of versions that have many.
        index_door, shelf_door, delivered_door, watch_door: How many who did not sign in come in at once, by what it
            takes to answer them. Together they leave room among the connections that the server takes.
        scores: Keeps the FAIR scores that were made last.
    """

    catalogue: Catalogue
    public_catalogue: Catalogue
    store: ObjectStore
    shelf: PublicShelf
    publisher: Publisher
    tables: TableFile
    passwords: Passwords
    clock: Clock
    base_url: str
    hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")
    archived: ArchivedDigests
    survey: SurveySite
    vocabulary: Vocabulary
    end_of_life: CatalogueEndOfLife
    sheets: SheetReader
    site_name: str = "Cisterna"
    contact: str = "cisterna@localhost.invalid"
    release_copies: int = 2
    delivery_rules: DeliveryRules = field(default_factory=DeliveryRules)
    targets: Sequence[str] = ()
    stores: Sequence[str] = ()
    prefect_url: str | None = None
    models: Callable[[], Sequence[str]] = field(default=_no_models)
    baselines: Baselines = field(default=_no_baselines)
    suites: SuiteDesk | None = None
    upload_limit_bytes: int = 1024 * 1024
    senders: Mapping[str, Sender] = field(default_factory=dict)
    hint_count: HintCount = field(default_factory=HintCount)
    contents: ContentCache = field(default_factory=ContentCache)
    report_sources: ReportSources = field(default_factory=ReportSources)
    file_lists: FileLists = field(default_factory=FileLists)
    index_door: Door = field(default_factory=lambda: Door("the index of what is public", threads=4, inside=40))
    shelf_door: Door = field(default_factory=lambda: Door("landing pages", threads=12, inside=80))
    delivered_door: Door = field(default_factory=lambda: Door("deliveries", threads=3, inside=40))
    watch_door: Door = field(default_factory=lambda: Door("what operators watch", threads=2, inside=8))
    scores: ScoreCache = field(default_factory=ScoreCache)

    @property
    def offered(self) -> Offered:
        """Give what a project's policy can name."""
        return Offered(models=self.models(), targets=self.targets, stores=self.stores)

    def content_of(self, version: Version) -> Content:
        """Return what a version holds; the caller has made sure that the person may see it."""
        return self.contents.of(version, catalogue=self.catalogue, store=self.store, tables=self.tables)

    def score_of(self, version: Version) -> FairScore:
        """Return a version's FAIR score; the caller has made sure that the person may see it. Raises `InvalidInput`."""
        return self.scores.of(
            version, catalogue=self.catalogue, store=self.store, tables=self.tables, base_url=self.base_url
        )

    def find_file(self, of: PublicRecord | Content, path: str) -> PublicFile | None:
        """Find a file by its logical path."""
        return self.file_lists.find(path, of.files, of.lists, store=self.store, tables=self.tables)

    def run_of_files(self, of: PublicRecord | Content, start: int, stop: int) -> list[PublicFile]:
        """Give the files from place `start` to before `stop`."""
        return self.file_lists.run(start, stop, of.files, of.lists, store=self.store, tables=self.tables)
