"""`cisterna store`: bring the buckets of the object stores to what they must be."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from pydantic import SecretStr

from cisterna.bootstrap import Parts
from cisterna.bootstrap.stores import Keys
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import opened
from cisterna.domain.errors import InvalidInput, SettingsInvalid
from cisterna.services.provision import Outcome, Provision, provision_bucket
from cisterna.services.retention import wanted_tiers

app = typer.Typer(no_args_is_help=True, help="Object stores: their buckets, and the rights of their keys.")

StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="archive, public, or the name of a copy; without it all.", show_default=False),
]
KeysOption = Annotated[
    bool,
    typer.Option(
        "--keys-from-env",
        help="Use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the administrator's, instead of the store's own keys.",
    ),
]
_UNDONE = frozenset({Outcome.LACKING, Outcome.FORBIDDEN})


@app.command()
def provision(
    *,
    store: StoreOption = None,
    keys_from_env: KeysOption = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Make each bucket, and set its versioning, object lock, lifecycle and policy.

    Nothing is turned off, and rules of others stay.
    """
    keys = keys_from_environment(store) if keys_from_env else None
    with opened(home) as parts:
        names = [store] if store else list(parts.stores.names)
        tiers = wanted_tiers(parts.catalogue)
        points = [
            point
            for name in names
            for point in provision_bucket(
                parts.stores.admin(name, keys=keys), parts.stores.plan(name, tiers=tiers), dry_run=dry_run
            )
        ]
        by_hand = _by_hand(parts, names)
    undone = [point for point in points if point.outcome in _UNDONE]
    rows = [point.model_dump(mode="json") for point in points]
    columns = {"store": "store", "bucket": "bucket", "point": "point", "outcome": "outcome"}
    show = table(rows, columns, told={"message": ""}, empty="")
    answer(
        {"reason": _reason(points), "dry_run": dry_run, "points": rows, "by_hand": by_hand},
        as_json=as_json,
        show=lambda console: (show(console), lines(*by_hand)(console))[-1],
        code=ExitCode.PERSON_NEEDED if undone else ExitCode.DONE,
    )


@app.command()
def policy(
    store: Annotated[str, typer.Argument(help="archive, public, or the name of a copy.")],
    *,
    reading: Annotated[
        bool, typer.Option("--reading", help="For keys that only read, such as those of the web process.")
    ] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the policy for keys that reach the bucket of one store and nothing else."""
    with opened(home) as parts:
        document = parts.stores.identity_policy(store, reads_only=reading)
    answer(document, as_json=as_json, show=lines(*json.dumps(document, indent=2).split("\n")))


def keys_from_environment(store: str | None) -> Keys:
    """Read the keys of one store from the environment. Raises `InvalidInput`, `SettingsInvalid`."""
    if store is None:
        msg = "keys from the environment are those of one store; name it with --store"
        raise InvalidInput(msg)
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        msg = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set; export them, or leave out --keys-from-env"
        raise SettingsInvalid(msg)
    return key, SecretStr(secret)


def _by_hand(parts: Parts, names: list[str]) -> list[str]:
    """Say what no S3 request does: keys are made in each vendor's own way."""
    own = [name for name in names if name in parts.stores.copies or not parts.stores.is_embedded]
    return [
        f"by hand, once: keys for {name} with the policy that `cisterna store policy {name}` prints; "
        "`cisterna doctor` then tries whether they and others reach what they should"
        for name in own
    ]


def _reason(points: list[Provision]) -> str:
    undone = [point for point in points if point.outcome in _UNDONE]
    if undone:
        return f"{len(undone)} points need a person, the first {undone[0].point} of {undone[0].store}: " + (
            undone[0].message
        )
    changed = sum(point.outcome is Outcome.CHANGED for point in points)
    waiting = sum(point.outcome is Outcome.TO_CHANGE for point in points)
    return f"{changed} points changed, {waiting} to change, {len(points) - changed - waiting} as wanted"
