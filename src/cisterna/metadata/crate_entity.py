"""The entities that a crate speaks of and does not hold: people, organisations, money, terms and references."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from pydantic import JsonValue

from cisterna.domain.credit import Creator, Reference, ReferenceKind, Subject
from cisterna.metadata.credited import is_organisation, own_ror
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord

Entity = dict[str, JsonValue]

_ROR = "https://ror.org/"


class Spoken:
    """Entities, each under one identifier; what is named twice is there once.

    Args:
        taken: Identifiers of other entities of the crate.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._entities: dict[str, Entity] = {}

    @property
    def entities(self) -> list[Entity]:
        """All of them, in the order in which they were first named."""
        return list(self._entities.values())

    def name(self, outside: str | None, own: str, entity: Entity) -> Entity:
        """Add an entity and return the reference to it.

        Args:
            outside: Address by which others know it. Where something of another type has it, `own` is used.
            own: Identifier in this crate.
            entity: Its type, its name and more.
        """
        identity = outside if outside and self._is_free(outside, entity) else own
        if outside and entity["@type"] == "Organization":
            entity = {**entity, "url": outside}
            if outside.startswith(_ROR):
                entity["contactPoint"] = self._entry(outside)
        present = self._entities.get(identity)
        if present is None:
            self._entities[identity] = {"@id": identity, **entity}
        else:
            self._entities[identity] = {**entity, **present}
            if present["name"] != entity["name"]:
                others = present.get("alternateName")
                names = [*(others if isinstance(others, list) else []), entity["name"]]
                self._entities[identity]["alternateName"] = list(dict.fromkeys(names))
        return {"@id": identity}

    def _entry(self, ror: str) -> Entity:
        """Say how an organisation is reached, as far as is known here: by its entry in the registry."""
        words = "registry entry, which leads to the organisation's own pages"
        entry: Entity = {"@type": "ContactPoint", "name": "Entry in the Research Organization Registry", "url": ror}
        return self.name(None, f"#contact-{ror.removeprefix(_ROR)}", {**entry, "contactType": words})

    def _is_free(self, identity: str, entity: Entity) -> bool:
        present = self._entities.get(identity)
        return identity not in self._taken and (present is None or present["@type"] == entity["@type"])


def credited(record: MetadataRecord, spoken: Spoken) -> Entity:
    """Name people, organisations and money, and return what the root says of them."""
    root: Entity = {}
    publisher = record.publisher
    if publisher:
        organisation: Entity = {"@type": "Organization", "name": publisher}
        root["publisher"] = spoken.name(record.publisher_ror, "#publisher", organisation)
    for number, creator in enumerate(record.creators, start=1):
        _append(root, "author", _agent(creator, "creator", number, spoken))
    for number, contributor in enumerate(record.contributors, start=1):
        who = _agent(contributor, "contributor", number, spoken)
        role: Entity = {"@type": "Role", "name": f"{contributor.role.value}: {contributor.name}"}
        role |= {"roleName": contributor.role.value, "contributor": who}
        _append(root, "contributor", spoken.name(None, f"#role-{number}", role))
    return root | _money(record, spoken)


def studied(record: MetadataRecord, spoken: Spoken) -> tuple[Entity, list[Entity]]:
    """Name what the data are about; return what the root says of it, and a fact for each kind of sample."""
    root: Entity = {}
    for subject in record.subjects:
        _append(root, "about", _term(subject, spoken))
    facts: list[Entity] = []
    for kind in SAMPLE_KINDS if record.samples else ():
        terms: tuple[Subject, ...] = getattr(record.samples, kind)
        named = [_term(one, spoken) for one in terms]
        if not named:
            continue
        for one in named:
            _append(root, "about", one)
        told = fact(kind, kind.replace("_", " "), [one.label for one in terms])
        facts.append({**told, "valueReference": list[JsonValue](named)})
    if record.samples and record.samples.wells:
        facts.append(fact("wells", "number of wells with samples", record.samples.wells))
    return root, facts


def referred(record: MetadataRecord, spoken: Spoken) -> Entity:
    """Name what the data refer to, and return what the root says of it."""
    root: Entity = {}
    for number, one in enumerate(record.references, start=1):
        place = "citation" if one.kind is ReferenceKind.PAPER else "mentions"
        _append(root, place, _reference(one, number, spoken))
    return root


def fact(key: str, name: str, value: JsonValue, *, unit: str | None = None) -> Entity:
    """Write a fact of the whole dataset."""
    entity: Entity = {"@id": f"#fact-{key}", "@type": "PropertyValue", "name": name, "value": value}
    return {**entity, "unitText": unit} if unit else entity


def _agent(creator: Creator, word: str, number: int, spoken: Spoken) -> Entity:
    if is_organisation(creator):
        return spoken.name(own_ror(creator), f"#{word}-{number}", {"@type": "Organization", "name": creator.name})
    person: Entity = {"@type": "Person", "name": creator.name}
    if creator.affiliation:
        place: Entity = {"@type": "Organization", "name": creator.affiliation}
        own = f"#affiliation-{number}" if word == "creator" else f"#{word}-affiliation-{number}"
        person["affiliation"] = spoken.name(creator.ror, own, place)
    address = f"https://orcid.org/{creator.orcid}" if creator.orcid else None
    return spoken.name(address, f"#{word}-{number}", person)


def _money(record: MetadataRecord, spoken: Spoken) -> Entity:
    root: Entity = {}
    for number, funding in enumerate(record.funding, start=1):
        giver: Entity = {"@type": "Organization", "name": funding.funder}
        funder = spoken.name(funding.funder_id, f"#funder-{number}", giver)
        _append(root, "funder", funder)
        if funding.award_number or funding.award_title or funding.award_uri:
            name = funding.award_title or funding.award_number or f"Award of {funding.funder}"
            grant: Entity = {"@type": "Grant", "name": name, "funder": funder}
            said = {"identifier": funding.award_number, "url": funding.award_uri}
            grant |= {key: value for key, value in said.items() if value}
            _append(root, "funding", spoken.name(None, f"#grant-{number}", grant))
    return root


def _term(subject: Subject, spoken: Spoken) -> Entity:
    own = f"#term-{quote(subject.label, safe='')}"
    term: Entity = {"@type": "DefinedTerm", "name": subject.label}
    if subject.curie:
        term["termCode"] = subject.curie
    return spoken.name(subject.iri, own, term)


def _reference(one: Reference, number: int, spoken: Spoken) -> Entity:
    kind = "ScholarlyArticle" if one.kind is ReferenceKind.PAPER else "CreativeWork"
    entity: Entity = {"@type": kind, "name": one.title or f"{one.kind.words}: {one.identifier}"}
    entity |= {"identifier": one.identifier, "additionalType": one.kind.value}
    if one.url:
        entity["url"] = one.url
    return spoken.name(one.url, f"#reference-{number}", entity)


def _append(root: Entity, name: str, reference: Entity) -> None:
    """Add a reference that is not there yet."""
    present = root.get(name)
    listed = [*(present if isinstance(present, list) else [])]
    if reference not in listed:
        listed.append(reference)
    root[name] = listed
