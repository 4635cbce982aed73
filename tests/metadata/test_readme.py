"""Somebody who has never heard of Cisterna can read the README and check the data with what it says."""

import re
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import HostileInput
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.metadata.listing import ListedFile
from cisterna.metadata.readme import CHECKSUMS, checksum_lines, readme_text
from tests.metadata.described import a_derived_record, a_description, a_full_record, a_record, listed

NAMES = ["a.tiff", "with space.csv", "back\\slash.txt", "面试.txt", "-n", "*star", "sub/deep/x"]


def test_it_says_what_the_data_are_and_by_which_name_they_are_cited() -> None:
    text = readme_text(a_record())

    assert text.startswith("# Nuclei, plate 7\n")
    for words in (a_record().pid, "a test PID", "Carberry, Josiah", "CC-BY-4.0", "squid-1", "passed", "3", "1,234"):
        assert words in text


def test_it_says_what_nobody_said() -> None:
    text = readme_text(a_record(project=None))

    assert "Not stated when this was written: creators, publisher, licence, human\\_data" in text
    assert "none stated" in text


def test_a_derived_dataset_names_model_and_source() -> None:
    text = readme_text(a_derived_record())

    assert "nuclei 1.0" in text
    assert a_derived_record().relations[0].pid in text


def test_it_says_who_helped_who_paid_what_it_is_about_and_what_it_belongs_to() -> None:
    text = readme_text(a_full_record())

    for words in (
        "Ek, Bo, The Imaging Farm, https://orcid.org/0000-0001-5109-3700 \\(DataCollector\\)",
        "| Funding | Brown University, 2026-01234, Cells in time, https://award.example/7; Research Council;",
        "| Subjects | fluorescence microscopy \\(FBbi:00000246\\); plate &lt;7&gt; |",
        "| Organisms | Homo sapiens \\(NCBITaxon:9606\\) |",
        "| Cell lines | U2OS",
        "| Wells with samples | 96 |",
        "| Reference, paper | Cells in time, https://doi.org/10.5555/12345678 |",
        "| Reference, ethics approval | Dnr 2026-01234 |",
        "| Access | embargoed until 2027-06-30 |",
        "| Language | en |",
        "| Publisher | The Imaging Farm, https://ror.org/01cwqze88 |",
        "| Instrument | squid-1 \\(Cephla, Squid\\+, serial number S-7, https://doi.org/10.5281/zenodo.1\\) |",
    ):
        assert words in text


def test_the_commands_it_gives_check_the_data(tmp_path: Path) -> None:
    files = []
    for name in NAMES:
        file = tmp_path / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
        files.append(listed(f"data/{name}", name.encode()))
    (tmp_path / CHECKSUMS).parent.mkdir()
    (tmp_path / CHECKSUMS).write_bytes(checksum_lines(files))
    command = re.search(r"^    (sha512sum .*)$", readme_text(a_record()), re.MULTILINE)
    assert command is not None

    whole = subprocess.run(command[1].split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "data" / "*star").write_bytes(b"changed")
    spoiled = subprocess.run(command[1].split(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (whole.returncode, whole.stdout, whole.stderr) == (0, "", "")
    assert spoiled.returncode == 1
    assert "data/*star: FAILED" in spoiled.stdout


def test_the_digest_of_the_list_is_computed_as_it_says() -> None:
    manifest = Manifest.of([FileEntry(path=name, size_bytes=1, sha512="ab" * 64) for name in NAMES])
    lines = sorted(manifest.files, key=lambda entry: entry.path.encode())

    assert sha512_of("".join(f"{one.sha512} {one.size_bytes} {one.path}\n" for one in lines).encode()) == (
        manifest.digest
    )


@given(st.text(min_size=1, max_size=80))
def test_no_title_becomes_markup(title: str) -> None:
    try:
        record = a_record(described=a_description(title=title))
    except HostileInput:
        return
    heading, _, rest = readme_text(record).partition("\n")

    assert heading.startswith("# ")
    assert not re.search(r"(?<!\\)[<>|`*_\[\]]", heading[2:].replace("&lt;", "").replace("&gt;", ""))
    assert rest.startswith("\n")


def test_a_file_list_names_each_file_once() -> None:
    files = [ListedFile(path=f"data/{name}", size_bytes=1, sha512="cd" * 64) for name in NAMES]

    assert len(checksum_lines(files).splitlines()) == len(NAMES)
