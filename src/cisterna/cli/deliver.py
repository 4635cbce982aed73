"""`cisterna deliver`: gives people and guests data by an address that expires; `cisterna deliveries` lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cisterna.bootstrap import Parts
from cisterna.bootstrap.deliveries import copy_bucket, delivery_rules
from cisterna.cli.answer import AsJson, DryRun, answer, human_bytes, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.dataset import archived_row
from cisterna.cli.opened import local_account, local_person, opened
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.delivery import ALL_OF_MONTH, Delivery, DeliveryUse
from cisterna.domain.errors import InvalidInput
from cisterna.ports.object_store import ObjectStore
from cisterna.services.delivery import DeliveryRow, deliver_version, list_deliveries, revoke_delivery

app = typer.Typer(
    invoke_without_command=True,
    help="Who was given data, until when, and what they took; without a command, list it.",
)


def deliver(
    identifiers: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Datasets, versions, acquisitions or PIDs.", show_default=False)
    ],
    *,
    to: Annotated[
        list[str],
        typer.Option(
            "--to",
            metavar="PERSON",
            help="An account's name, or a guest's mail address; repeatable.",
            show_default=False,
        ),
    ],
    days: Annotated[int | None, typer.Option("--days", min=1, help="How long; else as deliver.days says.")] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Why; kept. Data that nobody accepted, or that are not open, take one."),
    ] = None,
    print_link: Annotated[
        bool, typer.Option("--print-link", help="Show the address, this once, instead of mailing it.")
    ] = False,
    copy_to: Annotated[
        str | None,
        typer.Option(
            "--copy-to",
            metavar="PLACE",
            help="Make a copy in this folder, or at s3://BUCKET/PREFIX, first, read back and proven.",
        ),
    ] = None,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Give people or guests data, by an address that expires or as a copy, with a list of digests to check."""
    if copy_to is not None and (len(identifiers), len(to)) != (1, 1):
        raise InvalidInput("--copy-to takes one ID and one --to; a copy is somebody's own")
    with opened(home) as parts:
        versions = [_version(one, parts) for one in identifiers]
        folder = None if copy_to is None else _place(copy_to)
        told = [
            _one(
                version,
                parts,
                to=recipient,
                days=days,
                reason=reason,
                with_link=print_link,
                copy_to=folder,
                dry_run=dry_run,
            )
            for version in versions
            for recipient in to
        ]
    texts = [line for document, delivery in told for line in _words(delivery, document, dry_run=dry_run)]
    answer([document for document, _ in told], as_json=as_json, show=lines(*texts))


