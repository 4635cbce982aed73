"""A catalogue with a row in every table that is kept, what its archive holds of it, and dumps to compare."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from cisterna.adapters.catalogue_record import kept_tables
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.domain.account import ApiToken, SetupLink
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.alert import Acknowledgement
from cisterna.domain.dataset import Dataset, Relation, Stage
from cisterna.domain.delivery import Delivery, DeliveryKey, DeliveryUse
from cisterna.domain.deposit import Deposit, DepositState, after_success
from cisterna.domain.digest import sha256_of
from cisterna.domain.erasure import ERASED_TITLE, ErasedObject, Erasure, ErasureState, Order
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.hold import Hold, HoldScope
from cisterna.domain.project import Binding, BindingKind
from cisterna.domain.protection import Aspect, Protection, Standing, Wanted
from cisterna.domain.publication import Publication
from cisterna.domain.record_segment import SEGMENTS, Segment
from cisterna.domain.release import Release, ReleaseState
from cisterna.domain.retention import RetentionRule
from cisterna.domain.review import Act, Decision
from cisterna.domain.sighting import Amount, Later, Sighting
from cisterna.ports.catalogue import Transaction
from cisterna.ports.object_store import ObjectStore
from cisterna.services.alert import raise_alert
from cisterna.services.deposit_wish import new_wish, tell_deposit, withdraw_deposits
from cisterna.services.record import record_all
from cisterna.services.send_events import send_due
from cisterna.services.transition import advance, announce
from cisterna.testing.factory import make_account, make_adoption, make_alert, make_project, make_sample
from tests.archive.facility import Facility

FINDINGS = (
    Finding(check="focus-min", outcome=Outcome.PASSED, message="focus 1e16 is enough", observed=1e16, expected=4),
    Finding(check="saturation-max", outcome=Outcome.WARNING, message='2 % of pixels "are" saturated\n\\u0000'),
)


def dump(catalogue: SqlCatalogue) -> dict[str, list[dict[str, Any]]]:
    """Give every row of every kept table, as PostgreSQL tells it."""
    url = catalogue._url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        return rows_of(connection)


def rows_of(connection: psycopg.Connection[Any]) -> dict[str, list[dict[str, Any]]]:
    """Give every row of every kept table of an open database."""
    rows = {}
    for table in kept_tables():
        every = sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(sql.Identifier(table.name))
        rows[table.name] = sorted((row[0] for row in connection.execute(every).fetchall()), key=json.dumps)
    return rows


@dataclass
class Told:
    """A facility whose archive tells all."""

    facility: Facility
    catalogue: SqlCatalogue
    sink: ArchiveLogSink

    @property
    def store(self) -> ObjectStore:
        return self.facility.store

    def ingest(self, run: str, *, decided: bool = True) -> str:
        """Archive a run of three files, with findings and, unless told otherwise, a decision."""
        self.facility.write(run, {"a.tiff": run.encode(), "b.txt": b"b" + run.encode(), ".done": b""})
        version = self.facility.detect(run).version_id
        with self.catalogue.begin() as tx:
            tx.datasets.set_findings(version, FINDINGS)
            judged = tx.datasets.get_version(version)
            tx.trends.add([make_sample(judged, value=1e16), make_sample(judged, channel='Ä "\\u0000', value=-5e-324)])
        self.facility.ingest(version)
        if decided:
            self.decide(version)
        return version

    def decide(self, version: str) -> None:
        """Accept a version, as a steward does."""
        clock = self.facility.clock
        with self.catalogue.begin() as tx:
            found = tx.datasets.get_version(version)
            decision = Decision(
                decision_id=f"decision of {version}",
                version_id=version,
                act=Act.ACCEPT,
                person="rosa",
                reason="sharp",
                evidence_digest="ef" * 64,
                decided_at=clock.now(),
            )
            tx.datasets.add_decision(decision)
            advance(tx, found, Stage.ACCEPTED, clock=clock)
            data = {"decision_id": decision.decision_id}
            announce(tx, "decision.made", version, project="cells", clock=clock, data=data)

    def publish(self, version: str) -> None:
        """Publish a version and take it back."""
        clock = self.facility.clock
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
            made = Publication(
                publication_id=f"publication of {version}",
                version_id=version,
                target="portal",
                pid=dataset.pid,
                url="https://f.example/x",
                consent="rosa",
                published_at=clock.now(),
            )
            tx.datasets.put_publication(made)
            advance(tx, tx.datasets.get_version(version), Stage.PUBLISHED, clock=clock)
            data = {"publication_id": made.publication_id}
            announce(tx, "publication.made", version, project="cells", clock=clock, data=data)
            self._deposit(tx, version, dataset)
        with self.catalogue.begin() as tx:
            gone = made.model_copy(update={"withdrawn_at": clock.advance(1), "withdrawn_reason": "a mistake"})
            tx.datasets.put_publication(gone)
            said = {"version_id": version, "reason": "a mistake", "keeps_description": False}
            withdraw_deposits(tx, dataset.dataset_id, **said, clock=clock)
            advance(tx, tx.datasets.get_version(version), Stage.WITHDRAWN, clock=clock)
            announce(tx, "publication.withdrawn", version, project="cells", clock=clock, data=data)

    def _deposit(self, tx: Transaction, version: str, dataset: Dataset) -> None:
        """Let it stand at one place outside, and be on its way to another."""
        clock = self.facility.clock
        now, row = clock.now(), tx.datasets.get_version(version)
        there, going = (
            new_wish(row, dataset, name, person="rosa", next_at=now, now=now) for name in ("mirror", "zenodo")
        )
        stands = Deposit(target="mirror", outside_id="m-1", state=DepositState.DEPOSITED, told_at=now)
        done = after_success(there, stands, now=now)
        tx.deposits.put(done)
        tx.deposits.put(going)
        tell_deposit(tx, "deposit.made", done, clock=clock)

    def settle_in(self) -> None:
        """Add people, tokens, rules, and a rule that was taken away."""
        now = self.facility.clock.now()
        with self.catalogue.begin() as tx:
            tx.adoptions.add(make_adoption())
            if not tx.projects.list():
                tx.projects.add(make_project("cells"))
            tx.projects.add(make_project("other", title='Ä "quoted" \\ project'))
            tx.projects.save(tx.projects.get("other"))
            tx.accounts.add(make_account("rosa"))
            tx.accounts.put_token(
                ApiToken(token_id="t1", secret_sha256="ab" * 32, account="rosa", label="script", created_at=now)
            )
            tx.accounts.put_setup_link(SetupLink(secret_sha256="cd" * 32, created_at=now, used_at=now))
            rules = [Binding(kind=BindingKind.PATH, pattern=f"*/{one}/*", project="cells") for one in "abc"]
            for rule in rules:
                tx.projects.bind(rule)
        with self.catalogue.begin() as tx:
            tx.projects.unbind(rules[1])

    def hold_and_release(self, version: str) -> None:
        """Place a hold on a version's dataset, and announce and cancel the release of its source."""
        clock = self.facility.clock
        with self.catalogue.begin() as tx:
            found = tx.datasets.get_version(version)
            dataset = tx.datasets.get(found.dataset_id)
            tx.holds.place(
                Hold(
                    hold_id=f"hold of {version}",
                    scope=HoldScope.DATASET,
                    target=dataset.dataset_id,
                    person="rosa",
                    reason="a paper is under review",
                    placed_at=clock.now(),
                )
            )
            release = Release(
                release_id=f"release of {version}",
                acquisition_id=dataset.acquisition_id or "",
                dataset_id=dataset.dataset_id,
                version_id=version,
                manifest_digest=found.manifest_digest or "",
                file_count=found.file_count,
                total_bytes=found.total_bytes,
                person="rosa",
                announced_at=clock.now(),
                due_at=clock.now() + timedelta(hours=72),
            )
            tx.releases.add(release)
            cancelled = {"state": ReleaseState.CANCELLED, "reason": "it is held", "ended_by": "rosa"}
            tx.releases.save(release.model_copy(update={**cancelled, "ended_at": clock.now()}))

    def deliver(self, version: str) -> None:
        """Give a version to a guest, who took a file of it."""
        now = self.facility.clock.now()
        delivery = Delivery(
            delivery_id=f"delivery of {version}",
            version_id=version,
            guest="guest@example.org",
            by="rosa",
            reason='"why"\n\\',
            delivered_at=now,
            expires_at=now + timedelta(days=14),
        )
        key = DeliveryKey(
            secret_sha256=sha256_of(version.encode()),
            delivery_id=delivery.delivery_id,
            version_id=version,
            made_at=now,
        )
        with self.catalogue.begin() as tx:
            tx.deliveries.put(delivery)
            tx.deliveries.add_key(key)
            tx.deliveries.note_use(DeliveryUse.of(delivery, "data/späť.tiff", bytes_sent=2**40, at=now))

    def watch_in_shadow(self, version: str) -> None:
        """Keep what shadow mode saw of a version's run."""
        now = self.facility.clock.now()
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
            tx.sightings.add(
                Sighting(
                    acquisition_id=dataset.acquisition_id or "",
                    shadow_id="shadow 1",
                    number=1,
                    seen_at=now,
                    changed_at=now,
                    state=AcquisitionState.COMPLETE,
                    fingerprint="f" * 64,
                    file_count=3,
                    size_bytes=12,
                    fired=("quiet=1", "cisterna"),
                    later=(Later(mark_ns=2**62, amount=Amount(files=1, size_bytes=7, names=("späť.tiff",))),),
                )
            )

    def keep_by_rule(self, version: str) -> None:
        """Set a retention rule, end another, and note what a store was asked to do by it."""
        now = self.facility.clock.now()
        rule = RetentionRule(
            rule_id="rule 1", instrument="squid-1", keep_years=10, person="rosa", reason="Ä policy", set_at=now
        )
        with self.catalogue.begin() as tx:
            tx.retention_rules.add(rule)
            other = rule.model_copy(update={"rule_id": "rule 2", "instrument": None, "tier": None})
            tx.retention_rules.add(other)
            tx.retention_rules.end(
                other.model_copy(update={"ended_at": now, "ended_by": "rosa", "ended_reason": "a mistake"})
            )
            tx.protections.put(
                Protection(
                    dataset_id=version.partition(":")[0],
                    store="archive",
                    wanted=Wanted(legal_hold=True),
                    hold=Aspect(standing=Standing.DONE, words="on all 7 objects"),
                    objects=7,
                    seen=version,
                    looked_at=now,
                )
            )

    def alert(self, version: str) -> None:
        """Raise an alert on a version's run, as if it were being written still, and acknowledge it."""
        clock = self.facility.clock
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
            acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
            made = make_alert(acquisition.folder, instrument=acquisition.instrument, words="Ä \\ the first dark image")
            raised = raise_alert(tx, made, acquisition, clock=clock)
            tx.alerts.put_picture(raised.alert_id, b"\x89PNG")
            known = Acknowledgement(person="rosa", reason="a lamp", at=clock.now())
            tx.alerts.put(raised.model_copy(update={"acknowledged": known}))

    def derive(self, source: str) -> str:
        """Add a derived dataset of a version, whose one version is on its way."""
        with self.catalogue.begin() as tx:
            found = tx.datasets.get_version(source)
            parent = tx.datasets.get(found.dataset_id)
        self.facility.write("labels", {"labels.tiff": b"labels"})
        version = self.facility.detect("labels")
        with self.catalogue.begin() as tx:
            relation = Relation(kind="IsDerivedFrom", dataset_id=parent.dataset_id, version=found.label)
            derived: Dataset = tx.datasets.get(version.dataset_id)
            tx.datasets.save(derived.model_copy(update={"relations": (relation,), "model": "nuclei@1"}))
        return version.version_id

    def erase(self, version: str) -> None:
        """Erase a version's dataset from the catalogue; its object is still in the archive, as a copy's would be."""
        clock = self.facility.clock
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(tx.datasets.get_version(version).dataset_id)
            one = ErasedObject(dataset_id=dataset.dataset_id, pid=dataset.pid, object_root=dataset.object_root)
            erasure = Erasure(
                erasure_id=f"erasure of {version}",
                target=dataset.dataset_id,
                acquisition_id=dataset.acquisition_id,
                objects=(one,),
                stores=("archive",),
                person="rosa",
                order=Order(controller="Example University", basis="GDPR Art. 17", decision="12/2026"),
                announced_at=clock.now(),
            )
            tx.erasures.add(erasure)
            tx.erasures.purge(erasure)
            tx.datasets.save(dataset.model_copy(update={"title": ERASED_TITLE}))
            tx.erasures.save(erasure.model_copy(update={"state": ErasureState.DONE, "ended_at": clock.now()}))

    def record(self) -> int:
        """Write the record, and every log that is due."""
        self.facility.clock.advance(600)
        send_due(self.sink, catalogue=self.catalogue, clock=self.facility.clock)
        return record_all(catalogue=self.catalogue, store=self.store, clock=self.facility.clock)

    def segments(self) -> list[str]:
        return [found.key for found in self.store.list(SEGMENTS)]

    def add_segment(self, segment: Segment) -> str:
        """Put a segment into the archive, as somebody else might."""
        self.store.put(f"{SEGMENTS}{segment.name}", segment.body)
        return f"{SEGMENTS}{segment.name}"


def lines_of(body: bytes) -> list[Mapping[str, Any]]:
    """Read a segment as any other tool would."""
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]
