CREATE TABLE public_versions (
    pid TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    place BIGINT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE NOT NULL,
    data_type TEXT,
    mark TEXT,
    body JSON,
    oai_dc TEXT,
    oai_datacite TEXT,
    CONSTRAINT pk_public_versions PRIMARY KEY (pid, number, revision),
    CONSTRAINT uq_public_versions_place UNIQUE (place)
);
CREATE TABLE public_datasets (
    pid TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE NOT NULL,
    title_key TEXT COLLATE "C" NOT NULL,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    facets INTEGER[] NOT NULL,
    heads TSVECTOR NOT NULL,
    words TSVECTOR NOT NULL,
    CONSTRAINT pk_public_datasets PRIMARY KEY (pid)
) WITH (toast_tuple_target = 1024);
-- Rows are read by the ten thousand to be counted, and their words only to be ranked.
ALTER TABLE public_datasets
    ALTER COLUMN words SET STORAGE EXTERNAL,
    ALTER COLUMN heads SET STORAGE MAIN,
    ALTER COLUMN facets SET STORAGE MAIN;
CREATE INDEX ix_public_datasets_newest ON public_datasets (published_at DESC, pid);
CREATE INDEX ix_public_datasets_words ON public_datasets USING gin (words);
CREATE INDEX ix_public_datasets_facets ON public_datasets USING gin (facets);
CREATE TABLE public_values (
    value_id INTEGER GENERATED ALWAYS AS IDENTITY NOT NULL,
    facet TEXT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    datasets BIGINT NOT NULL,
    file_count BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    CONSTRAINT pk_public_values PRIMARY KEY (value_id),
    CONSTRAINT uq_public_values_facet_value UNIQUE (facet, value)
);
CREATE INDEX ix_public_values_most ON public_values (facet, datasets DESC, value);
CREATE TABLE public_words (
    word TEXT COLLATE "C" NOT NULL,
    uses BIGINT NOT NULL,
    CONSTRAINT pk_public_words PRIMARY KEY (word)
);
CREATE INDEX ix_public_words_alike ON public_words USING gin (word gin_trgm_ops);
