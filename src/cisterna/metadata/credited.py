"""How those whom a dataset is credited to are written: people by family and given name, organisations whole."""

from __future__ import annotations

from typing import NamedTuple

from cisterna.domain.credit import Contributor, Creator


class PersonName(NamedTuple):
    """A name in the two parts by which everybody sorts and cites."""

    family: str
    given: str


def is_organisation(creator: Creator) -> bool:
    """Tell whether an organisation is credited: by its role, or because it has a ROR of its own.

    A person has a ROR only by an affiliation that is named beside it.
    """
    if isinstance(creator, Contributor) and creator.is_organisation:
        return True
    return creator.ror is not None and creator.affiliation is None and creator.orcid is None


def is_person(creator: Creator) -> bool:
    """Tell whether a person is credited, as far as that is known: by an ORCID iD, or a name in two parts."""
    return creator.orcid is not None or person_name(creator) is not None


def person_name(creator: Creator) -> PersonName | None:
    """Divide a name that is written as `Family, Given`; None for others, since a guess would credit somebody else."""
    family, _, given = (part.strip() for part in creator.name.partition(","))
    return PersonName(family, given) if family and given and not is_organisation(creator) else None


def own_ror(creator: Creator) -> str | None:
    """Return the ROR of an organisation that is credited; that of an affiliation is another's."""
    return creator.ror if is_organisation(creator) and creator.affiliation is None else None
