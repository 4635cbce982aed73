"""Adds and changes projects in the name of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cisterna.domain.account import Account, Role
from cisterna.domain.errors import Forbidden, InvalidInput
from cisterna.domain.project import Policy, Project
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.vocabulary import Vocabulary
from cisterna.services.person import require_account
from cisterna.services.vocabulary import new_terms, require_terms


@dataclass(frozen=True)
class Offered:
    """What a site has that a project's policy can name."""

    models: Sequence[str]
    targets: Sequence[str]
    stores: Sequence[str]


def may_add_project(account: Account) -> bool:
    """Tell whether a person may add projects: operators and administrators of the site."""
    return account.has_role(Role.OPERATOR, project=None)


def may_edit_project(account: Account, project: Project) -> bool:
    """Tell whether a person may change a project: its owner, or an operator."""
    owns = account.active and account.name == project.owner
    return owns or account.has_role(Role.OPERATOR, project=project.slug)


def add_project(
    project: Project,
    *,
    person: str,
    catalogue: Catalogue,
    clock: Clock,
    offered: Offered | None = None,
    vocabulary: Vocabulary | None = None,
) -> Project:
    """Add a project.

    The terms of its subjects are judged where a vocabulary is given, and what its policy names where `offered` is.

    Raises:
        AlreadyExists: Its short name is taken.
        Forbidden: The person is no operator.
        InvalidInput: Its owner or one of its people has no account, its policy names what the site does not have, a
            term is wrong, or its embargo ends in the past.
    """
    with catalogue.begin() as tx:
        _require_adder(tx, person)
    _require_ahead(project, before=None, clock=clock)
    _require_offered(project.policy, before=Policy(), offered=offered)
    require_terms(new_terms(project.defaults, before=None), vocabulary=vocabulary)
    with catalogue.begin() as tx:
        _require_adder(tx, person)
        _require_people(tx, project)
        tx.projects.add(project)
        return project


def _require_adder(tx: Transaction, person: str) -> None:
    if not may_add_project(require_account(tx, person)):
        msg = f"{person} may not add projects; an operator may"
        raise Forbidden(msg, person=person)


def edit_project(
    project: Project,
    *,
    person: str,
    catalogue: Catalogue,
    clock: Clock,
    offered: Offered | None = None,
    vocabulary: Vocabulary | None = None,
) -> Project:
    """Change a project; `record` names the state that was read, so of two who change it at once one is told.

    Terms that it did not have before are judged where a vocabulary is given, and what its policy did not name before
    where `offered` is.

    Raises:
        Conflict: It changed since it was read.
        Forbidden: The person is neither its owner nor an operator.
        InvalidInput: Its owner or one of its people has no account, its policy names what the site does not have, a
            term is wrong, or its embargo ends in the past.
        NotFound: There is no such project.
    """
    with catalogue.begin() as tx:
        before = _editable(tx, project.slug, person=person)
    _require_ahead(project, before=before, clock=clock)
    _require_offered(project.policy, before=before.policy, offered=offered)
    require_terms(new_terms(project.defaults, before=before.defaults), vocabulary=vocabulary)
    with catalogue.begin() as tx:
        present = _editable(tx, project.slug, person=person)
        _require_people(tx, project)
        return tx.projects.save(project.model_copy(update={"created_at": present.created_at}))


def _require_ahead(project: Project, *, before: Project | None, clock: Clock) -> None:
    """Refuse a new end of an embargo that is over; one that ran out by itself bars no other change."""
    until, today = project.defaults.embargo_until, clock.now().date()
    if until is None or until > today or (before is not None and before.defaults.embargo_until == until):
        return
    msg = f"embargo_until {until} of project {project.slug} is not after today ({today}, UTC): such an embargo keeps"
    raise InvalidInput(f"{msg} nothing back; give a later day, or another access", field="embargo_until")


def _require_offered(policy: Policy, *, before: Policy, offered: Offered | None) -> None:
    """Refuse a new name of what the site does not have; one that stands must not bar other changes."""
    if offered is None:
        return
    named = (
        ("model", "model", [policy.model], [before.model], offered.models),
        ("store", "release_copy", [policy.release_copy], [before.release_copy], offered.stores),
        ("target", "targets", policy.targets, before.targets, offered.targets),
    )
    for what, field, names, known, there in named:
        for name in names:
            if name is not None and name not in {*known, *there}:
                msg = f"policy.{field}: this site has no {what} '{name}'; it has {', '.join(sorted(there)) or 'none'}"
                raise InvalidInput(msg, field=field, name=name)


def _editable(tx: Transaction, slug: str, *, person: str) -> Project:
    account = require_account(tx, person)
    present = tx.projects.get(slug)
    if not may_edit_project(account, present):
        msg = f"{person} may not change project {slug}; its owner or an operator may"
        raise Forbidden(msg, person=person, project=slug)
    return present


def _require_people(tx: Transaction, project: Project) -> None:
    unknown = [name for name in (project.owner, *project.people) if tx.accounts.find(name) is None]
    if unknown:
        msg = f"there is no account '{unknown[0]}'; an administrator can add one before project {project.slug} names it"
        raise InvalidInput(msg, names=unknown)
