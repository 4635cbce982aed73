CREATE TABLE metric_samples (
    version_id TEXT NOT NULL,
    dataset_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    instrument TEXT NOT NULL,
    data_type TEXT NOT NULL,
    verdict TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    channels JSON NOT NULL,
    CONSTRAINT pk_metric_samples PRIMARY KEY (version_id),
    CONSTRAINT fk_metric_samples_version_id FOREIGN KEY (version_id) REFERENCES versions (version_id) ON DELETE CASCADE
);
CREATE INDEX ix_metric_samples_newest ON metric_samples (instrument, data_type, at DESC);
CREATE INDEX ix_metric_samples_dataset_id ON metric_samples (dataset_id, number, revision);
