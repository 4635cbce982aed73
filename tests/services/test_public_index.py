"""The index of what is public: what public records say, only of what may be public, and brought right by looking."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.portal import Portal
from cisterna.domain.errors import CouldNotCheck, PublicationRefused, StoreUnavailable
from cisterna.domain.project import Access, HumanData
from cisterna.domain.public_entry import Facet, HarvestForm
from cisterna.metadata.record import SAMPLE_KINDS
from cisterna.ports.public_index import Sort, Wanted
from cisterna.ports.publisher import PublicRecord, ShelfMark
from cisterna.services.public_entry import entry_of
from cisterna.services.public_index import Levelled, level_public_index
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.public_index_contract import everything, find, harvest, pid_of, pids
from tests.web.site import Site

SECRET = "zymurgy"


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def level(site: Site) -> Levelled:
    return level_public_index(catalogue=site.catalogue, shelf=site.portal, clock=site.clock, base_url=site.base_url)


def record(name: str = "a", **fields: Any) -> PublicRecord:
    said = {"access": "open", "human_data": "no", "data_type": "microscopy", **fields.pop("metadata", {})}
    made = {"pid": pid_of(name), "dataset_id": f"ds-{name}", "version": "v1", "title": name, "published_at": START}
    return PublicRecord(metadata=said, **{**made, **fields})


def test_what_is_published_is_in_the_index_at_once_and_what_is_withdrawn_is_not(site: Site) -> None:
    version = site.lay_published("plate-7", title="Plate of nuclei")
    pid = site.dataset(version).pid

    (shown,) = find(site.catalogue, "nuclei ek imaging").rows
    assert (shown.pid, shown.version, shown.content.title) == (pid, "v1", "Plate of nuclei")
    assert shown.content.creators == ("Ada Holm", "Björn Ek")
    public = site.portal.find(pid)
    assert public is not None
    assert (shown.content.file_count, shown.content.total_bytes) == (public.file_count, public.total_bytes)

    site.withdraw(version)

    assert find(site.catalogue).total == 0
    assert [(one.pid, one.document) for one in harvest(site.catalogue)] == [(pid, None)]
    assert "nuclei" not in everything(site.catalogue, ["nuclei"]).replace("words", "")


@pytest.mark.parametrize("act", ["withdraw", "discard"])
def test_of_what_was_taken_back_by_an_act_that_was_killed_nothing_is_found_or_harvested(site: Site, act: str) -> None:
    version = site.now(site.lay_published("plate-7", title=SECRET))
    site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        getattr(site, act)(version)

    public = site.portal.find(site.dataset(version).pid)
    assert public is not None
    assert public.tombstone is not None
    assert SECRET not in everything(site.catalogue)
    assert [one.document for one in harvest(site.catalogue)] == [None]

    getattr(site, act)(site.now(version))
    assert [one.document for one in harvest(site.catalogue)] == [None]


def test_what_is_discarded_or_erased_is_taken_out(site: Site) -> None:
    discarded, erased = (site.lay_published(name, title=f"{SECRET} {name}") for name in ("plate-1", "plate-2"))

    site.discard(site.now(discarded))
    site.lay_erasure(erased)

    assert SECRET not in everything(site.catalogue)
    assert [one.document for one in harvest(site.catalogue)] == [None, None]


def test_a_publication_that_was_refused_or_not_recorded_is_not_in_the_index(site: Site) -> None:
    closed = site.decide(site.lay_version("plate-1", title=f"{SECRET} closed", access=Access.RESTRICTED))
    with pytest.raises(PublicationRefused):
        site.publish(closed)
    killed = site.decide(site.lay_version("plate-2", title=f"{SECRET} killed"))
    site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        site.publish(killed)

    found = level(site)

    assert found == Levelled(records=1, changed=0, unrecorded=(killed.version_id,))
    assert SECRET not in everything(site.catalogue)

    site.publish(killed)
    assert find(site.catalogue, SECRET).total == 1


def test_a_look_at_the_bucket_makes_the_index_anew_and_another_finds_nothing_to_do(site: Site) -> None:
    for number in range(3):
        site.lay_published(f"plate-{number}", title=f"Plate {number} nuclei")
    site.withdraw(site.lay_published("plate-9", title=SECRET))
    before = shown_of(site)
    reads = site.public.calls["get"]  # type: ignore[attr-defined]

    assert level(site) == Levelled(records=4, changed=0)
    assert level(site) == Levelled(records=4, changed=0)
    assert site.public.calls["get"] <= reads + 4  # type: ignore[attr-defined]
    wipe(site)
    assert level(site) == Levelled(records=4, changed=4)

    assert shown_of(site) == before


def wipe(site: Site) -> None:
    """Lose the index, as a restored database may."""
    with site.catalogue._engine.begin() as connection:
        connection.execute(sql_text("TRUNCATE public_versions, public_datasets, public_values, public_words"))


def shown_of(site: Site) -> object:
    """Say what the index tells, without when it was told and in which order."""
    with site.catalogue.begin() as tx:
        found = tx.public_index.search(Wanted(words="nuclei"), sort=Sort.TITLE, limit=9)
        counts, sums = tx.public_index.facets(Wanted()), tx.public_index.statistics()
    harvested = {(one.pid, one.version, one.data_type, one.document) for one in harvest(site.catalogue)}
    return found, counts, sums, harvested


@pytest.mark.parametrize("missed", ["put", "withdraw"])
def test_what_was_missed_when_it_happened_is_made_good_by_looking(site: Site, missed: str) -> None:
    version = site.lay_published("plate-7", title="Plate of nuclei")
    pid = site.dataset(version).pid
    with site.catalogue.begin() as tx:
        if missed == "put":
            tx.public_index.withdraw(pid, clock=site.clock)
    if missed == "withdraw":
        public = site.portal.find(pid)
        assert public is not None
        site.portal.withdraw(public.model_copy(update={"tombstone": "gone", "withdrawn_at": site.clock.now()}))

    assert level(site).changed == 1

    assert find(site.catalogue, "nuclei").total == (1 if missed == "put" else 0)
    assert level(site).changed == 0


def test_a_record_that_vanished_is_taken_out_and_a_bucket_that_vanished_is_not_believed(site: Site) -> None:
    versions = [site.lay_published(f"plate-{number}") for number in range(12)]
    level(site)
    keys = [one.key for one in site.public.list("")]

    site.public.delete(keys[:1])
    assert level(site) == Levelled(records=11, changed=1)

    site.public.delete(keys)
    with pytest.raises(CouldNotCheck, match="right bucket"):
        level(site)
    assert find(site.catalogue).total == 11
    assert len(versions) == 12


class _PublishedMeanwhile(Portal):
    """A public bucket into which something is published while it is listed."""

    def __init__(self, site: Site, happens: Callable[[], object]) -> None:
        super().__init__(site.public, base_url=site.base_url)
        self._happens = happens

    def marks(self) -> Iterator[ShelfMark]:
        """List what there was before."""
        yield from list(super().marks())
        self._happens()


def test_what_is_published_while_the_bucket_is_listed_is_not_told_as_deleted(site: Site) -> None:
    site.lay_published("plate-1")
    shelf = _PublishedMeanwhile(site, lambda: site.lay_published("plate-2", title=SECRET))

    found = level_public_index(catalogue=site.catalogue, shelf=shelf, clock=site.clock, base_url=site.base_url)

    assert found == Levelled(records=1, changed=0)
    assert find(site.catalogue, SECRET).total == 1
    assert all(one.document for one in harvest(site.catalogue))


class _WrittenMeanwhile(Portal):
    """A public bucket that is changed, once, just after a record was read from it."""

    def __init__(self, site: Site, happens: Callable[[], object]) -> None:
        super().__init__(site.public, base_url=site.base_url)
        self._happens: Callable[[], object] | None = happens

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read what there was before."""
        found, happens = super().find(pid, version=version), self._happens
        self._happens = None
        if happens is not None:
            happens()
        return found


