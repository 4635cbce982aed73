"""Projects and their bindings, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import bindings, projects
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound
from cisterna.domain.project import Binding, BindingKind, Project, read_project

_GET = select(projects.c.body).where(projects.c.slug == bindparam("the_slug"))  # built once: it is asked for often


class SqlProjects:
    """Implements `ports.catalogue.Projects`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, project: Project) -> None:
        """Add it."""
        row = {"slug": project.slug, "record": project.record, "body": body_of(project)}
        if not self._sql.run(insert(projects).values(row).on_conflict_do_nothing()).rowcount:
            msg = f"a project '{project.slug}' is there already; choose another slug"
            raise AlreadyExists(msg, project=project.slug)

    def save(self, project: Project) -> Project:
        """Replace it, if it is still what was read."""
        saved = project.model_copy(update={"record": project.record + 1})
        change = update(projects).where(projects.c.slug == project.slug, projects.c.record == project.record)
        if not self._sql.run(change.values(record=saved.record, body=body_of(saved))).rowcount:
            found = self.get(project.slug)
            msg = f"project '{project.slug}' was changed by somebody else; read it again"
            raise Conflict(msg, project=project.slug, expected=project.record, found=found.record)
        return saved

    def get(self, slug: str) -> Project:
        """Read one."""
        body = self._sql.run(_GET, {"the_slug": slug}).scalar()
        if body is None:
            raise NotFound(f"no project '{slug}'; `cisterna project list` shows all", project=slug)
        return read_project(body)

    def list(self) -> Sequence[Project]:
        """All of them, by slug."""
        found = self._sql.run(select(projects.c.body).order_by(projects.c.slug)).scalars()
        return [read_project(body) for body in found]

    def bind(self, binding: Binding) -> None:
        """Add a rule."""
        if binding.project is not None:
            self.get(binding.project)
        self._sql.run(insert(bindings).values(binding.model_dump(mode="json")).on_conflict_do_nothing())

    def unbind(self, binding: Binding) -> None:
        """Take a rule away."""
        rule = (
            (bindings.c.kind == binding.kind.value)
            & (bindings.c.pattern == binding.pattern)
            & bindings.c.project.is_not_distinct_from(binding.project)
        )
        if not self._sql.run(delete(bindings).where(rule)).rowcount:
            to = f"'{binding.project}'" if binding.project else "what its table names"
            rule_words = f"{binding.kind.value} '{binding.pattern:.200}' to {to}"
            msg = f"no rule binds {rule_words}; `cisterna project list` shows all"
            raise NotFound(msg, kind=binding.kind.value, pattern=binding.pattern, project=binding.project)

    def bindings(self) -> Sequence[Binding]:
        """All rules, in the order in which they were added."""
        found = self._sql.run(select(bindings).order_by(bindings.c.position))
        return [Binding(kind=BindingKind(row.kind), pattern=row.pattern, project=row.project) for row in found]
