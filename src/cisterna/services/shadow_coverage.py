"""Tells how a run stands in the archive at a look: what a version that was read back does not hold."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.fixity import Fixity
from cisterna.domain.listing import Listing
from cisterna.domain.sighting import Amount, Coverage, Later, Sighting, amount_of
from cisterna.ports.catalogue import Transaction
from cisterna.services.hold import standing_holds


def coverage_of_run(tx: Transaction, run: Acquisition, listing: Listing, later: Sequence[Later]) -> Coverage:
    """Hold a listing against the versions of the run that are verified.

    Args:
        tx: Asks the catalogue; neither the source nor the archive is read.
        run: As it is known now.
        listing: As it was seen now.
        later: What is newer than each listing that was kept with a rule.
    """
    dataset = tx.datasets.get(run.dataset_id) if run.dataset_id else None
    versions = tx.datasets.versions(run.dataset_id) if run.dataset_id else ()
    verified = [one for one in versions if ORDER.index(one.stage) >= ORDER.index(Stage.VERIFIED)]
    objects = [run.dataset_id, *(part.dataset_id for one in versions[-1:] for part in one.parts)]
    copies = [copy for one in objects if one for copy in tx.copies.of(one)]
    return Coverage(
        unarchived=_unarchived(verified, listing, tx.sightings.of(run.acquisition_id), later),
        is_damaged=any(copy.fixity is Fixity.DAMAGED for copy in copies),
        holds=len(standing_holds(tx, run, dataset)),
        held=run.held is not None,
    )


def _unarchived(
    verified: Sequence[Version], listing: Listing, kept: Sequence[Sighting], later: Sequence[Later]
) -> Amount:
    """Tell what is in none of the versions: all of it where there is none, else at least what is more or newer."""
    if any(one.source_fingerprint == listing.fingerprint for one in verified):
        return Amount()
    if not verified:
        return amount_of(listing.files)
    newest = verified[-1]
    marks = [one.newest_ns for one in kept if one.fingerprint == newest.source_fingerprint]
    told = next((one.amount for one in later if one.mark_ns in marks), Amount())
    return Amount(
        files=max(told.files, len(listing.files) - newest.file_count, 0),
        size_bytes=max(told.size_bytes, listing.total_bytes - newest.total_bytes, 0),
        names=told.names,
    )
