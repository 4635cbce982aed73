"""Who and what a dataset is credited to and connected with: people, money, subjects and references.

Each value has a form in one line, as `metadata.yaml`, the command line and the project's page take it; what is written
so is read back as it was.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from cisterna.domain.base import Value
from cisterna.domain.line_part import joined, quoted, quoted_first, split_parts, unquoted, words_part
from cisterna.domain.outside_identifier import (
    Curie,
    FunderId,
    Orcid,
    OutsideIdentifier,
    Ror,
    SecureAddress,
    curie,
    outside_identifier,
    ror,
    term_iri,
)
from cisterna.domain.text import LINE_LIMIT, Line, cut_line

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LINE_LIMIT)]


class _Lined(Value):
    """A value that is also read from one line of text."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, said: object) -> object:
        return cls._parts_of(said) if isinstance(said, str) else said

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        raise NotImplementedError


class Creator(_Lined):
    """Somebody to whom a dataset is credited (DataCite's creator)."""

    name: Line
    orcid: Orcid | None = None
    affiliation: Line | None = None
    ror: Ror | None = None
    """Of the affiliation."""

    @property
    def line(self) -> str:
        """`name; ORCID iD; affiliation; ROR`, of what is there."""
        affiliation = self.affiliation
        if affiliation is not None:
            affiliation = words_part(affiliation, is_mistaken=_kind_of(affiliation) != "affiliation")
        return joined(words_part(self.name), self.orcid, affiliation, self.ror)

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        name, *rest = split_parts(line)
        parts: dict[str, str | None] = {"name": name.text}
        for part in rest:
            if not part.text:
                continue
            field = "affiliation" if part.is_words else _kind_of(part.text)
            if field in parts:
                msg = f"'{part.text[:60]}' is one part too many; write name; ORCID iD; affiliation; ROR"
                raise ValueError(msg)
            parts[field] = part.text
        return parts


def _kind_of(part: str) -> str:
    low = part.lower()
    if "ror.org/" in low:
        return "ror"
    is_number = not low.strip("0123456789-x ") and any(character.isdigit() for character in low)
    return "orcid" if "orcid.org/" in low or is_number else "affiliation"


class ContributorRole(StrEnum):
    """What a contributor did (DataCite's contributorType)."""

    CONTACT_PERSON = "ContactPerson"
    DATA_COLLECTOR = "DataCollector"
    DATA_CURATOR = "DataCurator"
    DATA_MANAGER = "DataManager"
    DISTRIBUTOR = "Distributor"
    EDITOR = "Editor"
    HOSTING_INSTITUTION = "HostingInstitution"
    PRODUCER = "Producer"
    PROJECT_LEADER = "ProjectLeader"
    PROJECT_MANAGER = "ProjectManager"
    PROJECT_MEMBER = "ProjectMember"
    REGISTRATION_AGENCY = "RegistrationAgency"
    REGISTRATION_AUTHORITY = "RegistrationAuthority"
    RELATED_PERSON = "RelatedPerson"
    RESEARCHER = "Researcher"
    RESEARCH_GROUP = "ResearchGroup"
    RIGHTS_HOLDER = "RightsHolder"
    SPONSOR = "Sponsor"
    SUPERVISOR = "Supervisor"
    TRANSLATOR = "Translator"
    WORK_PACKAGE_LEADER = "WorkPackageLeader"
    OTHER = "Other"


_ORGANISATIONS = {
    ContributorRole.DISTRIBUTOR,
    ContributorRole.HOSTING_INSTITUTION,
    ContributorRole.REGISTRATION_AGENCY,
    ContributorRole.REGISTRATION_AUTHORITY,
    ContributorRole.RESEARCH_GROUP,
    ContributorRole.SPONSOR,
}


class Contributor(Creator):
    """Somebody, or an organisation, that helped and is no creator."""

    role: ContributorRole

    @property
    def line(self) -> str:
        """`role: name; ORCID iD; affiliation; ROR`."""
        return f"{self.role.value}: {super().line}"

    @property
    def is_organisation(self) -> bool:
        """Whether the role is one that organisations have; who has an ORCID iD is a person."""
        return self.orcid is None and self.role in _ORGANISATIONS

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        role, colon, rest = line.partition(":")
        if not colon:
            msg = f"'{line[:60]}' names no role; write it as DataCollector: name; ORCID iD; affiliation"
            raise ValueError(msg)
        return {"role": role.strip(), **super()._parts_of(rest)}


