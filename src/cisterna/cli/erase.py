"""`cisterna erase` and `cisterna dispose`: what would go and what cannot, and letting it go for good."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cisterna.bootstrap.erasure import erasure_site
from cisterna.bootstrap.stores import Keys
from cisterna.cli.answer import AsJson, ExitCode, answer, human_bytes, lines
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_person, opened
from cisterna.cli.store import keys_from_environment
from cisterna.domain.erasure import Erasure, ErasureState, Remainder, RemovalKind, read_order
from cisterna.domain.errors import InvalidInput
from cisterna.services.dispose import disposal_order
from cisterna.services.erase import erase_dataset
from cisterna.services.erase_plan import ErasurePlan, plan_erasure

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A dataset, an acquisition or a PID; all versions go.")]
Execute = Annotated[
    bool, typer.Option("--execute", help="Delete. Nothing brings it back; run it again to bring it to its end.")
]
KeysFromEnv = Annotated[
    bool,
    typer.Option(
        "--keys-from-env",
        help="At --store, use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, of somebody who may delete versions.",
    ),
]
Store = Annotated[
    str | None, typer.Option("--store", help="Whose keys those are: archive, public, or the name of a copy.")
]


def erase(
    identifier: Identifier,
    *,
    controller: Annotated[str | None, typer.Option("--controller", help="Who is responsible for the data.")] = None,
    basis: Annotated[str | None, typer.Option("--basis", help="Legal basis, such as 'GDPR Art. 17(1)(b)'.")] = None,
    decision: Annotated[str | None, typer.Option("--decision", help="Number of the decision.")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; kept in the catalogue. Name nobody whose data it is.")
    ] = None,
    execute: Execute = False,
    keys_from_env: KeysFromEnv = False,
    store: Store = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Erase a dataset for good: every version, every copy, what was derived from it; only lists without --execute."""
    keys = _keys(store, keys_from_env=keys_from_env)
    given = {"controller": controller, "basis": basis, "decision": decision, "reason": reason}
    order = None
    if any(one is not None for one in given.values()):
        order = read_order(kind=RemovalKind.ERASURE, **{name: one or "" for name, one in given.items()})
    with opened(home) as parts:
        person, site = local_person(parts), erasure_site(parts, keys=keys)
        if not execute:
            _answer_plan(plan_erasure(identifier, person=person, site=site), as_json=as_json)
            return
        erasure = erase_dataset(identifier, person=person, order=order, site=site)
    _answer_done(erasure, as_json=as_json)


def dispose(
    identifier: Identifier,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it may go; kept in the catalogue.")] = None,
    execute: Execute = False,
    keys_from_env: KeysFromEnv = False,
    store: Store = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Delete a dataset whose end of life has come by a retention rule; only lists without --execute."""
    keys = _keys(store, keys_from_env=keys_from_env)
    with opened(home) as parts:
        person, site = local_person(parts), erasure_site(parts, keys=keys)
        if not execute:
            plan = plan_erasure(identifier, person=person, site=site, kind=RemovalKind.RETENTION)
            _answer_plan(plan, as_json=as_json)
            return
        order = None
        if reason is not None:
            order = disposal_order(
                identifier, person=person, reason=reason, catalogue=parts.catalogue, end_of_life=parts.end_of_life
            )
        erasure = erase_dataset(identifier, person=person, order=order, site=site)
    _answer_done(erasure, as_json=as_json)


def _keys(store: str | None, *, keys_from_env: bool) -> dict[str, Keys]:
    if not keys_from_env:
        if store is not None:
            raise InvalidInput("--store goes with --keys-from-env; a deletion is from every store")
        return {}
    keys = keys_from_environment(store)  # it refuses to be asked for no store
    return {store: keys} if store else {}


def _answer_plan(plan: ErasurePlan, *, as_json: bool) -> None:
    if plan.erasure is not None:
        reason = plan.erasure.words
    elif plan.objections:
        reason = "; ".join(one.words for one in plan.objections)
    else:
        reason = f"datasets that would go: {len(plan.objects)}; nothing was deleted, --execute deletes"
    told = [reason, "", "goes:"]
    told += [f"  {one.dataset_id}  {one.pid}  {', '.join(one.versions)}  {one.object_root}/" for one in plan.objects]
    for one in plan.stores:
        if one.content is None:
            told.append(f"  {one.store}  {one.dataset_id}: could not be seen: {one.problem}")
            continue
        found = one.content
        told.append(
            f"  {one.store}  {one.dataset_id}: {found.keys} keys, {found.replaced} earlier versions or marks, "
            f"{found.uploads} uploads, {human_bytes(found.size_bytes)}"
            + (f"; earlier versions could not be seen: {found.unseen}" if found.unseen else "")
        )
    told += [f"  public record {one} becomes a tombstone" for one in plan.public]
    told.append("  what the archive's record of the catalogue says of them, in every store")
    told += ["", "does not go:", *_remainders(plan.remains)]
    document: dict[str, Any] = {"reason": reason, "execute": False, **plan.model_dump(mode="json")}
    code = ExitCode.PERSON_NEEDED if plan.objections else ExitCode.DONE
    answer(document, as_json=as_json, show=lines(*told), code=code)


def _answer_done(erasure: Erasure, *, as_json: bool) -> None:
    is_open = erasure.state is not ErasureState.DONE
    told = [f"{erasure.target}: {erasure.words}; {erasure.removed} keys, versions, marks and uploads removed"]
    told += ["", "not erased:", *_remainders(erasure.remains)]
    open_ones = [one for one in erasure.remains if one.is_open]
    reason = erasure.words + (
        f"; {open_ones[0].what} in {open_ones[0].where}: {open_ones[0].reason}" if is_open else ""
    )
    answer(
        {"reason": reason, "execute": True, **erasure.model_dump(mode="json")},
        as_json=as_json,
        show=lines(*told),
        code=ExitCode.PERSON_NEEDED if is_open else ExitCode.DONE,
    )


def _remainders(remains: tuple[Remainder, ...]) -> list[str]:
    return [f"  {'still to go' if one.is_open else 'stays'}: {one.what}, {one.where}: {one.reason}" for one in remains]
