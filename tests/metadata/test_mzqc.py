"""The mzQC document is what HUPO-PSI's own library, schema and vocabulary take for one, without any network."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cisterna.metadata.mzqc import CHARGES, RANGES, TERMS, MeasuredRun, mzqc_document
from tests.samples import sample

FULL = {
    **dict.fromkeys(TERMS, 12.0),
    **{name: 100.0 + place for place, name in enumerate(name for pair in RANGES for name in pair)},
    **dict(zip(CHARGES, (0.1, 0.2, 0.1, 0.0), strict=True)),
}
AT = datetime(2026, 3, 1, 10, 0, 7, tzinfo=UTC)


def document(*runs: MeasuredRun) -> dict[str, Any] | None:
    return mzqc_document(
        runs, pid="ark:/99999/18t7hgpc30", software_version="0.1.0", created=AT, description="Verdict: passed."
    )


def full() -> dict[str, Any]:
    found = document(
        MeasuredRun(path="a/yeast 01.mzML.gz", metrics=FULL),
        MeasuredRun(path="b/tissue.imzML", metrics={"ms1_spectra": 400.0}),
        MeasuredRun(path="c/bad.mzML", metrics=dict.fromkeys(FULL)),
    )
    assert found is not None
    return found


def metrics(found: dict[str, Any], run: int = 0) -> dict[str, Any]:
    return {one["accession"]: one["value"] for one in found["mzQC"]["runQualities"][run]["qualityMetrics"]}


def test_each_metric_has_the_accession_unit_and_value_of_its_term() -> None:
    found = full()

    assert len(found["mzQC"]["runQualities"]) == 2
    assert len(metrics(found)) == len(TERMS) + len(RANGES) + 1
    assert metrics(found)["MS:4000059"] == 12
    assert isinstance(metrics(found)["MS:4000059"], int)
    assert metrics(found)["MS:4000070"] == [100, 101]
    assert metrics(found, 1) == {"MS:4000059": 400}


def test_the_charges_are_fractions_of_those_that_are_known() -> None:
    table = metrics(full())["MS:4000063"]

    assert table == {"MS:1000041": [1, 2, 3, 4], "UO:0000191": pytest.approx([0.25, 0.5, 0.25, 0])}


def test_input_files_software_and_judgement_are_named() -> None:
    found = full()["mzQC"]

    assert (found["version"], found["creationDate"]) == ("1.0.0", "2026-03-01T10:00:07Z")
    assert found["description"] == "Verdict: passed."
    first, second = (one["metadata"] for one in found["runQualities"])
    assert first["inputFiles"][0]["location"] == "ark:/99999/18t7hgpc30/data/a/yeast%2001.mzML.gz"
    assert (first["inputFiles"][0]["name"], first["label"]) == ("yeast 01.mzML.gz",) * 2
    assert second["inputFiles"][0]["fileFormat"]["accession"] == "MS:1003611"
    assert (first["analysisSoftware"][0]["value"], first["analysisSoftware"][0]["version"]) == ("Cisterna", "0.1.0")


def test_files_of_one_name_in_two_folders_are_told_apart() -> None:
    found = document(*(MeasuredRun(path=f"{folder}/a.mzML", metrics=FULL) for folder in "xy"))

    assert found is not None
    assert [one["metadata"]["label"] for one in found["mzQC"]["runQualities"]] == ["x/a.mzML", "y/a.mzML"]


def test_where_nothing_was_measured_there_is_no_document() -> None:
    assert document() is None
    assert document(MeasuredRun(path="a.mzML", metrics=dict.fromkeys(FULL))) is None


def test_the_official_library_loads_it_and_gives_it_back() -> None:
    from mzqc.MZQCFile import JsonSerialisable, MzQcFile

    loaded = JsonSerialisable.from_json(json.dumps(full()))

    assert isinstance(loaded, MzQcFile)
    assert [one.metadata.label for one in loaded.runQualities] == ["yeast 01.mzML.gz", "tissue.imzML"]
    again = JsonSerialisable.from_json(JsonSerialisable.to_json(loaded))
    assert again == loaded
    assert {one.accession: one.value for one in again.runQualities[0].qualityMetrics} == metrics(full())


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """PSI-MS with its units, as psims carries it."""
    import psims

    packed = Path(psims.__file__).parent / "controlled_vocabulary/vendor/psi-ms.obo.gz"
    file = tmp_path_factory.mktemp("obo") / "psi-ms.obo"
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    return [{"name": "psi-ms", "uri": f"file://{file}"}]


@pytest.mark.filterwarnings("ignore")  # pronto says much of what these vocabularies import
def test_the_official_library_finds_no_fault_in_terms_units_tables_and_files(
    vocabularies: list[dict[str, str]],
) -> None:
    from mzqc.MZQCFile import JsonSerialisable
    from mzqc.SemanticCheck import SemanticCheck

    found = full()
    found["mzQC"]["controlledVocabularies"] = vocabularies
    logging.disable(logging.WARNING)
    check = SemanticCheck(JsonSerialisable.from_json(json.dumps(found)))
    check.validate(load_local=True)
    logging.disable(logging.NOTSET)

    issues = [issue for kind in check.values() for issue in kind]
    assert {issue.name for issue in issues if issue.severity == "ERROR"} == {"Loading local vocabulary"}
    assert {issue.name for issue in issues} == {
        "Loading local vocabulary",  # since there is no network here
        "Used CVTerm without definition",  # definitions are the vocabulary's to give
        "Inconsistent input file",  # a blank in a name is written otherwise in an address
    }


def test_the_check_of_the_official_library_is_not_idle(vocabularies: list[dict[str, str]]) -> None:
    from mzqc.MZQCFile import JsonSerialisable
    from mzqc.SemanticCheck import SemanticCheck

    found = full()
    found["mzQC"]["controlledVocabularies"] = vocabularies
    found["mzQC"]["runQualities"][0]["qualityMetrics"][0]["name"] = "number of spectra"
    found["mzQC"]["runQualities"][0]["qualityMetrics"][1]["accession"] = "MS:4999999"
    check = SemanticCheck(JsonSerialisable.from_json(json.dumps(found)))
    check.validate(load_local=True)

    names = {issue.name for kind in check.values() for issue in kind if issue.severity == "ERROR"}
    assert {"Used CVTerms name conflict", "Unknown CVTerm"} <= names


def test_it_is_valid_by_the_official_schema() -> None:
    from jsonschema import Draft7Validator, FormatChecker

    schema = json.loads(sample("pymzqc", "tests/schema.json"))
    validator = Draft7Validator(schema, format_checker=FormatChecker())

    assert [error.message for error in validator.iter_errors(full())] == []
    assert not validator.is_valid({"mzQC": {**full()["mzQC"], "runQualities": []}})
