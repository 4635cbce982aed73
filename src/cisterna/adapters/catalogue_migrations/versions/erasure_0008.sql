CREATE TABLE erasures (
    erasure_id TEXT NOT NULL,
    state TEXT NOT NULL,
    dataset_ids JSONB NOT NULL,
    announced_at TIMESTAMP WITH TIME ZONE NOT NULL,
    record INTEGER NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_erasures PRIMARY KEY (erasure_id),
    CONSTRAINT ck_erasures_state_is_known CHECK (state IN ('announced', 'begun', 'incomplete', 'done'))
);
CREATE INDEX ix_erasures_dataset_ids ON erasures USING gin (dataset_ids jsonb_path_ops);

-- That something was erased, by whom and under which decision, is never removed.
CREATE TRIGGER keep_erasures BEFORE DELETE OR TRUNCATE ON erasures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_history();

-- A transaction that names an erasure which is under way may remove rows of history, and of its datasets only:
-- `keep_others_history` looks at each row. Nothing may change one.
CREATE OR REPLACE FUNCTION refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('receipts', 'decisions', 'events', 'releases') AND EXISTS (
        SELECT FROM erasures
        WHERE erasure_id = current_setting('cisterna.erasure', true) AND state <> 'done'
    ) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is history: its rows are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION refuse_to_erase_others() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told jsonb := to_jsonb(OLD);
    names text[] := ARRAY[
        split_part(told ->> 'version_id', ':', 1), split_part(told ->> 'subject', ':', 1),
        told #>> '{data,dataset_id}', split_part(told #>> '{data,version_id}', ':', 1)
    ];
BEGIN
    IF EXISTS (
        SELECT FROM erasures
        WHERE erasure_id = current_setting('cisterna.erasure', true)
            AND (dataset_ids ?| array_remove(names, NULL) OR body ->> 'acquisition_id' = ANY(names))
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a row of % is of no dataset that is erased now', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER keep_others_history BEFORE DELETE ON receipts FOR EACH ROW EXECUTE FUNCTION refuse_to_erase_others();
CREATE TRIGGER keep_others_history BEFORE DELETE ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_to_erase_others();
CREATE TRIGGER keep_others_history BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_to_erase_others();
CREATE TRIGGER keep_others_history BEFORE DELETE ON releases FOR EACH ROW EXECUTE FUNCTION refuse_to_erase_others();
