"""Speaks with a place outside by HTTP: nothing that it answers is believed unread, and nothing goes to another host.

A credential is sent to the address that the settings name and to no other: redirects are not followed, and an address
out of an answer is used only if it is of the same host, or of a domain that the settings name as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import JsonValue, SecretStr, TypeAdapter, ValidationError

from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.domain.text import cut_line, shorten
from cisterna.ports.clock import Clock

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
"""What an answer may have, unless a place is known to tell more."""
LONGEST_WAIT = timedelta(days=1)
"""What is believed of a wish to be left alone."""

_SECONDS = httpx.Timeout(60.0, connect=10.0)
_SECONDS_OF_UPLOAD = httpx.Timeout(600.0, connect=10.0)
"""What is large is digested and moved there before it is answered."""
_WHOLE_SECONDS = 300.0
"""How long an answer may take from its first byte to its last."""
_SHOWN = 300
_SECRET_LEAST = 8
"""Characters of a cookie by which somebody may be let in; a shorter one says a language or the like."""
_LATER = frozenset({408, 423, 425, 429})
_WORDS = ("message", "title", "detail", "description", "error_description", "error", "messages", "errors", "field")
_MARKUP = re.compile(r"<[^>]{0,500}>?")

M = TypeVar("M")


@dataclass(frozen=True)
class Credential:
    """What proves who asks.

    Attributes:
        scheme: The word before it in the header `authorization`, such as `Bearer`.
        secret: The rest of the header.
        made_of: The secret that it was made of, where it is not told as it is.
    """

    scheme: str
    secret: SecretStr
    made_of: SecretStr | None = None


@dataclass(frozen=True)
class TargetAnswer:
    """What came back, read whole and of bounded size.

    Attributes:
        status: Of HTTP, one that the caller accepts.
        headers: Names in small letters.
        body: Never JSON by itself; `TargetHttp.read` believes it once it fits a model.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class TargetHttp:
    """One place outside; safe to share between threads.

    Args:
        base_url: Its address, of which every request is made.
        target: What settings call it, for messages.
        credential: Sent with every request; None sends none.
        clock: Tells how long it is until a moment that the place names.
        media_type: Of what is sent and asked for unless a call says otherwise.
        domain: Whose hosts it may send us to beside its own, by https alone.
        secrets: What its requests tell elsewhere than in their header, such as a password that is sent once.
        client: That another one has and closes; unset: one of its own.
        answer_bytes: What an answer may have.
    """

    def __init__(
        self,
        base_url: str,
        *,
        target: str,
        credential: Credential | None,
        clock: Clock,
        media_type: str = "application/json",
        domain: str | None = None,
        secrets: Sequence[SecretStr] = (),
        client: httpx.Client | None = None,
        answer_bytes: int = ANSWER_LIMIT_BYTES,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._target = target
        self._told = tuple(secrets)
        known = (*((credential.secret, credential.made_of) if credential else ()), *secrets)
        self._secrets = [one.get_secret_value() for one in known if one is not None and one.get_secret_value()]
        self._clock = clock
        self._media_type = media_type
        self._domain = domain
        self._answer_bytes = answer_bytes
        self._headers: dict[str, str] = {}
        if credential is not None:
            self._headers["authorization"] = f"{credential.scheme} {credential.secret.get_secret_value()}"
        self._client = client or httpx.Client(
            headers={"accept-encoding": "identity", "user-agent": "Cisterna"},
            timeout=_SECONDS,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # one that was kept may be gone when it is needed
        )

    def close(self) -> None:
        """Give back what the client holds."""
        self._client.close()

    def with_token(self, token: SecretStr) -> TargetHttp:
        """Give the same for one session: its requests carry the token, and its messages keep that secret as well."""
        return TargetHttp(
            self._base_url,
            target=self._target,
            credential=Credential("Bearer", token),
            clock=self._clock,
            media_type=self._media_type,
            domain=self._domain,
            secrets=self._told,
            client=self._client,
            answer_bytes=self._answer_bytes,
        )

    def ask(
        self,
        method: str,
        place: str,
        *,
        document: JsonValue = None,
        content: Iterator[bytes] | None = None,
        size_bytes: int = 0,
        media_type: str | None = None,
        accept: str | None = None,
        query: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
        accepted: Sequence[int] = (200,),
    ) -> TargetAnswer:
        """Send a request and return an answer whose status is one of those accepted.

        Args:
            method: Of HTTP.
            place: Path below the base address, or a whole address of the same host.
            document: Sent as JSON.
            content: Sent as it is, in its chunks; whatever it raises comes through.
            size_bytes: Of the content.
            media_type: Of what is sent; an empty one is not told, where an address is signed for a request without.
            accept: Media type that is asked for.
            query: Of the address.
            more: Headers that this place wants besides.
            accepted: Statuses that the caller knows what to do with, such as 404 where nothing may be there.

        Raises:
            TargetUnavailable: It did not answer, broke off, or asks to come again later.
            TargetRefused: Any other status, a redirect, or more than an answer may have.
        """
        told = {"accept": accept or self._media_type, "content-type": media_type or self._media_type}
        headers = self._headers | told | dict(more or {})
        sent: dict[str, Any] = {}
        if content is not None:
            headers |= {"content-length": str(size_bytes)}
            headers |= {"content-type": "application/octet-stream" if media_type is None else media_type}
            sent |= {"content": content, "timeout": _SECONDS_OF_UPLOAD}
        elif document is not None:
            sent["json"] = document
        if media_type == "":
            del headers["content-type"]
        try:
            with self._client.stream(method, self._address(place), headers=headers, params=query, **sent) as response:
                answer = self._taken(response)
        except (httpx.TransportError, httpx.StreamError) as error:
            msg = f"{self._target} did not answer whole ({type(error).__name__}); it is tried again"
            raise TargetUnavailable(msg, target=self._target) from error
        except (httpx.InvalidURL, httpx.HTTPError, httpx.CookieConflict) as error:
            msg = f"{self._target} answered what is no HTTP ({type(error).__name__}); look at its address"
            raise TargetRefused(msg, target=self._target) from error
        if answer.status in accepted:
            return answer
        raise self._refusal(answer)

    def read(self, model: type[M] | TypeAdapter[M], answer: TargetAnswer, *, is_secret: bool = False) -> M:
        """Believe an answer, if it is JSON and has what the model wants; what the model does not know is passed over.

        Args:
            model: What is wanted.
            answer: What came.
            is_secret: Whether a secret may be in it that is not known yet, so that nothing of it is told.

        Raises:
            TargetRefused: It is a page, or an error, or something else.
        """
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            shown = cut_line(media_type[:60]) or "something without a media type"
            msg = f"{self._target} answered with {shown} where JSON was due; does a proxy or a login stand before it?"
            raise TargetRefused(msg, target=self._target)
        adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
        try:
            return adapter.validate_json(answer.body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False, include_url=False)[0]
            place = ".".join(str(part)[:40] for part in first["loc"]) or "the whole"
            msg = f"{self._target} answered what cannot be believed: {place}: {first['msg'][:100]}"
            said = "" if is_secret else f"; it said: {self._said(answer.body)}"
            raise TargetRefused(f"{msg}{said}", target=self._target) from None

    def _address(self, place: str) -> str:
        if not place.startswith(("http://", "https://")):
            return f"{self._base_url}/{place.lstrip('/')}"
        ours, theirs = urlsplit(self._base_url), urlsplit(place)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc) and not self._is_of_domain(place):
            shown = cut_line(theirs.netloc[:80]) or "nowhere"
            msg = f"{self._target} names an address at {shown}, which is another host; nothing is sent there"
            raise TargetRefused(msg, target=self._target)
        return place

    def _is_of_domain(self, place: str) -> bool:
        """Tell whether a whole address is of the domain; one with a name, a port or anything unusual in it is not."""
        host = re.match(r"https://([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?:/|$)", place)
        return self._domain is not None and host is not None and host[1].endswith(f".{self._domain}")

    def _taken(self, response: httpx.Response) -> TargetAnswer:
        body, begun = bytearray(), self._clock.monotonic()
        for chunk in response.iter_raw():
            body += chunk
            if self._clock.monotonic() - begun > _WHOLE_SECONDS:
                raise TargetUnavailable(f"{self._target} did not come to the end of its answer", target=self._target)
            if len(body) > self._answer_bytes:
                msg = f"{self._target} answered with more than {self._answer_bytes:,} bytes; look at its address"
                raise TargetRefused(msg, target=self._target)
        return TargetAnswer(response.status_code, dict(response.headers), bytes(body))

    def _refusal(self, answer: TargetAnswer) -> TargetRefused | TargetUnavailable:
        status, facts = answer.status, {"target": self._target, "status": answer.status}
        said = self._said(answer.body)
        if status in _LATER or status >= 500:
            wait = self._wait(answer.headers)
            if wait is not None:
                facts["retry_after_seconds"] = wait
            return TargetUnavailable(f"{self._target} says {status}, come again later: {said}", **facts)
        if 300 <= status < 400:
            host = cut_line(urlsplit(answer.headers.get("location", "")[:2000]).netloc[:80]) or "another place"
            msg = f"{self._target} sends us on to {host}; nothing is sent there: set its address anew if it has moved"
            return TargetRefused(msg, **facts)
        if status in {401, 403}:
            msg = f"{self._target} does not accept the credential for this ({status}): {said}; set another one"
            return TargetRefused(msg, **facts)
        return TargetRefused(f"{self._target} says {status}: {said}", **facts)

    def _wait(self, headers: Mapping[str, str]) -> int | None:
        """Read how long it wants to be left alone: seconds, a date of HTTP, or the moment that Zenodo names."""
        said, until = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
        if re.fullmatch(r"[0-9]{1,9}", said):
            seconds = float(said)
        elif said:
            try:
                moment = parsedate_to_datetime(said)
            except (ValueError, OverflowError):
                return None
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (aware - self._clock.now()).total_seconds()
        elif re.fullmatch(r"[0-9]{9,11}", until):
            seconds = (datetime.fromtimestamp(int(until), UTC) - self._clock.now()).total_seconds()
        else:
            return None
        return round(min(max(seconds, 0.0), LONGEST_WAIT.total_seconds()))

    def _said(self, body: bytes) -> str:
        """Give what it said in words, on one line, without pages, and without our own credential."""
        cookies = [one.value for one in self._client.cookies.jar if len(one.value or "") >= _SECRET_LEAST]
        for secret in (*self._secrets, *cookies):  # before anything is cut, so that no half of it stays
            for written in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                body = body.replace(written.encode(), b"***")
        try:
            words = "; ".join(_words_of(TypeAdapter(dict[str, JsonValue] | list[JsonValue]).validate_json(body)))
        except ValidationError:
            words = body[:2000].decode("utf-8", "replace")
        shown = cut_line(_MARKUP.sub(" ", words).replace("<", " ")[:2000]) or "nothing"
        return shorten(shown, _SHOWN)


def _words_of(content: JsonValue, *, depth: int = 0) -> Iterator[str]:
    """Find what an error says of itself in the usual places."""
    if depth > 6:
        return
    match content:
        case str():
            yield content[:_SHOWN]
        case list():
            for one in content[:5]:
                yield from _words_of(one, depth=depth + 1)
        case dict():
            for name in _WORDS:
                if name in content:
                    yield from _words_of(content[name], depth=depth + 1)
        case _:
            return
