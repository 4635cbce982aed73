"""XML that no value can break."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from lxml import etree

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no document of XML 1.0 may hold, escaped or not."""
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

Element: TypeAlias = Any
"""Of lxml, which tells no types."""


def new_document(name: str, *, namespaces: Mapping[str | None, str], schema: tuple[str, str]) -> Element:
    """Begin a document; `schema` is its namespace and where the schema of that is."""
    root: Element = etree.Element(name, nsmap={**namespaces, "xsi": _INSTANCE})
    root.set(f"{{{_INSTANCE}}}schemaLocation", " ".join(schema))
    return root


def add(parent: Element, name: str, text: str = "", attributes: Mapping[str, str] | None = None) -> Element:
    """Add an element; of its texts, characters that XML has no way to write are left out."""
    child: Element = etree.SubElement(parent, name)
    child.text = fit(text) or None
    for attribute, value in (attributes or {}).items():
        child.set(attribute, fit(value))
    return child


def as_bytes(root: Element) -> bytes:
    """Write the document in UTF-8, with a declaration that says so."""
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return written


def fit(text: str) -> str:
    """Leave out the characters that XML has no way to write, in whatever form others may write as XML."""
    return _FORBIDDEN.sub("", text)
