"""What a harvester asks for by OAI-PMH 2.0: its arguments judged, and the place in a long list as a token."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal, Self
from urllib.parse import quote, unquote

from pydantic import Field, ValidationError

from cisterna.domain.base import Moment, Value
from cisterna.domain.public_entry import HarvestForm

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SET = re.compile(r"[A-Za-z0-9\-_.!~*'()]+(?::[A-Za-z0-9\-_.!~*'()]+)*")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SET_PREFIX = "data-type:"


class Verb(StrEnum):
    """What can be asked."""

    IDENTIFY = "Identify"
    FORMATS = "ListMetadataFormats"
    SETS = "ListSets"
    IDENTIFIERS = "ListIdentifiers"
    RECORDS = "ListRecords"
    RECORD = "GetRecord"


class Trouble(StrEnum):
    """What the protocol calls what is wrong with a request."""

    BAD_ARGUMENT = "badArgument"
    BAD_PLACE = "badResumptionToken"
    BAD_VERB = "badVerb"
    NO_SUCH_FORMAT = "cannotDisseminateFormat"
    NO_SUCH_IDENTIFIER = "idDoesNotExist"
    NO_RECORDS = "noRecordsMatch"
    NO_SETS = "noSetHierarchy"


class Refused(Exception):
    """A request that the protocol answers with an error.

    Attributes:
        trouble: Its name.
        asked: The arguments that may be repeated in the answer; none when they are not fit to be.
    """

    def __init__(self, trouble: Trouble, words: str, asked: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.trouble = trouble
        self.asked = dict(asked or {})


_NEEDED: Mapping[Verb, frozenset[str]] = {
    Verb.RECORD: frozenset({"identifier", "metadataPrefix"}),
    Verb.IDENTIFIERS: frozenset({"metadataPrefix"}),
    Verb.RECORDS: frozenset({"metadataPrefix"}),
}
_LIST = frozenset({"metadataPrefix", "from", "until", "set", "resumptionToken"})
_ALLOWED: Mapping[Verb, frozenset[str]] = {
    Verb.IDENTIFY: frozenset(),
    Verb.FORMATS: frozenset({"identifier"}),
    Verb.SETS: frozenset({"resumptionToken"}),
    Verb.IDENTIFIERS: _LIST,
    Verb.RECORDS: _LIST,
    Verb.RECORD: frozenset({"identifier", "metadataPrefix"}),
}


class ListPart(Value):
    """One part of a list: what was asked for, and how far the list was given.

    Attributes:
        after: Place behind which it goes on.
        cursor: How many were given before.
        size: How many there were when the list began.
    """

    verb: Literal[Verb.IDENTIFIERS, Verb.RECORDS]
    form: HarvestForm
    since: Moment | None = None
    until: Moment | None = None
    data_type: str | None = Field(default=None, max_length=1000, pattern=r"^[^\x00]*$")
    after: int = Field(default=0, ge=0, le=2**62)
    cursor: int = Field(default=0, ge=0, le=2**62)
    size: int | None = Field(default=None, ge=0, le=2**62)

    @property
    def token(self) -> str:
        """Write it so that whoever gets it back knows all: it is as good after a restart, and years later."""
        return base64.urlsafe_b64encode(self.model_dump_json(exclude_none=True).encode()).decode().rstrip("=")

    @classmethod
    def of_token(cls, token: str) -> Self:
        """Read a token. Raises `ValueError` for what none of ours could be."""
        try:
            body = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return cls.model_validate_json(body)
        except (binascii.Error, UnicodeError, ValidationError) as error:
            msg = "the token was not given out here"
            raise ValueError(msg) from error


class Asked(Value):
    """A request with nothing wrong in it, before anything was looked up.

    Attributes:
        arguments: As they came, to be repeated in the answer.
        part: Of the list that is asked for.
    """

    verb: Verb
    arguments: Mapping[str, str]
    identifier: str | None = None
    form: HarvestForm | None = None
    part: ListPart | None = None


def read_request(pairs: Iterable[tuple[str, str]]) -> Asked:
    """Judge the arguments of a request.

    Raises:
        Refused: As the protocol says it.
    """
    pairs = list(pairs)
    arguments = dict(pairs)
    verbs = [value for name, value in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in set(Verb):
        msg = "one verb is needed: " + ", ".join(Verb)
        raise Refused(Trouble.BAD_VERB, msg)
    verb = Verb(verbs[0])
    _require_fit(verb, pairs)
    if "resumptionToken" in arguments:
        return Asked(verb=verb, arguments=arguments, part=_part_of_token(verb, arguments))
    missing = sorted(_NEEDED.get(verb, frozenset()) - arguments.keys())
    if missing:
        raise Refused(Trouble.BAD_ARGUMENT, f"{verb} needs {' and '.join(missing)}")
    since, until = _moments(arguments)
    data_type = _data_type(arguments)
    form = _form(arguments)
    part = None
    if verb in {Verb.IDENTIFIERS, Verb.RECORDS} and form is not None:
        part = ListPart(verb=verb, form=form, since=since, until=until, data_type=data_type)
    return Asked(verb=verb, arguments=arguments, identifier=arguments.get("identifier"), form=form, part=part)


def write_moment(moment: datetime) -> str:
    """Write a time in UTC to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_of(data_type: str) -> str:
    """Name the set of a data type, whatever signs are in it."""
    return _SET_PREFIX + quote(data_type, safe="").replace("~", "%7E").replace("%", "!")


