"""Where suites of expectations are looked for."""

from __future__ import annotations

from pathlib import Path

from cisterna.bootstrap.home import Home
from cisterna.settings import Settings


def own_suites(settings: Settings, home: Home) -> Path:
    """Say which folder of suites is the facility's own; it need not be there."""
    return settings.quality.expectations or home.folder / "expectations"


def suite_folders(settings: Settings, home: Home) -> tuple[Path, Path]:
    """Give the folders in the order in which they are looked through: the facility's own, then ours."""
    from cisterna.adapters.shared_data import shared_folder

    return own_suites(settings, home), shared_folder("expectations")
