"""`cisterna vocabulary` answers without a running home, and what is typed is held against it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli import metadata, run
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_vocabulary import small_vocabulary
from tests.web.site import Site


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "vocabularies").mkdir()
    drop(folder / "vocabularies" / "farm.obo", "ontology: farm\nremark: whole\n\n[Term]\nid: FARM:1\nname: barn owl\n")
    return folder


def drop(file: Path, text: str) -> None:
    """Write a file that has rested for long."""
    file.write_text(text, "utf-8")
    os.utime(file, (1, 1))


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_terms_are_found_by_words(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = answered(capsys, "vocabulary", "search", "barn", "owl", "--home", str(home))

    assert code == 0
    assert [(one["curie"], one["line"], one["source"]) for one in found] == [("FARM:1", "barn owl; FARM:1", "farm.obo")]
    _, found = answered(capsys, "vocabulary", "search", "human", "--prefix", "NCBITaxon", "--home", str(home))
    assert found[0]["curie"] == "NCBITaxon:9606"


@pytest.mark.parametrize(
    ("arguments", "code", "standing"),
    [
        (["NCBITaxon:9606", "--label", "human"], 0, "known"),
        (["FARM:2"], 1, "unknown"),
        (["UBERON:0000955"], 4, "unchecked"),
        (["NOBODY:1"], 1, "no-prefix"),
        (["NCBITaxon:9606", "--label", "mouse"], 1, "contradicted"),
    ],
)
def test_a_term_is_shown_with_how_it_stands(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, standing: str
) -> None:
    ended, told = answered(capsys, "vocabulary", "show", *arguments, "--home", str(home))

    assert (ended, told["standing"]) == (code, standing)
    assert bool(told["reason"]) is (code != 0)


def test_a_text_that_is_no_term_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answered(capsys, "vocabulary", "show", "no term", "--home", str(home))

    assert (code, told["error"]) == (1, "invalid-input")


def test_the_list_names_the_folder_and_what_cannot_be_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answered(capsys, "vocabulary", "list", "--home", str(home))
    assert (code, told["folder"], told["reason"]) == (0, str(home / "vocabularies"), "")
    assert {"farm.obo", "fbbi.obo", "edam-ontology"} <= {one["name"] for one in told["sources"]}

    bad = home / "vocabularies" / "bad.obo"
    drop(bad, "<html>")
    code, told = answered(capsys, "vocabulary", "list", "--home", str(home))
    bad.unlink()

    assert code == 1
    assert "bad.obo is no OBO in line 1" in told["reason"]


def test_another_folder_may_be_set(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CISTERNA_VOCABULARY__FOLDER", str(tmp_path))

    _, told = answered(capsys, "vocabulary", "list", "--home", str(home))

    assert told["folder"] == str(tmp_path)
    assert "farm.obo" not in {one["name"] for one in told["sources"]}


def test_a_steward_may_say_no_term_that_is_none(
    catalogue: SqlCatalogue, clock: SettableClock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    version = site.lay_version("plate-1")
    parts = SimpleNamespace(
        catalogue=catalogue, archive_store=site.store, clock=clock, vocabulary=small_vocabulary(), endpoints=None
    )

    @contextmanager
    def opened(_home: Path | None) -> Iterator[Any]:
        yield parts

    monkeypatch.setattr(metadata, "opened", opened)
    said = ("metadata", "set", version.version_id, "--reason", "why")

    code, told = answered(capsys, *said, "subjects=[mouse; NCBITaxon:10009]")
    tried, _ = answered(capsys, *said, "subjects=[mouse; NCBITaxon:10090]", "--dry-run")

    assert (code, tried) == (1, 0)
    assert "subjects.0: NCBITaxon:10009 is no term in taxa (2026-01); did you mean" in told["reason"]
    with site.catalogue.begin() as tx:
        assert [one.label for one in tx.datasets.versions(version.dataset_id)] == [version.label]
