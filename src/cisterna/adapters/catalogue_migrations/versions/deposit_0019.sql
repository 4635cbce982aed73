CREATE TABLE deposits (
    key TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_deposits PRIMARY KEY (key),
    CONSTRAINT fk_deposits_dataset_id FOREIGN KEY (dataset_id) REFERENCES datasets (dataset_id),
    CONSTRAINT ck_deposits_state_is_known CHECK (
        state IN ('wanted', 'reserved', 'deposited', 'failed', 'withdrawing', 'withdrawn')
    )
);
CREATE INDEX ix_deposits_dataset_id ON deposits (dataset_id);
CREATE INDEX ix_deposits_due ON deposits (target, next_at) WHERE next_at IS NOT NULL;
