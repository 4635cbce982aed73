"""Tells by its form alone whether an address leads to a place inside a house: nobody is asked."""

from __future__ import annotations

import re
from ipaddress import ip_address

_INSIDE = (".local", ".localdomain", ".internal", ".intranet", ".lan", ".home", ".home.arpa", ".corp", ".private")
"""Ends of names that are given inside a network; none of them is sold to anybody."""
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@\s]*@)?(\[[0-9a-fA-F:.%]+\]|[^/?#:\s]*)", re.IGNORECASE)
_SHARE = re.compile(r"\\\\[^\\\s]+\\|[A-Za-z]:\\|/(?:mnt|home|media|srv|net|Volumes|Users)/\S")
"""A share, a drive, or a path of a file system."""


def is_inside_address(text: str) -> bool:
    """Tell whether a text is an address or a path that leads nobody outside anywhere.

    Args:
        text: A whole value; an address in the middle of a sentence is not looked for.
    """
    said = text.strip()
    if _SHARE.match(said) or said[:5].casefold() == "file:":
        return True
    matched = _HOST.match(said)
    return matched is not None and _is_inside_host(matched[1])


def _is_inside_host(said: str) -> bool:
    host = said.strip("[]").partition("%")[0].rstrip(".").casefold()
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_INSIDE)
