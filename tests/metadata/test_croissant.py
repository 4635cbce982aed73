"""Croissant is loaded as records by the library that others load it with, and reads as JSON-LD without a network."""

import functools
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rdflib import RDF, Graph, URIRef

from cisterna.domain.digest import sha256_of, sha512_of
from cisterna.metadata.croissant import croissant_document
from cisterna.metadata.described import Described
from cisterna.metadata.listing import LISTED_LIMIT, ListedFile
from cisterna.metadata.record import MetadataRecord, Related
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_record, listed
from tests.metadata.form_reading import json_ld_graph
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"
FILES = [listed("data/0/a b%.tiff"), listed("data/t\u00e9 #?.csv", b""), listed("README.md"), listed("data/x.zip")]
_CR = "http://mlcommons.org/croissant/"
_LOAD = """
import json, sys, mlcroissant
told = []
for document in json.load(sys.stdin):
    dataset = mlcroissant.Dataset(jsonld=document)
    issues = dataset.metadata.ctx.issues
    found = {"title": dataset.metadata.name, "issues": sorted(issues.errors) + sorted(issues.warnings)}
    if dataset.metadata.record_sets:
        found["files"] = list(dataset.records("files"))
    told.append(found)
json.dump(told, sys.stdout)
"""
_LOAD_IMAGES = """
import json, sys, mlcroissant
dataset = mlcroissant.Dataset(jsonld=json.load(sys.stdin))  # an address
images = [record["images/image"] for record in dataset.records("images")]
json.dump(sorted([image.size, image.mode, image.getextrema()] for image in images), sys.stdout)
"""


def croissant(record: MetadataRecord, files: list[ListedFile] = FILES, base_url: str | None = BASE) -> Any:
    return croissant_document(Described(record, files, base_url=base_url, published_at=NOW))


