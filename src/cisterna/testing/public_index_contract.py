"""What every index of what is public must do: inherit, give the fixtures `catalogue` and `clock`, and run."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from cisterna.domain.identifier import ark, dataset_id
from cisterna.domain.public_entry import Facet, HarvestForm, PublicContent, PublicEntry
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.public_index import Count, Found, Harvested, HarvestWanted, Known, Sort, Wanted
from cisterna.testing.clock import START, SettableClock

_SECOND = timedelta(seconds=1)
HOSTILE = (
    "'; DROP TABLE public_words; --",
    "nuclei' | 'x",
    "a & !b | (c <-> d) :*",
    "\\'\\\\'",
    "nuclei\x00dapi",
    "%",
    "_____",
    "nu_lei%",
    "\ud800",
    "¯\\_(ツ)_/¯",
    "'" * 300,
    "x" * 100_000,
    "word " * 20_000,
    "ﷺ" * 2000,
)


class PublicIndexContract:
    """Tests of `ports.public_index.PublicIndex`."""

    def test_a_dataset_is_found_by_any_word_of_its_record(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """Nobody has to know where a word stands."""
        shown = entry("plate-7", title="Nuclei of HeLa cells", description="Seen with a lamp", creators=("Björn Ek",))
        put(catalogue, clock, shown, entry("other", title="Mitochondria"))

        for words in ("nuclei", "HELA Nuclei", "nucl", "lamp seen", "bjorn", "BJÖRN", "squid-1", shown.pid, "CC-BY"):
            assert pids(find(catalogue, words))[:1] == [shown.pid], words
        assert pids(find(catalogue, "nuclei mitochondria")) == []

    def test_words_in_the_title_weigh_more_than_elsewhere(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """What a dataset is about comes before what is mentioned in it."""
        texts: dict[str, dict[str, Any]] = {
            "said": {"description": "Beside nuclei there is dust."},
            "by": {"creators": ("Nuclei Smith",)},
            "tagged": {"subjects": ("nuclei",)},
            "titled": {"title": "Nuclei"},
        }
        put(catalogue, clock, *(entry(name, **fields) for name, fields in texts.items()))

        found = find(catalogue, "nuclei")

        assert pids(found) == [pid_of(name) for name in ("titled", "tagged", "by", "said")]

    def test_a_misspelt_word_and_a_part_of_one_find_what_was_meant(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """And it is said what stood in for it."""
        put(catalogue, clock, entry("plate-7", title="Hepatocells by fluorescence"), entry("other", title="Unlike"))

        for asked, meant in {
            "cells": "hepatocells",
            "Fluoresence": "fluorescence",
            "hepatcells": "hepatocells",
        }.items():
            found = find(catalogue, asked)
            assert pids(found) == [pid_of("plate-7")]
            assert found.meant == {asked.lower(): (meant,)}

    def test_nothing_that_is_typed_is_an_operator_or_breaks_anything(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """It is words, or it finds nothing."""
        put(catalogue, clock, entry("plate-7", title="Nuclei"))

        for text in HOSTILE:
            chosen = {Facet.CREATOR: (text,)}
            with catalogue.begin() as tx:
                assert tx.public_index.search(Wanted(words=text), limit=9).total in {0, 1}
                assert tx.public_index.search(Wanted(words=text, chosen=chosen), limit=9).total == 0
                assert tx.public_index.facets(Wanted(words=text, chosen=chosen)).of == 0
                assert tx.public_index.count() == 1
        assert find(catalogue, "nuclei' | 'nothing").total == 0

    def test_without_a_word_everything_is_found(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """Signs are no words."""
        put(catalogue, clock, entry("a"), entry("b"))

        assert [find(catalogue, text).total for text in ("%", "_", "", "  ", "'\"&|!", "\x00")] == [2] * 6

    def test_every_script_is_searched_alike(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """The database's own language has no part in it."""
        for name, title in {"sv": "Ögonlinser på Åland", "el": "Κύτταρα", "ru": "Клетки", "ja": "細胞核"}.items():
            put(catalogue, clock, entry(name, title=title))

        for name, words in {"sv": "ÅLAND", "el": "κυτταρα", "ru": "КЛЕТКИ", "ja": "細胞核"}.items():
            assert pids(find(catalogue, words)) == [pid_of(name)], words

    def test_values_narrow_what_is_found_and_are_counted(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """All that are chosen hold at once."""
        put(
            catalogue,
            clock,
            entry("a", title="Nuclei one", organisms=("Homo sapiens",), creators=("Ada", "Björn")),
            entry("b", title="Nuclei two", organisms=("Mus musculus",), creators=("Ada",)),
            entry("c", title="Spectra", data_type="mass-spectrometry", creators=("Ada",)),
        )
        human = Wanted(words="nuclei", chosen={Facet.ORGANISM: ("Homo sapiens",), Facet.CREATOR: ("Ada", "Björn")})

        with catalogue.begin() as tx:
            everything, some = tx.public_index.facets(Wanted()), tx.public_index.facets(Wanted(words="nuclei"))
            found = tx.public_index.search(human, limit=9)
            unknown = tx.public_index.search(Wanted(chosen={Facet.CREATOR: ("Nobody",)}), limit=9)

        assert pids(found) == [pid_of("a")]
        assert (unknown.total, list(unknown.rows)) == (0, [])
        assert everything.of == 3
        assert everything.values[Facet.CREATOR] == [Count("Ada", 3), Count("Björn", 1)]
        assert everything.values[Facet.DATA_TYPE] == [Count("microscopy", 2), Count("mass-spectrometry", 1)]
        assert some.of == 2
        assert some.values[Facet.CREATOR] == [Count("Ada", 2), Count("Björn", 1)]

    def test_pages_hold_each_dataset_once_in_every_order(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """Also where many are alike."""
        made = [
            entry(f"plate-{number}", title="Nuclei", total_bytes=number % 3, published_at=START + number % 4 * _SECOND)
            for number in range(11)
        ]
        put(catalogue, clock, *made)

        for sort in Sort:
            with catalogue.begin() as tx:
                pages = [
                    tx.public_index.search(Wanted(words="nuclei"), sort=sort, limit=4, offset=at)
                    for at in (0, 4, 8, 12)
                ]
            seen = [pid for page in pages for pid in pids(page)]
            assert sorted(seen) == sorted(one.pid for one in made)
            assert [page.total for page in pages] == [11] * 4
        assert [one.published_at for one in find(catalogue, sort=Sort.NEWEST).rows] == sorted(
            (one.published_at for one in made), reverse=True
        )

    def test_the_newest_version_that_stands_speaks_for_a_dataset(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """Ten comes after nine, and what was withdrawn says nothing."""
        put(catalogue, clock, entry("a", "v9", title="Nine"), entry("a", "v10", title="Ten"))
        assert [one.version for one in find(catalogue, "").rows] == ["v10"]
        assert pids(find(catalogue, "nine")) == []

        withdraw(catalogue, clock, "a", "v10")

        assert [one.content.title for one in find(catalogue, "").rows] == ["Nine"]
        assert pids(find(catalogue, "nine")) == [pid_of("a")]
        assert sums(catalogue)[Facet.YEAR, "2026"] == (1, 3, 1000)

    def test_nothing_is_left_of_what_was_withdrawn(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """Neither in lists nor in counts nor as a word that stands in for another; its deletion is told."""
        secret = entry("a", title="Xylophone", subjects=("zymurgy",), creators=("Quentin",), organisms=("Axolotl",))
        put(catalogue, clock, secret, entry("b"))
        clock.advance(5)

        withdraw(catalogue, clock, "a")

        told = everything(catalogue)
        for word in ("xylophone", "zymurgy", "quentin", "axolotl"):
            assert word not in told.lower()
            assert find(catalogue, word).total == 0
            assert find(catalogue, word[:-1] + "x").meant == {}
        gone = harvest(catalogue)[-1]
        assert (gone.pid, gone.version, gone.document, gone.data_type) == (secret.pid, "v1", None, "microscopy")
        assert gone.changed_at == START + 5 * _SECOND
        with catalogue.begin() as tx:
            assert tx.public_index.count() == 1
            assert [one.pid for one in tx.public_index.listed(limit=9, offset=0)] == [pid_of("b")]
            assert tx.public_index.withdraw(secret.pid, clock=clock) == 0

    def test_putting_the_same_again_changes_nothing(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """A step may run twice; harvesters hear of it once."""
        put(catalogue, clock, entry("a"))
        before = harvest(catalogue)
        clock.advance(60)

        with catalogue.begin() as tx:
            assert tx.public_index.put([entry("a", mark="etag")], clock=clock) == 0
            assert tx.public_index.known(after=None, upto=None) == {(pid_of("a"), "v1"): Known("etag", stands=True)}

        assert harvest(catalogue) == before

    def test_what_is_known_is_given_between_two_pids(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """By the order of their bytes."""
        made = sorted((entry(name, mark=name) for name in "abcde"), key=lambda one: one.pid)
        put(catalogue, clock, *made)

        with catalogue.begin() as tx:
            some = tx.public_index.known(after=made[0].pid, upto=made[2].pid)
            rest = tx.public_index.known(after=made[2].pid, upto=None)

        assert [pid for pid, _ in some] == [made[1].pid, made[2].pid]
        assert sorted(pid for pid, _ in rest) == [made[3].pid, made[4].pid]

    def test_sums_are_those_of_what_stands(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """However it came about."""
        put(catalogue, clock, entry("a"), entry("b", instrument="codex-1", total_bytes=500, affiliations=("Umeå",)))
        put(catalogue, clock, entry("a", "v2", total_bytes=7, file_count=1), entry("c", year=2025))
        withdraw(catalogue, clock, "c")

        assert sums(catalogue) == {
            (Facet.AFFILIATION, "Umeå"): (1, 3, 500),
            (Facet.DATA_TYPE, "microscopy"): (2, 4, 507),
            (Facet.INSTRUMENT, "codex-1"): (1, 3, 500),
            (Facet.INSTRUMENT, "squid-1"): (1, 1, 7),
            (Facet.LICENCE, "CC-BY-4.0"): (2, 4, 507),
            (Facet.YEAR, "2026"): (2, 4, 507),
        }

    def test_sums_are_told_of_the_most_frequent_values_and_of_every_year(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """And how many values are left out."""
        made = [entry(str(at), year=2020 + at, affiliations=("Umeå", f"Group {at}")) for at in range(4)]
        put(catalogue, clock, *made)

        with catalogue.begin() as tx:
            found = tx.public_index.statistics(most=2)

        told = [one.value for one in found.told if one.facet is Facet.AFFILIATION]
        assert told == ["Umeå", "Group 0"]
        assert found.left_out == {Facet.AFFILIATION: 3}
        assert sum(one.datasets for one in found.told if one.facet is Facet.YEAR) == 4

    def test_a_harvest_in_parts_passes_nothing_over_and_doubles_nothing(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """Whatever is published in between, within the same second too."""
        put(catalogue, clock, *(entry(name) for name in "mnop"))

        first = harvest(catalogue, limit=2)
        put(catalogue, clock, entry("a"))
        clock.set(START - timedelta(hours=1))  # a clock that was set back must not hide anything
        put(catalogue, clock, entry("z"))
        rest = harvest(catalogue, after=first[-1].place)

        seen = [one.pid for one in (*first, *rest)]
        assert sorted(seen) == sorted(pid_of(name) for name in "mnopaz")
        times = [one.changed_at for one in (*first, *rest)]
        assert times == sorted(times)

    def test_a_harvester_waits_for_a_writer_that_came_before_it(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """Else the next harvest, which begins where this one did, would pass over what was being written."""
        written, go_on = Event(), Event()

        def write() -> None:
            with catalogue.begin() as tx:
                tx.public_index.put([entry("a")], clock=clock)
                written.set()
                assert go_on.wait(20)

        with ThreadPoolExecutor(2) as pool:
            writing = pool.submit(write)
            assert written.wait(20)
            reading = pool.submit(harvest, catalogue)
            with pytest.raises(TimeoutError):
                reading.result(timeout=0.2)
            go_on.set()
            writing.result()

            assert [one.pid for one in reading.result()] == [pid_of("a")]

    def test_a_harvest_is_narrowed_by_time_and_type(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """Both ends belong to it; who harvests a type hears of every deletion that may be of it."""
        put(catalogue, clock, entry("a"))
        clock.advance(10)
        put(catalogue, clock, entry("b", data_type="table"), entry("untold", content=None, data_type=None))

        at = START + 10 * _SECOND
        assert [one.pid for one in harvest(catalogue, until=START)] == [pid_of("a")]
        assert len(harvest(catalogue, since=at, until=at)) == 2
        assert harvest(catalogue, since=at + _SECOND) == []
        assert {one.pid for one in harvest(catalogue, data_type="table")} == {pid_of("b"), pid_of("untold")}
        with catalogue.begin() as tx:
            assert tx.public_index.harvestable(HarvestWanted(form=HarvestForm.DUBLIN_CORE, data_type="table")) == 2
            assert tx.public_index.data_types() == ["microscopy", "table"]
            assert tx.public_index.earliest() == START

    def test_a_record_is_harvested_in_the_forms_that_it_has(self, catalogue: Catalogue, clock: SettableClock) -> None:
        """What has no DataCite form is not in a list of those."""
        put(catalogue, clock, entry("a", documents={HarvestForm.DUBLIN_CORE: "<dc/>"}), entry("b"))

        with catalogue.begin() as tx:
            assert list(tx.public_index.versions(pid_of("a"), "v1")) == [HarvestForm.DUBLIN_CORE]
            assert len(tx.public_index.versions(pid_of("b"), "v1")) == 2
            assert tx.public_index.versions(pid_of("b"), "v2") == {}
        assert [one.pid for one in harvest(catalogue, form=HarvestForm.DATACITE)] == [pid_of("b")]

    def test_a_withdrawal_that_tells_no_type_keeps_the_one_that_is_known(
        self, catalogue: Catalogue, clock: SettableClock
    ) -> None:
        """A tombstone may be bare."""
        put(catalogue, clock, entry("a"), entry("b"))

        put(catalogue, clock, entry("a", content=None, data_type=None), entry("b", data_type=None))

        assert harvest(catalogue)[1].data_type is None
        assert [(one.document, one.data_type) for one in harvest(catalogue)][:1] == [(None, "microscopy")]


def entry(name: str, version: str = "v1", **fields: Any) -> PublicEntry:
    """Make an entry; its PID comes of the name."""
    own = {key: fields.pop(key) for key in ("published_at", "data_type", "mark") if key in fields}
    made = {
        "title": f"Dataset {name}",
        "licence": "CC-BY-4.0",
        "instrument": "squid-1",
        "year": 2026,
        "file_count": 3,
        "total_bytes": 1000,
        "documents": {form: f"<{form} about='{name}'/>" for form in HarvestForm},
    }
    is_gone = fields.pop("content", made) is None
    content = None if is_gone else PublicContent(**{**made, **fields})
    said = {"published_at": START, "data_type": "microscopy", **own}
    return PublicEntry(pid=pid_of(name), version=version, content=content, **said)


def pid_of(name: str) -> str:
    """Give the PID of a name."""
    return ark(dataset_id(origin=name))


def put(catalogue: Catalogue, clock: SettableClock, *entries: PublicEntry) -> None:
    """Put entries in one transaction."""
    with catalogue.begin() as tx:
        tx.public_index.put(entries, clock=clock)


def withdraw(catalogue: Catalogue, clock: SettableClock, name: str, version: str | None = None) -> None:
    """Withdraw a version, or all."""
    with catalogue.begin() as tx:
        assert tx.public_index.withdraw(pid_of(name), version, clock=clock)


def find(catalogue: Catalogue, words: str = "", sort: Sort = Sort.RELEVANCE) -> Found:
    """Search by words."""
    with catalogue.begin() as tx:
        return tx.public_index.search(Wanted(words=words), sort=sort, limit=50)


def pids(found: Found) -> list[str]:
    """Give the PIDs of a page."""
    return [one.pid for one in found.rows]


def harvest(catalogue: Catalogue, *, limit: int = 100, **asked: Any) -> list[Harvested]:
    """Harvest in one part."""
    with catalogue.begin() as tx:
        wanted = HarvestWanted(**{"form": HarvestForm.DUBLIN_CORE, **asked})
        return list(tx.public_index.harvest(wanted, limit=limit))


def sums(catalogue: Catalogue) -> dict[tuple[Facet, str], tuple[int, int, int]]:
    """Read the statistics: datasets, files and bytes."""
    with catalogue.begin() as tx:
        told = tx.public_index.statistics()
    return {(one.facet, one.value): (one.datasets, one.file_count, one.total_bytes) for one in told.told}


def everything(catalogue: Catalogue, words: Iterable[str] = ("",)) -> str:
    """Write down all that the index tells, by every method that tells of content."""
    with catalogue.begin() as tx:
        index = tx.public_index
        told: list[object] = [index.statistics(), index.data_types(), index.listed(limit=10_000, offset=0)]
        told += [index.harvest(HarvestWanted(form=form), limit=10_000) for form in HarvestForm]
        for one in words:
            told += [index.search(Wanted(words=one), limit=10_000), index.facets(Wanted(words=one), most=10_000)]
    return repr(told)