@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "not indexed yet"])
@pytest.mark.parametrize("act", ["withdraw", "discard"])
def test_what_is_taken_back_while_its_record_is_read_is_not_shown_again_and_waits_for_nobody(
    site: Site, act: str, is_indexed: bool
) -> None:
    version = site.now(site.lay_published("plate-7", title=SECRET))
    if not is_indexed:
        wipe(site)
    # Whoever read it in its turn would let the act wait until the lock is given up.
    shelf = _WrittenMeanwhile(site, lambda: getattr(site, act)(version))

    level_public_index(catalogue=site.catalogue, shelf=shelf, clock=site.clock, base_url=site.base_url)

    assert SECRET not in everything(site.catalogue)
    assert find(site.catalogue).total == 0
    level(site)
    assert SECRET not in everything(site.catalogue)
    assert [one.document for one in harvest(site.catalogue)] == [None]


@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "not indexed yet"])
@pytest.mark.parametrize("act", ["withdraw", "discard"])
def test_what_an_act_that_was_killed_takes_back_while_its_record_is_read_is_not_shown_again(
    site: Site, act: str, is_indexed: bool
) -> None:
    version = site.now(site.lay_published("plate-7", title=SECRET))
    if not is_indexed:
        wipe(site)

    def killed() -> None:
        site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable):
            getattr(site, act)(version)

    shelf = _WrittenMeanwhile(site, killed)

    level_public_index(catalogue=site.catalogue, shelf=shelf, clock=site.clock, base_url=site.base_url)

    assert SECRET not in everything(site.catalogue)
    level(site)
    assert SECRET not in everything(site.catalogue)


