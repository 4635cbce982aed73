ALTER TABLE versions ADD COLUMN verdict TEXT GENERATED ALWAYS AS (
    nullif(btrim(substring(CAST(body AS text) FROM '"verdict": ?(null|"[a-z-]+")'), '"'), 'null')
) STORED;
CREATE INDEX ix_versions_verdict ON versions (dataset_id, number, revision) INCLUDE (verdict);
DROP INDEX ix_acquisitions_newest;
CREATE INDEX ix_acquisitions_newest ON acquisitions (instrument, first_seen DESC) INCLUDE (dataset_id, project);
CREATE INDEX ix_datasets_claimed ON datasets (dataset_id) INCLUDE (project);
