"""Mail to the recipient of a delivery, with an address of its own that is kept nowhere else."""

from __future__ import annotations

from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime

from cisterna.adapters.mail_server import MailServer, mail_session
from cisterna.domain.delivery import Delivery, DeliveryState
from cisterna.domain.errors import NotFound, SinkUnavailable
from cisterna.domain.event import Event
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.password import Passwords
from cisterna.services.delivery import add_key, ended_by, is_open
from cisterna.services.delivery_mail import note_mailed, note_refused, note_too_late

_MADE, _HANDED_OVER = "delivery.made", "delivery.handed-over"


class DeliveryMailSink:
    """Implements `ports.sink.EventSink` for deliveries whose address goes by mail.

    The secret of the address is made when the server has answered, noted by its digest, and sent; so the catalogue, the
    events and the log never hold it. Killed before the server took the mail, it is sent later with another secret.
    Killed after that and before it was noted, it is sent once more: the same message by its Message-ID, and both
    addresses are good.
    """

    name = "delivery-mail"
    inside = True

    def __init__(
        self, server: MailServer, *, catalogue: Catalogue, base_url: str, clock: Clock, passwords: Passwords
    ) -> None:
        self._server = server
        self._catalogue = catalogue
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._passwords = passwords

    def send(self, event: Event) -> None:
        """Send the recipient's mail, unless that was done or given up.

        A refusal that the server calls final is tried a few times more, and then told instead of tried for ever: what
        waits behind it about the same version is for other people.

        Raises:
            SinkUnavailable: The server takes none.
        """
        if event.name not in {_MADE, _HANDED_OVER} or self._wanted(event) is None:
            return
        with mail_session(self._server, sink=self.name) as session:
            with self._catalogue.begin() as tx:
                found = self._due(tx, event)
                if found is None:
                    return
                delivery, address = found
                path, key = add_key(tx, delivery, clock=self._clock, passwords=self._passwords)
                message = self._message(event, delivery, self._title(tx, delivery), path)
                message["To"] = address
            try:
                session.send(message)
            except SinkUnavailable as refusal:
                if self._is_given_up(delivery, key.secret_sha256, refusal):
                    return
                raise
        with self._catalogue.begin() as tx:
            note_mailed(tx, delivery.delivery_id, clock=self._clock)

    def _is_given_up(self, delivery: Delivery, secret_sha256: str, refusal: SinkUnavailable) -> bool:
        with self._catalogue.begin() as tx:
            if refusal.facts.get("refused"):
                tx.deliveries.drop_key(secret_sha256)
            is_final = bool(refusal.facts.get("is_final"))
            return is_final and note_refused(
                tx, delivery.delivery_id, problem=str(refusal.facts["said"]), clock=self._clock
            )

    def _wanted(self, event: Event) -> tuple[Delivery, str] | None:
        with self._catalogue.begin() as tx:
            found = self._due(tx, event)
            if found is None:
                self._note_too_late(tx, event)
            return found

    def _note_too_late(self, tx: Transaction, event: Event) -> None:
        with suppress(NotFound):  # erased since
            note_too_late(tx, tx.deliveries.get(str(event.data.get("delivery_id"))), clock=self._clock)

    def _due(self, tx: Transaction, event: Event) -> tuple[Delivery, str] | None:
        """Give the delivery and the mail address, when a mail is to be sent of it now."""
        try:
            delivery = tx.deliveries.get(str(event.data.get("delivery_id")))
        except NotFound:
            return None  # erased since
        state = delivery.state(now=self._clock.now())
        is_over = delivery.mailed_at is not None or delivery.mail_given_up_at is not None
        if not delivery.by_mail or is_over or not state.is_good:
            return None  # of a copy that is being made, the recipient is told when it was handed over
        version = tx.datasets.get_version(delivery.version_id)
        dataset = tx.datasets.get(version.dataset_id)
        if ended_by(tx, delivery, version, dataset, clock=self._clock) is not None:
            return None  # the address would open nothing, and who may not know of the data does not read their names
        account = tx.accounts.find(delivery.person) if delivery.person else None
        address = delivery.guest or (account.email if account is not None else None)
        return None if address is None else (delivery, address)

    def _title(self, tx: Transaction, delivery: Delivery) -> str | None:
        """Give the dataset's title where anybody may know it: mail goes through many hands."""
        version = tx.datasets.get_version(delivery.version_id)
        dataset = tx.datasets.get(version.dataset_id)
        return dataset.title if is_open(tx, version, dataset, clock=self._clock) else None

    def _message(self, event: Event, delivery: Delivery, title: str | None, path: str) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = "[Cisterna] Data are there for you"
        message["From"] = self._server.sender
        message["Date"] = format_datetime(event.occurred_at)
        message["Message-ID"] = f"<{delivery.delivery_id}@cisterna>"
        message["Auto-Submitted"] = "auto-generated"
        lines = [
            "Data were delivered to you. This address is for you alone; whoever has it can read them:",
            f"{self._base_url}{path}",
            "",
            f"Data          {title or 'their title is not told by mail'}",
            f"Version       {delivery.version_id}",
            f"Delivered by  {delivery.by}",
            f"Good until    {delivery.expires_at:%Y-%m-%d %H:%M} UTC",
            "",
            "The page lists every file with its size and SHA-512, and says how to fetch all of them and check them.",
        ]
        if delivery.state(now=self._clock.now()) is DeliveryState.HANDED_OVER:
            lines.append(f"A copy was made for you in {delivery.copy_to}, with the list sha512sum.txt.")
        lines.append("When you have checked what you got, say so on that page.")
        message.set_content("\n".join(lines) + "\n")
        return message
