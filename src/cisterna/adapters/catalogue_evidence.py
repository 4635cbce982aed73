"""What is known of versions: findings, receipts, decisions, publications; in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, exists, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, insert

from cisterna.adapters import catalogue_tables as tables
from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.domain.dataset import Stage
from cisterna.domain.finding import Finding
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import Act, Decision

# One statement however many there are: a row each is a round trip each.
_ADD_FINDINGS = sql_text(
    """
    INSERT INTO findings (version_id, position, outcome, body)
    SELECT :version_id, position - 1, outcome, body::json
    FROM unnest(:outcomes, :bodies) WITH ORDINALITY AS given (outcome, body, position)
    """
).bindparams(bindparam("outcomes", type_=ARRAY(TEXT)), bindparam("bodies", type_=ARRAY(TEXT)))


_LACKING = sql_text(
    """
    SELECT CAST(body AS text) FROM publications
    WHERE CAST(body -> 'lacking' AS text) <> '{}' AND body ->> 'withdrawn_at' IS NULL
    ORDER BY random() LIMIT :limit
    """
)


class SqlEvidence:
    """The part of `ports.catalogue.Datasets` that keeps what happened to versions."""

    _sql: Statements

    def set_findings(self, version_id: str, findings: Sequence[Finding]) -> None:
        """Replace the version's findings."""
        self._sql.run(delete(tables.findings).where(tables.findings.c.version_id == version_id))
        if findings:
            outcomes, bodies = [one.outcome.value for one in findings], [body_of(one) for one in findings]
            self._sql.run(_ADD_FINDINGS, {"version_id": version_id, "outcomes": outcomes, "bodies": bodies})

    def findings(self, version_id: str) -> Sequence[Finding]:
        """In the order in which they were set."""
        wanted = (
            select(tables.findings.c.body)
            .where(tables.findings.c.version_id == version_id)
            .order_by(tables.findings.c.position)
        )
        return [Finding.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def add_receipt(self, receipt: CopyReceipt) -> None:
        """Add it once."""
        row = {
            "receipt_id": receipt.receipt_id,
            "version_id": receipt.version_id,
            "verified_at": receipt.verified_at,
            "body": body_of(receipt),
        }
        self._sql.run(insert(tables.receipts).values(row).on_conflict_do_nothing(index_elements=["receipt_id"]))

    def receipts(self, version_id: str) -> Sequence[CopyReceipt]:
        """Oldest first."""
        wanted = select(tables.receipts.c.body).where(tables.receipts.c.version_id == version_id)
        found = self._sql.run(wanted.order_by(tables.receipts.c.verified_at, tables.receipts.c.receipt_id)).scalars()
        return [CopyReceipt.model_validate_json(body) for body in found]

    def add_decision(self, decision: Decision) -> None:
        """Add it once."""
        row = {
            "decision_id": decision.decision_id,
            "version_id": decision.version_id,
            "decided_at": decision.decided_at,
            "person": decision.person,
            "body": body_of(decision),
        }
        self._sql.run(insert(tables.decisions).values(row).on_conflict_do_nothing(index_elements=["decision_id"]))

    def decisions(self, version_id: str) -> Sequence[Decision]:
        """Oldest first."""
        wanted = select(tables.decisions.c.body).where(tables.decisions.c.version_id == version_id)
        found = self._sql.run(wanted.order_by(tables.decisions.c.decided_at, tables.decisions.c.decision_id)).scalars()
        return [Decision.model_validate_json(body) for body in found]

    def put_publication(self, publication: Publication) -> None:
        """Insert it, or replace the one with its id."""
        row = {
            "publication_id": publication.publication_id,
            "version_id": publication.version_id,
            "target": publication.target,
            "published_at": publication.published_at,
            "body": body_of(publication),
        }
        put = insert(tables.publications).values(row)
        self._sql.run(put.on_conflict_do_update(index_elements=["publication_id"], set_={"body": put.excluded.body}))

    def publications(self, version_id: str) -> Sequence[Publication]:
        """Oldest first."""
        return self.publications_of([version_id])

    def publications_of(self, version_ids: Sequence[str]) -> Sequence[Publication]:
        """Oldest first."""
        wanted = select(tables.publications.c.body).where(tables.publications.c.version_id.in_(version_ids))
        found = self._sql.run(
            wanted.order_by(tables.publications.c.published_at, tables.publications.c.publication_id)
        ).scalars()
        return [Publication.model_validate_json(body) for body in found]

    def lacking_publications(self, *, limit: int) -> Sequence[Publication]:
        """By what their text holds: hardly ever one, so no index is kept for them."""
        found = self._sql.run(_LACKING, {"limit": limit}).scalars()
        return [Publication.model_validate_json(body) for body in found]

    def standing_publications(self, *, after: str | None = None, limit: int | None = None) -> Sequence[tuple[str, str]]:
        """By id."""
        table = tables.publications
        wanted = select(table.c.publication_id, table.c.version_id)
        wanted = wanted.where(table.c.body.op("->>")("withdrawn_at").is_(None))
        if after is not None:
            wanted = wanted.where(table.c.publication_id > after)
        found = self._sql.run(wanted.order_by(table.c.publication_id).limit(limit))
        return [(row.publication_id, row.version_id) for row in found]

    def agreed_versions(self) -> Sequence[str]:
        """By id."""
        given = exists().where(
            tables.decisions.c.version_id == tables.versions.c.version_id,
            tables.decisions.c.body.op("->>")("act") == Act.CONSENT.value,
        )
        wanted = select(tables.versions.c.version_id).where(tables.versions.c.stage == Stage.ACCEPTED.value, given)
        return self._sql.run(wanted.order_by(tables.versions.c.version_id)).scalars().all()
