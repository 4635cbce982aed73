"""A whole site for tests of pages: the real catalogue, a store in memory, people, and versions at every stage."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.checklist_file import read_checklist
from cisterna.adapters.passwords import Argon2Passwords
from cisterna.adapters.portal import Portal
from cisterna.adapters.sheet_file import SheetFiles
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.bootstrap.checklist import shipped_checklist
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.ahead import Ahead
from cisterna.domain.alert import Alert
from cisterna.domain.credit import Creator
from cisterna.domain.dataset import ORDER, Dataset, Relation, Stage, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.erasure import Order, require_object_root
from cisterna.domain.errors import NotFound, StoreUnavailable
from cisterna.domain.finding import Finding, Verdict
from cisterna.domain.fixity import Fault, Fixity
from cisterna.domain.identifier import ark, dataset_id
from cisterna.domain.instrument import MassChange
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.ocfl import object_root
from cisterna.domain.progress import Progress
from cisterna.domain.project import Access, HumanData, Policy, Project, PublishPolicy
from cisterna.domain.publication import Publication
from cisterna.domain.retention import RetentionRule
from cisterna.domain.review import Act
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.work import WorkKind
from cisterna.domain.writing import with_mark
from cisterna.metadata.record import Dates, ImagingFacts, InstrumentFacts, MetadataRecord, Origin
from cisterna.ports.erasure import Content, Eraser, Onlooker
from cisterna.ports.object_store import ObjectStore
from cisterna.services.alert import raise_alert
from cisterna.services.checklist_judge import JUDGEMENTS, ReviewDesk
from cisterna.services.consent import counts, record_consent
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.discard import discard_version
from cisterna.services.disclosure import project_of
from cisterna.services.erase import execute_erasure
from cisterna.services.erase_decision import request_erasure
from cisterna.services.erase_plan import ErasureSite, SurveySite, plan_erasure
from cisterna.services.public_record import PREVIEWS
from cisterna.services.publish import publish_version, withdraw_version
from cisterna.services.retention import CatalogueEndOfLife
from cisterna.services.review import decide
from cisterna.services.staging import stage_files
from cisterna.services.transition import advance
from cisterna.services.verify_copy import ArchivedDigests
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import (
    make_acquisition,
    make_alert,
    make_dataset,
    make_instrument,
    make_project,
    make_receipt,
    make_sha512,
    make_version,
    make_work,
)
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.memory_vocabulary import small_vocabulary
from cisterna.web.checklist_view import review_desk
from cisterna.web.parts import WebParts

OUR_CHECKLIST = read_checklist(own=Path("/nowhere"), shipped=shipped_checklist(), judgements=JUDGEMENTS)
PASSWORD = "correct horse battery"
BASE_URL = "http://testserver"
_SETTLED = {Stage.ACCEPTED, Stage.REJECTED, Stage.PUBLISHED, Stage.WITHDRAWN}
_OPEN = Policy(accept_passed=True, publish=PublishPolicy.PASSED, model="nuclei-unet")


def quick_passwords() -> Argon2Passwords:
    """The real thing with parameters that cost a test nothing."""
    return Argon2Passwords(time_cost=1, memory_kib=8, lanes=1)


def draw_cells(seed: int, *, blur: float = 0) -> bytes:
    """Draw a thumbnail of made-up nuclei."""
    image = Image.new("L", (96, 96), 18)
    pen = ImageDraw.Draw(image)
    for number in range(24):
        x, y, radius = (seed * 37 + number * 53) % 96, (seed * 11 + number * 29) % 96, 3 + (seed + number) % 5
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=90 + (seed * 7 + number * 31) % 150)
    kept = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.5 + blur)).save(kept, "PNG")
    return kept.getvalue()


def _away(name: str) -> Eraser:
    raise StoreUnavailable(f"{name} did not answer; is the object store running?", store=name)


class Counting:
    """Implements `ports.erasure.Onlooker` over any store of ours, which keeps no earlier versions."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store.name
        self._store = store

    def look(self, object_root: str, *, pid: str) -> Content:
        """Count what a listing gives."""
        require_object_root(object_root, pid=pid)
        found = list(self._store.list(f"{object_root}/"))
        return Content(keys=len(found), size_bytes=sum(one.size_bytes for one in found))


