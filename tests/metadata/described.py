"""Small factories of described versions, that default everything."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from cisterna.domain.credit import Creator
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.finding import Finding, Outcome, Verdict
from cisterna.domain.identifier import acquisition_id, ark, dataset_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Project
from cisterna.metadata.build import build_record
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.record import Given, MetadataRecord, ModelFacts, Related, SoftwareFacts
from cisterna.ports.profile import Described, Plane

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ACQUISITION = acquisition_id(instrument="squid-1", folder="run")
RAW = dataset_id(origin=ACQUISITION)
DERIVED = dataset_id(origin=f"{RAW}:v1 nuclei")


def a_dataset(**changes: Any) -> Dataset:
    return Dataset(
        **{
            "dataset_id": RAW,
            "origin": ACQUISITION,
            "title": "Nuclei, plate 7",
            "data_type": "microscopy",
            "project": "atlas",
            "acquisition_id": ACQUISITION,
            "instrument": "squid-1",
            "pid": ark(RAW),
            "object_root": "abc/def/123",
            "created_at": NOW,
            **changes,
        }
    )


def a_derived_dataset(**changes: Any) -> Dataset:
    return a_dataset(
        **{
            "dataset_id": DERIVED,
            "origin": "derived",
            "title": "Nuclei counted on plate 7",
            "acquisition_id": None,
            "instrument": None,
            "pid": ark(DERIVED),
            "model": "nuclei@1.0",
            **changes,
        }
    )


def a_version(dataset: str = RAW, **changes: Any) -> Version:
    return Version(
        **{
            "version_id": f"{dataset}:v1",
            "dataset_id": dataset,
            "number": 1,
            "stage": Stage.GATED,
            "stage_at": NOW,
            "created_at": NOW,
            "submitter": "squid-1",
            "staging": "v1/content/token",
            "manifest_digest": "ab" * 64,
            "file_count": 3,
            "total_bytes": 1234,
            "verdict": Verdict.PASSED,
            "reason": "all 2 checks passed",
            **changes,
        }
    )


def a_project(**changes: Any) -> Project:
    defaults = {
        "creators": (
            Creator(
                name="Carberry, Josiah",
                orcid="0000-0002-1825-0097",
                affiliation="Brown University",
                ror="https://ror.org/05gq02987",
            ),
        ),
        "publisher": "The Imaging Farm",
        "licence": "CC-BY-4.0",
        "human_data": HumanData.NO,
        "access": Access.OPEN,
        "keywords": ("nuclei", "DAPI"),
        **changes,
    }
    return Project(
        slug="atlas", title="Atlas", owner="rosa", defaults=MetadataDefaults.model_validate(defaults), created_at=NOW
    )


def an_instrument() -> Instrument:
    return Instrument(name="squid-1", profile="squid", path="/landing/squid-1", created_at=NOW)


def a_description(**changes: Any) -> Described:
    return Described(
        **{
            "title": "Nuclei, plate 7",
            "data_type": "microscopy",
            "fields": {"objective": "20x", "pixel_size_um": 0.37, "channels": ["DAPI", "GFP"]},
            "instrument_model": "Squid",
            "started_at": NOW,
            **changes,
        }
    )


FINDINGS = (
    Finding(check="focus-min", outcome=Outcome.PASSED, message="focus 12.3 is at least 4.0"),
    Finding(check="saturation-max", outcome=Outcome.PASSED, message="0.1 % of pixels are saturated"),
)


def a_record(**changes: Any) -> MetadataRecord:
    """Describe a raw dataset about which everything is known."""
    arguments: dict[str, Any] = {
        "described_at": NOW,
        "project": a_project(),
        "instrument": an_instrument(),
        "described": a_description(),
        "planes": [Plane(region="A1", field=str(field), channel="DAPI") for field in range(3)],
        "images": 3,
        "findings": FINDINGS,
        **changes,
    }
    dataset = arguments.pop("dataset", a_dataset())
    version = arguments.pop("version", a_version(dataset.dataset_id))
    return build_record(dataset, version, **arguments)


def a_derived_record(**changes: Any) -> MetadataRecord:
    """Describe a dataset that a model made."""
    arguments: dict[str, Any] = {
        "dataset": a_derived_dataset(),
        "instrument": None,
        "described": None,
        "planes": (),
        "images": None,
        "model": ModelFacts(name="nuclei", version="1.0", trained_on="synthetic blobs"),
        "software": SoftwareFacts(name="cisterna", version="0.1.0"),
        "related": (Related(kind="IsDerivedFrom", pid=ark(RAW), version="v1", title="Nuclei, plate 7"),),
        **changes,
    }
    return a_record(**arguments)


def listed(path: str, body: bytes = b"pixels") -> ListedFile:
    return ListedFile(path=path, size_bytes=len(body), sha512=sha512_of(body), modified=NOW)


CREDIT: dict[str, Any] = {
    "contributors": (
        "DataCollector: Ek, Bo; 0000-0001-5109-3700; The Imaging Farm",
        "ProjectLeader: Carberry, Josiah; 0000-0002-1825-0097",
        "HostingInstitution: Brown University; https://ror.org/05gq02987",
    ),
    "funding": (
        "Brown University; 2026-01234; Cells in time; https://ror.org/05gq02987; https://award.example/7",
        "Research Council; ; ; 10.13039/501100000781",
        "A friend of science",
    ),
    "subjects": ("fluorescence microscopy; FBbi:00000246", "plate <7>"),
    "references": (
        "paper: 10.5555/12345678; Cells in time",
        "data-management-plan: https://dmp.example/7",
        "ethics-approval: Dnr 2026-01234",
        "agreement: A-7; Material transfer",
        "lab-notebook: https://elab.example/experiments.php?id=7",
        "software: RRID:SCR_016137",
        "dataset: hdl:21.T11148/abc",
        "protocol: PMID:12345",
    ),
    "samples": {
        "organisms": ("Homo sapiens; NCBITaxon:9606",),
        "tissues": ("bone; UBERON:0002481",),
        "cell_lines": ("U2OS; cellosaurus:CVCL_0042",),
        "diseases": ("osteosarcoma; MONDO:0009807",),
        "treatments": ("DMSO", "staurosporine; CHEBI:15738"),
        "stains": ("DAPI; CHEBI:51231", "GFP"),
        "wells": 96,
    },
    "publisher_ror": "https://ror.org/01cwqze88",
    "language": "en",
    "embargo_until": date(2027, 6, 30),
}
"""A value for every field that schema version 2 of the record brought."""


def a_full_record(**changes: Any) -> MetadataRecord:
    """Describe a raw dataset with every field filled."""
    settings = {"manufacturer": "Cephla", "model": "Squid+", "serial": "S-7", "pid": "https://doi.org/10.5281/ZENODO.1"}
    instrument = an_instrument().model_copy(update={"settings": settings})
    return a_record(**{"given": Given.model_validate(CREDIT), "instrument": instrument, **changes})