class Funding(_Lined):
    """Money that made a dataset possible (DataCite's fundingReference).

    Attributes:
        funder_id: ROR or Crossref Funder id, as an address.
        award_number: As the funder writes it.
        award_uri: Where the award is described.
    """

    funder: Line
    funder_id: FunderId | None = None
    award_number: Line | None = None
    award_title: Line | None = None
    award_uri: SecureAddress | None = None

    @property
    def line(self) -> str:
        """`funder; award number; award title; funder id; award address`."""
        number = self.award_number or ("" if self.award_title else None)
        words = (one and words_part(one, is_mistaken=_is_address(one)) for one in (number, self.award_title))
        address = self.award_uri
        if address is not None and (";" in address or _names_funder(address)):
            address = f"<{address}>"
        funder = words_part(self.funder, is_mistaken=_is_address(self.funder))
        return joined(funder, *words, self.funder_id, address)

    @property
    def funder_id_type(self) -> str | None:
        """DataCite's funderIdentifierType."""
        if self.funder_id is None:
            return None
        return "ROR" if self.funder_id.startswith("https://ror.org/") else "Crossref Funder ID"

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        parts: dict[str, str | None] = {}
        words = []
        for part in split_parts(line):
            if part.is_words or not (part.is_address or _is_address(part.text)):
                words.append(part.text)
            elif part.is_address or not _names_funder(part.text):
                parts["award_uri"] = part.text
            else:
                parts["funder_id"] = part.text
        if len(words) > 3:
            msg = f"'{words[3][:60]}' is one part too many; write funder; award number; award title; funder id; address"
            raise ValueError(msg)
        named = zip(("funder", "award_number", "award_title"), words, strict=False)
        return parts | {name: word or None for name, word in named}


def _names_funder(part: str) -> bool:
    return "ror.org/" in part.lower() or "10.13039" in part


def _is_address(part: str) -> bool:
    return _names_funder(part) or part.lower().startswith(("http://", "https://"))


class Subject(_Lined):
    """What a dataset is about: words for people, and the term of a vocabulary where there is one."""

    label: Line
    curie: Curie | None = None

    @property
    def line(self) -> str:
        """`label; PREFIX:identifier`."""
        return joined(words_part(self.label, is_mistaken=";" in (self.curie or "")), self.curie)

    @property
    def scheme(self) -> str | None:
        """The prefix of the vocabulary."""
        return self.curie.partition(":")[0] if self.curie else None

    @property
    def iri(self) -> str | None:
        """Where the term is described."""
        return term_iri(self.curie) if self.curie else None

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        if (first := quoted_first(line)) is not None:
            return {"label": first[0], "curie": (first[1] or "").strip() or None}
        label, mark, term = line.rpartition(";")
        if not mark:
            return {"label": line}
        try:
            curie(term)
        except ValueError:
            if ":" in term:
                raise
            return {"label": line}  # a semicolon of the words themselves
        return {"label": label, "curie": term}


class ReferenceKind(StrEnum):
    """What a reference leads to."""

    PAPER = "paper"
    DATA_MANAGEMENT_PLAN = "data-management-plan"
    ETHICS_APPROVAL = "ethics-approval"
    AGREEMENT = "agreement"
    LAB_NOTEBOOK = "lab-notebook"
    SOFTWARE = "software"
    DATASET = "dataset"
    PROTOCOL = "protocol"

    @property
    def words(self) -> str:
        """The kind as people say it."""
        return self.value.replace("-", " ")

    @property
    def is_binding(self) -> bool:
        """Whether it binds whatever is made of the data as well."""
        return self in {ReferenceKind.ETHICS_APPROVAL, ReferenceKind.AGREEMENT}


