"""What deliveries stand on, as the settings say: how long they live, and the mail that tells of them."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.delivery import DeliveryRules
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.ports.sink import EventSink
from cisterna.settings import Mail, Settings


def delivery_rules(settings: Settings) -> DeliveryRules:
    """Give the rules of the site."""
    wanted = settings.deliver
    return DeliveryRules(days=wanted.days, most_days=wanted.most_days, mails=settings.mail.host is not None)


def mail_sinks(
    mail: Mail, *, catalogue: Catalogue, base_url: str, clock: Clock, passwords: Passwords
) -> Sequence[EventSink]:
    """Make the sinks that mail; none where no server is set."""
    from cisterna.adapters.mail_server import MailServer
    from cisterna.adapters.sink_delivery_mail import DeliveryMailSink
    from cisterna.adapters.sink_mail import MailSink

    if mail.host is None:
        return ()
    server = MailServer(
        host=mail.host,
        port=mail.port,
        sender=mail.sender,
        username=mail.username,
        password=mail.password,
        security=mail.security.value,
    )
    return (
        MailSink(server, catalogue=catalogue, base_url=base_url),
        DeliveryMailSink(server, catalogue=catalogue, base_url=base_url, clock=clock, passwords=passwords),
    )