def mlcroissant(script: str, said: Any, cache: Path) -> Any:
    python = os.environ.get("CISTERNA_MLCROISSANT")
    if not python:
        pytest.skip("CISTERNA_MLCROISSANT names no Python that has mlcroissant: nobody loads what we call Croissant")
    done = subprocess.run(
        [python, "-c", script],
        input=json.dumps(said),
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
        env={**os.environ, "CROISSANT_CACHE": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mlcroissant_loads_every_kind_of_record_without_a_complaint(tmp_path: Path) -> None:
    bare = a_record(project=None, instrument=None, described=None, findings=())
    full = a_full_record()
    told = mlcroissant(_LOAD, [croissant(one) for one in (full, a_derived_record(), a_record())], tmp_path)
    unsaid = mlcroissant(_LOAD, [croissant(bare), croissant(full, base_url=None)], tmp_path)

    assert [one["issues"] for one in told] == [[], [], []]
    assert all(len(one["issues"]) <= 1 for one in unsaid)  # of a record without a licence that one is recommended
    for one in told:
        assert [(row["files/path"], row["files/bytes"], row["files/sha512"]) for row in one["files"]] == [
            (file.path, file.size_bytes, file.sha512) for file in FILES
        ]


@settings(max_examples=1, deadline=None)
@given(some=st.lists(records(), min_size=60, max_size=60))
def test_mlcroissant_loads_whatever_a_record_says(
    some: list[MetadataRecord], tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = mlcroissant(_LOAD, [croissant(record) for record in some], tmp_path_factory.mktemp("cache"))

    assert [one["title"] for one in told] == [record.name for record in some]


@pytest.fixture(params=["sha512", "sha256"])
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve two images as a landing page does, and give the address of the form that tells of them."""
    files = []
    for name, grey in (("a b.png", 7), ("c.tiff", 300)):
        path = tmp_path / "site/ark:/99999/abc/v1/files/data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if grey < 256 else "I;16", (4, 3), grey).save(path)
        body = path.read_bytes()
        known = {"sha256": sha256_of(body)} if request.param == "sha256" else {}
        files.append(ListedFile(path=f"data/{name}", size_bytes=len(body), sha512=sha512_of(body), **known))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base_url = f"http://127.0.0.1:{server.server_port}/ark:/99999/abc"
        form = json.dumps(croissant(a_record(), files, base_url))
        (tmp_path / "site/ark:/99999/abc/form.jsonld").write_text(form, encoding="utf-8")
        yield f"{base_url}/form.jsonld"
        server.shutdown()
        thread.join()


def test_mlcroissant_loads_images_as_records_from_their_addresses(served: str, tmp_path: Path) -> None:
    images = mlcroissant(_LOAD_IMAGES, served, tmp_path / "cache")

    assert images == [[[4, 3], "I;16", [300, 300]], [[4, 3], "L", [7, 7]]]


def test_each_file_is_below_its_version_with_size_type_and_digest() -> None:
    [first, *_] = [one for one in croissant(a_record())["distribution"] if one["@type"] == "cr:FileObject"]

    assert first == {
        "@type": "cr:FileObject",
        "@id": "file-0",
        "name": "data/0/a b%.tiff",
        "contentUrl": f"{BASE}/v1/files/data/0/a%20b%25.tiff",
        "contentSize": "6 B",
        "encodingFormat": "image/tiff",
        "sha512": FILES[0].sha512,
    }


def test_a_dataset_is_called_live_only_where_a_digest_that_croissant_knows_is_wanting() -> None:
    known = [file.model_copy(update={"sha256": sha256_of(file.path.encode())}) for file in FILES]

    whole, half = croissant(a_record(), known), croissant(a_record(), [known[0], *FILES[1:]])

    assert whole["isLiveDataset"] is False
    assert [one["sha256"] for one in whole["distribution"] if "contentUrl" in one] == [file.sha256 for file in known]
    assert half["isLiveDataset"] is True
    assert croissant(a_record(), base_url=None)["isLiveDataset"] is True


def test_only_images_of_the_data_are_offered_as_images() -> None:
    files = [listed("quality/plot.png"), listed("data/a.csv")]

    assert [one["@id"] for one in croissant(a_record(), files)["recordSet"]] == ["files"]


def test_what_is_not_public_or_has_no_files_has_no_records() -> None:
    for document in (croissant(a_record(), base_url=None), croissant(a_record(), [])):
        assert {"distribution", "recordSet"}.isdisjoint(document)


def test_of_many_files_the_first_are_named() -> None:
    document = croissant(a_record(), [listed(f"data/{number}.csv") for number in range(LISTED_LIMIT + 1)])

    assert len(document["distribution"]) == len(document["recordSet"][0]["data"]) == LISTED_LIMIT


@pytest.mark.parametrize(("version", "semantic"), [("v3", "3.0.0"), ("v3.2", "3.2.0")])
def test_a_version_is_written_in_three_numbers(version: str, semantic: str) -> None:
    assert croissant(a_record().model_copy(update={"version": version}))["version"] == semantic


def test_there_is_one_dataset_in_the_graph() -> None:
    for record in (a_full_record(), a_derived_record()):
        graph: Graph = json_ld_graph(json.dumps(croissant(record)).encode(), base=f"{BASE}/")

        assert list(graph.subjects(RDF.type, URIRef("https://schema.org/Dataset"))) == [URIRef(BASE)]
        assert len(list(graph.subjects(RDF.type, URIRef(f"{_CR}FileObject")))) == len(FILES)


def test_parts_are_works_to_a_reader_that_takes_any_dataset_for_the_one_described() -> None:
    record = a_record(related=(Related(kind="HasPart", pid="ark:/12345/p1", version="v1", title="Part 1"),))

    document: Any = croissant_document(Described(record))

    assert [(one["@type"], one["@id"]) for one in document["hasPart"]] == [("CreativeWork", "ark:/12345/p1")]
