"""Finds the folders that travel beside the package: `expectations` and `deployments`."""

from __future__ import annotations

import sys
from pathlib import Path

from cisterna.domain.errors import NotReady


def shared_folder(name: str, *, package: Path | None = None, prefix: Path | None = None) -> Path:
    """Give the folder of that name: a checkout's own, or the one that the wheel put below `share/cisterna`.

    Args:
        name: Such as `expectations`.
        package: Folder of the package's modules; unset: this one.
        prefix: Of the Python environment; unset: the one that runs.

    Raises:
        NotReady: It is in neither place.
    """
    checkout = (package or Path(__file__).resolve().parents[1]).parents[1]
    installed = (prefix or Path(sys.prefix)) / "share" / "cisterna" / name
    candidates = [checkout / name] if (checkout / "pyproject.toml").is_file() else []
    for folder in [*candidates, installed]:
        if folder.is_dir():
            return folder
    msg = f"the folder {name} is neither in a checkout nor at {installed}; install the wheel again"
    raise NotReady(msg, part=name)
