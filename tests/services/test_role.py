"""What a role lets somebody do, and where."""

from __future__ import annotations

import pytest

from cisterna.domain.account import Grant, Role
from cisterna.domain.errors import Forbidden, NotSignedIn
from cisterna.services import account as people
from cisterna.testing.factory import make_account


@pytest.mark.parametrize(
    ("role", "project", "needed", "where", "allowed"),
    [
        (Role.STEWARD, None, Role.VIEWER, "cells", True),
        (Role.STEWARD, None, Role.STEWARD, None, True),
        (Role.STEWARD, None, Role.ADMIN, "cells", False),
        (Role.ADMIN, "cells", Role.STEWARD, "cells", True),
        (Role.ADMIN, "cells", Role.STEWARD, "other", False),
        (Role.ADMIN, "cells", Role.VIEWER, None, False),
    ],
)
def test_a_role_holds_in_its_project_and_includes_the_lesser_ones(
    role: Role, project: str | None, needed: Role, where: str | None, allowed: bool
) -> None:
    account = make_account(grants=(Grant(role=role, project=project),))

    if allowed:
        assert people.require_role(account, needed, project=where) == account
    else:
        with pytest.raises(Forbidden):
            people.require_role(account, needed, project=where)


def test_nobody_and_the_deactivated_may_do_nothing() -> None:
    with pytest.raises(NotSignedIn):
        people.require_role(None, Role.VIEWER, project=None)
    with pytest.raises(Forbidden):
        people.require_role(make_account(active=False), Role.VIEWER, project=None)
