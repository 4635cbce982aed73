-- Lays the ground: everything from instruments to the outbox.

CREATE TABLE instruments (
    name TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_instruments PRIMARY KEY (name)
);

CREATE TABLE projects (
    slug TEXT NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_projects PRIMARY KEY (slug)
);

CREATE TABLE bindings (
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    pattern TEXT NOT NULL,
    project TEXT,
    CONSTRAINT pk_bindings PRIMARY KEY (position),
    CONSTRAINT ck_bindings_names_a_project CHECK ((project IS NULL) = (kind = 'booking')),
    CONSTRAINT fk_bindings_project FOREIGN KEY(project) REFERENCES projects (slug)
);
CREATE UNIQUE INDEX uq_bindings_rule ON bindings (kind, pattern, coalesce(project, ''));

CREATE TABLE acquisitions (
    acquisition_id TEXT NOT NULL,
    instrument TEXT NOT NULL,
    folder TEXT NOT NULL,
    project TEXT,
    state TEXT NOT NULL,
    held BOOLEAN NOT NULL,
    first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
    dataset_id TEXT,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_acquisitions PRIMARY KEY (acquisition_id),
    CONSTRAINT uq_acquisitions_instrument_folder UNIQUE (instrument, folder),
    CONSTRAINT ck_acquisitions_state_is_known CHECK (state IN ('writing', 'complete', 'aborted', 'partial', 'stalled', 'unavailable')),
    CONSTRAINT fk_acquisitions_instrument FOREIGN KEY(instrument) REFERENCES instruments (name),
    CONSTRAINT fk_acquisitions_project FOREIGN KEY(project) REFERENCES projects (slug)
);
CREATE INDEX ix_acquisitions_first_seen ON acquisitions (first_seen DESC);
CREATE INDEX ix_acquisitions_newest ON acquisitions (instrument, first_seen DESC);

CREATE TABLE datasets (
    dataset_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    pid TEXT NOT NULL,
    object_root TEXT NOT NULL,
    project TEXT,
    acquisition_id TEXT,
    relations JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_datasets PRIMARY KEY (dataset_id),
    CONSTRAINT uq_datasets_origin UNIQUE (origin),
    CONSTRAINT uq_datasets_pid UNIQUE (pid),
    CONSTRAINT uq_datasets_object_root UNIQUE (object_root),
    CONSTRAINT fk_datasets_project FOREIGN KEY(project) REFERENCES projects (slug),
    CONSTRAINT fk_datasets_acquisition_id FOREIGN KEY(acquisition_id) REFERENCES acquisitions (acquisition_id)
);
CREATE INDEX ix_datasets_acquisition_id ON datasets (acquisition_id);
CREATE INDEX ix_datasets_created_at ON datasets (created_at DESC);
CREATE INDEX ix_datasets_project ON datasets (project, created_at DESC);
CREATE INDEX ix_datasets_relations ON datasets USING gin (relations jsonb_path_ops);

CREATE TABLE versions (
    version_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    stage TEXT NOT NULL,
    stage_at TIMESTAMP WITH TIME ZONE NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_versions PRIMARY KEY (version_id),
    CONSTRAINT uq_versions_dataset_id_number_revision UNIQUE (dataset_id, number, revision),
    CONSTRAINT ck_versions_is_numbered CHECK (number >= 1 AND revision >= 0),
    CONSTRAINT ck_versions_stage_is_known CHECK (stage IN ('detected', 'measured', 'gated', 'described', 'archived', 'verified', 'in-review', 'accepted',
        'rejected', 'published', 'withdrawn')),
    CONSTRAINT fk_versions_dataset_id FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id)
);
CREATE INDEX ix_versions_stage ON versions (stage, stage_at DESC);
CREATE INDEX ix_versions_stage_at ON versions (stage_at DESC);

CREATE TABLE findings (
    version_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_findings PRIMARY KEY (version_id, position),
    CONSTRAINT fk_findings_version_id FOREIGN KEY(version_id) REFERENCES versions (version_id) ON DELETE CASCADE
);

CREATE TABLE receipts (
    receipt_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    verified_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_receipts PRIMARY KEY (receipt_id),
    CONSTRAINT fk_receipts_version_id FOREIGN KEY(version_id) REFERENCES versions (version_id)
);
CREATE INDEX ix_receipts_version_id ON receipts (version_id, verified_at);

CREATE TABLE decisions (
    decision_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    person TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (decision_id),
    CONSTRAINT fk_decisions_version_id FOREIGN KEY(version_id) REFERENCES versions (version_id)
);
CREATE INDEX ix_decisions_version_id ON decisions (version_id, decided_at);

