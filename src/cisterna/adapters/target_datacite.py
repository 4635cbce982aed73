"""DOIs by DataCite as a target: one for each published version, draft before the version is public, hidden afterwards.

A DOI is made from the dataset's ARK and the version, so that whatever was lost on the way, the next call comes upon the
same one. What stands under that name and is not ours is never written to. A DOI that was registered stays for ever.
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from pydantic import JsonValue

from cisterna.adapters.datacite_service import DataCiteService, DoiEvent, DoiRecord, DoiState, DoiTaken
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.doi import DoiPrefix, doi_of
from cisterna.domain.errors import InvalidInput, TargetRefused
from cisterna.domain.identifier import version_ark
from cisterna.domain.public_entry import place_of
from cisterna.domain.text import cut_line
from cisterna.metadata.datacite_rest import bare_attributes, cited_attributes, further_attributes, rest_attributes
from cisterna.metadata.public_described import described_from
from cisterna.ports.clock import Clock
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

_STATES = {
    DoiState.DRAFT: DepositState.RESERVED,
    DoiState.REGISTERED: DepositState.RESERVED,
    DoiState.FINDABLE: DepositState.DEPOSITED,
}

_LEFT = "its draft tells nothing and is seen by nobody else; it may be deleted there"
_HISTORY = (
    "DataCite tells what it told of this DOI before in its record of changes (`/dois/.../activities`); ask its support "
    "to remove that"
)


class DataCiteTarget:
    """Implements `ports.target.Target`. Files stay here: a DOI leads to their page.

    Args:
        service: DataCite, for one repository.
        prefix: Of the DOIs, assigned to that repository.
        clock: Dates what the service says.
        name: By which settings and projects name it.
        title: For people.
    """

    reserves = True
    narrows = True

    def __init__(
        self,
        service: DataCiteService,
        *,
        prefix: DoiPrefix,
        clock: Clock,
        name: str = "datacite",
        title: str = "DataCite",
    ) -> None:
        self.name = name
        self.title = title
        self._service = service
        self._prefix = prefix
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> Deposit:
        """Make a draft that says where it will lead to and nothing else, unless the DOI is there already."""
        doi = self._named(request)
        found = self._found(doi, request)
        if found is None:
            try:
                found = self._service.create({"doi": doi, "url": _page(request)})
            except DoiTaken:  # made meanwhile: look whose it is
                found = self._taken(doi, request)
        return self._deposit(found, _STATES[found.state])

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Say all that is public of the version, and make the DOI findable: one request, so nothing stands half."""
        del files
        doi = self._doi(request, known)
        attributes = {**_attributes(request, doi), "event": DoiEvent.PUBLISH.value}
        if self._found(doi, request) is None:
            try:
                done = self._service.create(attributes)
            except DoiTaken:
                self._taken(doi, request)
                done = self._service.change(doi, attributes)
        else:
            done = self._service.change(doi, attributes)
        _require(done, DoiState.FINDABLE, url=_page(request))
        return self._deposit(done, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Hide the DOI. It goes on leading to the page, which is the tombstone; that has the reason.

        A draft stood on a page that was public, where somebody may have copied it. It is registered, so that it leads
        to the tombstone too, with what that says. One beside which the page had another DOI was never seen, and stays,
        and so does that of what never was public. The description is kept by the service, which shows it to nobody
        else; not where the tombstone is bare.

        Raises:
            TargetRefused: What is known to stand is not to be found, or the service goes on telling what it told.
        """
        del reason
        ours = self._named(request)
        if request.doi is not None and _suffix(request.doi) != _suffix(ours):
            return None
        doi = self._doi(request, known)
        found = self._found(doi, request)
        if found is None:
            was_registered = known is not None and known.state is not DepositState.RESERVED
            is_left = not request.was_public and known is not None and known.state is DepositState.WITHDRAWN
            if was_registered and not is_left:
                msg = (
                    f"DataCite shows no {doi}, which was registered and so is there; see that the repository in the "
                    "settings is the same"
                )
                raise TargetRefused(msg, doi=doi)
            return None
        if found.state is DoiState.DRAFT and not request.was_public:
            return self._deposit(found, DepositState.WITHDRAWN, remark=_LEFT)
        was_told = found.state is not DoiState.DRAFT
        changes = _tombstone(request, found)
        if changes:
            found = self._service.change(doi, changes)
        _require(found, DoiState.REGISTERED, url=None)
        if not request.record.is_bare:
            return self._deposit(found, DepositState.WITHDRAWN)
        _require_bare(found, request)
        return self._deposit(found, DepositState.WITHDRAWN, remark=_HISTORY if was_told else None)

    def test(self) -> TargetReport:
        """Ask whether the repository may make DOIs of the prefix, which only who has its password is told."""
        try:
            is_assigned = self._service.has_prefix(self._prefix)
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=str(refusal))
        repository = self._service.repository
        if not is_assigned:
            words = f"DataCite has not assigned the prefix {self._prefix} to {repository}; see it in the settings"
            return TargetReport(is_usable=False, words=words)
        return TargetReport(is_usable=True, words=f"{repository} may make DOIs that begin with {self._prefix}/")

    def _named(self, request: ReserveRequest) -> str:
        return doi_of(request.pid, request.version, prefix=self._prefix)

    def _doi(self, request: DepositRequest, known: Deposit | None) -> str:
        """Name the version's DOI: the one that it has, also where the prefix is another by now.

        Raises:
            TargetRefused: It has one from somewhere else; a second is never made.
        """
        ours = self._named(request)
        present = [doi for doi in (known.doi if known else None, request.doi) if doi]
        for doi in present:
            if _suffix(doi) != _suffix(ours):
                which = version_ark(request.pid, request.version)
                msg = f"{which} has the DOI {doi} from elsewhere; it gets no second one"
                raise TargetRefused(msg, doi=doi)
        return present[0] if present else ours

    def _found(self, doi: str, request: ReserveRequest) -> DoiRecord | None:
        """Look for the DOI, and whether it is this version's.

        Raises:
            TargetRefused: It is another repository's, or leads to something else.
        """
        found = self._service.find(doi)
        if found is None:
            return None
        if found.repository not in {None, self._service.repository}:
            owner = _shown(found.repository or "")
            msg = f"the DOI {doi} belongs to the repository {owner}; nothing was changed: ask its owner"
            raise TargetRefused(msg, doi=doi, repository=owner)
        if found.url is not None and not _is_page_of(found.url, request):
            shown = _shown(found.url)
            msg = (
                f"the DOI {doi} is there and leads to {shown}, which is no page of "
                f"{version_ark(request.pid, request.version)}; nothing was changed: a person has to look at it"
            )
            raise TargetRefused(msg, doi=doi, url=shown)
        return found

    def _taken(self, doi: str, request: ReserveRequest) -> DoiRecord:
        found = self._found(doi, request)
        if found is None:
            msg = f"DataCite says that {doi} is taken and does not show it: it is a draft of another repository's"
            raise TargetRefused(msg, doi=doi)
        return found

    def _deposit(self, found: DoiRecord, state: DepositState, *, remark: str | None = None) -> Deposit:
        return Deposit(
            target=self.name,
            outside_id=found.doi,
            address=f"https://doi.org/{found.doi}" if state is DepositState.DEPOSITED else None,
            doi=found.doi,
            state=state,
            told_at=self._clock.now(),
            remark=remark,
        )


def _page(request: ReserveRequest) -> str:
    """Give the address of the version's own page: the dataset's leads to whatever is newest."""
    return f"{request.address.rstrip('/').removesuffix(f'/{request.version}')}/{request.version}"


def _is_page_of(url: str, request: ReserveRequest) -> bool:
    """Tell whether an address is of this version's page, here or where the site was before."""
    try:
        return urlsplit(url).path.endswith(f"/{version_ark(request.pid, request.version)}")
    except ValueError:
        return False


def _suffix(doi: str) -> str:
    return doi.partition("/")[2]


def _shown(text: str) -> str:
    return cut_line(text[:200].replace("<", " ")) or "nothing that can be read"


def _attributes(request: DepositRequest, doi: str) -> dict[str, JsonValue]:
    """Say what the public record says, and which version was public before; a draft was not, and may never be."""
    attributes = rest_attributes(described_from(request.record, address=_page(request), doi=doi))
    before = _before(request)
    related = attributes.get("relatedIdentifiers")
    if before and isinstance(related, list):
        attributes["relatedIdentifiers"] = [*related, _is_new_version_of(before)]
    return attributes


def _before(request: DepositRequest) -> str | None:
    """Name the DOI of the version before this one; an older version may have got its own later than a newer one."""
    name = request.pid.rpartition("/")[2]
    ours = _order(request.version)
    named = {
        order: one.doi
        for one in request.earlier
        if one.doi and one.state is not DepositState.RESERVED
        if (order := _order(_suffix(one.doi).removeprefix(f"{name}."))) < ours
    }
    return named[max(named)] if named else None


def _order(label: str) -> tuple[int, int]:
    """Give what versions are ordered by; what is none comes after all of them."""
    try:
        return place_of(label)
    except InvalidInput:
        return sys.maxsize, 0


def _is_new_version_of(doi: str) -> JsonValue:
    return {
        "relatedIdentifier": doi,
        "relatedIdentifierType": "DOI",
        "relationType": "IsNewVersionOf",
        "resourceTypeGeneral": "Dataset",
    }


def _tombstone(request: DepositRequest, found: DoiRecord) -> dict[str, JsonValue]:
    """Say what is to be changed of a DOI of which nothing is public any more; empty when it is as it should be."""
    record = request.record
    changes: dict[str, JsonValue] = {}
    if record.is_bare and further_attributes(found.said, bare_attributes(record)):
        changes = bare_attributes(record)
    elif found.state is DoiState.DRAFT:
        changes = cited_attributes(record)
    match found.state:
        case DoiState.DRAFT:
            changes |= {"url": _page(request), "event": DoiEvent.REGISTER.value}
        case DoiState.FINDABLE:
            changes |= {"event": DoiEvent.HIDE.value}
        case DoiState.REGISTERED:
            pass
    return changes


def _require_bare(done: DoiRecord, request: DepositRequest) -> None:
    further = further_attributes(done.said, bare_attributes(request.record))
    if further:
        msg = (
            f"DataCite was asked to say nothing more of {done.doi}, and goes on telling {', '.join(further)}; "
            "have it removed there"
        )
        raise TargetRefused(msg, doi=done.doi, fields=further)


def _require(done: DoiRecord, state: DoiState, *, url: str | None) -> None:
    """Raise `TargetRefused` unless the service did what it was asked; it passes over what it does not do in silence."""
    if done.state is not state:
        msg = f"DataCite was asked to make {done.doi} {state.value} and left it {done.state.value}; look at it there"
        raise TargetRefused(msg, doi=done.doi, state=done.state.value)
    if url is not None and done.url != url:
        msg = f"DataCite was told that {done.doi} leads to {url} and says that it leads elsewhere; look at it there"
        raise TargetRefused(msg, doi=done.doi)
