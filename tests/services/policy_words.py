"""A description with a word of its dataset's in every field that somebody could fill."""

from __future__ import annotations

from typing import Any

from cisterna.metadata.record import SAMPLE_KINDS


def described_in_words(token: str) -> dict[str, Any]:
    """Give fields of a `MetadataRecord`: `m` ends what may be public with the description, `f` and `q` with the files,
    `t` and `c` what a citation needs, which a tombstone keeps.

    Args:
        token: Of the dataset; the words begin with it.
    """
    said, of_files, cited = f"{token}m", f"{token}f", f"{token}c"
    return {
        "title": f"Cells {token}t",
        "description": f"Says {said}",
        "creators": [{"name": f"{cited} Holm", "affiliation": f"{cited} group"}],
        "contributors": [{"name": f"{said} Ek", "affiliation": said, "role": "DataCollector"}],
        "publisher": f"Facility {cited}",
        "keywords": [said],
        "subjects": [{"label": said}],
        "funding": [{"funder": said, "award_number": said, "award_title": said}],
        "references": [{"kind": "lab-notebook", "identifier": f"https://example.org/{said}"}],
        "samples": {kind: [{"label": said}] for kind in SAMPLE_KINDS},
        "sample_sheet": {"path": of_files, "form": "csv", "rows": 1, "wells": 1, "columns": [of_files]},
        "instrument": {"name": said, "profile": "squid", "model": said, "serial": said, "manufacturer": said},
        "imaging": {"channels": [said], "objective": said},
        "model": {"name": said, "description": said, "trained_on": said},
        "software": {"name": said, "version": "1"},
        "quality": {
            "verdict": "passed",
            "reason": f"{token}q",
            "checks": [{"check": f"{token}q", "outcome": "passed", "message": f"{token}q"}],
        },
        "problems": [f"{token}q"],
        "notes": [f"{token}q"],
    }
