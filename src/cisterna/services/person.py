"""Looks a person up for an act, with the roles they have now and not those they had when they signed in."""

from __future__ import annotations

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound
from cisterna.domain.permission import may_see
from cisterna.domain.project import Project
from cisterna.ports.catalogue import Transaction


def require_account(tx: Transaction, person: str) -> Account:
    """Return the active account of that name. Raises `Forbidden`."""
    account = tx.accounts.find(person)
    if account is None or not account.active:
        msg = f"there is no active account '{person}'; an administrator can add one"
        raise Forbidden(msg, person=person)
    return account


def visible_version(tx: Transaction, version_id: str, account: Account) -> tuple[Version, Dataset, Project | None]:
    """Return a version with its dataset and project, if the person may see them.

    Raises:
        NotFound: There is none, or they may not see it; both are told in the same words.
        InvalidInput: It is of a part, with which nothing is done by itself.
    """
    try:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
        project = tx.projects.get(dataset.project) if dataset.project else None
    except NotFound as unknown:
        raise _no_version(version_id) from unknown
    if not may_see(account, project):
        raise _no_version(version_id)
    require_no_part(tx, dataset)
    return version, dataset, project


def require_no_part(tx: Transaction, dataset: Dataset) -> None:
    """Refuse an act on a part: people decide on, publish, hold and erase the whole. Raises `InvalidInput`."""
    if dataset.part_of is None:
        return
    whole = tx.datasets.get(dataset.part_of)
    msg = f"{dataset.pid} is a part of {whole.pid} ({whole.dataset_id}), and nothing is done to a part alone: name that"
    raise InvalidInput(msg, dataset_id=dataset.dataset_id, part_of=whole.dataset_id)


def _no_version(version_id: str) -> NotFound:
    msg = f"there is no version '{version_id[:200]}'; `cisterna list` shows those you may see"
    return NotFound(msg, version_id=version_id[:200])


def stewards_of(project: str | None, *, tx: Transaction) -> tuple[str, ...]:
    """Name who may decide on data of a project, or on unclaimed data when it is None."""
    return tuple(one.name for one in tx.accounts.list() if one.has_role(Role.STEWARD, project=project))
