"""Writes a description as Croissant 1.0, which libraries for machine learning load as records."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from cisterna.metadata.bibtex import bibtex_entry
from cisterna.metadata.described import Described
from cisterna.metadata.listing import DATA_FOLDER, LISTED_LIMIT, ListedFile, media_type
from cisterna.metadata.schema_org import schema_org_document

Document = dict[str, JsonValue]

CROISSANT = "http://mlcommons.org/croissant/1.0"
_OWN_TERMS = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_IMAGES = {"image/bmp", "image/jpeg", "image/png", "image/tiff"}
_OTHERS = ("citation", "hasPart", "isBasedOn", "isPartOf")
_NOT_TAKEN = {"@context", "@type", "dct:conformsTo", "distribution"}
"""Of the schema.org form, what Croissant says in its own way."""


def croissant_document(described: Described) -> Document:
    """Map a description to a `Dataset` of Croissant; it has files and records once its page has an address.

    Croissant demands an MD5 or SHA-256 of every file unless a dataset is called live. Where objects are made of SHA-512
    alone it has to be called so, although a version never changes.
    """
    named = described.files[:LISTED_LIMIT] if described.base_url else ()
    shared = {name: value for name, value in schema_org_document(described).items() if name not in _NOT_TAKEN}
    document: Document = {
        "@context": _context(described),
        "@type": "sc:Dataset",
        **shared,
        **{name: _works(shared[name]) for name in _OTHERS if name in shared},
        "conformsTo": CROISSANT,
        "version": _semantic(described.record.version),
        "citeAs": bibtex_entry(described).decode(),
        "isLiveDataset": not named or any(file.sha256 is None for file in named),
    }
    if not named:
        return document
    images = [number for number, file in enumerate(named) if _is_image(file)]
    distribution: list[JsonValue] = [_file(number, file, described) for number, file in enumerate(named)]
    record_sets: list[JsonValue] = [_file_records(named, described)]
    if images:
        distribution.append(_image_set(images))
        record_sets.append(_image_records())
    return document | {"distribution": distribution, "recordSet": record_sets}


def _context(described: Described) -> Document:
    """In the document itself, with every term that readers expect there."""
    return {
        "@language": described.record.language or "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sha512": "http://id.loc.gov/vocabulary/preservation/cryptographicHashFunctions/sha512",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{term: f"cr:{term}" for term in _OWN_TERMS},
    }


def _works(others: JsonValue) -> JsonValue:
    """Call other datasets works: a reader takes any `Dataset` for the one that is described."""
    works = others if isinstance(others, list) else []
    return [one | {"@type": "CreativeWork"} if isinstance(one, dict) else one for one in works]


def _semantic(version: str) -> str:
    """Write `v2` or `v2.1` in the three numbers of semantic versions."""
    numbers = version.removeprefix("v").split(".")
    return ".".join([*numbers, "0", "0"][:3])


def _is_image(file: ListedFile) -> bool:
    return file.path.startswith(DATA_FOLDER) and media_type(file.path) in _IMAGES


def _file(number: int, file: ListedFile, described: Described) -> Document:
    known: Document = {"sha256": file.sha256} if file.sha256 else {}
    return known | {
        "@type": "cr:FileObject",
        "@id": f"file-{number}",
        "name": file.path,
        "contentUrl": described.file_url(file),
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": media_type(file.path),
        "sha512": file.sha512,
    }


def _file_records(files: Sequence[ListedFile], described: Described) -> Document:
    """Give a record of each file in the document itself, so that nothing has to be fetched to choose among them."""
    rows: list[JsonValue] = [
        {
            "files/path": file.path,
            "files/url": described.file_url(file),
            "files/media_type": media_type(file.path),
            "files/bytes": file.size_bytes,
            "files/sha512": file.sha512,
        }
        for file in files
    ]
    kinds = {"path": "sc:Text", "url": "sc:URL", "media_type": "sc:Text", "bytes": "sc:Integer", "sha512": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "files",
        "name": "files",
        "description": "The files with their addresses, types, sizes and digests.",
        "key": {"@id": "files/path"},
        "field": [_field("files", name, kind) for name, kind in kinds.items()],
        "data": rows,
    }


def _image_set(numbers: Sequence[int]) -> Document:
    return {
        "@type": "cr:FileSet",
        "@id": "image-files",
        "name": "image-files",
        "containedIn": [{"@id": f"file-{number}"} for number in numbers],
        "encodingFormat": "image/*",
        "includes": "*",
    }


def _image_records() -> Document:
    source: Document = {"fileSet": {"@id": "image-files"}, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "The images of the data, decoded.",
        "field": [_field("images", "image", "sc:ImageObject") | {"source": source}],
    }


def _field(record_set: str, name: str, kind: str) -> Document:
    return {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": kind}