_RELATIONS = {
    ReferenceKind.PAPER: ("IsSupplementTo", "JournalArticle"),
    ReferenceKind.DATA_MANAGEMENT_PLAN: ("IsDocumentedBy", "OutputManagementPlan"),
    ReferenceKind.ETHICS_APPROVAL: ("References", "Text"),
    ReferenceKind.AGREEMENT: ("References", "Text"),
    ReferenceKind.LAB_NOTEBOOK: ("IsDocumentedBy", "Text"),
    ReferenceKind.SOFTWARE: ("IsCompiledBy", "Software"),
    ReferenceKind.DATASET: ("References", "Dataset"),
    ReferenceKind.PROTOCOL: ("IsDocumentedBy", "Text"),
}
"""DataCite's relationType and resourceTypeGeneral of each kind."""


def _spelled(identifier: str) -> str:
    return outside_identifier(identifier).text


class Reference(_Lined):
    """Something outside that belongs to a dataset.

    Attributes:
        identifier: A DOI, PMID, address and the like, spelled as `outside_identifier` does, or the number of an
            authority.
    """

    kind: ReferenceKind
    identifier: Annotated[Line, AfterValidator(_spelled)]
    title: Line | None = None

    @property
    def line(self) -> str:
        """`kind: identifier; title`."""
        is_bare = "; " not in self.identifier and not self.identifier.startswith('"')
        title = quoted(self.title) if self.title and self.title.startswith('"') else self.title
        return f"{self.kind.value}: {joined(self.identifier if is_bare else quoted(self.identifier), title)}"

    @property
    def relation(self) -> str:
        """DataCite's relationType, from the dataset to what is named."""
        return _RELATIONS[self.kind][0]

    @property
    def resource_type(self) -> str:
        """DataCite's resourceTypeGeneral of what is named."""
        return _RELATIONS[self.kind][1]

    @property
    def identifier_type(self) -> str | None:
        """DataCite's relatedIdentifierType; None for the number of an authority."""
        scheme = self._outside.scheme
        return scheme.value if scheme else None

    @property
    def identifier_value(self) -> str:
        """The identifier as DataCite takes it beside its type."""
        return self._outside.value

    @property
    def url(self) -> str | None:
        """Where it leads to; None for the number of an authority."""
        return self._outside.url

    @property
    def _outside(self) -> OutsideIdentifier:
        return outside_identifier(self.identifier)

    @classmethod
    def _parts_of(cls, line: str) -> dict[str, str | None]:
        kind, colon, rest = line.partition(":")
        if not colon:
            msg = f"'{line[:60]}' does not say of what kind it is; write it as paper: 10.5555/12345678; title"
            raise ValueError(msg)
        identifier, title = quoted_first(rest) or rest.partition("; ")[::2]
        return {"kind": kind.strip(), "identifier": identifier, "title": unquoted((title or "").strip()) or None}


Contributors = Annotated[tuple[Contributor, ...], Field(max_length=1000)]
Fundings = Annotated[tuple[Funding, ...], Field(max_length=200)]
Subjects = Annotated[tuple[Subject, ...], Field(max_length=1000)]
References = Annotated[tuple[Reference, ...], Field(max_length=500)]


def checked_creators(creators: JsonValue) -> JsonValue:
    """Leave out what cannot be used, of creators that were kept when nobody looked at check digits and at each letter.

    A name of nothing but invisible characters named nobody.
    """
    if not isinstance(creators, list):
        return creators
    return [_checked(one) if isinstance(one, dict) else one for one in creators if _has_name(one)]


def _has_name(one: JsonValue) -> bool:
    name = one.get("name") if isinstance(one, dict) else None
    return not isinstance(name, str) or cut_line(name) is not None


def _checked(one: dict[str, JsonValue]) -> JsonValue:
    affiliation = one.get("affiliation")
    said: dict[str, JsonValue] = {
        "name": cut_line(name) if isinstance(name := one.get("name"), str) else name,
        "affiliation": cut_line(affiliation) if isinstance(affiliation, str) else affiliation,
    }
    return {**one, **said, **({} if _is_ror(one.get("ror")) else {"ror": None})}


def _is_ror(said: JsonValue) -> bool:
    try:
        return said is None or bool(ror(str(said)))
    except ValueError:
        return False
