"""What users install is whole, is ours, and works away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)

_LOOK = """
import json, sys
from importlib.metadata import entry_points, version
from pathlib import Path

import cisterna, flows, flows.ingest, flows.dispatcher, flows.worker
from cisterna.adapters.model_package import read_package
from cisterna.adapters.shared_data import shared_folder

names = ("checklists", "expectations", "deployments", "infra", "models", "vocabularies")
shared = {name: shared_folder(name) for name in names}
read_package(shared["models"] / "nuclei-unet", name="nuclei-unet")
print(json.dumps({
    "flows": flows.__file__,
    "cisterna": cisterna.__file__,
    "shared": {name: [str(folder), len([one for one in folder.rglob("*") if one.is_file()])]
               for name, folder in shared.items()},
    "profiles": {point.name: point.load()().name for point in entry_points(group="cisterna.profiles")},
    "script": [point.value for point in entry_points(group="console_scripts") if point.name == "cisterna"],
    "version": version("cisterna"),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel, built from the checkout without any network."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the programs of a new environment with the wheel, and the locked dependencies of this one beside it."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *install], check=True, timeout=120)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_everything_that_runs_and_nothing_that_tests(wheel: Path) -> None:
    found = names(wheel)

    assert {"cisterna/py.typed"} - found == set()
    tops = {name.split("/")[0] for name in found}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"cisterna", "flows"}
    for suffix in (".sql", ".html", ".css", ".mako"):
        tracked = [path for path in (CHECKOUT / "src").rglob(f"*{suffix}") if "vendor" not in path.parts]
        assert tracked
        assert {str(path.relative_to(CHECKOUT / "src")) for path in tracked} <= found
    data = {name.partition(".data/data/")[2] for name in found if ".data/data/" in name}
    for folder in ("checklists", "expectations", "deployments", "infra", "models", "vocabularies"):
        kept = {
            f"share/cisterna/{path.relative_to(CHECKOUT)}" for path in (CHECKOUT / folder).rglob("*") if path.is_file()
        }
        assert kept
        assert kept <= data
    assert not [name for name in found if name.endswith((".pyc", ".log")) or "secret" in name]


def test_the_wheel_holds_the_front_end_that_was_built(wheel: Path) -> None:
    vendor = CHECKOUT / "src" / "cisterna" / "web" / "static" / "vendor"
    built = {f"cisterna/web/static/vendor/{path.name}" for path in vendor.iterdir()} if vendor.is_dir() else set()
    if not built:
        pytest.skip("THE FRONT END WAS NOT BUILT here: run tools/build_frontend.py")

    assert any("htmx" in name for name in built)
    assert built <= names(wheel)


def test_what_is_installed_is_ours_and_finds_what_travels_with_it(installed: Path, tmp_path: Path) -> None:
    import json

    (tmp_path / "flows").mkdir()  # a folder of somebody else's
    (tmp_path / "flows" / "__init__.py").write_text("raise SystemExit(9)")

    told = subprocess.run(
        [str(installed / "python"), "-P", "-W", "error::ImportWarning", "-c", _LOOK],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        timeout=240,
    )

    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    environment = installed.parent
    assert Path(found["flows"]).is_relative_to(environment)
    assert Path(found["cisterna"]).is_relative_to(environment)
    for name, (folder, files) in found["shared"].items():
        assert Path(folder) == environment / "share" / "cisterna" / name
        assert files > 0
    assert found["profiles"]["squid"] == "squid"
    assert found["script"] == ["cisterna.cli:main"]
    assert found["version"]


def test_the_command_that_is_installed_answers(installed: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    told = subprocess.run(
        [str(installed / "cisterna"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    asked = subprocess.run(
        [str(installed / "cisterna"), "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )

    assert (told.returncode, "ingest" in told.stdout, told.stderr) == (0, True, "")
    assert asked.returncode == 5
    assert [path.name for path in tmp_path.iterdir()] == []
