"""Folders of OME-TIFF files, whatever wrote them: single files, and sets whose planes lie in many files.

The OME-XML is the description of a file's first image. It says how many planes there are, and in which files they lie
(`TiffData/UUID FileName`), so a set lacks a file or a file is too short for its planes by its own word. Many programs
write the XML last, so a file without one is not whole. Nothing says which file is the last one: silence closes the
folder, or a checksum file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from posixpath import dirname, join
from typing import TYPE_CHECKING, NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.tiff_header import description_at, directory_at, page_bytes, tiff_fault
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Described, FilePlanes, Look, Plane
from cisterna.services.file_evidence import file_digests, file_evidence
from cisterna.services.ome_planes import MOST_PLANES, ome_planes
from cisterna.services.ome_xml import OmeXml, ome_xml
from cisterna.services.zarr_tree import is_inside

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_IMAGE = re.compile(r".+\.ome\.(tiff?|btf|tf2|tf8)", re.IGNORECASE)
_COMPANION = re.compile(r".+\.companion\.ome", re.IGNORECASE)
_HEAD_BYTES, _DIRECTORY_BYTES, _XML_BYTES = 64 * 1024, 16 * 1024, 16 * 1024 * 1024
_MOST_READ = 200
_PLANS = frozenset({"acquisition.yaml", "acquisition_channels.yaml"})
"""What Squid microscopes write beside their OME-TIFF; their own profile knows more."""


class _OutOfReach(InvalidInput):
    """What a file says of itself lies too deep in it to be read for a look."""


class _Told(NamedTuple):
    """The OME-XML of one file, and what it says."""

    path: str
    xml: OmeXml
    root: Element


class OmeTiff:
    """Implements `ports.profile.Profile`."""

    name = "ome-tiff"
    quiet_seconds = 300.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell such a folder by the names of its files; one with the plan of a microscope of its own is not meant."""
        return not look.listing.paths & _PLANS and any(
            _IMAGE.fullmatch(path) or _COMPANION.fullmatch(path) for path in look.listing.paths
        )

    def inspect(self, look: Look) -> Evidence:
        """Hold what the OME-XML of the files says against the files there are."""
        found = _Sets(look)
        return file_evidence(look, _files(look), found.judge, missing=found.missing, notes=found.notes)

    def describe(self, look: Look) -> Described:
        """Read the OME-XML of the first file that has one."""
        xml = next((one.xml for one in _read(look, faults={}) if one.xml.images), OmeXml())
        fields = {"experiment_id": plain_text(look.folder), "files": len(_files(look)), **xml.fields}
        return Described(
            title=plain_text(look.folder) or "OME-TIFF",
            data_type="microscopy",
            fields={name: value for name, value in fields.items() if value is not None},
            instrument_model=xml.microscope,
            started_at=xml.started_at,
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give every digest of the checksum files."""
        return file_digests(look)

    def is_image(self, path: str) -> bool:
        """Tell OME-TIFF by its name."""
        return bool(_IMAGE.fullmatch(path))

    def plane(self, path: str) -> Plane | None:
        """Place nothing: a file holds many planes, and its name says nothing of them."""
        del path
        return None

    def planes(self, look: Look) -> Mapping[str, FilePlanes]:
        """Read from the OME-XML which plane lies on which page; a set that is all of the folder is one run."""
        found: dict[str, FilePlanes] = {}
        documents, planes, is_set = 0, 0, False
        for path, xml, root in _read(look, faults={}):
            documents += 1
            is_set = len(xml.files) > 1
            is_renamed = _is_renamed(path, xml, look.listing.paths)
            for name, pages in ome_planes(root).items():
                place = path if name is None or is_renamed else join(dirname(path), name)
                if (name is None or is_inside(name)) and place in look.listing.paths and self.is_image(place):
                    found.setdefault(place, FilePlanes(pages))
                    planes += len(pages)
            if planes > MOST_PLANES:
                break  # the files after it are measured as one image each
        if documents == 1 and is_set:
            return {path: told._replace(is_of_run=True) for path, told in found.items()}
        return found


class _Sets:
    """What the files' OME-XML asks for, and what is wrong with those files that were read."""

    def __init__(self, look: Look) -> None:
        paths = look.listing.paths
        self._faults: dict[str, str] = {}
        self._planes: dict[str, int] = {}
        asked: dict[str, None] = {}
        for path, xml, _ in _read(look, faults=self._faults):
            names = [*xml.files, *([xml.master] if xml.master is not None else [])]
            outside = next((name for name in names if not is_inside(name)), None)
            if outside is not None:
                self._faults[path] = f"names a file outside its folder ({outside[:80]!r})"
                continue
            if _is_renamed(path, xml, paths):
                names = []  # a single file remembers the name that it was written under
            asked |= dict.fromkeys(join(dirname(path), name) for name in names)
            if xml.is_even:
                own = {join(dirname(path), name): xml.files[name] for name in names if name in xml.files}
                self._planes |= own or {path: xml.planes}
        self.missing = [path for path in asked if path not in paths]
        self.notes = _notes(len(asked), look)

    def judge(self, look: Look, file: SeenFile) -> str | None:
        """Say why a file cannot be whole: by its header, its XML, or the planes that must be in it."""
        head = look.head(file.path, limit_bytes=_HEAD_BYTES) if file.size_bytes else b""
        fault = tiff_fault(head, size_bytes=file.size_bytes) or self._faults.get(file.path)
        planes = self._planes.get(file.path, 0)
        needed = planes * (page_bytes(head) or 0)
        if fault is None and needed > file.size_bytes:
            return f"holds {file.size_bytes} bytes where its {planes} planes need {needed}"
        return fault


def _is_renamed(path: str, xml: OmeXml, paths: frozenset[str]) -> bool:
    names = [join(dirname(path), name) for name in xml.files]
    return len(names) == 1 and xml.master is None and names[0] not in paths and bool(_IMAGE.fullmatch(path))


def _notes(asked: int, look: Look) -> tuple[str, ...]:
    notes = []
    if asked:
        notes.append(f"its OME-XML names {asked} files")
    beyond = len(_files(look)) - _MOST_READ
    if beyond > 0 and not asked:
        notes.append(f"the OME-XML of {beyond} files was not read")
    return tuple(notes)


def _files(look: Look) -> list[SeenFile]:
    return [file for file in look.listing.files if _IMAGE.fullmatch(file.path)]


def _read(look: Look, *, faults: dict[str, str]) -> Iterator[_Told]:
    """Read the OME-XML of 200 files at most; of a set whose files are named in one of them, that one only."""
    companions = [file for file in look.listing.files if _COMPANION.fullmatch(file.path)]
    known: set[str] = set()
    for file in islice((one for one in [*companions, *_files(look)] if one.path not in known), _MOST_READ):
        try:
            text = _text(look, file)
            root = fromstring(text) if text is not None else None
            xml = ome_xml(root) if root is not None else None
        except (NotFound, _OutOfReach):
            continue  # it went away since the listing, or tells nothing that can be held against it
        except (InvalidInput, ParseError, DefusedXmlException, ValueError, LookupError) as refusal:
            faults[file.path] = f"has no OME-XML that can be read ({type(refusal).__name__})"
            continue
        if root is None or xml is None:
            faults[file.path] = "has no OME-XML in its first image"
            continue
        known |= {join(dirname(file.path), name) for name in xml.files}
        yield _Told(file.path, xml, root)


def _text(look: Look, file: SeenFile) -> bytes | None:
    """Read the XML out of a file, or None when it has none where its header says."""
    if _COMPANION.fullmatch(file.path):
        return look.read(file.path, limit_bytes=_XML_BYTES)
    head = look.head(file.path, limit_bytes=_HEAD_BYTES) if file.size_bytes else b""
    at = directory_at(head)
    if at is None:
        return None
    place = description_at(_part(look, file, head, at, _DIRECTORY_BYTES), head=head[:16])
    if place is None or place[1] > _XML_BYTES or sum(place) > file.size_bytes:
        return None
    text = _part(look, file, head, *place).rstrip(b"\0 \r\n\t")
    return text if text.lstrip()[:1] == b"<" else None


def _part(look: Look, file: SeenFile, head: bytes, start: int, length: int) -> bytes:
    """Read a part of a file from whichever of its ends is nearer. Raises `_OutOfReach` when both are too far."""
    end = min(start + length, file.size_bytes)
    if end <= len(head):
        return head[start:end]
    if file.size_bytes - start <= _XML_BYTES:
        return look.tail(file.path, limit_bytes=file.size_bytes - start)[: end - start] if start < end else b""
    if end <= _XML_BYTES:
        return look.head(file.path, limit_bytes=end)[start:]
    msg = f"what {file.path} says of itself lies too deep in it"
    raise _OutOfReach(msg, path=file.path)
