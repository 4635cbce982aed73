CREATE TABLE data_deliveries (
    delivery_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_data_deliveries PRIMARY KEY (delivery_id),
    CONSTRAINT fk_data_deliveries_version_id FOREIGN KEY (version_id) REFERENCES versions (version_id)
);
CREATE INDEX ix_data_deliveries_version_id ON data_deliveries (version_id, delivered_at);
CREATE INDEX ix_data_deliveries_newest ON data_deliveries (delivered_at DESC, delivery_id);

CREATE TABLE delivery_keys (
    secret_sha256 TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_delivery_keys PRIMARY KEY (secret_sha256),
    CONSTRAINT fk_delivery_keys_delivery_id FOREIGN KEY (delivery_id)
        REFERENCES data_deliveries (delivery_id) ON DELETE CASCADE
);
CREATE INDEX ix_delivery_keys_delivery_id ON delivery_keys (delivery_id);

CREATE TABLE delivery_uses (
    use_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    day DATE NOT NULL,
    path TEXT NOT NULL,
    requests INTEGER NOT NULL,
    bytes_sent BIGINT NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_delivery_uses PRIMARY KEY (use_id),
    CONSTRAINT fk_delivery_uses_delivery_id FOREIGN KEY (delivery_id)
        REFERENCES data_deliveries (delivery_id) ON DELETE CASCADE,
    CONSTRAINT ck_delivery_uses_is_counted CHECK (requests >= 1 AND bytes_sent >= 0)
);
CREATE INDEX ix_delivery_uses_delivery_id ON delivery_uses (delivery_id, last_at);
CREATE INDEX ix_delivery_uses_day ON delivery_uses (day);
