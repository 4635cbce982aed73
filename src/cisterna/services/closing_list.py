"""Checksum files that came with a folder: they are written last and say what belongs to it, so they close it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cisterna.domain.acquisition import Evidence
from cisterna.domain.checksum_file import LIMIT_BYTES, Listed, read_checksums, read_sidecar
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.ports.profile import Look

_ALGORITHM = r"(md5|sha-?1|sha-?256|sha-?512)"
_CLOSES = re.compile(
    rf"(manifest|checksums?)[._-]{_ALGORITHM}(\.txt)?|{_ALGORITHM}(sums?)?\.txt|{_ALGORITHM}sums?|[^/]+\.sfv",
    re.IGNORECASE,
)
_BAG, _FETCH = "bagit.txt", "fetch.txt"
_BAG_LIST = re.compile(r"(tag)?manifest-(md5|sha1|sha256|sha512)\.txt")
_SIDECAR = re.compile(r"(.+)\.(md5|sha1|sha256|sha512)", re.IGNORECASE)
_SIDECAR_BYTES = 64 * 1024
_IN_A_BAG = "data/"


def closing_lists(look: Look) -> list[str]:
    """Name the checksum files at the top of the folder; of a bag, those of its manifests."""
    top = sorted(path for path in look.listing.paths if "/" not in path)
    closes = _BAG_LIST if _BAG in look.listing.paths else _CLOSES
    return [name for name in top if closes.fullmatch(name)]


def sidecars(look: Look) -> dict[str, str]:
    """Give the file of each checksum file that is named for one, wherever it lies."""
    paths = look.listing.paths
    found = {path: match[1] for path in paths if (match := _SIDECAR.fullmatch(path)) is not None}
    lists = closing_lists(look)
    return {path: file for path, file in found.items() if file in paths and path not in lists}


def held_against_lists(look: Look) -> Evidence:
    """Hold what the checksum files list against what is there. One that cannot be read is a `plan_fault`."""
    paths = look.listing.paths
    notes = ("the bag has files yet to be fetched (fetch.txt)",) if _FETCH in paths and _BAG in paths else ()
    try:
        listed = {one.path for one in _listed(look)}
    except (InvalidInput, NotFound) as fault:
        return Evidence(expects=True, plan_fault=str(fault)[:1000], notes=notes)
    missing = sorted(listed - paths)
    return Evidence(
        expects=True,
        expected_files=len(listed),
        missing=tuple(missing[:20]),
        missing_files=len(missing),
        notes=(*notes, *_unlisted(paths - listed - {*closing_lists(look), *sidecars(look)}, is_bag=_BAG in paths)),
    )


def listed_digests(look: Look) -> DeliveredDigests:
    """Give every digest of the checksum files. Raises `InvalidInput`, `HostileInput`, `NotFound`."""
    found: dict[str, dict[str, str]] = {}
    for one in _listed(look):
        found.setdefault(one.path, {})[one.algorithm] = one.digest
    return found


def _listed(look: Look) -> list[Listed]:
    """Read all checksum files. Raises what they are not."""
    is_bag = _BAG in look.listing.paths
    found: dict[tuple[str, str], Listed] = {}
    for name, one in _lines(look, is_bag=is_bag):
        listed = one._replace(path=_as_listed(one.path, look.listing.paths))
        if listed.path == name:
            continue  # `md5sum * > md5sum.txt` lists the list itself, as it was while it was empty
        if found.setdefault((listed.path, listed.algorithm), listed) != listed:
            msg = f"the checksum files disagree about the {listed.algorithm} of {listed.path}; look at them"
            raise InvalidInput(msg, path=listed.path)
    if not found:
        raise InvalidInput("its checksum files list no file; look at them")
    return list(found.values())


def _lines(look: Look, *, is_bag: bool) -> Iterator[tuple[str, Listed]]:
    for name in closing_lists(look):
        for one in read_checksums(look.read(name, limit_bytes=LIMIT_BYTES), name, is_bag=is_bag):
            yield name, one
    for name, file in sorted(sidecars(look).items()):
        algorithm, digest = read_sidecar(look.read(name, limit_bytes=_SIDECAR_BYTES), name)
        yield name, Listed(file, algorithm, digest)


def _as_listed(path: str, paths: frozenset[str]) -> str:
    """Take a Windows path for what it means, unless a file really has such a name."""
    if "\\" in path and path not in paths and path.replace("\\", "/") in paths:
        return path.replace("\\", "/")
    return path


def _unlisted(paths: Iterable[str], *, is_bag: bool) -> tuple[str, ...]:
    """Say which files no list names; what lies beside a bag's payload need not be listed."""
    names = sorted(path for path in paths if not is_bag or path.startswith(_IN_A_BAG))
    if not names:
        return ()
    shown = ", ".join(names[:3])
    return (f"{len(names)} files are in no checksum file and are archived too ({shown})",)
