"""Changes that cannot delete anything that should stay, each with its reason."""

HARMLESS: dict[str, str] = {}
"""Reasons by part and change, as `tools/mutate_release.py` shows them without the line."""