def _require_fit(verb: Verb, pairs: list[tuple[str, str]]) -> None:
    names = [name for name, _ in pairs]
    odd = sorted(set(names) - _ALLOWED[verb] - {"verb"})
    if odd:
        raise Refused(Trouble.BAD_ARGUMENT, f"{verb} takes no {_shown(odd[0])}")
    if len(names) != len(set(names)):
        raise Refused(Trouble.BAD_ARGUMENT, "an argument is given twice")
    if any(_NOT_XML.search(value) or len(value) > 10_000 for _, value in pairs):
        raise Refused(Trouble.BAD_ARGUMENT, "an argument holds signs that no argument has, or is too long")
    if "resumptionToken" in names and len(names) > 2:
        raise Refused(Trouble.BAD_ARGUMENT, "a resumptionToken stands alone: it says everything")


def _part_of_token(verb: Verb, arguments: Mapping[str, str]) -> ListPart:
    try:
        part = ListPart.of_token(arguments["resumptionToken"])
    except ValueError as error:
        raise Refused(Trouble.BAD_PLACE, str(error), arguments) from error
    if part.verb is not verb:
        raise Refused(Trouble.BAD_PLACE, f"the token is of {part.verb}", arguments)
    return part


def _form(arguments: Mapping[str, str]) -> HarvestForm | None:
    asked = arguments.get("metadataPrefix")
    if asked is None:
        return None
    if re.fullmatch(r"[A-Za-z0-9\-_.!~*'()]+", asked) is None:
        raise Refused(Trouble.BAD_ARGUMENT, "metadataPrefix holds signs that no prefix has")
    if asked not in set(HarvestForm):
        raise Refused(Trouble.NO_SUCH_FORMAT, f"there is no {asked}; there are: {', '.join(HarvestForm)}", arguments)
    return HarvestForm(asked)


def _data_type(arguments: Mapping[str, str]) -> str | None:
    asked = arguments.get("set")
    if asked is None:
        return None
    if _SET.fullmatch(asked) is None:
        raise Refused(Trouble.BAD_ARGUMENT, "set holds signs that no set has")
    data_type = unquote(asked.removeprefix(_SET_PREFIX).replace("!", "%"), errors="replace")
    is_ours = asked.startswith(_SET_PREFIX) and set_of(data_type) == asked
    if not is_ours or len(data_type) > 1000 or _NOT_XML.search(data_type):
        raise Refused(Trouble.NO_RECORDS, "there is no such set; ListSets names those that there are", arguments)
    return data_type


def _moments(arguments: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    told = [arguments[name] for name in ("from", "until") if name in arguments]
    if len({len(one) for one in told}) > 1:
        raise Refused(Trouble.BAD_ARGUMENT, "from and until are both days, or both times to the second")
    since, until = (_moment(arguments.get(name), name) for name in ("from", "until"))
    if until is not None and _DAY.fullmatch(arguments["until"]):
        until += timedelta(days=1, seconds=-1)  # the whole day belongs to it
    if since is not None and until is not None and since > until:
        raise Refused(Trouble.BAD_ARGUMENT, "from is later than until")
    return since, until


def _moment(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        if _SECOND.fullmatch(text):
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        pass
    msg = f"{name} is a day such as 2026-11-30, or a time in UTC such as 2026-11-30T08:00:00Z"
    raise Refused(Trouble.BAD_ARGUMENT, msg)


def _shown(name: str) -> str:
    return "'" + _NOT_XML.sub("?", name[:40]) + "'"
