"""Who may see and do what. Facts come in, an answer goes out; services ask here and so do pages, so both agree."""

from __future__ import annotations

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Version
from cisterna.domain.errors import DecisionRefused, Forbidden
from cisterna.domain.project import Project
from cisterna.domain.review import Act


def may_see(account: Account, project: Project | None) -> bool:
    """Tell whether a person may know that the data of a project exist.

    The project's owner and people may, and whoever has a role in it or everywhere. What is unclaimed is seen only by
    those with a role everywhere.
    """
    if project is None:
        return account.has_role(Role.VIEWER, project=None)
    named = account.active and account.name in {project.owner, *project.people}
    return named or account.has_role(Role.VIEWER, project=project.slug)


def may_reprocess(account: Account, project: Project | None) -> bool:
    """Tell whether a person may ask for the data to be processed again."""
    slug = project.slug if project else None
    owns = project is not None and account.active and account.name == project.owner
    return owns or account.has_role(Role.RESEARCHER, project=slug)


def may_consent(account: Account, project: Project) -> bool:
    """Tell whether a person may let the project's data become public: its owner, or an administrator."""
    owns = account.active and account.name == project.owner
    return owns or account.has_role(Role.ADMIN, project=project.slug)


def may_withdraw(account: Account, project: Project | None) -> bool:
    """Tell whether a person may take a publication back: the owner, or a steward of the project."""
    slug = project.slug if project else None
    owns = project is not None and account.active and account.name == project.owner
    return owns or account.has_role(Role.STEWARD, project=slug)


def require_decider(account: Account, act: Act, version: Version, *, project: str | None) -> None:
    """Refuse a decision by somebody who may not make it.

    Raises:
        Forbidden: The person is no steward of the project.
        DecisionRefused: They would approve what they submitted themselves.
    """
    if not account.has_role(Role.STEWARD, project=project):
        where = f"of project {project}" if project else "everywhere, which unclaimed data need"
        msg = f"{account.name} is no steward {where}; ask one to decide on {version.version_id}"
        raise Forbidden(msg, person=account.name, version_id=version.version_id)
    if act is Act.ACCEPT and account.name == version.submitter:
        msg = f"{account.name} submitted {version.version_id} and may not approve it; another steward has to"
        raise DecisionRefused(msg, person=account.name, version_id=version.version_id)
