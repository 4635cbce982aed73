-- Who reserves DOIs knows what it keeps by the DOI alone; repositories have numbers of their own for that.
UPDATE deposits SET body = jsonb_set(body::jsonb, '{is_own}', 'true')::json
WHERE body -> 'deposit' ->> 'doi' = body -> 'deposit' ->> 'outside_id';
