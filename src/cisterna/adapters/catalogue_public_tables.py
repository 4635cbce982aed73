"""Tables of the index of what is public: every version, every dataset by its newest one, and their words and values."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSON, TIMESTAMP, TSVECTOR

from cisterna.adapters.catalogue_tables import metadata


def _text(name: str, *, is_key: bool = False) -> Column[str]:
    """In the order of its bytes, whatever the database's own: PIDs and words are looked for by their beginnings."""
    return Column(name, Text(collation="C"), primary_key=is_key, nullable=False)


public_versions = Table(
    "public_versions",
    metadata,
    _text("pid", is_key=True),
    Column("number", Integer, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("place", BigInteger, nullable=False, unique=True),
    Column("changed_at", TIMESTAMP(timezone=True), nullable=False),
    Column("published_at", TIMESTAMP(timezone=True), nullable=False),
    Column("data_type", Text),
    Column("mark", Text),
    Column("body", JSON(none_as_null=True)),
    Column("oai_dc", Text),
    Column("oai_datacite", Text),
)

public_datasets = Table(
    "public_datasets",
    metadata,
    _text("pid", is_key=True),
    Column("number", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("published_at", TIMESTAMP(timezone=True), nullable=False),
    _text("title_key"),
    Column("file_count", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("facets", ARRAY(Integer), nullable=False),
    Column("heads", TSVECTOR, nullable=False),
    Column("words", TSVECTOR, nullable=False),
)
Index("ix_public_datasets_newest", public_datasets.c.published_at.desc(), public_datasets.c.pid)
Index("ix_public_datasets_words", public_datasets.c.words, postgresql_using="gin")
Index("ix_public_datasets_facets", public_datasets.c.facets, postgresql_using="gin")

public_values = Table(
    "public_values",
    metadata,
    Column("value_id", Integer, Identity(always=True), primary_key=True),
    Column("facet", Text, nullable=False),
    _text("value"),
    Column("datasets", BigInteger, nullable=False),
    Column("file_count", BigInteger, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    UniqueConstraint("facet", "value"),
)
Index(
    "ix_public_values_most",
    public_values.c.facet,
    public_values.c.datasets.desc(),
    public_values.c.value,
)

public_words = Table("public_words", metadata, _text("word", is_key=True), Column("uses", BigInteger, nullable=False))
Index(
    "ix_public_words_alike",
    public_words.c.word,
    postgresql_using="gin",
    postgresql_ops={"word": "gin_trgm_ops"},
)
