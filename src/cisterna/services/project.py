"""Projects: list them, bind acquisitions to them, and find the one that an acquisition belongs to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pydantic import JsonValue, ValidationError

from cisterna.domain.account import Account, Role
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.base import Value
from cisterna.domain.credit import Creator
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.domain.hint import BUCKET_SCHEME
from cisterna.domain.identifier import Slug
from cisterna.domain.permission import may_see
from cisterna.domain.project import (
    Access,
    Binding,
    BindingKind,
    HumanData,
    MetadataDefaults,
    Policy,
    Project,
    PublishPolicy,
)
from cisterna.ports.booking import BookingTables
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Described
from cisterna.services.account import require_role
from cisterna.services.booking import find_booking

TEST_PROJECT = "test"
_PATTERN_CHARACTERS = frozenset("*?[")


class Resolution(Value):
    """The project of an acquisition, or None for *unclaimed*, and why in words."""

    project: Slug | None
    reason: str


def list_projects(*, account: Account, catalogue: Catalogue) -> Sequence[Project]:
    """Give the projects whose data a person may see, by slug."""
    with catalogue.begin() as tx:
        projects = tx.projects.list()
    return [project for project in projects if may_see(account, project)]


def bind_project(kind: BindingKind, pattern: str, *, project: str | None, by: Account, catalogue: Catalogue) -> Binding:
    """Add a rule after those that are there; the same rule again changes nothing.

    Args:
        kind: How the rule finds its acquisitions.
        pattern: A path, a `name=value` or a booking table's path, see `BindingKind`.
        project: None for a booking table, which names projects itself.
        by: Who binds: an operator.
        catalogue: Keeps the rule.

    Raises:
        Forbidden: `by` may not.
        InvalidInput: The pattern could never match, or would match everything.
        NotFound: The project is not known.
    """
    require_role(by, Role.OPERATOR, project=None)
    binding = _rule(kind, pattern, project)
    _require_usable(binding)
    with catalogue.begin() as tx:
        tx.projects.bind(binding)
    return binding


def unbind_project(
    kind: BindingKind, pattern: str, *, project: str | None, by: Account, catalogue: Catalogue
) -> Binding:
    """Take a rule away; what it has bound already keeps its project.

    Args:
        kind: Of the rule.
        pattern: As it was given.
        project: As it was given.
        by: Who does so: an operator.
        catalogue: Keeps the rules.

    Raises:
        Forbidden: `by` may not.
        InvalidInput: The pattern does not have its form.
        NotFound: There is no such rule.
    """
    require_role(by, Role.OPERATOR, project=None)
    binding = _rule(kind, pattern, project)
    with catalogue.begin() as tx:
        tx.projects.unbind(binding)
    return binding


def resolve_project(
    acquisition: Acquisition,
    described: Described,
    *,
    landing_path: str,
    bindings: Sequence[Binding],
    projects: Sequence[Project],
    tables: BookingTables,
) -> Resolution:
    """Find the project of an acquisition: the first rule that matches wins.

    A rule that cannot be judged (a booking table that is broken, a project that is gone) ends the search: what it might
    have claimed must not fall to a later rule. The acquisition is unclaimed then, and says why.

    Args:
        acquisition: As seen in its landing zone.
        described: What it says of itself.
        landing_path: Absolute path of the landing zone.
        bindings: In the order in which they were added.
        projects: All that there are.
        tables: Reads booking tables.
    """
    known = {project.slug for project in projects}
    for binding in bindings:
        try:
            found = _matched(binding, acquisition, described, landing_path=landing_path, tables=tables)
        except CisternaError as error:
            return Resolution(project=None, reason=f"unclaimed: a booking table cannot be used: {error}")
        if found is None:
            continue
        if found.project not in known:
            msg = f"unclaimed: {found.reason}, but there is no project '{found.project}'; add it"
            return Resolution(project=None, reason=msg)
        return found
    return Resolution(
        project=None,
        reason=f"unclaimed: none of {len(bindings)} bindings matches {landing_path}/{acquisition.folder};"
        " bind its path, a field or a booking table to a project",
    )


def ensure_test_project(*, owner: str, catalogue: Catalogue, clock: Clock, model: str | None = None) -> Project:
    """Return the project `test`, which an embedded home starts with; one that is there is left as it is.

    Args:
        owner: Account name of whoever runs the home.
        catalogue: Keeps it.
        clock: Dates it.
        model: The model run on what passes, by name.
    """
    with catalogue.begin() as tx:
        present = next((project for project in tx.projects.list() if project.slug == TEST_PROJECT), None)
        if present is not None:
            return present
        project = Project(
            slug=TEST_PROJECT,
            title="Test project: made-up data, published when they pass",
            owner=owner,
            defaults=MetadataDefaults(
                creators=(Creator(name="Cisterna Test Project"),),
                publisher="Cisterna Test Facility",
                licence="CC-BY-4.0",
                access=Access.OPEN,
                human_data=HumanData.NO,
                keywords=("test data",),
            ),
            policy=Policy(accept_passed=True, publish=PublishPolicy.PASSED, model=model),
            created_at=clock.now(),
        )
        tx.projects.add(project)
    return project


def _matched(
    binding: Binding, acquisition: Acquisition, described: Described, *, landing_path: str, tables: BookingTables
) -> Resolution | None:
    match binding.kind:
        case BindingKind.PATH:
            folder = f"{landing_path.rstrip('/')}/{acquisition.folder}"
            reason = f"its folder matches '{binding.pattern}'"
            return Resolution(project=binding.project, reason=reason) if _is_below(folder, binding.pattern) else None
        case BindingKind.FIELD:
            name, _, value = binding.pattern.partition("=")
            reason = f"its field {name} is '{value}'"
            matches = value in _texts(described.fields.get(name))
            return Resolution(project=binding.project, reason=reason) if matches else None
        case BindingKind.BOOKING:
            moment = described.started_at or acquisition.first_seen
            booking = find_booking(binding.pattern, instrument=acquisition.instrument, moment=moment, tables=tables)
            reason = f"'{acquisition.instrument}' was booked at {moment.isoformat()} in {binding.pattern}"
            return Resolution(project=booking.project, reason=reason) if booking else None


def _is_below(folder: str, pattern: str) -> bool:
    """Match a shell pattern over the whole path, where `*` spans folders too, or a plain path and what is below it."""
    if _PATTERN_CHARACTERS & set(pattern):
        return fnmatchcase(folder, pattern)
    return folder == pattern.rstrip("/") or folder.startswith(f"{pattern.rstrip('/')}/")


def _texts(value: JsonValue) -> set[str]:
    """Write a field as people would type it; a list is each of its members."""
    if isinstance(value, list):
        return {text for member in value if not isinstance(member, list) for text in _texts(member)}
    if value is None or isinstance(value, dict):
        return set()
    return {value if isinstance(value, str) else json.dumps(value)}


def _rule(kind: BindingKind, pattern: str, project: str | None) -> Binding:
    try:
        return Binding(kind=kind, pattern=pattern, project=project)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "binding"
        raise InvalidInput(f"the binding's {field} does not have its form: {first['msg']}", field=field) from error


def _require_usable(binding: Binding) -> None:
    text = binding.pattern
    if not text.isprintable():
        raise InvalidInput(f"{text!r:.120} holds control characters; type it again", field="pattern")
    if binding.kind is BindingKind.FIELD:
        name, equals, value = text.partition("=")
        if not name or not equals or not value:
            msg = f"'{text:.120}' names no field and value; write it as experiment_id=EX-7"
            raise InvalidInput(msg, field="pattern")
        return
    is_key = binding.kind is BindingKind.PATH and text.startswith(BUCKET_SCHEME)
    parts = PurePosixPath(f"/{text.removeprefix(BUCKET_SCHEME)}" if is_key else text).parts
    is_absolute = is_key or text.startswith("/")
    if not is_absolute or ".." in parts or not any(set(part) - {"*", "/"} for part in parts):
        msg = (
            f"'{text:.120}' is no absolute path of its own; write it as /landing/squid-1/group-a or s3://bucket/prefix"
        )
        raise InvalidInput(msg, field="pattern")
