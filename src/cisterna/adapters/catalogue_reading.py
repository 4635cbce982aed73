"""What is read out of the tables' documents without parsing them, and what indexes carry so that no row is read.

Not `body ->> 'key'`: PostgreSQL reads the whole document for it, and refuses one with NUL in any text. Within a text a
quote is escaped, so the first such key is the value's own, which comes before everything that others said.
"""

from __future__ import annotations

VERDICT = """nullif(btrim(substring(CAST(body AS text) FROM '"verdict": ?(null|"[a-z-]+")'), '"'), 'null')"""
"""Of a version: its metadata come later in its document."""

CHECK = """substring(CAST(f.body AS text) FROM '"check": ?"([^"\\\\]*)"')"""
"""Of a finding `f`, whose document begins with it."""

DATA_TYPE = """substring(CAST(datasets.body AS text) FROM '"data_type": ?"([^"\\\\]*)"')"""
"""Of a row of `datasets`."""

CREATED_AT = """substring(CAST(same.body AS text) FROM '"created_at": ?"([^"\\\\]*)"')"""
"""Of a version `same`: its files, and what is said of it, come later in its document."""

NEWEST_BY = ("dataset_id", "number", "revision")
"""What orders the versions of a dataset."""

OF_RUN = ["dataset_id", "project"]
"""What counts over runs ask of each."""
