CREATE TABLE access_marks (
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    project TEXT,
    dataset_id TEXT,
    CONSTRAINT pk_access_marks PRIMARY KEY (position),
    CONSTRAINT ck_access_marks_names_one CHECK ((project IS NULL) <> (dataset_id IS NULL))
);

CREATE TABLE access_looks (
    version_id TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    waits BOOLEAN NOT NULL,
    CONSTRAINT pk_access_looks PRIMARY KEY (version_id)
);
CREATE INDEX ix_access_looks_due ON access_looks (waits, due_at);

-- What of a version's row decides about access; null where it is not described and so says nothing.
CREATE FUNCTION said_of_access(body json, stage text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN json_typeof(said) = 'object' THEN json_build_array(
        said -> 'access', said -> 'human_data', said -> 'embargo_until', said -> 'dates' -> 'described',
        stage = 'rejected'
    )::text END
    FROM (SELECT body -> 'metadata' AS said) AS described
$$;

CREATE FUNCTION mark_access_of_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE WHEN TG_OP <> 'INSERT' THEN said_of_access(OLD.body, OLD.stage) END;
    after text := CASE WHEN TG_OP <> 'DELETE' THEN said_of_access(NEW.body, NEW.stage) END;
BEGIN
    IF before IS DISTINCT FROM after THEN
        INSERT INTO access_marks (dataset_id)
        VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.dataset_id ELSE NEW.dataset_id END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_access AFTER INSERT OR UPDATE OR DELETE ON versions
    FOR EACH ROW EXECUTE FUNCTION mark_access_of_version();

CREATE FUNCTION mark_access_of_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_marks (dataset_id) VALUES (NEW.dataset_id);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_access AFTER UPDATE ON datasets FOR EACH ROW
    WHEN (OLD.project IS DISTINCT FROM NEW.project OR OLD.relations IS DISTINCT FROM NEW.relations)
    EXECUTE FUNCTION mark_access_of_dataset();

CREATE FUNCTION mark_access_of_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_marks (project) VALUES (NEW.slug);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_access AFTER UPDATE ON projects FOR EACH ROW
    WHEN (
        (OLD.body #>> '{defaults,access}') IS DISTINCT FROM (NEW.body #>> '{defaults,access}')
        OR (OLD.body #>> '{defaults,embargo_until}') IS DISTINCT FROM (NEW.body #>> '{defaults,embargo_until}')
        OR (OLD.body #>> '{defaults,human_data}') IS DISTINCT FROM (NEW.body #>> '{defaults,human_data}')
        OR (OLD.body #>> '{policy,show_metadata}') IS DISTINCT FROM (NEW.body #>> '{policy,show_metadata}')
    )
    EXECUTE FUNCTION mark_access_of_project();

-- Of a publication that is new, or changed, the day is to be found on which more of it may be shown.
CREATE FUNCTION mark_access_of_publication() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_marks (dataset_id) SELECT dataset_id FROM versions WHERE version_id = NEW.version_id;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_access AFTER INSERT OR UPDATE ON publications FOR EACH ROW
    WHEN ((NEW.body ->> 'withdrawn_at') IS NULL)
    EXECUTE FUNCTION mark_access_of_publication();

INSERT INTO access_marks (dataset_id)
SELECT DISTINCT versions.dataset_id FROM publications JOIN versions USING (version_id)
WHERE publications.body ->> 'withdrawn_at' IS NULL;
