"""Composes the vocabularies of a home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cisterna.bootstrap.home import Home
from cisterna.settings import Settings

if TYPE_CHECKING:
    from cisterna.ports.vocabulary import Vocabulary


def own_vocabularies(settings: Settings, home: Home) -> Path:
    """Say which folder of vocabularies is the facility's own; it need not be there."""
    return settings.vocabulary.folder or home.folder / "vocabularies"


def vocabulary_of(settings: Settings, home: Home) -> Vocabulary:
    """Join the facility's vocabularies, ours, and those of packages; what is read of them is kept in the home."""
    from cisterna.adapters.shared_data import shared_folder
    from cisterna.adapters.term_prefix import Bioregistry
    from cisterna.adapters.term_shelf import Shelf
    from cisterna.metadata.vocabulary import Vocabularies

    own = own_vocabularies(settings, home)
    shelf = Shelf(own=own, shipped=shared_folder("vocabularies"), indexes=home.vocabulary)
    return Vocabularies(shelf, prefixes=Bioregistry())
