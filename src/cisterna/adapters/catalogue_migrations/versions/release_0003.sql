CREATE TABLE holds (
    hold_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    target TEXT NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lifted_at TIMESTAMP WITH TIME ZONE,
    body JSON NOT NULL,
    CONSTRAINT pk_holds PRIMARY KEY (hold_id),
    CONSTRAINT ck_holds_scope_is_known CHECK (scope IN ('acquisition', 'dataset', 'project'))
);
CREATE INDEX ix_holds_standing ON holds (scope, target) WHERE lifted_at IS NULL;

CREATE TABLE releases (
    release_id TEXT NOT NULL,
    acquisition_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    state TEXT NOT NULL,
    announced_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_releases PRIMARY KEY (release_id),
    CONSTRAINT fk_releases_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id),
    CONSTRAINT fk_releases_version_id FOREIGN KEY (version_id) REFERENCES versions (version_id),
    CONSTRAINT ck_releases_state_is_known CHECK (state IN ('announced', 'begun', 'done', 'refused', 'cancelled'))
);
CREATE UNIQUE INDEX uq_releases_one_open ON releases (acquisition_id) WHERE state IN ('announced', 'begun');
CREATE INDEX ix_releases_acquisition_id ON releases (acquisition_id, announced_at);

-- Who held what, and what was deleted on which proof, is never removed.
CREATE TRIGGER keep_history BEFORE DELETE OR TRUNCATE ON holds
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
CREATE TRIGGER keep_history BEFORE DELETE OR TRUNCATE ON releases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