@dataclass
class Site:
    """The parts and the people of one site.

    Attributes:
        public: The public bucket; what is in it anybody may see.
        public_catalogue: What the public asks; else the same as `catalogue`.
    """

    catalogue: SqlCatalogue
    clock: SettableClock
    base_url: str = BASE_URL
    store: ObjectStore = field(default_factory=lambda: MemoryStore(name="archive", bucket="cisterna-archive"))
    public: ObjectStore = field(default_factory=lambda: MemoryStore(name="public", bucket="cisterna-public"))
    tables: ParquetTables = field(default_factory=ParquetTables)
    passwords: Argon2Passwords = field(default_factory=quick_passwords)
    public_catalogue: SqlCatalogue | None = None

    def __post_init__(self) -> None:
        self.portal = Portal(self.public, base_url=self.base_url)
        self.onlookers: dict[str, Onlooker] = {"archive": Counting(self.store)}
        self.end_of_life = CatalogueEndOfLife(catalogue=self.catalogue, clock=self.clock)
        self.parts = WebParts(
            catalogue=self.catalogue,
            public_catalogue=self.public_catalogue or self.catalogue,
            store=self.store,
            shelf=self.portal,
            publisher=self.portal,
            tables=self.tables,
            passwords=self.passwords,
            clock=self.clock,
            base_url=self.base_url,
            models=lambda: ("nuclei-unet",),
            archived=ArchivedDigests(
                catalogue=self.catalogue,
                store=self.store,
                stores=("archive", "second"),
                tables=self.tables,
                clock=self.clock,
                longest_age=timedelta(days=30),
            ),
            vocabulary=small_vocabulary(),
            survey=SurveySite(
                catalogue=self.catalogue,
                store=self.store,
                copies=(),
                onlooker_of=self.onlooker_of,
                public=self.portal,
                public_store="public",
                clock=self.clock,
                lineage=("the lineage file",),
                end_of_life=self.end_of_life,
            ),
            end_of_life=self.end_of_life,
            sheets=SheetFiles(),
            checklist=OUR_CHECKLIST,
        )

    @property
    def desk(self) -> ReviewDesk:
        """Where versions are held against the review checklist."""
        return review_desk(self.parts)

    def onlooker_of(self, name: str) -> Onlooker:
        """Open a store for looking."""
        if name not in self.onlookers:
            raise NotFound(f"there is no store '{name}'", store=name)
        return self.onlookers[name]

    def settle_people(self) -> None:
        """Add instruments, an open project, a foreign one, one of patients, and a person for each role."""
        everywhere = {"root": Role.ADMIN, "olga": Role.OPERATOR, "sten": Role.STEWARD}
        inside = {"stina": Role.STEWARD, "rita": Role.RESEARCHER, "vera": Role.VIEWER}
        grants = {name: (Grant(role=role),) for name, role in everywhere.items()}
        grants |= {name: (Grant(role=role, project="atlas"),) for name, role in inside.items()}
        grants |= {"ada": (), "otto": (Grant(role=Role.STEWARD, project="other"),)}
        closed = make_project("patients", title="Patient biopsies", owner="ada", policy=_OPEN)
        restricted = closed.defaults.model_copy(update={"human_data": HumanData.YES, "access": Access.RESTRICTED})
        projects: Sequence[Project] = (
            make_project("atlas", title="Cell atlas", owner="ada", policy=_OPEN),
            make_project("other", title="A foreign study", owner="otto"),
            closed.model_copy(update={"defaults": restricted}),
        )
        password_hash = self.passwords.hash(PASSWORD)
        with self.catalogue.begin() as tx:
            for name in ("squid-1", "squid-2", "codex-1"):
                tx.instruments.add(make_instrument(name))
            for project in projects:
                tx.projects.add(project)
            for name, granted in grants.items():
                tx.accounts.add(
                    Account(
                        name=name,
                        full_name=name.title(),
                        grants=granted,
                        password_hash=password_hash,
                        created_at=self.clock.now(),
                    )
                )

    def lay_guard(self, instrument: str, *, examples: tuple[str, ...]) -> MassChange:
        """Let an instrument stand under the guard against mass changes: four of its ten runs are gone."""
        guard = MassChange(since=START, known=10, gone=4, changed=0, most=3, examples=examples, evidence="e" * 64)
        with self.catalogue.begin() as tx:
            tx.instruments.save(tx.instruments.get(instrument).model_copy(update={"guard": guard}))
        return guard

    def lay_acquisition(
        self, name: str, *, instrument: str = "squid-1", project: str | None = "atlas", **fields: Any
    ) -> Acquisition:
        """Put an acquisition into the catalogue."""
        made = make_acquisition(
            name, instrument=instrument, project=project, **{"last_seen": self.clock.now(), **fields}
        )
        with self.catalogue.begin() as tx:
            return tx.acquisitions.save(made)

    def lay_writing(
        self, acquisition: Acquisition, *, files: int, expected_files: int | None, ahead_files: int = 0
    ) -> None:
        """Let an acquisition be written at a file of a megabyte each ten seconds, and some of it be read ahead."""
        identity, writing = acquisition.acquisition_id, None
        for count in range(files + 1):
            writing = with_mark(
                writing,
                acquisition_id=identity,
                files=count,
                size_bytes=count * 1_000_000,
                expected_files=expected_files,
                cadence_seconds=None,
                since_seconds=10.0 if count else 0.0,
                now=self.clock.now(),
            )
        pid = ark(dataset_id(origin=identity))
        ahead = Ahead(
            acquisition_id=identity,
            pid=pid,
            object_root=object_root(pid),
            staging="v1/content/" + "0" * 32,
            files=ahead_files,
            bytes=ahead_files * 1_000_000,
            touched_at=self.clock.now(),
        )
        with self.catalogue.begin() as tx:
            if writing is not None:
                tx.writings.put(writing)
            if ahead_files:
                tx.aheads.add(ahead)

    def lay_reading(self, acquisition: Acquisition, *, done_bytes: int, total_bytes: int, rate: float) -> None:
        """Let a worker read an acquisition at this moment."""
        subject = acquisition.acquisition_id
        with self.catalogue.begin() as tx:
            work = tx.inbox.request(make_work(subject))
            claim = tx.inbox.claim(
                owner="worker",
                run_id=self.clock.new_id(),
                now=self.clock.now(),
                lease=timedelta(minutes=1),
                work_id=work.work_id,
            )
            assert claim is not None
            progress = Progress(
                at=self.clock.now(), done_bytes=done_bytes, total_bytes=total_bytes, bytes_per_second=rate
            )
            tx.inbox.note_progress(claim.attempt, progress)

    def lay_alert(self, run: Acquisition, *, picture: bytes | None = None, **fields: Any) -> Alert:
        """Raise an alert on a run."""
        made = make_alert(run.folder, instrument=run.instrument, raised_at=self.clock.now(), **fields)
        with self.catalogue.begin() as tx:
            raise_alert(tx, made, run, clock=self.clock)
            if picture is not None:
                tx.alerts.put_picture(made.alert_id, picture)
        return made

    def lay_version(
        self,
        name: str,
        *,
        title: str | None = None,
        project: str | None = "atlas",
        stage: Stage = Stage.IN_REVIEW,
        verdict: Verdict = Verdict.PASSED,
        reason: str = "Every check passed.",
        findings: Sequence[Finding] = (),
        missing: tuple[str, ...] = (),
        files: Sequence[str] = ("0/A1_0_0_BF.tiff", "0/A1_1_0_BF.tiff", "acquisition.yaml"),
        blurred: Sequence[str] = (),
        source: Version | None = None,
        model: str | None = None,
        submitter: str = "squid-1",
        instrument: str = "squid-1",
        access: Access = Access.OPEN,
        human: HumanData = HumanData.NO,
        quality: Mapping[str, bytes] | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> Version:
        """Put a version into catalogue and store, with an object that pages can read."""
        self.clock.advance(timedelta(seconds=5))
        title = title or name
        acquisition = None
        if source is None:
            acquisition = self.lay_acquisition(
                name,
                instrument=instrument,
                project=project,
                state=AcquisitionState.COMPLETE,
                reason="24 of 24 images are there",
            )
        relations = (
            (Relation(kind="IsDerivedFrom", dataset_id=source.dataset_id, version=source.label),) if source else ()
        )
        dataset = make_dataset(name, acquisition=acquisition, title=title, relations=relations, model=model)
        dataset = dataset.model_copy(update={"project": project, "object_root": object_root(dataset.pid)})
        version = make_version(dataset, staging="v1/content/t1", submitter=submitter)
        version = self._stage(version, dataset, sorted(files), blurred, quality or {})
        record = _record(dataset, version, title=title, missing=missing, access=access, human=human)
        record = MetadataRecord.model_validate(record.model_dump(mode="json") | dict(said or {}))
        version = version.model_copy(
            update={
                "verdict": verdict,
                "reason": reason,
                "metadata": record.model_dump(mode="json"),
                "metadata_missing": missing,
                "evidence_digest": make_sha512(f"evidence of {name}"),
            }
        )
        with self.catalogue.begin() as tx:
            tx.datasets.add(dataset)
            if acquisition is not None:
                tx.acquisitions.save(acquisition.model_copy(update={"dataset_id": dataset.dataset_id}))
            version = tx.datasets.add_version(version)
            tx.datasets.set_findings(version.version_id, findings)
        return self._bring_to(version, stage)

    def lay_over(self, version: Version) -> None:
        """Let the end of life of a version's dataset have come."""
        self.decide(version, Act.REJECT, reason="Of no use any more.")
        with self.catalogue.begin() as tx:
            tx.retention_rules.add(
                RetentionRule(
                    rule_id=self.clock.new_id(),
                    project=self.dataset(version).project,
                    keep_days=1,
                    person="olga",
                    reason="Research data policy, section 4",
                    set_at=self.clock.now() - timedelta(days=3),
                )
            )
        self.clock.advance(timedelta(days=2))

    def lay_erasure(self, version: Version) -> None:
        """Let a version's dataset be erased, but for one store."""
        plan = plan_erasure(version.dataset_id, person="root", site=self.parts.survey)
        order = Order(
            controller="Example University", basis="GDPR Art. 17(1)(b)", decision="12/2026", reason="Consent withdrawn"
        )
        request_erasure(version.dataset_id, person="root", order=order, site=self.parts.survey, seen=plan.scope)
        self.end_erasure(version)

    def end_erasure(self, version: Version) -> None:
        """Let a worker have come to the end of an attempt, with a store away."""
        with self.catalogue.begin() as tx:
            claim = tx.inbox.claim(
                owner="worker",
                run_id=self.clock.new_id(),
                now=self.clock.now(),
                lease=timedelta(minutes=1),
                kinds=[WorkKind.ERASE],
            )
            assert claim is not None
        erasing = ErasureSite(
            catalogue=self.catalogue,
            store=self.store,
            copies={},
            onlooker_of=self.onlooker_of,
            eraser_of=_away,
            public=self.portal,
            public_store="public",
            clock=self.clock,
        )
        done = execute_erasure(claim.work.subject, person="root", lease=claim.attempt, site=erasing)
        assert version.dataset_id in done.dataset_ids
        with self.catalogue.begin() as tx:
            tx.inbox.finish(claim.attempt, outcome=done.words)

    def lay_copies(self, version: Version, fixity: Fixity, *, mirrored: bool) -> None:
        """Let the archive's copy be as it was found, and a second store have one or not."""
        now = self.clock.now()
        fault = Fault(path="v1/content/t/x", reason="broken", files=("data/plate.tiff",))
        with self.catalogue.begin() as tx:
            tx.copies.register(["archive", "mirror"])
            tx.copies.put(
                StoredCopy(
                    dataset_id=version.dataset_id,
                    store="archive",
                    fixity=fixity,
                    reason="1 fault, such as v1/content/t/x",
                    faults=() if fixity is Fixity.OK else (fault,),
                    since=now,
                    checked_at=now,
                    looked_at=now,
                    next_at=now,
                )
            )
            if mirrored:
                tx.datasets.add_receipt(make_receipt(version, "mirrored", store="mirror", verified_at=now))

    def decide(
        self, version: Version, act: Act = Act.ACCEPT, *, person: str = "sten", reason: str = "Looked at every image."
    ) -> Version:
        """Let a steward decide."""
        return decide(
            version.version_id,
            act,
            person=person,
            reason=reason,
            evidence_digest=version.evidence_digest or "",
            catalogue=self.catalogue,
            clock=self.clock,
        )

    def publish(self, version: Version, *, consent: str | None = "ada") -> Publication:
        """Make an accepted version public, with somebody's consent if they may give it."""
        if consent is not None:
            self.agree(version, person=consent)
        return publish_version(
            version.version_id,
            lease=None,
            catalogue=self.catalogue,
            store=self.store,
            publisher=self.portal,
            tables=self.tables,
            clock=self.clock,
            base_url=self.base_url,
        )

    def agree(self, version: Version, *, person: str = "ada") -> None:
        """Put somebody's consent on record, if their word counts."""
        with self.catalogue.begin() as tx:
            project = project_of(tx, tx.datasets.get(version.dataset_id))
            if project is not None and counts(tx, person, project):
                record_consent(tx, version, project, person=person, reason="Agreed.", clock=self.clock)

    def lay_published(self, name: str, **fields: Any) -> Version:
        """Put a version there, have it accepted and make it public."""
        version = self.decide(self.lay_version(name, **fields))
        self.publish(version)
        return self.now(version)

    def withdraw(self, version: Version, *, person: str = "ada", reason: str = "The stain was mislabelled.") -> None:
        """Take a publication back."""
        withdraw_version(
            version.version_id,
            person=person,
            reason=reason,
            catalogue=self.catalogue,
            publisher=self.portal,
            clock=self.clock,
        )

    def discard(self, version: Version, *, person: str = "sten", reason: str = "No cell is in it.") -> Version:
        """Give data up."""
        return discard_version(
            version.version_id,
            person=person,
            reason=reason,
            evidence_digest=version.evidence_digest or "",
            catalogue=self.catalogue,
            publisher=self.portal,
            clock=self.clock,
        )

    def now(self, version: Version) -> Version:
        """Read a version again."""
        with self.catalogue.begin() as tx:
            return tx.datasets.get_version(version.version_id)

    def dataset(self, version: Version) -> Dataset:
        """Read the dataset of a version."""
        with self.catalogue.begin() as tx:
            return tx.datasets.get(version.dataset_id)

    def _stage(
        self,
        version: Version,
        dataset: Dataset,
        files: Sequence[str],
        blurred: Sequence[str],
        quality: Mapping[str, bytes],
    ) -> Version:
        entries, images = [], [path for path in files if path.endswith(".tiff")]
        for path in files:
            body = (f"bytes of {path} in {dataset.title}\n" * 50).encode()
            digest = sha512_of(body)
            content = f"{version.staging}/{digest[:40]}"
            self.store.put(f"{dataset.object_root}/{content}", body)
            entries.append(
                FileEntry(path=path, size_bytes=len(body), sha512=digest, modified=START, content_path=content)
            )
        manifest = Manifest.of(entries)
        thumbnails = [draw_cells(number + 1, blur=4 if path in blurred else 0) for number, path in enumerate(images)]
        ours = {
            MANIFEST_PATH: dump_manifest(manifest, tables=self.tables),
            PREVIEWS: self.tables.dump({"path": images, "png": thumbnails}),
            "README.md": f"# A dataset\n\n{dataset.pid}\n".encode(),
            "ro-crate-metadata.json": b'{"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": []}',
            "metadata/datacite.json": b'{"schemaVersion": "http://datacite.org/schema/kernel-4"}',
            **quality,
        }
        staged = stage_files(version, ours, dataset=dataset, store=self.store)
        return staged.model_copy(
            update={
                "manifest_digest": manifest.digest,
                "file_count": len(manifest.files),
                "total_bytes": manifest.total_bytes,
            }
        )

    def _bring_to(self, version: Version, stage: Stage) -> Version:
        for step in ORDER[1 : ORDER.index(stage) + 1]:
            if step in _SETTLED:
                break
            with self.catalogue.begin() as tx:
                if step is Stage.ARCHIVED:
                    version = version.model_copy(update={"ocfl_version": 1})
                if step is Stage.VERIFIED:
                    facts = {"files_read": version.file_count, "bytes_read": version.total_bytes}
                    tx.datasets.add_receipt(make_receipt(version, **facts, verified_at=self.clock.now()))
                version = advance(tx, version, step, clock=self.clock)
            self.clock.advance(timedelta(seconds=1))
        return version


def _record(
    dataset: Dataset,
    version: Version,
    *,
    title: str,
    missing: tuple[str, ...],
    access: Access,
    human: HumanData,
) -> MetadataRecord:
    said: dict[str, Any] = {
        "title": title,
        "creators": (Creator(name="Ada Holm", orcid="0000-0002-1825-0097"), Creator(name="Björn Ek")),
        "publisher": "National Imaging Facility",
        "licence": "CC-BY-4.0",
        "keywords": ("nuclei", "DAPI"),
    }
    for name in missing:
        said[name] = () if name == "creators" else None
    return MetadataRecord(
        pid=dataset.pid,
        dataset_id=dataset.dataset_id,
        version=version.label,
        data_type="microscopy",
        publication_year=2026,
        access=access,
        human_data=human,
        dates=Dates(acquired_from=START, acquired_to=START, described=START),
        instrument=InstrumentFacts(name="squid-1", profile="squid", model="Squid+"),
        imaging=ImagingFacts(
            channels=("BF LED matrix full", "Fluorescence 405 nm Ex"), objective="20x/0.8", pixel_size_um=0.3265
        ),
        manifest_digest=version.manifest_digest or "",
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        origins={
            "title": Origin.PROFILE,
            "creators": Origin.PROJECT,
            "licence": Origin.PROJECT,
            "keywords": Origin.FILE,
            "imaging": Origin.PROFILE,
        },
        **said,
    )
