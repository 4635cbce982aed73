"""The files of an object as its descriptions name them."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from urllib.parse import quote

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha256, Sha512
from cisterna.domain.path import RelativePath

DATA_FOLDER = "data/"
PLAIN_BYTES = "application/octet-stream"
"""Media type of what is not known."""
LISTED_LIMIT = 1000
"""Files that a form names one by one; one with more would help nobody, and the crate names all."""

_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")

_MEDIA_TYPES = {
    ".bmp": "image/bmp",
    ".csv": "text/csv",
    ".fastq": "text/plain",
    ".fcs": "application/vnd.isac.fcs",
    ".gz": "application/gzip",
    ".h5": "application/x-hdf5",
    ".h5ad": "application/x-hdf5",
    ".imzml": "application/xml",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".md": "text/markdown",
    ".mzml": "application/xml",
    ".mzqc": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}


class ListedFile(Value):
    """A file of an object's logical content.

    Attributes:
        path: Logical path, such as `data/0/A1_0_0_BF.tiff`.
        sha256: Known where the object is made of it.
        source_path_base64: Bytes of a data file's path as acquired, where the archive writes them in another way.
    """

    path: RelativePath
    size_bytes: int = Field(ge=0)
    sha512: Sha512
    sha256: Sha256 | None = None
    modified: Moment | None = None
    source_path_base64: str | None = None


def media_type(path: str) -> str:
    """Name the registered media type that the file's extension stands for; unknown ones are plain bytes."""
    return _MEDIA_TYPES.get(posixpath.splitext(path)[1].lower(), PLAIN_BYTES)


def iri_path(path: str) -> str:
    """Write a relative path as RO-Crate 1.2 wants identifiers.

    Letters of any script stay as they are, since the file is UTF-8 and the identifiers are IRIs; spaces, `%` and all
    else that an IRI may not hold is percent-encoded as UTF-8.
    """
    if _PLAIN.fullmatch(path):
        return path
    return "".join(_iri_character(character) for character in path)


def uri_path(path: str) -> str:
    """Write a path for an address: everything but RFC 3986's unreserved characters and `/` is percent-encoded."""
    return quote(path, safe="/")


def _iri_character(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() or character in "/-._~" else quote(character, safe="")
    return character if unicodedata.category(character)[0] in "LMN" else quote(character, safe="")
