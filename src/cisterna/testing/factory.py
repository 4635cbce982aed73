"""Values of the domain for tests: every field has a default, and a test names only those that it is about.

Names are derived from one word (`name`), so that two calls with different words never collide.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Adoption, Assignment
from cisterna.domain.alert import Alert, AlertKind, Place, Severity
from cisterna.domain.checklist import Checklist, Point
from cisterna.domain.credit import Creator
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.dataset import version_id as name_version
from cisterna.domain.event import Event
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.identifier import acquisition_id, ark, dataset_id
from cisterna.domain.instrument import Instrument, ZoneIdentity
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Project
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import Act, Decision
from cisterna.domain.trend import MetricSample
from cisterna.domain.work import Work, WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.testing.clock import START


def make_id(word: str) -> str:
    """Return a UUID that is the same for the same word."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, word))


def make_sha512(word: str = "content") -> str:
    """Return the SHA-512 of a word."""
    return hashlib.sha512(word.encode()).hexdigest()


def make_instrument(name: str = "squid-1", **fields: Any) -> Instrument:
    """Make an instrument; its landing zone does not exist."""
    return Instrument(**{"name": name, "profile": "squid", "path": f"/landing/{name}", "created_at": START, **fields})


def make_project(slug: str = "cells", **fields: Any) -> Project:
    """Make a project whose data are open and complete in their defaults."""
    defaults = MetadataDefaults(
        creators=(Creator(name="Ada Holm"),),
        publisher="Example Facility",
        licence="CC-BY-4.0",
        access=Access.OPEN,
        human_data=HumanData.NO,
    )
    made = {"slug": slug, "title": f"Project {slug}", "owner": "ada", "defaults": defaults, "created_at": START}
    return Project(**{**made, **fields})


def make_adoption(name: str = "old-nas", **fields: Any) -> Adoption:
    """Make a share that is taken in; it does not exist. A person has said something of all of it."""
    said = Assignment(under="", project="cells", person="olga", reason="lab book 7", said_at=START)
    made = {
        "name": name,
        "path": f"/mnt/{name}",
        "identity": ZoneIdentity(device=1, inode=2),
        "assignments": (said,),
        "begun_by": "olga",
        "begun_at": START,
    }
    return Adoption(**{**made, **fields})


def make_acquisition(name: str = "run-1", *, instrument: str = "squid-1", **fields: Any) -> Acquisition:
    """Make an acquisition as first seen."""
    made = {
        "acquisition_id": acquisition_id(instrument=instrument, folder=name),
        "instrument": instrument,
        "profile": "squid",
        "folder": name,
        "name": name,
        "settled_since": START,
        "first_seen": START,
        "last_seen": START,
        "submitter": instrument,
    }
    return Acquisition(**{**made, **fields})


def make_alert(run: str = "run-1", *, instrument: str = "squid-1", **fields: Any) -> Alert:
    """Make an alert on a run, as it is when it was raised."""
    kind = fields.get("kind", AlertKind.DARK)
    place = Place.of("0/B3_2_0_DAPI.tiff", region="B3", field="2", channel="DAPI", t=0, z=0)
    made = {
        "alert_id": make_id(f"{kind.value} alert of {run}"),
        "acquisition_id": acquisition_id(instrument=instrument, folder=run),
        "kind": kind,
        "severity": Severity.ERROR,
        "instrument": instrument,
        "place": place,
        "places": (place,),
        "words": f"The first {kind.value} image of the run: {place.words}.",
        "measure": "grey value",
        "observed": 102.0,
        "limit": 900.0,
        "limit_origin": "the suite's limits",
        "advice": "Look at the lamp.",
        "raised_at": START,
    }
    return Alert(**{**made, **fields})


def make_dataset(name: str = "run-1", *, acquisition: Acquisition | None = None, **fields: Any) -> Dataset:
    """Make a dataset: of an acquisition, or of an origin of its own when none is given."""
    origin = acquisition.acquisition_id if acquisition else f"origin-{name}"
    identity = dataset_id(origin=origin)
    made = {
        "dataset_id": identity,
        "origin": origin,
        "title": name,
        "data_type": "microscopy",
        "project": acquisition.project if acquisition else None,
        "acquisition_id": acquisition.acquisition_id if acquisition else None,
        "instrument": acquisition.instrument if acquisition else None,
        "pid": ark(identity),
        "object_root": f"objects/{identity}",
        "created_at": START,
    }
    return Dataset(**{**made, **fields})


def make_version(dataset: Dataset | None = None, *, number: int = 1, revision: int = 0, **fields: Any) -> Version:
    """Make a version as it is when its acquisition was found complete."""
    owner = dataset or make_dataset()
    made = {
        "version_id": name_version(owner.dataset_id, number, revision),
        "dataset_id": owner.dataset_id,
        "number": number,
        "revision": revision,
        "stage_at": START,
        "created_at": START,
        "submitter": owner.instrument or "squid-1",
    }
    return Version(**{**made, **fields})


