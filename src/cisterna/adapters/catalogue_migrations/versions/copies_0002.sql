-- Which stores keep copies, and what is known of each object in each of them.

ALTER TABLE receipts ADD COLUMN store TEXT GENERATED ALWAYS AS (body ->> 'store') STORED NOT NULL;
CREATE INDEX ix_receipts_store ON receipts (version_id, store);

CREATE TABLE stores (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    registered BOOLEAN NOT NULL,
    CONSTRAINT pk_stores PRIMARY KEY (name)
);
INSERT INTO stores (name, position, registered) VALUES ('archive', 0, true);

CREATE TABLE copies (
    dataset_id TEXT NOT NULL,
    store TEXT NOT NULL,
    fixity TEXT,
    checked_at TIMESTAMP WITH TIME ZONE,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_copies PRIMARY KEY (dataset_id, store),
    CONSTRAINT fk_copies_dataset_id FOREIGN KEY(dataset_id) REFERENCES datasets (dataset_id),
    CONSTRAINT ck_copies_fixity_is_known CHECK (fixity IN ('ok', 'damaged', 'could-not-check'))
);
CREATE INDEX ix_copies_due ON copies (store, checked_at);

-- What was archived before is known to lie in the first store and to have been read back once: its check is due.
INSERT INTO copies (dataset_id, store, next_at, body)
SELECT dataset_id, 'archive', now(), json_build_object(
    'dataset_id', dataset_id, 'store', 'archive', 'reason', 'not read again since it was archived',
    'since', now(), 'looked_at', now(), 'next_at', now()
)
FROM (
    SELECT DISTINCT versions.dataset_id
    FROM receipts JOIN versions ON versions.version_id = receipts.version_id
    WHERE receipts.store = 'archive'
) AS archived;
