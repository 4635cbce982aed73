CREATE TABLE adoptions (
    name TEXT NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_adoptions PRIMARY KEY (name)
);

CREATE TABLE adoption_walks (
    adoption TEXT NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_adoption_walks PRIMARY KEY (adoption),
    CONSTRAINT fk_adoption_walks_adoption_adoptions FOREIGN KEY (adoption) REFERENCES adoptions (name)
);

CREATE TABLE adoption_folders (
    adoption TEXT NOT NULL,
    key TEXT NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    path TEXT NOT NULL,
    run TEXT,
    run_key TEXT,
    staged_by TEXT,
    CONSTRAINT pk_adoption_folders PRIMARY KEY (adoption, key),
    CONSTRAINT fk_adoption_folders_adoption_adoptions FOREIGN KEY (adoption) REFERENCES adoptions (name)
);
CREATE INDEX ix_adoption_folders_next ON adoption_folders (adoption, position) WHERE staged_by IS NULL;
CREATE INDEX ix_adoption_folders_run ON adoption_folders (adoption, run_key);
CREATE INDEX ix_adoption_folders_staged ON adoption_folders (adoption, staged_by) WHERE staged_by IS NOT NULL;

CREATE TABLE adoption_finds (
    adoption TEXT NOT NULL,
    key TEXT NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    sure INTEGER NOT NULL,
    round INTEGER NOT NULL,
    folder TEXT NOT NULL,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    newest_ns BIGINT NOT NULL,
    acquisition_id TEXT,
    held TEXT,
    look_at TIMESTAMP WITH TIME ZONE,
    body JSON NOT NULL,
    CONSTRAINT pk_adoption_finds PRIMARY KEY (adoption, key),
    CONSTRAINT fk_adoption_finds_adoption_adoptions FOREIGN KEY (adoption) REFERENCES adoptions (name)
);
CREATE INDEX ix_adoption_finds_folder ON adoption_finds (adoption, folder);
CREATE INDEX ix_adoption_finds_acquisition_id ON adoption_finds (acquisition_id);

CREATE INDEX ix_acquisitions_extent ON acquisitions ((body ->> 'total_bytes'), (body ->> 'file_count'));
