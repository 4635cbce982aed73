-- Most changes of a version say nothing new about access: that is seen first, since this is run for each of them. A
-- version that comes or goes leaves a mark whatever it says: with the first one its project has a word.
CREATE OR REPLACE FUNCTION mark_access_of_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.stage = 'rejected') = (NEW.stage = 'rejected')
            AND (OLD.body ->> 'metadata') IS NOT DISTINCT FROM (NEW.body ->> 'metadata')
        THEN
            RETURN NULL;
        END IF;
        IF said_of_access(OLD.body, OLD.stage) IS NOT DISTINCT FROM said_of_access(NEW.body, NEW.stage) THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO access_marks (dataset_id)
    VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.dataset_id ELSE NEW.dataset_id END);
    RETURN NULL;
END $$;

-- What was made from a dataset that is not there may not be seen.
CREATE OR REPLACE FUNCTION mark_access_of_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_marks (dataset_id)
    VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.dataset_id ELSE NEW.dataset_id END);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_access_of_another AFTER INSERT OR DELETE ON datasets
    FOR EACH ROW EXECUTE FUNCTION mark_access_of_dataset();
