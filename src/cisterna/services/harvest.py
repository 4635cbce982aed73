"""Answers harvesters: all that is public, version by version, and what was withdrawn as deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cisterna.domain.errors import InvalidInput
from cisterna.domain.harvest import Asked, ListPart, Refused, Trouble, Verb, read_request
from cisterna.domain.public_entry import HarvestForm
from cisterna.metadata import oai
from cisterna.metadata.oai import Item, Repository
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.public_index import Harvested, HarvestWanted, PublicIndex

AT_ONCE = 100
"""Records in one part of a list."""


def answer_harvester(
    pairs: Iterable[tuple[str, str]],
    *,
    repository: Repository,
    catalogue: Catalogue,
    clock: Clock,
    at_once: int = AT_ONCE,
) -> bytes:
    """Answer a request by OAI-PMH 2.0, as XML.

    An identifier is the ARK and the version, `ark:/NAAN/name/v1`. A list goes by the order in which versions changed
    last: what is published while somebody harvests comes at its end, once; what changes meanwhile comes again as it is
    then; nothing is passed over.

    Args:
        pairs: Names and values of the arguments, in any number.
        repository: Who answers.
        catalogue: Of which only the index of what is public is read.
        clock: Dates the answer.
        at_once: How many records go into one part of a list.
    """
    now = clock.now()  # before anything is read: what is changed from here on is for the next harvest
    try:
        asked = read_request(pairs)
        with catalogue.begin() as tx:
            content = _content(asked, tx.public_index, repository=repository, clock=clock, at_once=at_once)
    except Refused as refusal:
        content = oai.error(refusal.trouble, str(refusal))
        return oai.envelope(repository, now=now, asked=refusal.asked, content=content)
    return oai.envelope(repository, now=now, asked=asked.arguments, content=content)


def _content(asked: Asked, index: PublicIndex, *, repository: Repository, clock: Clock, at_once: int) -> str:
    match asked.verb:
        case Verb.IDENTIFY:
            return oai.identify(repository, earliest=index.earliest() or clock.now())
        case Verb.FORMATS:
            held = _held(asked, index) if asked.identifier is not None else dict.fromkeys(HarvestForm)
            return oai.formats(held)
        case Verb.SETS:
            data_types = index.data_types()
            if not data_types:
                raise Refused(Trouble.NO_SETS, "nothing is public yet, so there are no sets", asked.arguments)
            return oai.sets(data_types)
        case Verb.RECORD:
            return oai.record(_one(asked, index))
        case Verb.IDENTIFIERS | Verb.RECORDS:
            return _list(asked, index, at_once=at_once)


def _held(asked: Asked, index: PublicIndex) -> dict[HarvestForm, Harvested]:
    pid, _, version = (asked.identifier or "").rpartition("/")
    try:
        held = dict(index.versions(pid, version))
    except InvalidInput:
        held = {}
    if not held:
        raise Refused(Trouble.NO_SUCH_IDENTIFIER, "nothing public has that identifier", asked.arguments)
    return held


def _one(asked: Asked, index: PublicIndex) -> Item:
    held = _held(asked, index)
    found = held.get(asked.form) if asked.form is not None else None
    if found is None:
        raise Refused(Trouble.NO_SUCH_FORMAT, f"it has no {asked.form}", asked.arguments)
    return _item(found)


def _list(asked: Asked, index: PublicIndex, *, at_once: int) -> str:
    part = asked.part
    if part is None:
        raise Refused(Trouble.BAD_ARGUMENT, f"{asked.verb} needs metadataPrefix")
    wanted = HarvestWanted(
        form=part.form, since=part.since, until=part.until, data_type=part.data_type, after=part.after
    )
    found = index.harvest(wanted, limit=at_once + 1)
    if not found:
        raise Refused(Trouble.NO_RECORDS, "nothing public is so", asked.arguments)
    if part.size is None:
        part = part.model_copy(update={"size": index.harvestable(wanted)})
    given, rest = found[:at_once], found[at_once:]
    following = _following(part, given) if rest else None
    items = [_item(one) for one in given]
    return oai.part_of_list(items, part, following=following, is_bare=asked.verb is Verb.IDENTIFIERS)


def _following(part: ListPart, given: Sequence[Harvested]) -> ListPart:
    return part.model_copy(update={"after": given[-1].place, "cursor": part.cursor + len(given)})


def _item(found: Harvested) -> Item:
    return Item(f"{found.pid}/{found.version}", found.changed_at, found.data_type, found.document)
