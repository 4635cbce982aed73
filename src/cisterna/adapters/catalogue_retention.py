"""Retention rules, and what stores were asked to do about them, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import protections, retention_rules
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound
from cisterna.domain.protection import Protection
from cisterna.domain.retention import RetentionRule

_NEWEST_FIRST = (retention_rules.c.set_at.desc(), retention_rules.c.rule_id.desc())


class SqlRetentionRules:
    """Implements `ports.retention.RetentionRules`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, rule: RetentionRule) -> None:
        """Add it, unless one that stands matches the same; of two at once the index lets one win."""
        if self._sql.run(insert(retention_rules).values(_row(rule)).on_conflict_do_nothing()).rowcount:
            return
        present = next((one for one in self.list(standing=True) if one.scope == rule.scope), None)
        if present is None:  # it was ended meanwhile, or the id is taken
            raise Conflict("the rules changed meanwhile; look at them again", rule_id=rule.rule_id)
        msg = (
            f"{present.person} has set a rule for {present.matches} already, {present.rule_id}: it keeps "
            f"{present.keeps}; remove it first, or name more of project, instrument and data type"
        )
        raise AlreadyExists(msg, rule_id=present.rule_id)

    def end(self, rule: RetentionRule) -> None:
        """Write its end, if it has none."""
        change = update(retention_rules).where(
            retention_rules.c.rule_id == rule.rule_id, retention_rules.c.ended_at.is_(None)
        )
        if not self._sql.run(change.values(_row(rule))).rowcount:
            present = self.get(rule.rule_id)
            msg = f"{present.ended_by} has removed the rule {rule.rule_id} already: {present.ended_reason}"
            raise Conflict(msg, rule_id=rule.rule_id)

    def get(self, rule_id: str) -> RetentionRule:
        """Read one."""
        body = self._sql.run(select(retention_rules.c.body).where(retention_rules.c.rule_id == rule_id)).scalar()
        if body is None:
            msg = f"no retention rule '{rule_id[:200]}'; `cisterna retention list` shows all"
            raise NotFound(msg, rule_id=rule_id[:200])
        return RetentionRule.model_validate_json(body)

    def list(self, *, standing: bool | None = None) -> Sequence[RetentionRule]:
        """Newest first."""
        wanted = select(retention_rules.c.body).order_by(*_NEWEST_FIRST)
        if standing is not None:
            ended = retention_rules.c.ended_at
            wanted = wanted.where(ended.is_(None) if standing else ended.is_not(None))
        return [RetentionRule.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


class SqlProtections:
    """Implements `ports.retention.Protections`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, protection: Protection) -> None:
        """Insert it, or replace what is there."""
        body = body_of(protection)
        put = insert(protections).values(dataset_id=protection.dataset_id, store=protection.store, body=body)
        self._sql.run(put.on_conflict_do_update(index_elements=["dataset_id", "store"], set_={"body": body}))

    def find(self, dataset_id: str, store: str) -> Protection | None:
        """Read one."""
        wanted = select(protections.c.body)
        wanted = wanted.where(protections.c.dataset_id == dataset_id, protections.c.store == store)
        body = self._sql.run(wanted).scalar()
        return None if body is None else Protection.model_validate_json(body)

    def of(self, dataset_id: str) -> Sequence[Protection]:
        """Those of one object."""
        wanted = select(protections.c.body).where(protections.c.dataset_id == dataset_id).order_by(protections.c.store)
        return [Protection.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def list(self) -> Sequence[Protection]:
        """All of them."""
        wanted = select(protections.c.body).order_by(protections.c.dataset_id, protections.c.store)
        return [Protection.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


def _row(rule: RetentionRule) -> dict[str, object]:
    return {
        "rule_id": rule.rule_id,
        "project": rule.project,
        "instrument": rule.instrument,
        "data_type": rule.data_type,
        "set_at": rule.set_at,
        "ended_at": rule.ended_at,
        "body": body_of(rule),
    }
