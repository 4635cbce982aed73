"""Looks a person up for an act, with the roles they have now and not those they had when they signed in."""

from __future__ import annotations

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import Forbidden, NotFound
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


def require_visible(tx: Transaction, dataset: Dataset, account: Account) -> Project | None:
    """Return the dataset's project if the person may see its data.

    Raises:
        NotFound: They may not, and are told what they would be told if it did not exist.
    """
    project = tx.projects.get(dataset.project) if dataset.project else None
    if not may_see(account, project):
        msg = f"there is no dataset '{dataset.dataset_id}'; `cisterna list` shows those you may see"
        raise NotFound(msg, dataset_id=dataset.dataset_id)
    return project


def stewards_of(project: str | None, *, tx: Transaction) -> tuple[str, ...]:
    """Name who may decide on data of a project, or on unclaimed data when it is None."""
    return tuple(one.name for one in tx.accounts.list() if one.has_role(Role.STEWARD, project=project))
