"""The same pipeline written the stock Prefect way: `serve()`, boto3, Great Expectations, each as its docs advise.

It does what ours does for one finished acquisition: digest every file (SHA-512), measure every image, judge the
measurements with a suite, upload all to S3, write a manifest and a description, read everything back and compare
digests. It does not do what ours does besides: OCFL, metadata standards, lineage, review, recovery from kills.

Prefect's docs: one `@flow` with `@task`s, submitted to a thread pool for files, `flow.serve(triggers=[...])` to run on
an event. boto3's docs: a client, `put_object`. GX's docs: an ephemeral context, a pandas batch, a suite.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import boto3
import numpy as np
import tifffile
from prefect import flow, task
from prefect.events import DeploymentEventTrigger
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

BUCKET = os.environ.get("STOCK_BUCKET", "stock")


def _client():
    return boto3.client("s3")  # endpoint and keys from AWS_* in the environment


@task(retries=3, retry_delay_seconds=1)
def process_file(folder: str, path: str, prefix: str) -> dict:
    """Digest, measure and upload one file: read once, as a careful author would."""
    body = (Path(folder) / path).read_bytes()
    row = {
        "path": path,
        "size": len(body),
        "sha512": hashlib.sha512(body).hexdigest(),
        "focus": None,
        "saturation": None,
    }
    if path.endswith(".tiff"):
        image = tifffile.imread(Path(folder) / path).astype(np.float64)
        laplacian = -4 * image[1:-1, 1:-1] + image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
        row["focus"] = float(laplacian.var() / image.mean() ** 2)
        row["saturation"] = float((image >= 65535).mean())
    _client().put_object(Bucket=BUCKET, Key=f"{prefix}/{path}", Body=body)
    return row


@task
def validate(rows: list[dict]) -> bool:
    """Judge the measurements with Great Expectations, imported by whoever runs the flow: a fresh process each time."""
    import great_expectations as gx
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    batch_definition = (
        context.data_sources.add_pandas("memory")
        .add_dataframe_asset("images")
        .add_batch_definition_whole_dataframe("all")
    )
    suite = gx.ExpectationSuite(name="images")
    suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="focus"))
    suite.add_expectation(gx.expectations.ExpectColumnMedianToBeBetween(column="focus", min_value=0.0))
    suite.add_expectation(gx.expectations.ExpectColumnMaxToBeBetween(column="saturation", max_value=0.05))
    suite.add_expectation(gx.expectations.ExpectTableRowCountToBeBetween(min_value=1))
    frame = pd.DataFrame([row for row in rows if row["path"].endswith(".tiff")])
    result = batch_definition.get_batch(batch_parameters={"dataframe": frame}).validate(suite)
    return bool(result.success)


@task(retries=3, retry_delay_seconds=1)
def describe(folder: str, prefix: str, rows: list[dict], passed: bool) -> None:
    """Write a manifest and a description beside the data."""
    document = {"folder": folder, "files": rows, "passed": passed}
    _client().put_object(Bucket=BUCKET, Key=f"{prefix}/manifest.json", Body=json.dumps(document).encode())


@task(retries=3, retry_delay_seconds=1)
def verify_file(prefix: str, row: dict) -> None:
    """Read one file back and compare."""
    body = _client().get_object(Bucket=BUCKET, Key=f"{prefix}/{row['path']}")["Body"].read()
    if hashlib.sha512(body).hexdigest() != row["sha512"]:
        msg = f"{row['path']} differs in the store"
        raise RuntimeError(msg)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
def stock_ingest(folder: str) -> str:
    """Ingest one finished acquisition."""
    prefix = Path(folder).name
    paths = sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())
    futures = [process_file.submit(folder, path, prefix) for path in paths]
    rows = [future.result() for future in futures]
    passed = validate(rows)
    describe(folder, prefix, rows, passed)
    checks = [verify_file.submit(prefix, row) for row in rows]
    wait(checks)
    for check in checks:
        check.result()
    return prefix


if __name__ == "__main__":
    stock_ingest.serve(
        name="stock",
        limit=2,
        triggers=[
            DeploymentEventTrigger(
                expect={"stock.acquisition.finished"}, parameters={"folder": "{{ event.payload.folder }}"}
            )
        ],
    )
