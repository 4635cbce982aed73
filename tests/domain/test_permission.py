"""Who may see and do what, as tables and as properties over every role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.account import Grant, Role
from cisterna.domain.errors import DecisionRefused, Forbidden
from cisterna.domain.permission import may_consent, may_reprocess, may_see, may_withdraw, require_decider
from cisterna.domain.review import Act
from cisterna.testing.factory import make_account, make_project, make_version

GRANTS = st.lists(
    st.builds(Grant, role=st.sampled_from(Role), project=st.sampled_from([None, "cells", "other"])), max_size=4
).map(tuple)
ROLES = list(Role)


def at_least(grants: tuple[Grant, ...], role: Role, project: str | None) -> bool:
    """The rule said again, in other words than the code's."""
    rank = ROLES.index(role)
    return any(ROLES.index(one.role) >= rank and one.project in {None, project} for one in grants)


@given(grants=GRANTS)
def test_a_project_is_seen_by_those_with_a_role_there_or_everywhere(grants: tuple[Grant, ...]) -> None:
    person = make_account("pia", grants=grants)

    seen = may_see(person, make_project("cells", owner="ada"))

    assert seen == any(one.project in {None, "cells"} for one in grants)


@given(grants=GRANTS)
def test_unclaimed_data_are_seen_only_by_those_with_a_role_everywhere(grants: tuple[Grant, ...]) -> None:
    assert may_see(make_account("pia", grants=grants), None) == any(one.project is None for one in grants)


@pytest.mark.parametrize("rule", [may_see, may_reprocess, may_consent, may_withdraw])
def test_an_owner_may_and_stops_when_the_account_is_deactivated(rule: Callable[..., bool]) -> None:
    project = make_project("cells", owner="ada")

    assert rule(make_account("ada", grants=()), project)
    assert not rule(make_account("ada", grants=(), active=False), project)


def test_people_of_a_project_see_it_and_may_do_nothing_else() -> None:
    project = make_project("cells", owner="ada", people=("pia",))
    pia = make_account("pia", grants=())

    assert may_see(pia, project)
    assert not may_reprocess(pia, project)
    assert not may_consent(pia, project)
    assert not may_withdraw(pia, project)


@given(grants=GRANTS, act=st.sampled_from(Act), project=st.sampled_from([None, "cells"]))
def test_only_stewards_of_the_project_decide(grants: tuple[Grant, ...], act: Act, project: str | None) -> None:
    person = make_account("pia", grants=grants)

    try:
        require_decider(person, act, make_version(), project=project)
    except Forbidden:
        allowed = False
    else:
        allowed = True

    assert allowed == at_least(grants, Role.STEWARD, project)


@pytest.mark.parametrize("role", [Role.STEWARD, Role.OPERATOR, Role.ADMIN])
def test_nobody_approves_their_own_submission(role: Role) -> None:
    person = make_account("pia", grants=(Grant(role=role),))
    own = make_version(submitter="pia")

    with pytest.raises(DecisionRefused, match="may not approve"):
        require_decider(person, Act.ACCEPT, own, project="cells")
    require_decider(person, Act.REJECT, own, project="cells")
