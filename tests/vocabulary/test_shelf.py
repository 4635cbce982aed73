"""What stands on the shelf: the facility's files, ours, and packages."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cisterna.adapters.shared_data import shared_folder
from cisterna.adapters.term_prefix import Bioregistry
from cisterna.adapters.term_shelf import Shelf
from cisterna.domain.outside_identifier import curie
from cisterna.metadata.vocabulary import Vocabularies
from cisterna.ports.vocabulary import Standing

SHIPPED = shared_folder("vocabularies")
PREFIXES = Bioregistry()


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("indexes")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def a_shelf(own: Path, indexes: Path, *, shipped: Path = SHIPPED) -> Shelf:
    return Shelf(own=own, shipped=shipped, indexes=indexes, look_seconds=0, rest_seconds=0)


def drop(folder: Path, name: str, *terms: str, head: str = "ontology: farm\nremark: whole") -> Path:
    body = "".join(f"\n[Term]\nid: {term.partition(' ')[0]}\nname: {term.partition(' ')[2]}\n" for term in terms)
    file = folder / name
    file.write_text(f"format-version: 1.4\n{head}\n{body}", "utf-8")
    return file


def test_what_comes_with_cisterna_has_the_vocabularies_that_are_promised(own: Path, indexes: Path) -> None:
    shelf = a_shelf(own, indexes)
    vocabulary = Vocabularies(shelf, prefixes=PREFIXES)

    facts = {one.name: one for one in vocabulary.sources()}
    for name, prefix in (("fbbi", "FBbi"), ("obi", "OBI"), ("efo", "EFO"), ("uo", "UO"), ("ncbitaxon", "NCBITaxon")):
        found = facts[f"{name}.obo"]
        assert (found.prefixes, found.whole, found.is_own) == ((prefix,), (), False)
        assert found.released
        assert (found.terms or 0) > 50
    assert facts["edam-ontology"].whole == ("EDAM",)
    assert shelf.faults() == []
    for line in ("human; NCBITaxon:9606", "OME-TIFF; EDAM:format_3727", "DAPI; FBbi:00000056", "HeLa; EFO:0001185"):
        label, _, term = line.partition("; ")
        assert vocabulary.judge(term, label).standing is Standing.KNOWN
    assert vocabulary.judge("EDAM:format_0000", "x").standing is Standing.UNKNOWN
    assert vocabulary.judge("FBbi:00009999", "x").standing is Standing.UNCHECKED


def test_each_term_of_ours_is_spelled_as_its_registry_says(own: Path, indexes: Path) -> None:
    for file in sorted(SHIPPED.glob("*.obo")):
        found = re.findall(r"^id: (\S+)$", file.read_text("utf-8"), re.MULTILINE)
        assert len(set(found)) == len(found) > 50
        for term in found:
            prefix, _, name = term.partition(":")
            registered = PREFIXES.find(prefix)
            assert registered is not None
            assert registered.prefix == prefix
            assert PREFIXES.allows(prefix, name)
            assert curie(term) == term


def test_no_word_of_ours_names_two_terms_of_one_vocabulary(own: Path, indexes: Path) -> None:
    vocabulary = Vocabularies(a_shelf(own, indexes), prefixes=PREFIXES)

    for file in sorted(SHIPPED.glob("*.obo")):
        text = file.read_text("utf-8")
        for name in [
            *re.findall(r"^name: (.+)$", text, re.MULTILINE),
            *re.findall(r'^synonym: "(.+)" EXACT', text, re.MULTILINE),
        ]:
            meant = [one.curie for one in vocabulary.named(name) if one.source == file.name]
            assert len(meant) == 1 or len(name) < 3, (file.name, name, meant)  # M is molar, and m is metre


def test_a_dropped_file_counts_from_the_next_question_on(own: Path, indexes: Path) -> None:
    vocabulary = Vocabularies(a_shelf(own, indexes), prefixes=PREFIXES)
    assert vocabulary.judge("FARM:1", "barn owl").standing is Standing.NO_PREFIX

    file = drop(own, "farm.obo", "FARM:1 barn owl")
    assert vocabulary.judge("FARM:1", "barn owl").standing is Standing.KNOWN
    assert vocabulary.judge("FARM:2", "barn owl").standing is Standing.UNKNOWN

    drop(own, "farm.obo", "FARM:2 barn owl", "FARM:3 goose")
    assert vocabulary.judge("FARM:2", "barn owl").standing is Standing.KNOWN
    assert len([one for one in indexes.iterdir() if one.name.startswith("farm-")]) == 1

    file.unlink()
    assert vocabulary.judge("FARM:2", "barn owl").standing is Standing.NO_PREFIX


def test_an_extract_under_the_name_of_the_whole_makes_no_right_term_wrong(own: Path, indexes: Path) -> None:
    vocabulary = Vocabularies(a_shelf(own, indexes), prefixes=PREFIXES)
    drop(own, "extract.obo", "EFO:0000001 experimental factor", "EFO:9999999 the newest", head="ontology: efo")

    for right in ("EFO:0005741", "UBERON:0000955"):  # of which neither ours nor the extract has anything
        assert vocabulary.look_up(right) is None
        assert vocabulary.judge(right, "anything").standing is Standing.UNCHECKED
    assert vocabulary.judge("EFO:0001185", "HeLa").standing is Standing.KNOWN
    assert vocabulary.judge("EFO:9999999", "the newest").standing is Standing.KNOWN

    drop(own, "extract.obo", "EFO:0000001 experimental factor", "EFO:9999999 x", head="ontology: efo\nremark: whole")
    assert vocabulary.judge("EFO:0005741", "anything").standing is Standing.UNKNOWN


def test_a_file_of_the_facility_stands_in_place_of_ours_of_that_name(own: Path, indexes: Path) -> None:
    drop(own, "fbbi.obo", "FBbi:00000251 our confocal", head="ontology: cisterna/fbbi")
    vocabulary = Vocabularies(a_shelf(own, indexes), prefixes=PREFIXES)

    found = vocabulary.look_up("FBbi:00000251")
    assert found is not None
    assert found.label == "our confocal"
    assert vocabulary.look_up("FBbi:00000056") is None
    assert [one.is_own for one in vocabulary.sources() if one.name == "fbbi.obo"] == [True]


def test_a_file_that_cannot_be_read_is_told_and_leaves_the_others(own: Path, indexes: Path) -> None:
    (own / "bad.obo").write_bytes(b"ontology: x\n\n[Term]\nid: X:1\nname: caf\xe9\n")
    (own / "worse.obo").write_text("<html>", "utf-8")
    (own / "notes.txt").write_text("no vocabulary", "utf-8")
    (own / "folder.obo").mkdir()
    drop(own, "farm.obo", "FARM:1 barn owl")
    shelf = a_shelf(own, indexes)

    assert [fault.partition(" is ")[0].rpartition("/")[2] for fault in shelf.faults()] == ["bad.obo", "worse.obo"]
    assert "worse.obo is no OBO in line 1" in shelf.faults()[1]
    assert Vocabularies(shelf, prefixes=PREFIXES).look_up("FARM:1") is not None
    assert not list(indexes.glob("*.part"))


def test_a_home_that_was_not_there_is_its_owners_alone(own: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"

    assert a_shelf(own, home / "vocabulary").faults() == []

    assert [stat.filemode(path.stat().st_mode) for path in (home, home / "vocabulary")] == ["drwx------"] * 2
    assert {stat.filemode(path.stat().st_mode) for path in (home / "vocabulary").glob("*.sqlite")} == {"-rw-------"}


def test_an_index_that_went_bad_is_made_anew(own: Path, tmp_path: Path) -> None:
    mine, empty = tmp_path / "indexes", tmp_path / "none"
    drop(own, "farm.obo", "FARM:1 barn owl")
    assert a_shelf(own, mine, shipped=empty).faults() == []
    for file in mine.glob("farm-*.sqlite"):
        file.write_bytes(b"\x00" * 4096)

    again = a_shelf(own, mine, shipped=empty)
    assert again.faults() == []
    assert Vocabularies(again, prefixes=PREFIXES).look_up("FARM:1") is not None


def test_a_file_that_is_still_copied_is_not_read_as_the_whole(own: Path, indexes: Path) -> None:
    file = drop(own, "farm.obo", "FARM:1 barn owl")
    shelf = Shelf(own=own, shipped=SHIPPED, indexes=indexes, look_seconds=0, rest_seconds=3600)
    vocabulary = Vocabularies(shelf, prefixes=PREFIXES)

    assert vocabulary.judge("FARM:2", "goose").standing is Standing.NO_PREFIX
    assert [fault for fault in shelf.faults() if "farm.obo was changed a moment ago" in fault]

    os.utime(file, (1, 1))
    assert vocabulary.judge("FARM:2", "goose").standing is Standing.UNKNOWN
    assert [fault for fault in shelf.faults() if "farm.obo" in fault] == []


def test_where_nothing_may_be_kept_a_fault_is_told(own: Path, tmp_path: Path) -> None:
    (tmp_path / "indexes").write_text("a file in the way", "utf-8")
    drop(own, "farm.obo", "FARM:1 barn owl")
    shelf = a_shelf(own, tmp_path / "indexes", shipped=tmp_path / "none")

    assert len(shelf.faults()) == 2
    assert all(f"see to {tmp_path / 'indexes'}" in fault for fault in shelf.faults())


def test_many_threads_may_ask_at_once(own: Path, indexes: Path) -> None:
    drop(own, "farm.obo", *(f"FARM:{place} owl {place}" for place in range(300)))
    vocabulary = Vocabularies(a_shelf(own, indexes), prefixes=PREFIXES)
    found: list[int] = []

    def ask() -> None:
        found.append(sum(vocabulary.look_up(f"FARM:{place}") is not None for place in range(300)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert found == [300] * 4


@pytest.mark.parametrize(
    ("prefix", "identifier", "allowed"),
    [
        ("NCBITaxon", "9606", True),
        ("ncbitaxon", "9606x", False),
        ("EDAM", "format_3727", True),
        ("edam", "3727", False),
        ("cellosaurus", "CVCL_0030", True),
        ("cellosaurus", "0030", True),
        ("GO", "0005634", True),
        ("GO", "5634", False),
        ("nobody.has.this", "any", True),
        ("EDAM", "format_" + "3" * 100_000, False),
    ],
)
def test_identifiers_have_the_form_that_is_registered(prefix: str, identifier: str, *, allowed: bool) -> None:
    assert PREFIXES.allows(prefix, identifier) is allowed


def test_a_prefix_is_found_by_its_other_names_and_a_wrong_one_has_near_ones() -> None:
    found = PREFIXES.find("TAXONOMY")

    assert found is not None
    assert (found.prefix, found.name) == ("NCBITaxon", "NCBI Taxonomy")
    assert PREFIXES.find("nobody.has.this") is None
    assert "UBERON" in PREFIXES.near("UBERN")
    assert list(PREFIXES.near("\ud800" * 10_000)) == []


def test_no_registered_pattern_can_be_kept_busy() -> None:
    begun = time.process_time()

    for prefix in PREFIXES._by_name:
        for hostile in ("a" * 99 + "!", "1" * 99 + "!", "A1" * 49 + "!", "a-" * 49 + "!", "." * 100, "_:" * 50):
            PREFIXES.allows(prefix, hostile)

    assert time.process_time() - begun < 5


def test_the_registry_says_what_its_own_package_says(tmp_path: Path) -> None:
    """In a process of its own: the package writes into the user's home when it is imported."""
    script = (
        "import bioregistry; asked = ('ncbitaxon', 'fbbi', 'obi', 'efo', 'uo', 'edam', 'go', 'doid', 'chebi', 'mesh');"
        "print([(p, bioregistry.get_preferred_prefix(p) or p, bioregistry.get_pattern(p)) for p in asked])"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True, env=environment
    )

    ours = [
        (one, known.facts.prefix, known.pattern.pattern if known.pattern else None)
        for one in ("ncbitaxon", "fbbi", "obi", "efo", "uo", "edam", "go", "doid", "chebi", "mesh")
        for known in [PREFIXES._by_name[one]]
    ]
    assert done.stdout.strip() == repr(ours)
