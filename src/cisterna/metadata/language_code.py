"""Languages by the three letters of ISO 639-3, which some catalogues ask for where a tag of BCP 47 has two."""

from __future__ import annotations

from cisterna.domain.language import TWO_AND_THREE


def three_letters(tag: str) -> str | None:
    """Return the code of a tag's language; None where it has none."""
    language = tag.partition("-")[0].lower()
    return language if len(language) == 3 else TWO_AND_THREE.get(language)
