"""What deliveries stand on, as the settings say: how long they live, and the mail that tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from cisterna.domain.delivery import DeliveryRules
from cisterna.domain.errors import InvalidInput
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.password import Passwords
from cisterna.ports.sink import EventSink
from cisterna.services.copy_bucket import read_address
from cisterna.settings import Mail, Settings


def delivery_rules(settings: Settings) -> DeliveryRules:
    """Give the rules of the site."""
    wanted = settings.deliver
    return DeliveryRules(days=wanted.days, most_days=wanted.most_days, mails=settings.mail.host is not None)


@contextmanager
def copy_bucket(copy_to: str | None, settings: Settings) -> Iterator[ObjectStore | None]:
    """Open the bucket that a copy goes to; None for one that goes to a folder, or for none.

    Raises:
        InvalidInput: The settings name no such bucket, or it is one of ours: what is there is no copy of anybody's, and
            in one of them everybody may read.
    """
    if copy_to is None or not copy_to.startswith("s3://"):
        yield None
        return
    from cisterna.adapters.s3_access import S3Access
    from cisterna.adapters.s3_obstore import S3Store

    name, _ = read_address(copy_to)
    wanted = next((one for one in settings.deliver.buckets if one.bucket == name), None)
    ours = {settings.store.archive_bucket, settings.store.public_bucket, *(one.bucket for one in settings.store.copies)}
    if wanted is None or name in ours:
        named = ", ".join(one.bucket for one in settings.deliver.buckets if one.bucket not in ours) or "none"
        msg = f"no copy may go to the bucket {name}; those that the settings name (deliver.buckets): {named}"
        raise InvalidInput(msg, field="copy_to")
    access = S3Access(
        endpoint=wanted.endpoint,
        region=wanted.region,
        access_key_id=wanted.access_key_id,
        secret_access_key=wanted.secret_access_key,
    )
    with closing(S3Store(access, bucket=name, name=f"the bucket {name}")) as store:
        yield store


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
