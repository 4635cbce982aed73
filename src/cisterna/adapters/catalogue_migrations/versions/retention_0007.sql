CREATE TABLE retention_rules (
    rule_id TEXT NOT NULL,
    project TEXT,
    instrument TEXT,
    data_type TEXT,
    set_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    body JSON NOT NULL,
    CONSTRAINT pk_retention_rules PRIMARY KEY (rule_id)
);
-- No slug is empty, so the empty text stands for "any" (NULLS NOT DISTINCT wants PostgreSQL 15).
CREATE UNIQUE INDEX uq_retention_rules_one_stands
    ON retention_rules (coalesce(project, ''), coalesce(instrument, ''), coalesce(data_type, ''))
    WHERE ended_at IS NULL;

CREATE TABLE protections (
    dataset_id TEXT NOT NULL,
    store TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_protections PRIMARY KEY (dataset_id, store),
    CONSTRAINT fk_protections_dataset_id FOREIGN KEY (dataset_id) REFERENCES datasets (dataset_id)
);

-- Who said how long data are kept is never removed.
CREATE TRIGGER keep_history BEFORE DELETE OR TRUNCATE ON retention_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();
