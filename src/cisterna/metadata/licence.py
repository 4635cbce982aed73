"""Licences by their SPDX identifiers."""

from __future__ import annotations

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression


def spdx_identifier(text: str) -> str:
    """Return the identifier in the SPDX list's own spelling.

    Raises:
        ValueError: It is not on the list, or is more than one licence.
    """
    shown = text[:64]
    if any(character.isspace() or character in "()" for character in text.strip()) or "licenseref" in text.lower():
        msg = f"'{shown}' is not one licence of the SPDX list; name one of https://spdx.org/licenses, such as CC-BY-4.0"
        raise ValueError(msg)
    try:
        return str(canonicalize_license_expression(text.strip()[:200]))
    except InvalidLicenseExpression as error:
        msg = f"'{shown}' is not on the SPDX licence list; give an identifier such as CC-BY-4.0 or CC0-1.0"
        raise ValueError(msg) from error


def licence_in_force(text: str) -> str:
    """Return the identifier under which the SPDX list goes on with a licence, of which some were renamed.

    Raises:
        ValueError: It is not on the list, or is more than one licence: `MIT+` would be MIT or a later one, and there
            is none.
    """
    identifier = spdx_identifier(text)
    if renamed := _RENAMED.fullmatch(identifier):
        return f"{renamed[1]}-{'or-later' if renamed[2] else 'only'}"
    if identifier.endswith("+"):
        msg = f"'{identifier[:64]}' is not on the SPDX licence list; leave out the plus sign"
        raise ValueError(msg)
    return identifier


_RENAMED = re.compile(r"((?:[AL]?GPL|GFDL)-[0-9.]+)(\+?)")
"""Licences of GNU, which the list told without a word on later versions before 2018."""


def licence_url(identifier: str) -> str:
    """Return the page of the SPDX list that holds the licence's text."""
    return f"https://spdx.org/licenses/{identifier}"