@app.callback()
def list_(
    context: typer.Context,
    *,
    identifier: Annotated[
        str | None, typer.Option("--of", metavar="ID", help="Only of this dataset's version.")
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that expired or were revoked.")] = False,
    uses: Annotated[bool, typer.Option("--uses", help="Also what was taken of each, file by file.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Who was given data, until when, and what they took; without a command, list it."""
    if context.invoked_subcommand is not None:
        return
    with opened(home) as parts:
        found = list_deliveries(
            account=local_account(parts),
            catalogue=parts.catalogue,
            clock=parts.clock,
            version_id=_version(identifier, parts) if identifier else None,
            standing=not ended,
            with_uses=uses,
        )
    columns = {
        "delivery_id": "delivery",
        "version_id": "version",
        "recipient": "to",
        "state": "state",
        "expires_at": "until",
        "mailed_at": "mailed",
    }
    told = {"reason": "because", "mail_problem": "not mailed", "copy_to": "copy in", "taken": "taken"}
    rows = [one.model_dump(mode="json") for one in found]
    answer(
        rows, as_json=as_json, show=table(list(map(_listed, found)), columns, told=told, empty="Nothing is delivered.")
    )


@app.command()
def revoke(
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY", help="Its own id, see `cisterna deliveries`.")],
    *,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """End a delivery at once; a copy that was made for it stays where it is."""
    with opened(home) as parts:
        delivery = revoke_delivery(
            delivery_id,
            person=local_person(parts),
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    text = f"{'would revoke' if dry_run else 'revoked'} the delivery of {delivery.version_id} to {delivery.recipient}"
    answer({**delivery.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


def _one(
    version_id: str,
    parts: Parts,
    *,
    to: str,
    days: int | None,
    reason: str | None,
    with_link: bool,
    copy_to: str | None,
    dry_run: bool,
) -> tuple[dict[str, Any], Delivery]:
    with copy_bucket(copy_to, parts.settings) as bucket:  # refused before anything is delivered
        return _delivered(
            version_id,
            parts,
            bucket,
            to=to,
            days=days,
            reason=reason,
            with_link=with_link,
            copy_to=copy_to,
            dry_run=dry_run,
        )


def _delivered(
    version_id: str,
    parts: Parts,
    bucket: ObjectStore | None,
    *,
    to: str,
    days: int | None,
    reason: str | None,
    with_link: bool,
    copy_to: str | None,
    dry_run: bool,
) -> tuple[dict[str, Any], Delivery]:
    delivery, path = deliver_version(
        version_id,
        to=to,
        person=local_person(parts),
        rules=delivery_rules(parts.settings),
        days=days,
        reason=reason,
        with_link=with_link,
        copy_to=copy_to,
        catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
        clock=parts.clock,
        passwords=parts.passwords,
    )
    if copy_to is not None and not dry_run:
        from cisterna.services.hand_over import hand_over

        delivery = hand_over(
            delivery.delivery_id,
            catalogue=parts.catalogue,
            store=parts.archive_store,
            tables=parts.tables,
            clock=parts.clock,
            bucket=bucket,
        )
    address = f"{parts.base_url}{path}" if path and not dry_run else None
    state = delivery.state(now=parts.clock.now())
    return {**delivery.model_dump(mode="json"), "state": state.value, "address": address, "dry_run": dry_run}, delivery


def _words(delivery: Delivery, document: dict[str, Any], *, dry_run: bool) -> list[str]:
    until = f"{delivery.expires_at:%Y-%m-%d %H:%M} UTC"
    if dry_run:
        return [f"would deliver {delivery.version_id} to {delivery.recipient} until {until}"]
    told = [f"{delivery.version_id} is delivered to {delivery.recipient} until {until}: {delivery.delivery_id}"]
    proof = delivery.handed_over
    if proof is not None:
        size = human_bytes(proof.bytes_read)
        told.append(
            f"the copy in {proof.folder} has {proof.files} files, {size}, all read back; check it by sha512sum.txt"
        )
    told.append(document["address"] or "the address goes to them by mail; `cisterna deliveries` says when it was sent")
    return told


def _listed(one: DeliveryRow) -> dict[str, Any]:
    taken = [f"{_taken(use)}: {use.requests} requests, {human_bytes(use.bytes_sent)}" for use in one.uses]
    said = {**one.delivery.model_dump(mode="json"), "recipient": one.delivery.recipient, "state": one.state.value}
    return {**said, "taken": taken}


def _taken(use: DeliveryUse) -> str:
    if use.path == ALL_OF_MONTH:
        return f"{use.day:%Y-%m} all files"
    return f"{use.day} {use.path or 'page and lists'}"


def _version(identifier: str, parts: Parts) -> str:
    row = archived_row(identifier, parts)
    if row.version_id is None:
        msg = f"{identifier} has no version yet: {row.reason}"
        raise InvalidInput(msg, identifier=identifier)
    return row.version_id


def _place(given: str) -> str:
    """Read where a copy goes: an absolute folder, or a place in a bucket, written without a slash at its end."""
    from cisterna.services.copy_bucket import read_address
    from cisterna.services.copy_place import require_folder

    if given.startswith("s3://"):
        bucket, prefix = read_address(given)
        return f"s3://{bucket}/{prefix.removesuffix('/')}"
    return str(require_folder(given if "://" in given else str(Path(given).absolute())))
