"""The catalogue's tables: columns for what is searched, joined or constrained, a JSON body for the value itself.

This is what the statements are written against; `catalogue_migrations` builds it, and a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, TIMESTAMP

from cisterna.adapters.catalogue_reading import NEWEST_BY, OF_RUN, VERDICT

SCHEMA_REVISION = "0023"
"""The newest migration; a database that is there already needs no Alembic at start."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def moment_column(name: str, *, nullable: bool = False) -> Column[object]:
    """A moment, in UTC as all are."""
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def body_column(name: str = "body") -> Column[str]:
    """JSON as it was written: `jsonb` would turn 1e16 into an integer and break every digest over it."""
    return Column(name, JSON, nullable=False)


instruments = Table("instruments", metadata, Column("name", Text, primary_key=True), body_column())

projects = Table(
    "projects",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("record", Integer, nullable=False),
    body_column(),
)

bindings = Table(
    "bindings",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("pattern", Text, nullable=False),
    Column("project", Text, ForeignKey("projects.slug")),
    CheckConstraint("(project IS NULL) = (kind = 'booking')", name="names_a_project"),
)
Index("uq_bindings_rule", bindings.c.kind, bindings.c.pattern, text("coalesce(project, '')"), unique=True)

acquisitions = Table(
    "acquisitions",
    metadata,
    Column("acquisition_id", Text, primary_key=True),
    Column("instrument", Text, ForeignKey("instruments.name"), nullable=False),
    Column("folder", Text, nullable=False),
    Column("project", Text, ForeignKey("projects.slug")),
    Column("state", Text, nullable=False),
    Column("held", Boolean, nullable=False),
    moment_column("first_seen"),
    # Deferrable: a dataset names its acquisition and an acquisition its dataset, and a rebuild writes both anew.
    Column("dataset_id", Text, ForeignKey("datasets.dataset_id", use_alter=True, deferrable=True)),
    Column("record", Integer, nullable=False),
    body_column(),
    UniqueConstraint("instrument", "folder"),
    CheckConstraint(
        "state IN ('writing', 'complete', 'aborted', 'partial', 'stalled', 'unavailable')", name="state_is_known"
    ),
)
Index("ix_acquisitions_newest", acquisitions.c.instrument, acquisitions.c.first_seen.desc(), postgresql_include=OF_RUN)
Index("ix_acquisitions_first_seen", acquisitions.c.first_seen.desc())
Index("ix_acquisitions_held", acquisitions.c.acquisition_id, postgresql_where=text("held"))
Index("ix_acquisitions_bare", acquisitions.c.state, postgresql_where=text("dataset_id IS NULL"))
Index(
    "ix_acquisitions_extent",
    acquisitions.c.body.op("->>")("total_bytes"),
    acquisitions.c.body.op("->>")("file_count"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("dataset_id", Text, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
    Column("pid", Text, nullable=False, unique=True),
    Column("object_root", Text, nullable=False, unique=True),
    Column("project", Text, ForeignKey("projects.slug")),
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id")),
    Column("relations", JSONB, nullable=False),
    moment_column("created_at"),
    body_column(),
)
Index("ix_datasets_created_at", datasets.c.created_at.desc())
Index("ix_datasets_project", datasets.c.project, datasets.c.created_at.desc())
Index("ix_datasets_acquisition_id", datasets.c.acquisition_id)
Index("ix_datasets_claimed", datasets.c.dataset_id, postgresql_include=["project"])
Index(
    "ix_datasets_relations",
    datasets.c.relations,
    postgresql_using="gin",
    postgresql_ops={"relations": "jsonb_path_ops"},
)

versions = Table(
    "versions",
    metadata,
    Column("version_id", Text, primary_key=True),
    Column("dataset_id", Text, ForeignKey("datasets.dataset_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    moment_column("stage_at"),
    Column("record", Integer, nullable=False),
    body_column(),
    Column("verdict", Text, Computed(VERDICT, persisted=True)),
    UniqueConstraint("dataset_id", "number", "revision"),
    CheckConstraint("number >= 1 AND revision >= 0", name="is_numbered"),
    CheckConstraint(
        "stage IN ('detected', 'measured', 'gated', 'described', 'archived', 'verified', 'in-review', 'accepted',"
        " 'rejected', 'published', 'withdrawn')",
        name="stage_is_known",
    ),
)
Index("ix_versions_stage", versions.c.stage, versions.c.stage_at.desc())
Index("ix_versions_stage_at", versions.c.stage_at.desc())
Index("ix_versions_verdict", *(versions.c[key] for key in NEWEST_BY), postgresql_include=["verdict"])

findings = Table(
    "findings",
    metadata,
    Column("version_id", Text, ForeignKey("versions.version_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
    body_column(),
)


def _evidence(name: str, key: str, moment: str, *more: Column[str]) -> Table:
    """Something that happened to a version: it outlives every change to it, and its version cannot be removed."""
    table = Table(
        name,
        metadata,
        Column(key, Text, primary_key=True),
        Column("version_id", Text, ForeignKey("versions.version_id"), nullable=False),
        moment_column(moment),
        *more,
        body_column(),
    )
    Index(f"ix_{name}_version_id", table.c.version_id, table.c[moment])
    return table


receipts = _evidence(
    "receipts",
    "receipt_id",
    "verified_at",
    Column("store", Text, Computed("body ->> 'store'", persisted=True), nullable=False),
)
Index("ix_receipts_store", receipts.c.version_id, receipts.c.store)
decisions = _evidence("decisions", "decision_id", "decided_at", Column("person", Text, nullable=False))
publications = _evidence("publications", "publication_id", "published_at", Column("target", Text, nullable=False))

stores = Table(
    "stores",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("registered", Boolean, nullable=False),
)

copies = Table(
    "copies",
    metadata,
    Column("dataset_id", Text, ForeignKey("datasets.dataset_id"), primary_key=True),
    Column("store", Text, primary_key=True),
    Column("fixity", Text),
    moment_column("checked_at", nullable=True),
    moment_column("next_at"),
    body_column(),
    CheckConstraint("fixity IN ('ok', 'damaged', 'could-not-check')", name="fixity_is_known"),
)
Index("ix_copies_due", copies.c.store, copies.c.checked_at)
Index("ix_copies_unsound", copies.c.fixity, postgresql_where=text("fixity <> 'ok'"))

lanes = Table("lanes", metadata, Column("fairness", Text, primary_key=True))

works = Table(
    "works",
    metadata,
    Column("work_id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    body_column("parameters"),
    Column("fairness", Text, ForeignKey("lanes.fairness"), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    moment_column("not_before"),
    moment_column("created_at"),
    Column("outcome", Text),
    CheckConstraint("state IN ('ready', 'leased', 'done', 'failed')", name="state_is_known"),
)
Index(
    "ix_works_ready",
    works.c.fairness,
    works.c.not_before,
    works.c.created_at,
    works.c.work_id,
    postgresql_where=text("state = 'ready'"),
)
Index("ix_works_subject", works.c.subject, works.c.created_at)
Index("ix_works_open", works.c.state, works.c.created_at, postgresql_where=text("state <> 'done'"))

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("work_id", Text, ForeignKey("works.work_id"), nullable=False),
    Column("fairness", Text, nullable=False),
    Column("begun", BigInteger, Identity(always=True), nullable=False),
    Column("owner", Text, nullable=False),
    moment_column("started_at"),
    moment_column("expires_at"),
    Column("flow_run_id", Text),
    Column("ended", Text),
    Column("progress", JSON),
    CheckConstraint("ended IN ('finished', 'put-back', 'given-up', 'expired', 'told')", name="end_is_known"),
)
Index("uq_attempts_one_lease", attempts.c.work_id, unique=True, postgresql_where=text("ended IS NULL"))
Index("ix_attempts_turn", attempts.c.fairness, attempts.c.begun)
Index("ix_attempts_expired", attempts.c.run_id, postgresql_where=text("ended = 'expired'"))

sinks = Table(
    "sinks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("registered", Boolean, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("sequence", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    moment_column("occurred_at"),
    Column("restricted", Boolean, nullable=False),
    body_column("data"),
)
Index("ix_events_subject", events.c.subject, events.c.sequence)

deliveries = Table(
    "deliveries",
    metadata,
    Column("sink", Text, ForeignKey("sinks.name"), primary_key=True),
    Column("sequence", BigInteger, ForeignKey("events.sequence"), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    moment_column("not_before", nullable=True),
    Column("reason", Text),
)
Index("ix_deliveries_subject", deliveries.c.sink, deliveries.c.subject, deliveries.c.sequence)

holds = Table(
    "holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("target", Text, nullable=False),
    moment_column("placed_at"),
    moment_column("lifted_at", nullable=True),
    body_column(),
    CheckConstraint("scope IN ('acquisition', 'dataset', 'project')", name="scope_is_known"),
)
Index("ix_holds_standing", holds.c.scope, holds.c.target, postgresql_where=text("lifted_at IS NULL"))

releases = Table(
    "releases",
    metadata,
    Column("release_id", Text, primary_key=True),
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), nullable=False),
    Column("version_id", Text, ForeignKey("versions.version_id"), nullable=False),
    Column("state", Text, nullable=False),
    moment_column("announced_at"),
    moment_column("due_at"),
    Column("record", Integer, nullable=False),
    body_column(),
    CheckConstraint("state IN ('announced', 'begun', 'done', 'refused', 'cancelled')", name="state_is_known"),
)
Index(
    "uq_releases_one_open",
    releases.c.acquisition_id,
    unique=True,
    postgresql_where=text("state IN ('announced', 'begun')"),
)
Index("ix_releases_acquisition_id", releases.c.acquisition_id, releases.c.announced_at)

retention_rules = Table(
    "retention_rules",
    metadata,
    Column("rule_id", Text, primary_key=True),
    Column("project", Text),
    Column("instrument", Text),
    Column("data_type", Text),
    moment_column("set_at"),
    moment_column("ended_at", nullable=True),
    body_column(),
)
Index(
    "uq_retention_rules_one_stands",
    func.coalesce(retention_rules.c.project, text("''")),
    func.coalesce(retention_rules.c.instrument, text("''")),
    func.coalesce(retention_rules.c.data_type, text("''")),
    unique=True,
    postgresql_where=text("ended_at IS NULL"),
)

protections = Table(
    "protections",
    metadata,
    Column("dataset_id", Text, ForeignKey("datasets.dataset_id"), primary_key=True),
    Column("store", Text, primary_key=True),
    body_column(),
)

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("dataset_ids", JSONB, nullable=False),
    moment_column("announced_at"),
    Column("record", Integer, nullable=False),
    body_column(),
    CheckConstraint("state IN ('announced', 'begun', 'incomplete', 'done')", name="state_is_known"),
)
Index(
    "ix_erasures_dataset_ids",
    erasures.c.dataset_ids,
    postgresql_using="gin",
    postgresql_ops={"dataset_ids": "jsonb_path_ops"},
)

sightings = Table(
    "sightings",
    metadata,
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("shadow_id", Text, nullable=False),
    body_column(),
)
Index("ix_sightings_shadow_id", sightings.c.shadow_id)

accounts = Table("accounts", metadata, Column("name", Text, primary_key=True), body_column())

sessions = Table(
    "sessions",
    metadata,
    Column("secret_sha256", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("csrf", Text, nullable=False),
    moment_column("created_at"),
    moment_column("expires_at"),
)
Index("ix_sessions_account", sessions.c.account)
Index("ix_sessions_expires_at", sessions.c.expires_at)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("secret_sha256", Text, nullable=False, unique=True),
    Column("account", Text, ForeignKey("accounts.name"), nullable=False),
    Column("label", Text, nullable=False),
    moment_column("created_at"),
    moment_column("expires_at", nullable=True),
    moment_column("revoked_at", nullable=True),
)
Index("ix_api_tokens_account", api_tokens.c.account, api_tokens.c.created_at.desc())

setup_links = Table(
    "setup_links",
    metadata,
    Column("secret_sha256", Text, primary_key=True),
    moment_column("created_at"),
    moment_column("used_at", nullable=True),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("bucket", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    moment_column("last_at"),
)
Index("ix_sign_in_failures_last_at", sign_in_failures.c.last_at)

nonces = Table(
    "nonces",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    moment_column("until"),
)
Index("ix_nonces_until", nonces.c.until)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), nullable=False),
    Column("instrument", Text, nullable=False),
    Column("kind", Text, nullable=False),
    moment_column("raised_at"),
    moment_column("closed_at", nullable=True),
    body_column(),
)
Index(
    "uq_alerts_one_open",
    alerts.c.acquisition_id,
    alerts.c.kind,
    unique=True,
    postgresql_where=text("closed_at IS NULL"),
)
Index("ix_alerts_acquisition_id", alerts.c.acquisition_id, alerts.c.raised_at)
Index("ix_alerts_raised_at", alerts.c.raised_at.desc())

alert_pictures = Table(
    "alert_pictures",
    metadata,
    Column("alert_id", Text, ForeignKey("alerts.alert_id", ondelete="CASCADE"), primary_key=True),
    Column("png", LargeBinary, nullable=False),
    CheckConstraint("octet_length(png) <= 69632", name="is_small"),
)

baselines = Table(
    "baselines",
    metadata,
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), primary_key=True),
    body_column(),
)

metric_samples = Table(
    "metric_samples",
    metadata,
    Column("version_id", Text, ForeignKey("versions.version_id", ondelete="CASCADE"), primary_key=True),
    Column("dataset_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("instrument", Text, nullable=False),
    Column("data_type", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    moment_column("at"),
    body_column("channels"),
)
Index("ix_metric_samples_newest", metric_samples.c.instrument, metric_samples.c.data_type, metric_samples.c.at.desc())
Index("ix_metric_samples_dataset_id", metric_samples.c.dataset_id, metric_samples.c.number, metric_samples.c.revision)

changes = Table(
    "changes",
    metadata,
    Column("sequence", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)

segments = Table(
    "segments",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("digest", Text, nullable=False),
    moment_column("written_at"),
)

recoveries = Table(
    "recoveries",
    metadata,
    Column("object_root", Text, primary_key=True),
    Column("state", Text, nullable=False),
    body_column(),
)

aheads = Table(
    "aheads",
    metadata,
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), primary_key=True),
    Column("object_root", Text, nullable=False, unique=True),
    body_column(),
)

ahead_batches = Table(
    "ahead_batches",
    metadata,
    Column("acquisition_id", Text, ForeignKey("aheads.acquisition_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content_path", Text, nullable=False),
    Column("sha512", Text, nullable=False),
    body_column("seen"),
)

writings = Table(
    "writings",
    metadata,
    Column("acquisition_id", Text, ForeignKey("acquisitions.acquisition_id"), primary_key=True),
    body_column(),
)
