"""Public versions as targets get them, small and whole: what the contract kit deposits, narrows and withdraws."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

from cisterna.domain.access import Extent
from cisterna.domain.credit import Creator
from cisterna.domain.deposit import Deposit, deposit_key
from cisterna.domain.erasure import PUBLIC_WORDS
from cisterna.domain.identifier import ark, dataset_id
from cisterna.domain.project import Access, HumanData
from cisterna.domain.public_entry import label_of
from cisterna.metadata.forms import FORMS
from cisterna.metadata.listing import media_type
from cisterna.metadata.public_described import described_from
from cisterna.metadata.record import Dates, MetadataRecord
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, ReserveRequest
from cisterna.testing.clock import START

SITE = "https://data.example.org"
REASON = "The plate was mixed up."


class MemoryBytes:
    """Implements `ports.target.PublicBytes` over bodies by path."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies

    def files(self, record: PublicRecord) -> Iterator[PublicFile]:
        """Give those that the record names."""
        return iter(record.files)

    @contextmanager
    def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
        """Give a body in small chunks."""
        body = self._bodies[file.path]
        yield (body[start : start + 7] for start in range(0, len(body), 7))


BODIES: Mapping[str, bytes] = {
    "README.md": b"# Nuclei\n",
    "data/0/A1 0.tiff": b"II*\x00 pixels",
}
FILES = MemoryBytes(BODIES)


def reserve_request(target: str, *, name: str = "plate", number: int = 1, revision: int = 0) -> ReserveRequest:
    """Make what a target is told before publication."""
    dataset, label = dataset_id(origin=name), label_of(number, revision)
    return ReserveRequest(
        key=deposit_key(f"{dataset}:{label}", target=target),
        pid=ark(dataset, naan="12345"),
        version=label,
        address=f"{SITE}/{ark(dataset, naan='12345')}",
    )


def deposit_request(
    target: str,
    *,
    name: str = "plate",
    number: int = 1,
    revision: int = 0,
    doi: str | None = None,
    bodies: Mapping[str, bytes] = BODIES,
    earlier: tuple[Deposit, ...] = (),
) -> DepositRequest:
    """Make a public version with all its forms, which names a few files."""
    return _made(target, name, (number, revision), doi, tuple(bodies.items())).model_copy(update={"earlier": earlier})


@lru_cache(maxsize=256)  # writing fourteen forms takes longer than what is tested with them
def _made(
    target: str, name: str, place: tuple[int, int], doi: str | None, bodies: tuple[tuple[str, bytes], ...]
) -> DepositRequest:
    before = reserve_request(target, name=name, number=place[0], revision=place[1])
    files = tuple(_file(path, body) for path, body in bodies)
    data = [one for one in files if one.path.startswith("data/")]
    metadata = MetadataRecord(
        pid=before.pid,
        dataset_id=dataset_id(origin=name),
        version=before.version,
        data_type="microscopy",
        title=f"Nuclei of {name}",
        description="Seen with a lamp.\nTwice.",
        creators=(Creator(name="Holm, Ada", orcid="0000-0002-1825-0097"), Creator(name="Björn Ek")),
        publisher="National Imaging Facility",
        publication_year=2026,
        licence="CC-BY-4.0",
        access=Access.OPEN,
        human_data=HumanData.NO,
        keywords=("nuclei",),
        dates=Dates(described=START),
        manifest_digest=hashlib.sha512(name.encode()).hexdigest(),
        file_count=len(data),
        total_bytes=sum(one.size_bytes for one in data),
    )
    bare = PublicRecord(
        pid=before.pid,
        dataset_id=metadata.dataset_id,
        version=before.version,
        title=metadata.name,
        metadata=metadata.model_dump(mode="json"),
        files=files,
        doi=doi,
        published_at=START,
    )
    described = described_from(bare, address=before.address)
    documents = {form.media_type: form.write(described).decode() for form in FORMS}
    record = bare.model_copy(update={"documents": documents})
    return DepositRequest(**before.model_dump(), record=record, doi=doi)


def narrowed_of(request: DepositRequest) -> DepositRequest:
    """Make the request of a version of which the description alone is public by now."""
    said = {**request.record.metadata, "access": Access.RESTRICTED.value}
    bare = request.record.model_copy(
        update={"files": (), "documents": {}, "extent": Extent.METADATA, "metadata": said, "doi": request.doi}
    )
    described = described_from(bare, address=request.address)
    forms = {form.media_type: form.write(described).decode() for form in FORMS if not form.is_of_files}
    return request.model_copy(update={"record": bare.model_copy(update={"documents": forms})})


def tombstone_of(request: DepositRequest) -> DepositRequest:
    """Make the request of a withdrawal: the record is the tombstone that the portal shows."""
    gone = {"files": (), "documents": {}, "withdrawn_at": START, "tombstone": REASON}
    kept = {name: request.record.metadata[name] for name in ("title", "creators", "publisher", "publication_year")}
    record = request.record.model_copy(update={**gone, "metadata": kept})
    return request.model_copy(update={"record": record})


def _file(path: str, body: bytes) -> PublicFile:
    return PublicFile(
        path=path,
        size_bytes=len(body),
        sha512=hashlib.sha512(body).hexdigest(),
        media_type=media_type(path),
        content_key=f"object/v1/content/{path}",
    )


def erased_of(request: DepositRequest) -> DepositRequest:
    """Make the request of what was erased: its record tells nothing but the identifiers."""
    bare = {"title": request.pid, "metadata": {}, "tombstone": PUBLIC_WORDS}
    gone = tombstone_of(request)
    return gone.model_copy(update={"record": gone.record.model_copy(update=bare)})
