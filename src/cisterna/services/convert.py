"""Writes archived images once more as OME-Zarr, for viewing: a derived dataset, compared with its source."""

from __future__ import annotations

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import CatalogueUnavailable, CisternaError
from cisterna.domain.identifier import TEST_ARKS, Arks
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.project import ViewFormat
from cisterna.domain.work import Attempt
from cisterna.metadata import ngff
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.view import ViewWriter
from cisterna.services.data_manifest import MANIFEST_PATH, dump_manifest
from cisterna.services.derived import (
    Asked,
    DataFiles,
    Derivation,
    counted,
    finish_derived,
    open_derived,
    read_source,
)
from cisterna.services.derived_parts import Means, derive_parts
from cisterna.services.lease_watch import LeaseWatch
from cisterna.services.staging import drop_staging, stage_files
from cisterna.services.view_field import fields_of
from cisterna.services.view_writing import Writing


def convert_version(
    source_id: str,
    *,
    lease: Attempt,
    catalogue: Catalogue,
    store: ObjectStore,
    views: ViewWriter,
    tables: TableFile,
    clock: Clock,
    submitter: str | None = None,
    cause: str | None = None,
    arks: Arks = TEST_ARKS,
    digest: DigestAlgorithm = DIGEST_ALGORITHM,
    most_files: int = MOST_FILES,
) -> Version:
    """Write every field of view as an OME-Zarr image, and bring the derived version to `measured`; the rest follows.

    Each block of pixels is read back from the archive and compared with the images it was made from before it counts.
    A field that cannot be written whole is left out and named in the table, so that the gate finds it.

    Harmless to run twice, as `services.derived.open_derived` says.

    Args:
        source_id: An archived version whose images say where they belong.
        lease: On the work; nothing is written without it.
        catalogue: Gives the source and takes the result.
        store: The archive; images are read from it, never from the instrument.
        views: Makes chunks of pixels.
        tables: Reads the source's tables and writes the derived ones.
        clock: Dates it.
        submitter: Who asked for it; the source's own submitter when the project's policy did.
        cause: Their reason.
        arks: Make the derived dataset's.
        digest: What its object is to be made of.
        most_files: That one object takes; a view of more lies in parts.

    Raises:
        ChecksumMismatch: What came back is not what the images hold; it names the image, and nothing stays staged.
        IllegalTransition: The source is not archived, or withdrawn.
        InvalidInput: The source holds no image that says where it belongs.
        LeaseLost: Somebody else holds the work; nothing was written.
        NotFound: There is no such version.
    """
    source = read_source(source_id, catalogue=catalogue, store=store, tables=tables)
    fields = fields_of(source)
    asked = Asked(submitter or source.version.submitter, cause or "the project's policy asks for OME-Zarr")
    view = Derivation(
        how=f"ome-zarr {ngff.NGFF} {views.version}",
        title=f"OME-Zarr of {source.dataset.title}",
        data_type=ViewFormat.OME_ZARR.value,
    )
    version, dataset = open_derived(
        source, view, asked, lease=lease, catalogue=catalogue, store=store, clock=clock, arks=arks
    )
    if version.stage is not Stage.DETECTED:
        return version
    watch = LeaseWatch(lease, catalogue=catalogue, clock=clock)
    writing = Writing(source, fields, views, store=store, tables=tables, watch=watch, most_files=most_files)
    if writing.expected_files() > most_files:
        means = Means(
            lease=lease, catalogue=catalogue, store=store, tables=tables, clock=clock, digest=digest, watch=watch
        )
        return derive_parts(version, writing, dataset=dataset, means=means)
    files = DataFiles(version, dataset, store, digest=digest)
    try:
        made = writing.fill_one(files)
        made[MANIFEST_PATH] = dump_manifest(files.manifest, tables=tables)
        staged = stage_files(version, made, dataset=dataset, store=store)
        return finish_derived(
            staged, counted(files.manifest), dataset=dataset, lease=lease, catalogue=catalogue, clock=clock
        )
    except CatalogueUnavailable:
        raise  # the version may be on record as measured; what is staged is the recovery's to judge
    except CisternaError:
        drop_staging(version, dataset=dataset, store=store)
        raise
