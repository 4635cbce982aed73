"""Says to machines where identifier, descriptions, licence and files are: FAIR Signposting, level 2.

The Link header has what fits it. The link set (RFC 9264) has everything; it is written a run of files at a time, since
there may be a million.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from cisterna.metadata.licence import licence_url
from cisterna.metadata.listing import uri_path
from cisterna.ports.publisher import PublicFile

LINKSET = "application/linkset"
LINKSET_JSON = "application/linkset+json"
LINKSETS = {"linkset": LINKSET, "linkset-json": LINKSET_JSON}
"""Names in addresses of the two forms of a link set."""
HEADER_LIMIT = 8_000
"""Bytes of a Link header; many servers and proxies refuse somewhat more than that."""

_SCHEMA = "https://schema.org/"

FileRuns = Callable[[], Iterable[Sequence[PublicFile]]]
"""Begins anew to give all files, a run at a time."""


class Link(NamedTuple):
    """A typed link.

    Attributes:
        rel: Its relation, of IANA's registry.
        type: Media type of the target, without parameters.
        profile: Address that names what more the target's form keeps to.
    """

    rel: str
    target: str
    type: str | None = None
    profile: str | None = None


class Description(NamedTuple):
    """A form in which the dataset is described.

    Attributes:
        of_files: Whether it says of each file what it is.
    """

    address: str
    type: str
    profile: str | None = None
    of_files: bool = False

    def link(self) -> Link:
        """Lead to it."""
        return Link("describedby", self.address, self.type, self.profile)


class Signposts(NamedTuple):
    """What a public version has to point to.

    Attributes:
        address: Of its landing page.
        licence: SPDX identifier.
        orcids: Of those who made it.
        cited_at: Address of its DOI; None where it is cited by that of the page.
    """

    address: str
    descriptions: Sequence[Description]
    licence: str | None
    orcids: Sequence[str]
    cited_at: str | None = None

    def of_page(self) -> Iterator[Link]:
        """Give the links of the landing page, but those to files."""
        yield Link("cite-as", self.cited_at or self.address)
        yield Link("type", f"{_SCHEMA}Dataset")
        yield Link("type", f"{_SCHEMA}AboutPage")
        if self.licence:
            yield Link("license", licence_url(self.licence))
        yield from self.to_linksets()
        yield from (one.link() for one in self.descriptions)
        yield from (Link("author", f"https://orcid.org/{orcid}") for orcid in self.orcids)

    def to_linksets(self) -> Iterator[Link]:
        """Lead to the link set in both of its forms."""
        for name, media_type in LINKSETS.items():
            yield Link("linkset", f"{self.address}/linkset?format={name}", media_type)

    def item(self, file: PublicFile) -> Link:
        """Lead to a file."""
        return Link("item", f"{self.address}/files/{uri_path(file.path)}", file.media_type)

    def of_file(self, file: PublicFile) -> Iterator[Link]:
        """Give the links of a file; what holds for the whole is said by the landing page alone."""
        yield Link("collection", self.address, "text/html")
        yield Link("type", _SCHEMA + ("ImageObject" if file.media_type.startswith("image/") else "MediaObject"))
        yield from (one.link() for one in self.descriptions if one.of_files)

    def of_description(self) -> Iterator[Link]:
        """Give the links of a description."""
        yield Link("describes", self.address, "text/html")


def link_header(links: Iterable[Link]) -> str:
    """Write links as one header: as many, from the first on, as have room in it."""
    written: list[str] = []
    size_bytes = 0
    for link in links:
        text = _written(link)
        size_bytes += len(text) + len(", ")
        if size_bytes > HEADER_LIMIT:
            break
        written.append(text)
    return ", ".join(written)


def linkset_text(of: Signposts, runs: FileRuns) -> Iterator[bytes]:
    """Write every link, one a line, with its anchor (`application/linkset`)."""
    links = [(of.address, link) for link in of.of_page()]
    links += [(one.address, link) for one in of.descriptions for link in of.of_description()]
    yield _lines(links)
    for run in runs():
        links = [(of.address, of.item(file)) for file in run]
        links += [(of.item(file).target, link) for file in run for link in of.of_file(file)]
        yield b",\n" + _lines(links)
    yield b"\n"


def linkset_json(of: Signposts, runs: FileRuns) -> Iterator[bytes]:
    """Write every link below its anchor and its relation (`application/linkset+json`)."""
    yield b'{"linkset": [' + _context(of.address, of.of_page())[:-1]
    mark = b', "item": ['
    for run in runs():
        yield mark + ",\n".join(json.dumps(_target(of.item(file))) for file in run).encode()
        mark = b",\n"
    yield b"]}" if mark == b",\n" else b"}"
    for one in of.descriptions:
        yield b",\n" + _context(one.address, of.of_description())
    for run in runs():
        yield b"".join(b",\n" + _context(of.item(file).target, of.of_file(file)) for file in run)
    yield b"]}\n"


def _lines(links: Iterable[tuple[str, Link]]) -> bytes:
    return ",\n".join(_written(link, anchor=anchor) for anchor, link in links).encode()


def _written(link: Link, *, anchor: str | None = None) -> str:
    attributes = {"rel": link.rel, "type": link.type, "profile": link.profile, "anchor": anchor}
    return f"<{link.target}>" + "".join(f'; {name}="{value}"' for name, value in attributes.items() if value)


def _context(anchor: str, links: Iterable[Link]) -> bytes:
    context: dict[str, object] = {"anchor": anchor}
    for rel, group in groupby(sorted(links, key=attrgetter("rel")), key=attrgetter("rel")):
        context[rel] = [_target(link) for link in group]
    return json.dumps(context).encode()


def _target(link: Link) -> dict[str, str]:
    """Write a target without its profile: the RFC wants a list of those, which parsers in use fall over."""
    return {"href": link.target, "type": link.type} if link.type else {"href": link.target}
