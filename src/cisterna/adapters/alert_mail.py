"""The mail about an alert. Of restricted data it says that there is one and where to look, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from cisterna.domain.account import Account, Role
from cisterna.domain.alert import Alert
from cisterna.domain.errors import NotFound
from cisterna.domain.event import Event
from cisterna.domain.project import Project
from cisterna.ports.catalogue import Catalogue, Transaction

RAISED = "alert.raised"


def alert_message(event: Event, *, catalogue: Catalogue, base_url: str) -> tuple[EmailMessage, Sequence[str]] | None:
    """Write the mail of an alert and say to whom it goes; None when it is gone, or has been answered since.

    What the data say of themselves - a well, a channel, a picture - is in it only when the project is open now and was
    when the alert was raised. Recipients are the project's owner and people, and those who run the site or the project
    as operators.
    """
    with catalogue.begin() as tx:
        try:
            alert = tx.alerts.get(str(event.data.get("alert_id")))
            acquisition = tx.acquisitions.get(alert.acquisition_id)
        except NotFound:
            return None
        if not alert.waits:
            return None
        project = tx.projects.get(acquisition.project) if acquisition.project else None
        is_open = not event.restricted and project is not None and not project.is_restricted
        recipients = _recipients(tx, project)
        picture = tx.alerts.picture(alert.alert_id) if is_open else None
    message = EmailMessage()
    message["Subject"] = f"[Cisterna] Alert at {alert.instrument}: {alert.kind.value}"
    message.set_content("\n".join(_lines(alert, base_url, is_open=is_open)) + "\n")
    if picture is not None:
        message.add_attachment(
            picture, maintype="image", subtype="png", filename="alert.png", disposition="inline", cid="<alert@cisterna>"
        )
    return message, recipients


def _lines(alert: Alert, base_url: str, *, is_open: bool) -> list[str]:
    address = f"{base_url}/acquisitions/{alert.acquisition_id}"
    facts = [
        f"Acquisition  {alert.acquisition_id}",
        f"Instrument   {alert.instrument}",
        f"Raised       {alert.raised_at:%Y-%m-%d %H:%M} UTC",
    ]
    if not is_open:
        return [*facts, "", "The data are restricted; what is wrong, and where, stands on the page:", address]
    numbers = f"{alert.measure}: {alert.observed:.4g}, where the limit is {alert.limit:.4g}"
    return [
        alert.words,
        "",
        *facts,
        f"Measured     {numbers}",
        "",
        alert.advice,
        "",
        "Look at it, and say so:",
        address,
    ]


def _recipients(tx: Transaction, project: Project | None) -> Sequence[str]:
    named = {project.owner, *project.people} if project else set()
    slug = project.slug if project else None
    people = [one for one in tx.accounts.list() if one.name in named or _operates(one, slug)]
    return list(dict.fromkeys(one.email for one in people if one.active and one.email))


def _operates(account: Account, project: str | None) -> bool:
    """Tell whether somebody runs the site or the project as an operator; administrators are not called for a lamp."""
    return any(grant.role is Role.OPERATOR and grant.project in {None, project} for grant in account.grants)
