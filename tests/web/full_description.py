"""A description in which every field is filled."""

from __future__ import annotations

from typing import Any

EVERYTHING: dict[str, Any] = {
    "description": "Nuclei of untreated cells, for a segmentation model.\nTwo fields a well.",
    "contributors": [
        {"name": "Ola Berg", "orcid": "0000-0002-1694-233X", "role": "DataCollector"},
        {"name": "Imaging Core", "role": "HostingInstitution"},
    ],
    "publisher_ror": "https://ror.org/048a87296",
    "language": "en",
    "funding": [
        {
            "funder": "Swedish Research Council",
            "funder_id": "https://ror.org/03zttf063",
            "award_number": "2026-01234",
            "award_title": "Cells & <their> nuclei",
            "award_uri": "https://funder.example/2026-01234",
        }
    ],
    "subjects": [{"label": "Homo sapiens", "curie": "NCBITaxon:9606"}, {"label": "cell nucleus"}],
    "references": [
        {"kind": "paper", "identifier": "10.5555/12345678", "title": "On nuclei"},
        {"kind": "ethics-approval", "identifier": "Dnr 2026-00123"},
    ],
    "samples": {
        "organisms": [{"label": "Homo sapiens", "curie": "NCBITaxon:9606"}],
        "cell_lines": [{"label": "U-2 OS"}],
        "stains": [{"label": "DAPI"}],
        "wells": 96,
    },
    "instrument": {
        "name": "squid-1",
        "profile": "squid",
        "model": "Squid+",
        "manufacturer": "Cephla",
        "pid": "RRID:SCR_000001",
    },
    "model": {"name": "nuclei-unet", "version": "1.0.0", "trained_on": "Drawn images."},
    "quality": {
        "verdict": "review",
        "reason": "1 of 3 images is dim.",
        "checks": [
            {"check": "readable", "outcome": "passed", "message": "All 3 images can be read."},
            {"check": "dim-fraction", "outcome": "warning", "message": "1 image is dim."},
        ],
    },
}
