CREATE TABLE alerts (
    alert_id TEXT NOT NULL,
    acquisition_id TEXT NOT NULL,
    instrument TEXT NOT NULL,
    kind TEXT NOT NULL,
    raised_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    body JSON NOT NULL,
    CONSTRAINT pk_alerts PRIMARY KEY (alert_id),
    CONSTRAINT fk_alerts_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id)
);
CREATE UNIQUE INDEX uq_alerts_one_open ON alerts (acquisition_id, kind) WHERE closed_at IS NULL;
CREATE INDEX ix_alerts_acquisition_id ON alerts (acquisition_id, raised_at);
CREATE INDEX ix_alerts_raised_at ON alerts (raised_at DESC);

CREATE TABLE alert_pictures (
    alert_id TEXT NOT NULL,
    png BYTEA NOT NULL,
    CONSTRAINT pk_alert_pictures PRIMARY KEY (alert_id),
    CONSTRAINT fk_alert_pictures_alert_id FOREIGN KEY (alert_id) REFERENCES alerts (alert_id) ON DELETE CASCADE,
    CONSTRAINT ck_alert_pictures_is_small CHECK (octet_length(png) <= 69632)
);

CREATE TABLE baselines (
    acquisition_id TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_baselines PRIMARY KEY (acquisition_id),
    CONSTRAINT fk_baselines_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id)
);