def test_what_is_published_while_it_is_found_to_be_gone_stays(site: Site) -> None:
    site.lay_published("plate-7", title=SECRET)
    level(site)
    (key,) = [one.key for one in site.public.list("")]
    body, _ = site.public.get(key)
    site.public.delete([key])
    again = entry_of(PublicRecord.model_validate_json(body), base_url=site.base_url)
    again = again.model_copy(update={"content": again.content and again.content.model_copy(update={"year": 2027})})

    def published() -> None:
        site.public.put(key, body)
        with site.catalogue.begin() as tx:
            tx.public_index.put([again], clock=site.clock)

    shelf = _WrittenMeanwhile(site, published)
    level_public_index(catalogue=site.catalogue, shelf=shelf, clock=site.clock, base_url=site.base_url)

    assert find(site.catalogue, SECRET).total == 1
    assert all(one.document for one in harvest(site.catalogue))


def test_only_what_says_that_it_is_open_and_of_nobody_has_content() -> None:
    for access, human, tombstone in product([*Access, None, "OPEN"], [*HumanData, None, True], [None, "gone"]):
        made = record(metadata={"access": access, "human_data": human}, tombstone=tombstone, title=SECRET)

        entry = entry_of(made, base_url="http://x")

        is_open = access == "open" and human == "no" and tombstone is None
        assert (entry.content is not None) == is_open
        assert (SECRET in repr(entry)) == is_open


