"""The decision behind a disposal: a named person lets a dataset go whose end of life has come by a retention rule."""

from __future__ import annotations

from cisterna.domain.erasure import Order, RemovalKind, read_order
from cisterna.domain.errors import ErasureRefused
from cisterna.ports.catalogue import Catalogue
from cisterna.services.erase_plan import find_dataset, require_admin
from cisterna.services.retention import CatalogueEndOfLife


def disposal_order(
    identifier: str, *, person: str, reason: str, catalogue: Catalogue, end_of_life: CatalogueEndOfLife
) -> Order | None:
    """Write down by which rule, and for which project's owner, a dataset goes; `erase_dataset` carries it out.

    Returns:
        The decision; None where one is on record already, which is then brought to its end.

    Raises:
        ErasureRefused: No rule ends its time, or its time has not ended; the message says why.
        Forbidden, NotFound: As `erase_dataset` says.
        InvalidInput: There is no reason.
    """
    with catalogue.begin() as tx:
        require_admin(tx, identifier, person)
        dataset = find_dataset(tx, identifier)
        if tx.erasures.of(dataset.dataset_id) is not None:
            return None
        owner = tx.projects.get(dataset.project).owner if dataset.project else person
    retention = end_of_life.judge(dataset.dataset_id)
    if retention.rule is None or not retention.is_due:
        why = "; ".join(one.words for one in retention.deferrals)
        msg = f"{dataset.dataset_id} is {retention.words}: {why}; nothing was deleted"
        raise ErasureRefused(msg, dataset_id=dataset.dataset_id)
    rule = retention.rule
    basis = f"retention rule for {rule.matches}: {rule.keeps}, over since {retention.ends_at:%Y-%m-%d}"
    return read_order(
        kind=RemovalKind.RETENTION, controller=owner, basis=basis, decision=f"rule {rule.rule_id}", reason=reason
    )
