"""People and what they may do."""

from __future__ import annotations

from enum import StrEnum

from cisterna.domain.base import Moment, Value
from cisterna.domain.identifier import Slug


class Role(StrEnum):
    """From least to most; each may do what the ones before it may."""

    VIEWER = "viewer"
    RESEARCHER = "researcher"
    STEWARD = "steward"
    OPERATOR = "operator"
    ADMIN = "admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


class Grant(Value):
    """A role in one project, or everywhere when `project` is None."""

    role: Role
    project: Slug | None = None


class Account(Value):
    """One person (or one script, with tokens of its own).

    Attributes:
        name: What decisions are signed with.
        password_hash: argon2id, or None for an account that only has tokens.
        active: A deactivated account keeps its decisions and can do nothing.
    """

    name: Slug
    full_name: str = ""
    email: str | None = None
    password_hash: str | None = None
    grants: tuple[Grant, ...] = ()
    active: bool = True
    created_at: Moment

    def has_role(self, role: Role, *, project: str | None) -> bool:
        """Tell whether the person has at least this role, everywhere or in this project."""
        return self.active and any(
            _RANK[grant.role] >= _RANK[role] and (grant.project is None or grant.project == project)
            for grant in self.grants
        )


class Session(Value):
    """A signed-in browser; the cookie holds the secret, the catalogue only its SHA-256."""

    secret_sha256: str
    account: Slug
    csrf: str
    created_at: Moment
    expires_at: Moment


class ApiToken(Value):
    """A secret for scripts; the catalogue holds only its SHA-256."""

    token_id: str
    secret_sha256: str
    account: Slug
    label: str
    created_at: Moment
    expires_at: Moment | None = None
    revoked_at: Moment | None = None


class SetupLink(Value):
    """A one-time link that lets the first administrator choose a name and a password."""

    secret_sha256: str
    created_at: Moment
    used_at: Moment | None = None