CREATE TABLE publications (
    publication_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE NOT NULL,
    target TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_publications PRIMARY KEY (publication_id),
    CONSTRAINT fk_publications_version_id FOREIGN KEY(version_id) REFERENCES versions (version_id)
);
CREATE INDEX ix_publications_version_id ON publications (version_id, published_at);

CREATE TABLE lanes (
    fairness TEXT NOT NULL,
    CONSTRAINT pk_lanes PRIMARY KEY (fairness)
);

CREATE TABLE works (
    work_id TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    parameters JSON NOT NULL,
    fairness TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome TEXT,
    CONSTRAINT pk_works PRIMARY KEY (work_id),
    CONSTRAINT ck_works_state_is_known CHECK (state IN ('ready', 'leased', 'done', 'failed')),
    CONSTRAINT uq_works_key UNIQUE (key),
    CONSTRAINT fk_works_fairness FOREIGN KEY(fairness) REFERENCES lanes (fairness)
);
CREATE INDEX ix_works_open ON works (state, created_at) WHERE state <> 'done';
CREATE INDEX ix_works_ready ON works (fairness, not_before, created_at, work_id) WHERE state = 'ready';
CREATE INDEX ix_works_subject ON works (subject, created_at);

CREATE TABLE attempts (
    run_id TEXT NOT NULL,
    work_id TEXT NOT NULL,
    fairness TEXT NOT NULL,
    begun BIGINT GENERATED ALWAYS AS IDENTITY,
    owner TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    flow_run_id TEXT,
    ended TEXT,
    CONSTRAINT pk_attempts PRIMARY KEY (run_id),
    CONSTRAINT ck_attempts_end_is_known CHECK (ended IN ('finished', 'put-back', 'given-up', 'expired', 'told')),
    CONSTRAINT fk_attempts_work_id FOREIGN KEY(work_id) REFERENCES works (work_id)
);
CREATE INDEX ix_attempts_expired ON attempts (run_id) WHERE ended = 'expired';
CREATE INDEX ix_attempts_turn ON attempts (fairness, begun);
CREATE UNIQUE INDEX uq_attempts_one_lease ON attempts (work_id) WHERE ended IS NULL;

CREATE TABLE sinks (
    name TEXT NOT NULL,
    registered BOOLEAN NOT NULL,
    CONSTRAINT pk_sinks PRIMARY KEY (name)
);

CREATE TABLE events (
    event_id TEXT NOT NULL,
    sequence BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    restricted BOOLEAN NOT NULL,
    data JSON NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (event_id),
    CONSTRAINT uq_events_sequence UNIQUE (sequence)
);
CREATE INDEX ix_events_subject ON events (subject, sequence);

CREATE TABLE deliveries (
    sink TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    subject TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    CONSTRAINT pk_deliveries PRIMARY KEY (sink, sequence),
    CONSTRAINT fk_deliveries_sink FOREIGN KEY(sink) REFERENCES sinks (name),
    CONSTRAINT fk_deliveries_sequence FOREIGN KEY(sequence) REFERENCES events (sequence)
);
CREATE INDEX ix_deliveries_subject ON deliveries (sink, subject, sequence);

CREATE TABLE accounts (
    name TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (name)
);

CREATE TABLE sessions (
    secret_sha256 TEXT NOT NULL,
    account TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (secret_sha256),
    CONSTRAINT fk_sessions_account FOREIGN KEY(account) REFERENCES accounts (name)
);
CREATE INDEX ix_sessions_account ON sessions (account);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);

CREATE TABLE api_tokens (
    token_id TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    account TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_tokens PRIMARY KEY (token_id),
    CONSTRAINT uq_api_tokens_secret_sha256 UNIQUE (secret_sha256),
    CONSTRAINT fk_api_tokens_account FOREIGN KEY(account) REFERENCES accounts (name)
);
CREATE INDEX ix_api_tokens_account ON api_tokens (account, created_at DESC);

CREATE TABLE setup_links (
    secret_sha256 TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_setup_links PRIMARY KEY (secret_sha256)
);

CREATE TABLE sign_in_failures (
    bucket TEXT NOT NULL,
    failures INTEGER NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sign_in_failures PRIMARY KEY (bucket)
);
CREATE INDEX ix_sign_in_failures_last_at ON sign_in_failures (last_at);

ALTER TABLE acquisitions
    ADD CONSTRAINT fk_acquisitions_dataset_id FOREIGN KEY (dataset_id) REFERENCES datasets (dataset_id);

-- What has happened is never rewritten, not even by a statement of ours that is wrong.
CREATE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history: its rows are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
