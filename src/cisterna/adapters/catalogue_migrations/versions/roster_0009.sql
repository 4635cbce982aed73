-- What the first page lists is few among very many.
CREATE INDEX ix_acquisitions_held ON acquisitions (acquisition_id) WHERE held;
CREATE INDEX ix_acquisitions_bare ON acquisitions (state) WHERE dataset_id IS NULL;
CREATE INDEX ix_copies_unsound ON copies (fixity) WHERE fixity <> 'ok';