def make_finding(check: str = "focus-min", outcome: Outcome = Outcome.PASSED, **fields: Any) -> Finding:
    """Make a finding of one check."""
    return Finding(**{"check": check, "outcome": outcome, "message": f"{check}: {outcome.value}", **fields})


def make_sample(version: Version, **fields: Any) -> MetricSample:
    """Make one value of a version's summary."""
    made = {
        "version_id": version.version_id,
        "dataset_id": version.dataset_id,
        "instrument": "squid-1",
        "data_type": "microscopy",
        "channel": None,
        "metric": "focus_median",
        "value": 0.05,
        "verdict": Verdict.PASSED,
        "at": version.created_at,
    }
    return MetricSample(**{**made, **fields})


def make_receipt(version: Version, name: str = "receipt", **fields: Any) -> CopyReceipt:
    """Make a receipt of a version's copy in the archive."""
    made = {
        "receipt_id": make_id(f"{name} of {version.version_id}"),
        "version_id": version.version_id,
        "store": "archive",
        "object_root": f"objects/{version.dataset_id}",
        "ocfl_version": 1,
        "inventory_sha512": make_sha512("inventory"),
        "manifest_digest": version.manifest_digest or make_sha512("manifest"),
        "files_read": 24,
        "bytes_read": 24 * 524_288,
        "verified_at": START,
    }
    return CopyReceipt(**{**made, **fields})


def make_decision(version: Version, act: Act = Act.ACCEPT, *, person: str = "sten", **fields: Any) -> Decision:
    """Make a steward's decision on the evidence of a version."""
    made = {
        "decision_id": make_id(f"{act} of {version.version_id} by {person}"),
        "version_id": version.version_id,
        "act": act,
        "person": person,
        "reason": "looked at every image",
        "evidence_digest": version.evidence_digest or make_sha512("evidence"),
        "decided_at": START,
    }
    return Decision(**{**made, **fields})


def make_point(name: str = "looked", **fields: Any) -> Point:
    """Make a point of a review checklist that a person answers."""
    return Point(**{"id": name, "part": "Files", "text": f"It is so: {name}", **fields})


def make_checklist(*points: Point, **fields: Any) -> Checklist:
    """Make a short review checklist: one point is judged, one a person answers, one advises."""
    made = points or (
        make_point("complete", judge="complete", part="Description"),
        make_point("looked"),
        make_point("keywords", judge="keywords", field="keywords", required=False),
    )
    return Checklist(**{"id": "short", "version": "1", "title": "A short list", "points": made, **fields})


def make_publication(version: Version, target: str = "portal", **fields: Any) -> Publication:
    """Make a publication of a version at a target."""
    pid = ark(version.dataset_id)
    made = {
        "publication_id": make_id(f"{version.version_id} at {target}"),
        "version_id": version.version_id,
        "target": target,
        "pid": pid,
        "url": f"http://127.0.0.1/{pid}",
        "consent": "policy of project cells",
        "published_at": START,
    }
    return Publication(**{**made, **fields})


def make_work(name: str = "work-1", *, kind: WorkKind = WorkKind.INGEST, **fields: Any) -> Work:
    """Make work that is ready at once."""
    made = {
        "work_id": make_id(name),
        "key": f"{kind.value}:{name}",
        "kind": kind,
        "subject": name,
        "fairness": "squid-1",
        "not_before": START,
        "created_at": START,
    }
    return Work(**{**made, **fields})


def make_event(name: str = "event-1", *, subject: str = "run-1", **fields: Any) -> Event:
    """Make an event about a subject."""
    made = {"event_id": make_id(name), "name": "version.stage", "subject": subject, "occurred_at": START}
    return Event(**{**made, **fields})


def make_account(name: str = "sten", role: Role = Role.STEWARD, **fields: Any) -> Account:
    """Make an account with one role, everywhere, and no password."""
    return Account(**{"name": name, "grants": (Grant(role=role),), "created_at": START, **fields})


def keep_version(
    catalogue: Catalogue,
    name: str = "run-1",
    *,
    instrument: str = "squid-1",
    project: str | None = "cells",
    **fields: Any,
) -> Version:
    """Put a version into the catalogue with all that it stands on: instrument, project, acquisition, dataset.

    Args:
        catalogue: An instrument or project that is there already is left as it is.
        name: Of the run.
        instrument: By name.
        project: By slug; None is unclaimed.
        fields: Of the version.
    """
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument(instrument))
        if project is not None and all(known.slug != project for known in tx.projects.list()):
            tx.projects.add(make_project(project))
        acquisition = tx.acquisitions.save(make_acquisition(name, instrument=instrument, project=project))
        dataset = tx.datasets.add(make_dataset(name, acquisition=acquisition))
        tx.acquisitions.save(acquisition.model_copy(update={"dataset_id": dataset.dataset_id}))
        return tx.datasets.add_version(make_version(dataset, **fields))
