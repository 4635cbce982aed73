"""Says how many re-read copies releases of an instrument's data ask for, in an administrator's name."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import ValidationError

from cisterna.domain.account import Role
from cisterna.domain.errors import InvalidInput
from cisterna.domain.instrument import CopyPolicy, CopyRule, Instrument
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.account import require_role
from cisterna.services.person import require_account


def set_copies(
    name: str,
    *,
    rule: CopyRule,
    store: str | None,
    person: str,
    reason: str,
    stores: Collection[str],
    catalogue: Catalogue,
    clock: Clock,
) -> Instrument:
    """Say how many re-read copies releases of an instrument's data ask for, in an administrator's name.

    It holds for whatever is judged from now on, also for releases that are announced already.

    Args:
        name: Of the instrument.
        rule: What is asked for.
        store: Whose one copy suffices, for `one-copy`.
        person: Account name of who says so.
        reason: Why; it stands in every deletion record.
        stores: Names of those in use.
        catalogue: Where it is kept.
        clock: Dates it.

    Raises:
        Forbidden: The person is no administrator.
        InvalidInput: There is no reason, or no such store.
        NotFound: There is no such instrument.
    """
    if not reason.strip():
        raise InvalidInput("it needs a reason; it stands in every deletion record", field="reason")
    if store is not None and store not in stores:
        msg = f"no store '{store[:80]}' is in use; there is: {', '.join(stores)}"
        raise InvalidInput(msg, store=store[:80])
    with catalogue.begin() as tx:
        require_role(require_account(tx, person), Role.ADMIN, project=None)
        instrument = tx.instruments.lock(name)
        try:
            said = CopyPolicy(rule=rule, store=store, person=person, reason=reason.strip(), said_at=clock.now())
        except ValidationError as error:
            raise InvalidInput(
                f"that cannot be said of '{name}': {error.errors()[0]['msg']}", instrument=name
            ) from error
        changed = instrument.model_copy(update={"copies": said})
        tx.instruments.save(changed)
    return changed
