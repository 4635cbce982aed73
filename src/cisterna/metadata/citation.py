"""Writes how a version is cited, as a line for people to copy."""

from __future__ import annotations

from cisterna.metadata.described import Described


def citation_line(described: Described, address: str) -> str:
    """Name people, year, title, version, publisher and the address at which it is found."""
    record = described.record
    names = "; ".join(one.name for one in record.creators) or "Nobody named"
    said = (f"{names} ({described.issued.year})", record.name, f"Version {record.version}", record.publisher, address)
    return ". ".join(one for one in said if one)
