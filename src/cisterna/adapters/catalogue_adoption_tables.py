"""The tables of adoptions: shares with years of runs, what was walked of them, and what was found."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, Table, Text, text

from cisterna.adapters.catalogue_tables import body_column, metadata, moment_column


def _adoption(*, is_key: bool) -> Column[str]:
    return Column("adoption", Text, ForeignKey("adoptions.name"), primary_key=is_key, nullable=False)


adoptions = Table(
    "adoptions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("record", Integer, nullable=False),
    body_column(),
)

adoption_walks = Table(
    "adoption_walks",
    metadata,
    _adoption(is_key=True),
    Column("record", Integer, nullable=False),
    body_column(),
)

# A path may be longer than an index holds, so folders are known by a digest of it.
adoption_folders = Table(
    "adoption_folders",
    metadata,
    _adoption(is_key=True),
    Column("key", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),
    Column("path", Text, nullable=False),
    Column("run", Text),
    Column("run_key", Text),
    Column("staged_by", Text),
)
Index(
    "ix_adoption_folders_next",
    adoption_folders.c.adoption,
    adoption_folders.c.position,
    postgresql_where=text("staged_by IS NULL"),
)
Index("ix_adoption_folders_run", adoption_folders.c.adoption, adoption_folders.c.run_key)
Index(
    "ix_adoption_folders_staged",
    adoption_folders.c.adoption,
    adoption_folders.c.staged_by,
    postgresql_where=text("staged_by IS NOT NULL"),
)

adoption_finds = Table(
    "adoption_finds",
    metadata,
    _adoption(is_key=True),
    Column("key", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sure", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("folder", Text, nullable=False),
    Column("file_count", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("newest_ns", BigInteger, nullable=False),
    Column("acquisition_id", Text),
    Column("held", Text),
    moment_column("look_at", nullable=True),
    body_column(),
)
Index("ix_adoption_finds_folder", adoption_finds.c.adoption, adoption_finds.c.folder)
Index("ix_adoption_finds_acquisition_id", adoption_finds.c.acquisition_id)
