"""Which data type is summed up how: the one place where a new one is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cisterna.domain.project import ViewFormat
from cisterna.ports.quality import MetricTable
from cisterna.services.summary import NO_LIMITS, Facts, Summary
from cisterna.services.summary_cells import summarise_cells
from cisterna.services.summary_cytometry import summarise_cytometry
from cisterna.services.summary_derived import summarise_labels, summarise_views
from cisterna.services.summary_images import summarise_images
from cisterna.services.summary_sequencing import summarise_run, summarise_sequences
from cisterna.services.summary_spectra import summarise_spectra
from cisterna.services.summary_tables import summarise_tables

LABELS = "labels"
"""The data type of label images made by a model."""

SEQUENCING, SEQUENCING_RUN = "sequencing", "sequencing_run"
"""The data types of reads, and of what a sequencer writes before there are any: its run folder."""


class Summarise(Protocol):
    """Sums up a table of metrics in the one row that the gate judges. Pure; what has no value is None."""

    def __call__(self, table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
        """Sum up. `limits` are those of the suite for single files."""
        ...


_BY_DATA_TYPE: Mapping[str, Summarise] = {
    LABELS: summarise_labels,
    "mass_spectrometry": summarise_spectra,
    "cytometry": summarise_cytometry,
    SEQUENCING: summarise_sequences,
    SEQUENCING_RUN: summarise_run,
    ViewFormat.OME_ZARR.value: summarise_views,
    "single_cell": summarise_cells,
    "table": summarise_tables,
}


def summarise(data_type: str, table: MetricTable, facts: Facts, *, limits: Mapping[str, float] = NO_LIMITS) -> Summary:
    """Sum up what was measured of a dataset; of a type that nobody named, as images."""
    return _BY_DATA_TYPE.get(data_type, summarise_images)(table, facts, limits=limits)