def test_of_ten_thousand_random_policies_nothing_restricted_comes_into_any_output(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    chance = random.Random(7)
    public, entries = set(), []
    for number in range(10_000):
        access, human = chance.choice([*Access, None]), chance.choice([*HumanData, None])
        tombstone = chance.choice([None, None, "gone"])
        is_open = access == "open" and human == "no" and tombstone is None
        word = f"shown{number}" if is_open else f"{SECRET}{number}"
        term = {"label": word, "curie": f"{word}:1"}
        said = {
            "access": access,
            "human_data": human,
            "data_type": "table",
            "keywords": [word],
            "subjects": [term],
            "samples": {kind: [term] for kind in SAMPLE_KINDS},
            "sample_sheet": {"path": word, "columns": [word]},
            "creators": [{"name": word, "affiliation": word, "orcid": word}],
            "instrument": {"name": word},
            "description": word,
            "licence": word,
        }
        made = record(f"record {number}", metadata=said, title=word, tombstone=tombstone)
        entry = entry_of(made, base_url="http://x")
        if is_open:
            public.add(made.pid)
        assert (SECRET in repr(entry)) is False
        if is_open or number % 20 == 0:  # of those without content some: they are all alike
            entries.append(entry)
    entries = entries[:400]
    with catalogue.begin() as tx:
        tx.public_index.put(entries, clock=clock)

    told = everything(catalogue, ["", SECRET, "shown"])

    shown = {one.pid for one in entries if one.content is not None}
    assert 0 < len(shown) < len(public)
    assert SECRET not in told
    assert {one.pid for one in harvest(catalogue, limit=10_000, form=HarvestForm.DATACITE) if one.document} <= shown
    assert set(pids(find(catalogue, "shown"))) <= shown
    with catalogue.begin() as tx:
        assert {one.pid for one in tx.public_index.listed(limit=10_000, offset=0)} == shown


def test_a_record_of_odd_values_is_indexed_by_those_that_are_texts() -> None:
    odd: dict[str, Any] = {
        "creators": [{"name": "Ada\u202e"}, "Ek", {"name": 3}, {"name": "x" * 5000}, None],
        "keywords": ["a\x00b", "", "a\x00b", {"x": 1}],
        "instrument": ["no"],
        "samples": {"organisms": [{"label": "Homo sapiens"}, 7]},
        "publication_year": "2026",
        "description": ["no"],
        "licence": 4,
    }

    content = entry_of(record(metadata=odd), base_url="http://x").content

    assert content is not None
    assert content.creators[0] == "Ada"
    assert len(content.creators[1]) == 200
    assert content.subjects == ("ab",)
    assert content.organisms == ("Homo sapiens",)
    assert (content.instrument, content.licence, content.description, content.year) == (None, None, "", START.year)


def test_a_plate_of_a_thousand_treatments_is_found_by_each_and_narrowed_down_by_the_first(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    said = {
        "access": "open",
        "human_data": "no",
        "samples": {
            "cell_lines": [{"label": "HeLa"}],
            "stains": [{"label": "Hoechst 33342"}],
            "treatments": [{"label": f"compound{number}", "curie": f"CHEBI:{number}"} for number in range(1000)],
        },
    }
    with catalogue.begin() as tx:
        tx.public_index.put([entry_of(record(metadata=said), base_url="http://x")], clock=clock)

    wanted = (("", Facet.CELL_LINE, "HeLa"), ("", Facet.STAIN, "Hoechst 33342"), ("", Facet.TREATMENT, "compound7"))
    for words, facet, value in wanted:
        with catalogue.begin() as tx:
            found = tx.public_index.search(Wanted(words=words, chosen={facet: (value,)}), limit=9)
        assert found.total == 1, value
    assert [find(catalogue, word).total for word in ("compound999", "hoechst", "hela")] == [1, 1, 1]


def test_a_harvested_form_is_the_records_own_and_what_is_no_xml_is_left_out() -> None:
    own = '<?xml version="1.0"?>\n<dc xmlns="x">é</dc>'
    for document, expected in ((own, '<dc xmlns="x">é</dc>'), ("<a>", None), ("<!DOCTYPE a><a/>", None), ("", None)):
        content = entry_of(record(documents={"application/xml": document}), base_url="http://x").content
        assert content is not None
        assert content.documents.get(HarvestForm.DUBLIN_CORE) == expected, document


def test_a_facet_names_each_value_once_per_dataset() -> None:
    entry = entry_of(record(metadata={"keywords": ["x"], "subjects": [{"label": "x"}]}), base_url="http://x")

    assert list(entry.values()).count((Facet.SUBJECT, "x")) == 1
