"""Translates an attempt's event into OpenLineage's words (its 2-0-2 model)."""

from __future__ import annotations

import importlib.metadata
from datetime import datetime
from functools import cache

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    data_quality_assertions_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    datasource_dataset,
    documentation_dataset,
    documentation_job,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    lifecycle_state_change_dataset,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_dataset,
    ownership_job,
    parent_run,
    processing_engine_run,
    storage_dataset,
    tags_dataset,
    tags_run,
)
from openlineage.client.generated.base import DatasetFacet, InputDatasetFacet, JobFacet, RunFacet
from pydantic import ValidationError

from cisterna.domain.errors import InvalidInput
from cisterna.domain.event import Event
from cisterna.domain.finding import Outcome
from cisterna.services.lineage import Assertion, LineageDataset, RunFacts

PRODUCER = "pkg:generic/cisterna"
"""Names the software by a package URL: it is a URI, and claims no address on the web."""

_STATES = {
    "attempt.started": RunState.START,
    "attempt.completed": RunState.COMPLETE,
    "attempt.failed": RunState.FAIL,
    "attempt.aborted": RunState.ABORT,
}
_WITHHELD = "withheld: the data are restricted"
_JOBS = {
    "ingest": "Takes an acquisition in: reads, measures, judges, describes, archives and verifies it.",
    "ahead": "Reads what has settled of an acquisition that is still written, and brings it into staging.",
    "convert": "Writes the images of an archived version once more, for viewing, as a derived dataset.",
    "infer": "Runs a model on an archived version and keeps what it made as a derived dataset.",
    "publish": "Makes an accepted version public.",
    "reprocess": "Makes a new version or a derived dataset on request.",
    "copy": "Brings an archived object to a further store and reads it back there.",
    "check": "Reads an archived object back from one store, and repairs it from another.",
    "retain": "Deletes the instrument's own copy of what the archive holds, proven anew.",
    "erase": "Takes a dataset out of the archive for good, by a named person's decision.",
}


def run_event(event: Event, *, namespace: str, inside: bool) -> RunEvent | None:
    """Translate, or return None for an event that is no lineage.

    For a backend that is not inside, jobs carry only the kind of work in their name (the same at every moment of a
    run), and of restricted data nothing is told but that a run began and how it ended.

    Raises:
        InvalidInput: The event does not hold what an attempt's event must hold.
    """
    state = _STATES.get(event.name)
    if state is None:
        return None
    try:
        facts = RunFacts.model_validate(event.data)
    except ValidationError as error:
        msg = f"event {event.event_id} ({event.name}) does not hold an attempt's facts: {error.error_count()} faults"
        raise InvalidInput(msg, event_id=event.event_id) from error
    withheld = event.restricted and not inside
    inputs = () if withheld else facts.inputs
    outputs = () if withheld else facts.outputs
    return RunEvent(
        eventTime=_time(event.occurred_at),
        eventType=state,
        producer=PRODUCER,
        run=Run(runId=facts.run_id, facets=_run_facets(facts, namespace, inside=inside, withheld=withheld)),
        job=_job(facts, namespace, inside=inside, withheld=withheld),
        inputs=[_input(dataset) for dataset in inputs],
        outputs=[_output(dataset) for dataset in outputs],
    )


def _run_facets(facts: RunFacts, namespace: str, *, inside: bool, withheld: bool) -> dict[str, RunFacet]:
    facets: dict[str, RunFacet] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=_version_of("cisterna"),
            name="cisterna",
            openlineageAdapterVersion=_version_of("openlineage-python"),
            producer=PRODUCER,
        ),
        "nominalTime": nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=_time(facts.requested_at), producer=PRODUCER
        ),
    }
    if facts.parent is not None:
        facets["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=facts.parent.run_id),
            job=parent_run.Job(namespace=namespace, name=_job_name(facts.parent.job, inside=inside)),
            producer=PRODUCER,
        )
    if facts.error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=_WITHHELD if withheld else facts.error, programmingLanguage="PYTHON", producer=PRODUCER
        )
    tags = {"attempt": str(facts.number), "work": facts.work_id}
    if facts.flow_run_id:
        tags["prefect.flow_run_id"] = facts.flow_run_id
    if facts.error_code:
        tags["error_code"] = facts.error_code
    if facts.outcome and not withheld:
        tags["outcome"] = facts.outcome
    fields = [tags_run.TagsRunFacetFields(key=key, value=value, source="CISTERNA") for key, value in tags.items()]
    facets["tags"] = tags_run.TagsRunFacet(tags=fields, producer=PRODUCER)
    return facets


