"""Profiles of others come by entry point; one with a mistake is named with its line, and the rest go on."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from cisterna.bootstrap.profile_plug import InstalledProfiles, installed_profiles
from cisterna.cli import run
from cisterna.services.health import Condition, look_at_profiles

HERE = Path(__file__).parent / "third_party"
OURS = {"fastq", "fcs", "folder", "h5ad", "illumina", "mzml", "nanopore", "squid", "table"}

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package of one module into a folder of the path, with the metadata that an installer writes."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("CISTERNA_HOME", str(tmp_path / "home"))
    made: list[str] = []

    def package(module: str, body: str, *, name: str = "plate-reader", points_to: str = "PlateReader") -> Path:
        (site / f"{module}.py").write_text(body)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cisterna.profiles]\n{name} = {module}:{points_to}\n")
        made.append(module)
        importlib.invalidate_caches()
        return site / f"{module}.py"

    yield package
    for module in made:
        sys.modules.pop(module, None)


def found() -> InstalledProfiles:
    return installed_profiles(entry_points(group="cisterna.profiles"))


def example() -> str:
    return (HERE / "plate_reader.py").read_text()


def told(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capfd.readouterr()
    code = run([*words, "--json"])
    return code, json.loads(capfd.readouterr().out)


def plate(tmp_path: Path) -> Path:
    folder = tmp_path / "zone" / "plate-7"
    folder.mkdir(parents=True)
    (folder / "plate.json").write_text('{"barcode": "P7", "wells": ["A1", "A2"]}')
    (folder / "A1.csv").write_text("s,od\n0,0.1\n")
    return folder


def test_a_package_with_an_entry_point_brings_a_profile(
    install: Install, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    install("plate_reader", example())

    _, profiles = told(capfd, "instrument", "profiles")
    code, checked = told(capfd, "instrument", "check", str(plate(tmp_path)))

    assert {one["name"]: one["package"] for one in profiles if one["package"] != "cisterna"} == {
        "plate-reader": "plate-reader"
    }
    assert profiles[-1]["name"] == "folder"
    assert (code, checked["profile"]) == (3, "plate-reader")
    assert "finished.txt" in checked["reason"]
    assert "1 of 2 planned files are there" in checked["reason"]


@pytest.mark.timeout(120)
def test_the_package_passes_the_contract_kit_on_its_own() -> None:
    kit = HERE / "plate_reader_contract.py"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(HERE),
        "--confcutdir",
        str(HERE),
        str(kit),
    ]
    where = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}

    ended = subprocess.run(
        [*command, "-c", "/dev/null"], env=where, cwd=HERE, capture_output=True, text=True, check=False, timeout=100
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


MISTAKES = {
    "a module that is not there": (
        example().replace("from cisterna.domain.acquisition", "from no_such_module"),
        "ModuleNotFoundError: No module named 'no_such_module'",
        "broken.py, line 5",
    ),
    "a line that is no Python": ("x = 1\ndef claims(:\n", "SyntaxError", "line 2"),
    "an error while it is imported": ("x = 1\n\n1 / 0\n", "ZeroDivisionError", "line 3"),
    "a module that leaves": ("import sys\nsys.exit(3)\n", "SystemExit: 3", "line 2"),
    "no such class": ("x = 1\n", "has no attribute 'PlateReader'", "entry point plate-reader = broken:PlateReader"),
    "a thing that is no class": ("PlateReader = 7\n", "cannot be made without arguments: TypeError", "7"),
    "a class that wants arguments": (
        "class PlateReader:\n    def __init__(self, port):\n        pass\n",
        "cannot be made without arguments",
        "line 1",
    ),
    "no name": (example().replace('name = "plate-reader"', 'label = "x"'), "its `name` is None", "line 12"),
    "a name that nobody can type": (example().replace('"plate-reader"', '"Plate Reader"'), "its `name` is", "line 12"),
    "no time": (example().replace("quiet_seconds", "patience"), "its `quiet_seconds` is None", "line 12"),
    "a time without end": (example().replace("60.0", 'float("inf")'), "its `quiet_seconds` is inf", "line 12"),
    "an attribute that cannot be read": (
        example().replace('    name = "plate-reader"', "    @property\n    def name(self):\n        return 1 / 0"),
        "one of its attributes cannot be read: ZeroDivisionError",
        "line 12",
    ),
    "no method": (example().replace("def delivered", "def deliver"), "has no method `delivered`", "line 12"),
    "a method with another signature": (
        example().replace("claims(self, look: Look)", "claims(self)"),
        "method `claims` does not take one argument",
        "line 12",
    ),
    "a name that is taken": (
        example().replace('"plate-reader"', '"squid"'),
        "that of a profile of cisterna",
        "line 12",
    ),
}


@pytest.mark.parametrize(("body", "reason", "place"), list(MISTAKES.values()), ids=list(MISTAKES))
def test_a_package_with_a_mistake_is_named_with_its_line_and_the_others_go_on(
    install: Install, body: str, reason: str, place: str
) -> None:
    install("broken", body)

    profiles = found()

    (fault,) = profiles.faults
    assert (fault.name, fault.package) == ("plate-reader", "broken")
    assert reason in fault.reason
    assert place in fault.place
    assert fault.fix
    assert set(profiles.usable) >= OURS
    assert type(profiles.usable["squid"]).__module__ == "cisterna.profiles.squid"


def test_a_mistake_is_shown_wherever_somebody_would_look(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    file = install("broken", "1 / 0\n")

    _, profiles = told(capfd, "instrument", "profiles")
    code, asked = told(capfd, "instrument", "check", ".", "--profile", "plate-reader")
    (diagnosis,) = look_at_profiles(found().faults)

    assert f"ZeroDivisionError: division by zero ({file}, line 1)" in profiles[-1]["fault"]
    assert (code, asked["error"]) == (1, "not-found")
    for words in (asked["reason"], diagnosis.message):
        assert "the profile 'plate-reader' of the package broken cannot be used: ZeroDivisionError" in words
        assert f"{file}, line 1" in words
    assert (diagnosis.part, diagnosis.condition) == ("profile plate-reader", Condition.WARNING)
    assert "uninstall the package" in diagnosis.fix


def test_a_profile_that_fails_at_a_folder_stops_no_other(
    install: Install, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    claims = '        return "plate.json" in look.listing.paths'
    install("plate_reader", example().replace(claims, "        raise RuntimeError(look.folder)"))
    folder = plate(tmp_path)

    code, nobody = told(capfd, "instrument", "check", str(folder))
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  A1.csv\n")
    _, checked = told(capfd, "instrument", "check", str(folder))

    assert (code, nobody["error"]) == (1, "unclaimed-folder")
    assert "plate-reader failed (RuntimeError: plate-7)" in nobody["reason"]
    assert checked["profile"] == "folder"


def test_the_page_shows_the_files_that_are_tested_here() -> None:
    page = (HERE.parents[2] / "docs" / "how-to" / "add-an-instrument-kind.md").read_text()

    for name in ("plate_reader.py", "plate_reader_contract.py"):
        assert f"```python\n{(HERE / name).read_text()}```\n" in page
