"""A world of random projects, policies and acts, with a word of its own in everything that could become public.

What may be seen is worked out here from what was said and done, not by the code that is tried.
"""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.openlineage_event import run_event
from cisterna.domain.dataset import Dataset, Relation, Stage, Version, version_id
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import CisternaError, PublicationRefused
from cisterna.domain.event import Event
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.domain.ocfl import object_root
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Policy, Project, PublishPolicy
from cisterna.domain.work import WorkKind
from cisterna.metadata.record import MetadataRecord
from cisterna.services.access_round import AccessSite, level_access
from cisterna.services.alert_message import alert_message
from cisterna.services.attempt import complete_attempt, fail_attempt, start_attempt
from cisterna.services.consent import revoke_consent
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.deposit import DepositSite, carry_next
from cisterna.services.deposit_wish import request_deposit
from cisterna.services.lineage import Place
from cisterna.services.public_index import level_public_index
from cisterna.services.public_record import PREVIEWS
from cisterna.services.publish import publish_version, request_publication
from cisterna.services.staging import stage_files
from cisterna.services.transition import announce
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_project,
    make_receipt,
    make_sha512,
    make_version,
)
from cisterna.testing.memory_store import READS
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from flows.doorbell import as_prefect
from tests.services.policy_words import described_in_words
from tests.web.site import Site

PLACE = Place(host="machine", bucket="cisterna-archive")
DAYS = (None, -400, 3, 20, 90, 36_500)
NOTHING, METADATA, FILES = 0, 1, 2
_ORDER = [Access.OPEN, Access.EMBARGOED, Access.RESTRICTED, Access.CLOSED]


@dataclass
class Word:
    """What one says of access."""

    access: Access
    until: date | None
    human: HumanData
    shows: bool
    described: date | None = None

    def extent(self, day: date) -> int:
        is_slip = self.until is not None and self.described is not None and self.until <= self.described
        has_end = self.access is Access.EMBARGOED and self.until is not None and not is_slip
        is_over = has_end and self.until is not None and self.until <= day
        if self.human is not HumanData.NO or self.access is Access.CLOSED:
            return NOTHING
        if self.access is Access.OPEN or is_over:
            return FILES
        return METADATA if self.shows else NOTHING


@dataclass
class Laid:
    """A dataset, its secret word, and what was done with it.

    Attributes:
        words: What its descriptions say, by the newest last; the first is the published one's.
        cited: Whether its title was public when it was withdrawn.
    """

    token: str
    version: Version
    project: str
    words: list[Word]
    source: Laid | None
    published: bool = False
    withdrawn: bool = False
    cited: bool = False
    was_open: bool = False