def _job(facts: RunFacts, namespace: str, *, inside: bool, withheld: bool) -> Job:
    facets: dict[str, JobFacet] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="CISTERNA", jobType=facts.kind.value.upper(), producer=PRODUCER
        ),
        "documentation": documentation_job.DocumentationJobFacet(
            description=_JOBS[facts.kind.value], producer=PRODUCER
        ),
    }
    if facts.project and not withheld:
        owner = ownership_job.Owner(name=f"team:{facts.project}", type="OWNER")
        facets["ownership"] = ownership_job.OwnershipJobFacet(owners=[owner], producer=PRODUCER)
    return Job(namespace=namespace, name=_job_name(facts.job, inside=inside), facets=facets)


def _job_name(job: str, *, inside: bool) -> str:
    return job if inside else job.partition(".")[0]


def _input(dataset: LineageDataset) -> InputDataset:
    facets: dict[str, InputDatasetFacet] = {
        "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            size=dataset.total_bytes, fileCount=dataset.file_count, producer=PRODUCER
        )
    }
    if dataset.assertions:
        facets["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=[_assertion(one) for one in dataset.assertions], producer=PRODUCER
        )
    return InputDataset(
        namespace=dataset.namespace, name=dataset.name, facets=_dataset_facets(dataset), inputFacets=facets
    )


def _output(dataset: LineageDataset) -> OutputDataset:
    facets = _dataset_facets(dataset)
    if dataset.change is not None:
        change = lifecycle_state_change_dataset.LifecycleStateChange[dataset.change.upper()]
        facets["lifecycleStateChange"] = lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(
            lifecycleStateChange=change, producer=PRODUCER
        )
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        size=dataset.total_bytes, fileCount=dataset.file_count, producer=PRODUCER
    )
    return OutputDataset(
        namespace=dataset.namespace, name=dataset.name, facets=facets, outputFacets={"outputStatistics": statistics}
    )


def _dataset_facets(dataset: LineageDataset) -> dict[str, DatasetFacet]:
    archived = dataset.namespace.startswith("s3://")
    facets: dict[str, DatasetFacet] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(
            datasetType="FILE", subType="OCFL_OBJECT" if archived else "FOLDER", producer=PRODUCER
        ),
        "storage": storage_dataset.StorageDatasetFacet(storageLayer="ocfl" if archived else "file", producer=PRODUCER),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name=dataset.namespace, uri=dataset.namespace, producer=PRODUCER
        ),
    }
    if dataset.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=dataset.version, producer=PRODUCER
        )
    if dataset.title:
        facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(
            description=dataset.title, contentType="text/plain", producer=PRODUCER
        )
    owners = {"OWNER": dataset.owner and f"user:{dataset.owner}", "TEAM": dataset.project and f"team:{dataset.project}"}
    named = [ownership_dataset.Owner(name=name, type=kind) for kind, name in owners.items() if name]
    if named:
        facets["ownership"] = ownership_dataset.OwnershipDatasetFacet(owners=named, producer=PRODUCER)
    tags = {"pid": dataset.pid, "manifest_sha512": dataset.manifest_digest}
    fields = [
        tags_dataset.TagsDatasetFacetFields(key=key, value=value, source="CISTERNA")
        for key, value in tags.items()
        if value
    ]
    if fields:
        facets["tags"] = tags_dataset.TagsDatasetFacet(tags=fields, producer=PRODUCER)
    return facets


def _assertion(one: Assertion) -> data_quality_assertions_dataset.Assertion:
    """A check that could not be made was not passed: lineage knows only success or not."""
    return data_quality_assertions_dataset.Assertion(
        assertion=one.check,
        success=one.outcome is Outcome.PASSED,
        severity="warn" if one.outcome is Outcome.WARNING else "error",
        name=one.check,
        description=f"{one.outcome.value}: {one.message}",
        expected=one.expected,
        actual=one.observed,
    )


@cache
def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
