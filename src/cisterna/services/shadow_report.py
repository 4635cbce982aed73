"""Gathers what shadow mode saw of an instrument into its report."""

from __future__ import annotations

from cisterna.domain.account import Account, Role
from cisterna.domain.errors import NotFound
from cisterna.domain.shadow_report import ShadowReport, report_on
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.services.account import require_role


def shadow_report(name: str, *, account: Account | None, catalogue: Catalogue, clock: Clock) -> ShadowReport:
    """Give the report on the last time in shadow mode, whether it goes on or was ended; again is the same report.

    Args:
        name: Of the instrument.
        account: Who asks; an operator everywhere, since it names runs of every project.
        catalogue: Holds what was seen.
        clock: Tells until when.

    Raises:
        Forbidden, NotSignedIn: The person is no operator.
        NotFound: There is no such instrument, or it never was in shadow mode.
    """
    require_role(account, Role.OPERATOR, project=None)
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(name)
        if instrument.shadow is None:
            msg = f"{name} never was in shadow mode; `cisterna instrument shadow {name}` begins it"
            raise NotFound(msg, instrument=name)
        return report_on(
            name,
            instrument.shadow,
            sightings=tx.sightings.list(instrument.shadow.shadow_id),
            acquisitions=tx.acquisitions.refresh({}, instrument=name),
            verified=tx.sightings.verified(name),
            now=clock.now(),
        )