@dataclass
class World:
    """One site and what the random acts made of it."""

    site: Site
    chance: random.Random
    number: int = 0
    laid: list[Laid] = field(default_factory=list)
    projects: dict[str, Word] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.site.settle_people()
        outside = MemoryTarget(self.clock, name="outside", reserves=True)
        lasting = MemoryTarget(self.clock, name="lasting", narrows=False)
        self.targets = {one.name: one for one in (outside, lasting)}

    @property
    def catalogue(self) -> SqlCatalogue:
        return self.site.catalogue

    @property
    def clock(self) -> SettableClock:
        return self.site.clock

    # --- making things ---

    def day(self, offset: int | None) -> date | None:
        return None if offset is None else self.clock.now().date() + timedelta(days=offset)

    def any_word(self, *, shows: bool = False, is_project: bool = False) -> Word:
        access = self.chance.choice([*[Access.OPEN] * (12 if is_project else 6), *_ORDER[:3], *_ORDER])
        until = self.day(self.chance.choice(DAYS)) if access is Access.EMBARGOED else None
        human = self.chance.choice([HumanData.NO] * 20 + list(HumanData))
        return Word(access, until, human, shows, None if is_project else self.clock.now().date())

    def lay_project(self) -> str:
        self.number += 1
        slug, word = f"zq{self.number:06x}p", self.any_word(shows=self.chance.random() < 0.5, is_project=True)
        publish = self.chance.choice([PublishPolicy.PASSED, PublishPolicy.CONSENT, *PublishPolicy])
        made = make_project(slug, title=f"Project {slug}", owner="ada")
        with self.catalogue.begin() as tx:
            policy = Policy(
                publish=publish, targets=self.chance.choice([(), ("outside",), ("lasting",), ("outside", "lasting")])
            )
            tx.projects.add(self._with_word(made.model_copy(update={"policy": policy}), word))
        self.projects[slug] = word
        return slug

    def _with_word(self, project: Project, word: Word) -> Project:
        said = {"access": word.access, "embargo_until": word.until, "human_data": word.human}
        defaults = MetadataDefaults.model_validate({**project.defaults.model_dump(), **said})
        policy = project.policy.model_copy(update={"show_metadata": word.shows})
        return project.model_copy(update={"defaults": defaults, "policy": policy})

    def change_project(self, slug: str, word: Word | None = None) -> None:
        word = word or self.any_word(shows=self.chance.random() < 0.5, is_project=True)
        with self.catalogue.begin() as tx:
            tx.projects.save(self._with_word(tx.projects.get(slug), word))
        self.projects[slug] = word
        for one in self.laid:
            one.was_open |= one.project == slug and self.says_open(one)

    def lay(self, project: str, source: Laid | None) -> Laid:
        self.number += 1
        token = f"zq{self.number:06x}"
        word = self.any_word()
        said: dict[str, Any] = {
            **described_in_words(token),
            "access": word.access,
            "embargo_until": word.until,
            "human_data": word.human,
            "dates": {"described": self.clock.now()},
        }
        version = self._archived(token, project, source, said)
        made = Laid(token, version, project, [word], source)
        made.was_open = self.says_open(made)
        self.laid.append(made)
        return made

    def _archived(self, token: str, project: str, source: Laid | None, said: dict[str, Any]) -> Version:
        """Put a version in review into catalogue and store, as the flows leave it."""
        name, title = f"run {token}n", f"Cells {token}t"
        run = None if source else make_acquisition(name, instrument="squid-1", project=project)
        relations = ()
        if source:
            relations = (Relation(kind="IsDerivedFrom", dataset_id=source.version.dataset_id, version="v1"),)
        dataset = make_dataset(name, acquisition=run, title=title, relations=relations)
        dataset = dataset.model_copy(update={"project": project, "object_root": object_root(dataset.pid)})
        version = make_version(dataset, staging="v1/content/t1", submitter="squid-1")
        files = {f"{token}f.tiff": f"pixels {token}f", f"notes/{token}f.csv": f"{token}f"}
        entries = [self._keep(version, dataset, path, body.encode()) for path, body in sorted(files.items())]
        manifest = Manifest.of(entries)
        ours = {
            MANIFEST_PATH: dump_manifest(manifest, tables=self.site.tables),
            PREVIEWS: self.site.tables.dump({"path": [f"{token}f.tiff"], "png": [f"PNG {token}f".encode()]}),
            "README.md": f"# {title}, {token}m, {token}f".encode(),
            "ro-crate-metadata.json": json.dumps(
                {"@graph": [{"@id": "./", "identifier": dataset.pid, "name": f"{token}{kind}"} for kind in "tcmfq"]}
            ).encode(),
        }
        record = {
            "pid": dataset.pid,
            "dataset_id": dataset.dataset_id,
            "version": version.label,
            "licence": "CC-BY-4.0",
            "data_type": "microscopy",
            "derived": source is not None,
            "publication_year": 2026,
            "manifest_digest": manifest.digest,
            "file_count": len(entries),
            "total_bytes": manifest.total_bytes,
            **said,
        }
        staged = stage_files(version, ours, dataset=dataset, store=self.site.store)
        kept = {
            "stage": Stage.IN_REVIEW,
            "ocfl_version": 1,
            "manifest_digest": manifest.digest,
            "file_count": len(entries),
            "total_bytes": manifest.total_bytes,
            "verdict": self.chance.choice([Verdict.PASSED, Verdict.PASSED, Verdict.REVIEW]),
            "reason": f"judged {token}q",
            "metadata": MetadataRecord.model_validate(record).model_dump(mode="json"),
            "evidence_digest": make_sha512(f"evidence of {name}"),
        }
        finding = Finding(check="focus", outcome=Outcome.WARNING, message=f"{token}q", files=(f"{token}f.tiff",))
        with self.catalogue.begin() as tx:
            if run is not None:
                self.runs.append(tx.acquisitions.save(run).acquisition_id)
            tx.datasets.add(dataset)
            version = tx.datasets.add_version(staged.model_copy(update=kept))
            tx.datasets.set_findings(version.version_id, [finding])
            tx.datasets.add_receipt(make_receipt(version, verified_at=self.clock.now()))
            told = {"stage": Stage.IN_REVIEW.value, "verdict": version.verdict.value, "reason": f"{token}q"}
            subject, data = version.version_id, {**told, "title": title}
            announce(tx, "version.stage", subject, project=project, clock=self.clock, data=data, version=version)
        return version

    def _keep(self, version: Version, dataset: Dataset, path: str, body: bytes) -> FileEntry:
        digest = sha512_of(body)
        content = f"{version.staging}/{digest[:40]}"
        self.site.store.put(f"{dataset.object_root}/{content}", body)
        return FileEntry(path=path, size_bytes=len(body), sha512=digest, modified=START, content_path=content)

    # --- what may be seen ---

    def says_open(self, one: Laid) -> bool:
        """Tell whether project and description of a dataset both say open, and of nobody, on any day."""
        words = [self.projects[one.project], *one.words]
        return all(word.access is Access.OPEN and word.human is HumanData.NO for word in words)

    def may_show(self, one: Laid) -> int:
        day, whole = self.clock.now().date(), self.projects[one.project]
        own = [replace(word, shows=whole.shows) for word in one.words]
        extent = min(word.extent(day) for word in [whole, *own])
        return min(extent, self.may_show(one.source)) if one.source else extent

    def shown(self, one: Laid) -> int:
        """Tell how much of a dataset the public has to find now."""
        return self.may_show(one) if one.published and not one.withdrawn else NOTHING

    def allowed(self) -> set[str]:
        """Give every word that the public may see now."""
        seen: set[str] = set()
        for one in self.laid:
            extent = self.shown(one)
            if extent >= METADATA:
                seen |= {f"{one.token}{kind}" for kind in "tcm"}
            if extent == FILES:
                seen |= {f"{one.token}f", f"{one.token}q"}
            if one.withdrawn and one.cited:
                seen |= {f"{one.token}t", f"{one.token}c"}
        return seen

    # --- acts ---

    def act(self, one: Laid, kind: str | None = None) -> None:
        """Do something, at random if it is not said what."""
        kind = kind or self.chance.choice(
            [
                "decide",
                "decide",
                "agree",
                "agree",
                "publish",
                "revoke",
                "withdraw",
                "discard",
                "revise",
                "time",
                "project",
                "narrow",
                "ask",
                "look",
                "carry",
                "kill",
            ]
        )
        try:
            getattr(self, f"_{kind}")(one)
        except CisternaError as refusal:
            self.told[f"refused {kind}: {refusal.code}"] += 1
        else:
            self.told[kind] += 1

    def _decide(self, one: Laid) -> None:
        self.site.decide(one.version, reason=f"Looked at {one.token}r")

    def _agree(self, one: Laid) -> None:
        request_publication(one.version.version_id, person="ada", catalogue=self.catalogue, clock=self.clock)

    def _revoke(self, one: Laid) -> None:
        revoke_consent(
            one.version.version_id, person="ada", reason=f"{one.token}r", catalogue=self.catalogue, clock=self.clock
        )

    def _withdraw(self, one: Laid) -> None:
        cited = self.may_show(one) >= METADATA and self._is_shown(one)
        self.site.withdraw(one.version, reason="The stain was mislabelled.")
        one.withdrawn, one.cited = True, cited

    def _discard(self, one: Laid) -> None:
        if self.chance.random() < 0.3:
            cited = self.may_show(one) >= METADATA and self._is_shown(one)
            self.site.discard(one.version, reason="No cell is in it.")
            if one.published and not one.withdrawn:  # what was withdrawn before keeps its tombstone
                one.withdrawn, one.cited = True, cited

    def _is_shown(self, one: Laid) -> bool:
        with self.catalogue.begin() as tx:
            if any(made.is_shown for made in tx.datasets.publications(one.version.version_id)):
                return True
        page = self.site.portal.find(self.site.dataset(one.version).pid, version=one.version.label)
        return page is not None and page.tombstone is None  # who was to say so was killed

    def _revise(self, one: Laid) -> None:
        if len(one.words) > 1:
            return
        word = self.any_word()
        with self.catalogue.begin() as tx:
            kept = tx.datasets.get_version(one.version.version_id)
            said_dates = dict((kept.metadata or {}).get("dates") or {})  # type: ignore[call-overload]
            said = {
                "access": word.access.value,
                "embargo_until": word.until.isoformat() if word.until else None,
                "human_data": word.human.value,
                "dates": {**said_dates, "described": self.clock.now().isoformat()},
            }
            made = {
                "version_id": version_id(kept.dataset_id, kept.number, 1),
                "revision": 1,
                "stage": Stage.IN_REVIEW,
                "metadata": {**(kept.metadata or {}), **said},
                "record": 0,
            }
            tx.datasets.add_version(kept.model_copy(update=made))
        one.words.append(word)

    def _time(self, one: Laid) -> None:
        del one
        self.clock.advance(timedelta(days=self.chance.choice([1, 4, 30, 100])))

    def _project(self, one: Laid) -> None:
        self.change_project(one.project)

    def _narrow(self, one: Laid) -> None:
        """Let no more than the description be seen, where its own words let it, and bring that to pass here."""
        self.change_project(one.project, Word(Access.RESTRICTED, None, HumanData.NO, shows=True))
        self._look()

    def _publish(self, one: Laid) -> None:
        """Do what a worker does that nobody asked, as a stale request would have it."""
        self._make_public(one.version.version_id, lease=None)

    def _make_public(self, version: str, *, lease: Any) -> None:
        publish_version(
            version,
            lease=lease,
            catalogue=self.catalogue,
            store=self.site.store,
            publisher=self.site.portal,
            tables=self.site.tables,
            clock=self.clock,
            base_url=self.site.base_url,
            targets=self.targets,
        )
        for one in self.laid:
            one.published |= one.version.version_id == version

    def _ask(self, one: Laid) -> None:
        """Ask for it to go somewhere, or to go there again."""
        request_deposit(
            one.version.version_id,
            self.chance.choice(list(self.targets)),
            targets=self.targets,
            person="ada",
            catalogue=self.catalogue,
            clock=self.clock,
        )

    def _look(self, one: Laid | None = None) -> None:
        """Let a round look; nobody carries anything outside yet."""
        del one
        level_access(
            AccessSite(
                catalogue=self.catalogue,
                store=self.site.store,
                publisher=self.site.portal,
                tables=self.site.tables,
                clock=self.clock,
                base_url=self.site.base_url,
            )
        )

    def _carry(self, one: Laid | None = None) -> None:
        """Bring what is due to the places outside, and take back from there what has to go."""
        del one
        site = DepositSite(
            catalogue=self.catalogue,
            store=self.site.store,
            tables=self.site.tables,
            publisher=self.site.portal,
            clock=self.clock,
            base_url=self.site.base_url,
            home="here",
        )
        for target in self.targets.values():
            while done := carry_next(target, site=site):
                self.told[f"deposit {done.state} at {target.name}"] += 1

    def _kill(self, one: Laid) -> None:
        """Let who carries out a change be killed at a random place, or get no answer; then it begins anew."""
        self.change_project(one.project)
        after, skip, error = self.chance.random() < 0.5, self.chance.choice([0, 0, 1]), KeyboardInterrupt()
        bucket, archive = self.site.public, self.site.store
        target = self.chance.choice(list(self.targets.values()))
        is_carrying = self.chance.random() < 0.5
        if is_carrying:
            self._look()
            silent = self.chance.choice([None, error])
            target.strike(Fault.LOST if after else Fault.UNREACHED, skip=skip, error=silent)  # type: ignore[arg-type]
        elif self.chance.random() < 0.5:
            bucket.fail_on("put", nth=skip + 1, after=after, error=error)  # type: ignore[attr-defined]
        else:
            archive.fail_on(READS, nth=skip + 1, error=error)  # type: ignore[attr-defined]
        try:
            (self._carry if is_carrying else self._look)()
        except KeyboardInterrupt:
            self.told["killed while carrying" if is_carrying else "killed in a round"] += 1
        finally:
            for store in (bucket, archive):
                store.heal()  # type: ignore[attr-defined]
            target.heal()
            with self.catalogue.begin() as tx:
                tx.deposits.let_go("here", now=self.clock.now())

    def settle(self) -> None:
        """Let the rounds look, and workers do what was asked for, until there is nothing to do."""
        self._look()
        common: dict[str, Any] = {"catalogue": self.catalogue, "clock": self.clock, "place": PLACE}
        while begun := start_attempt(
            **common, owner="w", lease=timedelta(minutes=5), attempts_max=3, kinds=[WorkKind.PUBLISH]
        ):
            try:
                self._make_public(begun.work.subject, lease=begun.attempt)
            except PublicationRefused as refusal:
                fail_attempt(begun, refusal, **common, attempts_max=3)
            else:
                complete_attempt(begun, outcome="public", **common)
        self._look()
        self._carry()
        self._look()
        while self._has_to_wait():
            self.clock.advance(timedelta(hours=6))
            self._look()
            self._carry()
        if self.told["killed in a round"]:  # where none was killed, the index has to be right without this
            level_public_index(
                catalogue=self.catalogue, shelf=self.site.portal, clock=self.clock, base_url=self.site.base_url
            )

    def _has_to_wait(self) -> bool:
        """Tell whether something failed at a place outside and is tried again later."""
        with self.catalogue.begin() as tx:
            return any(one.next_at is not None for one in tx.deposits.list())

    # --- what goes out ---

    def bucket(self) -> Iterator[bytes]:
        """Give everything in the public bucket, pictures as they are."""
        for found in self.site.public.list(""):
            body, _ = self.site.public.get(found.key)
            yield found.key.encode()
            yield body
            yield from (base64.b64decode(picture) for picture in json.loads(body)["previews"].values())

    def messages(self) -> Iterator[tuple[Event, str]]:
        """Give what of each event leaves the house: as a doorbell, as lineage outside, as a message to a room."""
        with self.catalogue.begin() as tx:
            subjects = [subject for one in self.laid for subject in (one.version.version_id, one.version.dataset_id)]
            events = tx.outbox.history([*subjects, *self.projects, *self.runs])
        for event in events:
            yield event, as_prefect(event).model_dump_json()
            lineage = run_event(event, namespace="cisterna", inside=False)
            if lineage is not None:
                yield event, repr(lineage)
            told = alert_message(event, catalogue=self.catalogue, base_url=self.site.base_url)
            if told is not None:
                yield event, repr(told)
