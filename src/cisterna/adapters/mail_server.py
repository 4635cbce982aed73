"""Where mail is handed in, by SMTP."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any, Literal

from pydantic import SecretStr

from cisterna.domain.base import Value
from cisterna.domain.errors import SinkUnavailable
from cisterna.domain.text import without_mail_addresses

_ANSWER_SECONDS = 20.0
_FINAL = 500
"""From this answer on a server wants nobody to try the same again (RFC 5321, section 4.2.1)."""
_REFUSALS = (
    smtplib.SMTPSenderRefused,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)


class MailServer(Value):
    """Where mail is handed in.

    Attributes:
        security: `none`, `starttls`, or `tls` from the first byte.
    """

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"


class MailSession:
    """An open connection to the server."""

    def __init__(self, connection: smtplib.SMTP, server: MailServer, *, sink: str) -> None:
        self._connection = connection
        self._server = server
        self._sink = sink

    def send(self, message: EmailMessage) -> None:
        """Hand a message in.

        Raises:
            SinkUnavailable: The server did not take it for everybody; `facts["refused"]` tells that it surely took it
                for nobody, `facts["is_final"]` that it will not take it for them another time either, and
                `facts["said"]` why.
        """
        try:
            refused = self._connection.send_message(message)
        except (OSError, smtplib.SMTPException, MessageError) as error:
            raise _not_taken(self._server, error, sink=self._sink) from error
        if refused:
            msg = f"the mail server refused {len(refused)} of the recipients; see their accounts' addresses"
            raise SinkUnavailable(msg, sink=self._sink, refused=False)


@contextmanager
def mail_session(server: MailServer, *, sink: str) -> Iterator[MailSession]:
    """Open a connection for one mail. Raises `SinkUnavailable` when the server does not answer or let us in."""
    try:
        connection = _connect(server)
    except (OSError, smtplib.SMTPException) as error:
        raise _not_taken(server, error, sink=sink) from error
    try:
        yield MailSession(connection, server, sink=sink)
    finally:
        _leave(connection)


def _not_taken(server: MailServer, error: Exception, *, sink: str) -> SinkUnavailable:
    said = without_mail_addresses(str(error))  # failures are read by more people than whom the mail was for
    msg = f"the mail server {server.host}:{server.port} did not take a mail: {said}; it is kept"
    refused = isinstance(error, (*_REFUSALS, MessageError))
    return SinkUnavailable(msg, sink=sink, refused=refused, is_final=_is_final(error), said=said)


def _is_final(error: Exception) -> bool:
    """Tell whether it is about this recipient or this mail, and final; a sender that is refused is our own setting."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return all(code >= _FINAL for code, _ in error.recipients.values())
        case smtplib.SMTPDataError():
            return error.smtp_code >= _FINAL
        case _:
            return isinstance(error, smtplib.SMTPNotSupportedError | MessageError)


def _connect(server: MailServer) -> smtplib.SMTP:
    where: dict[str, Any] = {"host": server.host, "port": server.port, "timeout": _ANSWER_SECONDS}
    if server.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(**where, context=ssl.create_default_context())
    else:
        connection = smtplib.SMTP(**where)
    try:
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.username and server.password:
            connection.login(server.username, server.password.get_secret_value())
    except BaseException:
        connection.close()
        raise
    return connection


def _leave(connection: smtplib.SMTP) -> None:
    """Say goodbye; a server that is gone by then has taken or refused the mail before."""
    try:
        connection.quit()
    except (OSError, smtplib.SMTPException):
        connection.close()
