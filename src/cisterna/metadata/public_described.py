"""Reads a description back from a public record: what a target outside needs beyond the forms that the record holds."""

from __future__ import annotations

from cisterna.metadata.described import Described
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import read_record
from cisterna.ports.publisher import PublicRecord


def described_from(record: PublicRecord, *, address: str, doi: str | None = None) -> Described:
    """Describe a version as its public record does; files that only its lists name are not among the files.

    Args:
        record: Of what is public; a tombstone tells too little.
        address: Of its landing page.
        doi: Its DOI, if it has one.

    Raises:
        InvalidInput: The record's metadata are of a schema that is not known here.
    """
    return Described(
        read_record(record.metadata),
        files=[ListedFile(path=one.path, size_bytes=one.size_bytes, sha512=one.sha512) for one in record.files],
        base_url=address,
        published_at=record.published_at,
        doi=doi or record.doi,
    )
