CREATE TABLE sightings (
    acquisition_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    shadow_id TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_sightings PRIMARY KEY (acquisition_id, number),
    CONSTRAINT fk_sightings_acquisition_id FOREIGN KEY (acquisition_id) REFERENCES acquisitions (acquisition_id)
);
CREATE INDEX ix_sightings_shadow_id ON sightings (shadow_id);

CREATE TRIGGER keep_history BEFORE UPDATE OR TRUNCATE ON sightings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();

CREATE FUNCTION refuse_to_forget_sightings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM erasures
        WHERE erasure_id = current_setting('cisterna.erasure', true) AND state <> 'done'
            AND body ->> 'acquisition_id' = OLD.acquisition_id
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'sightings are history: a row goes only with the data that are erased now'
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER keep_sightings BEFORE DELETE ON sightings
    FOR EACH ROW EXECUTE FUNCTION refuse_to_forget_sightings();
