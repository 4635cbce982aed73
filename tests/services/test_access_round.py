"""Embargoes end by themselves, what is restricted again goes, and every round finds by looking what is to be done."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.access import Extent
from cisterna.domain.dataset import Stage, Version, version_id
from cisterna.domain.errors import PublicationRefused, StoreUnavailable
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access, HumanData
from cisterna.domain.review import Decision
from cisterna.domain.work import WorkKind
from cisterna.metadata.forms import FORMS
from cisterna.ports.publisher import PublicRecord
from cisterna.services.access_round import AccessSite, LevelledAccess, level_access
from cisterna.services.consent import revoke_consent
from cisterna.services.publish import request_publication
from cisterna.testing.clock import SettableClock
from cisterna.testing.public_index_contract import everything, find, harvest
from tests.web.application import app_on
from tests.web.site import Site

SECRET = "zymurgy"
END = date(2027, 6, 30)
EMBARGOED = {"access": "embargoed", "embargo_until": END.isoformat()}


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def look(site: Site, **more: Any) -> LevelledAccess:
    return level_access(
        AccessSite(
            catalogue=site.catalogue,
            store=site.store,
            publisher=site.portal,
            tables=site.tables,
            clock=site.clock,
            base_url=site.base_url,
        ),
        **more,
    )


def advance_to(site: Site, moment: datetime) -> None:
    site.clock.advance(moment - site.clock.now())


def until_end(site: Site) -> None:
    advance_to(site, datetime(END.year, END.month, END.day, tzinfo=UTC))


def set_project(site: Site, slug: str = "atlas", *, shows: bool = False, **defaults: Any) -> None:
    with site.catalogue.begin() as tx:
        project = tx.projects.get(slug)
        said = project.defaults.model_copy(update=defaults)
        policy = project.policy.model_copy(update={"show_metadata": shows})
        tx.projects.save(project.model_copy(update={"defaults": said, "policy": policy}))


def works(site: Site, version: Version) -> list[str]:
    with site.catalogue.begin() as tx:
        return [one.key for one in tx.inbox.list(subject=version.version_id) if one.kind is WorkKind.PUBLISH]


def shown(site: Site, version: Version) -> PublicRecord:
    record = site.portal.find(site.dataset(version).pid, version=version.label)
    assert record is not None
    return record


def extent(site: Site, version: Version) -> Extent:
    with site.catalogue.begin() as tx:
        return tx.datasets.publications(version.version_id)[-1].extent


def changes(site: Site, version: Version) -> list[object]:
    with site.catalogue.begin() as tx:
        events = tx.outbox.history([version.version_id])
    return [event.data["extent"] for event in events if event.name == "publication.changed"]


def in_bucket(site: Site) -> str:
    return "".join(site.public.get(one.key)[0].decode() for one in site.public.list(""))


def lay_embargoed(site: Site, name: str = "plate-7", **more: Any) -> Version:
    return site.decide(site.lay_version(name, title=f"{SECRET} {name}", said=EMBARGOED, **more))


def test_what_is_agreed_to_under_an_embargo_becomes_public_on_its_day_and_not_before(site: Site) -> None:
    version = lay_embargoed(site)
    assert works(site, version) == []
    with pytest.raises(PublicationRefused, match="embargoed until 2027-06-30"):
        site.publish(version)

    advance_to(site, datetime(2027, 6, 29, 23, 59, 59, tzinfo=UTC))
    assert look(site) == LevelledAccess()
    assert not list(site.public.list(""))
    until_end(site)

    assert look(site).requested == (version.version_id,)
    assert look(site).requested == ()
    assert len(works(site, version)) == 1
    site.publish(version, consent=None)
    assert extent(site, version) is Extent.FILES


def test_a_description_alone_that_names_a_sample_sheet_is_written_anew(site: Site) -> None:
    set_project(site, shows=True)
    sheet = {"path": f"{SECRET}.csv", "form": "csv", "rows": 1, "wells": 1, "columns": [SECRET]}
    said = {**EMBARGOED, "sample_sheet": sheet, "notes": [SECRET]}
    version = site.decide(site.lay_version("plate-7", title="Plate", said=said))
    site.publish(version, consent=None)
    record = shown(site, version)
    assert record.extent is Extent.METADATA
    assert SECRET not in in_bucket(site)
    earlier = {**record.metadata, "sample_sheet": sheet, "notes": [SECRET]}  # as an earlier version left it
    site.portal.publish(record.model_copy(update={"metadata": earlier}))

    look(site)

    assert SECRET not in in_bucket(site)
    assert look(site) == LevelledAccess()


def test_the_owner_agrees_during_the_embargo_and_may_take_that_back(site: Site) -> None:
    kept, revoked, silent = (lay_embargoed(site, f"plate-{one}", verdict=Verdict.REVIEW) for one in range(3))
    for version in (kept, revoked):
        given = request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
        assert isinstance(given, Decision)
    with pytest.raises(PublicationRefused, match="embargoed until"):
        request_publication(kept.version_id, person="vera", catalogue=site.catalogue, clock=site.clock)
    revoke_consent(revoked.version_id, person="ada", reason="A patent.", catalogue=site.catalogue, clock=site.clock)

    until_end(site)
    site.clock.advance(timedelta(days=400))  # days on which nobody looked are made good

    assert look(site).requested == (kept.version_id,)
    with pytest.raises(PublicationRefused, match="nobody has agreed"):
        site.publish(silent, consent=None)


def test_consent_at_the_stroke_of_midnight_and_under_an_embargo_made_shorter_is_not_forgotten(site: Site) -> None:
    struck = lay_embargoed(site, "plate-1", verdict=Verdict.REVIEW)
    until_end(site)

    class Striking(SettableClock):
        def __init__(self) -> None:
            super().__init__(site.clock.now() - timedelta(milliseconds=1))

        def now(self) -> datetime:
            moment = super().now()
            self.advance(site.clock.now() - moment)
            return moment

    given = request_publication(struck.version_id, person="ada", catalogue=site.catalogue, clock=Striking())
    assert isinstance(given, Decision)
    assert given.decided_at == site.clock.now()
    assert look(site).requested == (struck.version_id,)

    set_project(site, access=Access.EMBARGOED, embargo_until=date(2028, 1, 31))
    shortened = site.decide(site.lay_version("plate-2", verdict=Verdict.REVIEW))
    request_publication(shortened.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    set_project(site, access=Access.EMBARGOED, embargo_until=END)
    assert look(site).requested == (shortened.version_id,)
    assert look(site) == LevelledAccess()


def revise(site: Site, version: Version, **said: Any) -> Version:
    """Describe the same data anew, as an owner's edit does; nobody has reviewed it."""
    with site.catalogue.begin() as tx:
        kept = tx.datasets.get_version(version.version_id)
        made = kept.model_copy(
            update={
                "version_id": version_id(kept.dataset_id, kept.number, 1),
                "revision": 1,
                "stage": Stage.IN_REVIEW,
                "metadata": {**(kept.metadata or {}), **said},
                "record": 0,
            }
        )
        return tx.datasets.add_version(made)


def test_an_embargo_that_the_owner_made_longer_before_its_end_holds_by_edit_or_by_project(site: Site) -> None:
    edited, other = lay_embargoed(site, "plate-1"), lay_embargoed(site, "plate-2")
    revise(site, edited, embargo_until="2027-12-31")
    until_end(site)
    assert look(site).requested == (other.version_id,)

    set_project(site, access=Access.EMBARGOED, embargo_until=date(2028, 1, 31))
    with pytest.raises(PublicationRefused, match="embargoed until 2028-01-31"):
        site.publish(other)

    advance_to(site, datetime(2028, 1, 31, tzinfo=UTC))
    assert set(look(site).requested) == {edited.version_id, other.version_id}


def test_a_derived_dataset_is_barred_by_its_sources_embargo_as_it_is_now(site: Site) -> None:
    source = lay_embargoed(site, "plate-1")
    derived = site.decide(site.lay_version("masks", title="Masks", source=source, said=EMBARGOED))
    site.agree(derived)
    revise(site, source, embargo_until="2027-12-31")
    until_end(site)

    with pytest.raises(PublicationRefused, match="derived from restricted data: embargoed until 2027-12-31"):
        site.publish(derived)
    assert derived.version_id not in look(site).requested


def test_the_description_of_an_embargoed_dataset_is_public_by_policy_and_its_files_follow_by_themselves(
    site: Site,
) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)

    before = shown(site, version)
    assert (before.extent, before.files, before.lists, before.previews) == (Extent.METADATA, (), (), {})
    assert set(before.documents) == {form.media_type for form in FORMS if not form.is_of_files}
    assert (before.metadata["access"], before.metadata["embargo_until"]) == ("embargoed", "2027-06-30")
    assert "A1_0_0_BF" not in in_bucket(site)
    assert find(site.catalogue, SECRET).total == 1
    assert look(site).changed == ()

    until_end(site)
    assert look(site).changed == (version.version_id,)
    assert look(site) == LevelledAccess()

    after = shown(site, version)
    assert (after.extent, after.published_at) == (Extent.FILES, before.published_at)
    assert after.files
    assert after.previews
    assert (after.metadata["access"], after.metadata["embargo_until"]) == ("open", None)
    assert changes(site, version) == ["files"]


def test_the_forms_say_the_right_access_and_day_before_and_after_the_end(site: Site) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)
    told = {}
    for when in ("before", "after"):
        documents = shown(site, version).documents
        told[when] = {form.name: documents.get(form.media_type, "") for form in FORMS}
        until_end(site)
        look(site)

    def dates(when: str) -> dict[str, str]:
        return {one["dateType"]: one["date"] for one in json.loads(told[when]["datacite"])["dates"]}

    assert dates("before")["Available"] == dates("after")["Available"] == "2027-06-30"
    assert "embargoedAccess" in told["before"]["dublin-core"]
    assert "openAccess" in told["after"]["dublin-core"]
    assert json.loads(told["before"]["json-ld"])["isAccessibleForFree"] is False
    assert json.loads(told["after"]["json-ld"])["isAccessibleForFree"] is True
    assert json.loads(told["before"]["invenio"])["access"]["files"] == "restricted"
    assert json.loads(told["after"]["invenio"])["access"]["files"] == "public"
    assert "access-right/RESTRICTED" in told["before"]["dcat"]
    assert "access-right/PUBLIC" in told["after"]["dcat"]
    assert "2027-06-30" in told["before"]["dcat"]
    assert "2027-06-30" in told["after"]["dcat"]


def test_an_embargo_that_is_made_longer_is_said_on_the_page_at_once(site: Site) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)
    set_project(site, shows=True, access=Access.EMBARGOED, embargo_until=date(2028, 1, 31))

    assert look(site).changed == (version.version_id,)
    assert look(site).changed == ()

    assert shown(site, version).metadata["embargo_until"] == "2028-01-31"
    page = TestClient(app_on(site.parts), base_url=site.base_url).get(f"/{site.dataset(version).pid}")
    assert (page.status_code, "2028-01-31" in page.text) == (200, True)
    assert "h-files" not in page.text


def test_restricted_data_are_described_by_policy_alone_and_closed_ones_never(site: Site) -> None:
    set_project(site, shows=True)
    told, untold = (
        site.decide(site.lay_version(name, access=access))
        for name, access in (("plate-1", Access.RESTRICTED), ("plate-2", Access.CLOSED))
    )

    site.publish(told)
    with pytest.raises(PublicationRefused, match="access is not open: it is closed"):
        site.publish(untold)

    assert shown(site, told).extent is Extent.METADATA


@pytest.mark.parametrize(
    "change",
    [{"human_data": HumanData.YES}, pytest.param({"access": Access.RESTRICTED}, marks=pytest.mark.torture)],
    ids=str,
)
def test_what_is_restricted_again_goes_and_comes_back_when_it_is_open(site: Site, change: dict[str, Any]) -> None:
    version = site.lay_published("plate-7", title=f"{SECRET} plate")
    pid, opened = site.dataset(version).pid, {"human_data": HumanData.NO, "access": Access.OPEN}
    set_project(site, **change)

    assert look(site).changed == (version.version_id,)
    assert look(site) == LevelledAccess()

    assert (SECRET in in_bucket(site), SECRET in everything(site.catalogue)) == (False, False)
    assert [one.document for one in harvest(site.catalogue)] == [None]
    client = TestClient(app_on(site.parts), base_url=site.base_url)
    gone = client.get(f"/{pid}")
    assert (gone.status_code, SECRET in gone.text) == (410, False)
    assert client.get(f"/{pid}/files/data/0/A1_0_0_BF.tiff").status_code == 410
    assert site.now(version).stage is Stage.PUBLISHED

    set_project(site, **opened)
    assert look(site).changed == (version.version_id,)
    assert shown(site, version).files
    assert find(site.catalogue, SECRET).total == 1
    assert changes(site, version) == ["nothing", "files"]


def test_what_was_made_from_restricted_data_goes_with_them(site: Site) -> None:
    source = site.lay_published("plate-7", project="atlas")
    with site.catalogue.begin() as tx:
        tx.projects.add(tx.projects.get("atlas").model_copy(update={"slug": "second", "record": 0}))
    derived = site.decide(site.lay_version("masks", title="Masks", project="second", source=source))
    site.publish(derived)

    set_project(site, access=Access.RESTRICTED)

    assert set(look(site).changed) == {source.version_id, derived.version_id}
    assert shown(site, derived).extent is Extent.NOTHING
    with site.catalogue.begin() as tx:
        told = tx.outbox.history([derived.version_id])[-1]
    assert (told.name, told.restricted) == ("publication.changed", True)  # its own words and project are open


@pytest.mark.parametrize(
    ("way", "write"),
    [
        ("ends", "after"),
        ("restricted", "before"),
        pytest.param("ends", "before", marks=pytest.mark.torture),
        pytest.param("restricted", "after", marks=pytest.mark.torture),
    ],
)
def test_a_kill_while_it_changes_shows_never_more_than_may_be_and_the_next_round_completes(
    site: Site, way: str, write: str
) -> None:
    set_project(site, shows=way == "ends")
    version = lay_embargoed(site) if way == "ends" else site.decide(site.lay_version("plate-7", title=SECRET))
    site.publish(version, consent=None)
    if way == "ends":
        until_end(site)
    else:
        set_project(site, access=Access.RESTRICTED)
    site.public.fail_on("put", after=write == "after")  # type: ignore[attr-defined]

    assert [one for one, _ in look(site).failed] == [version.version_id]
    if way == "restricted":
        assert SECRET not in everything(site.catalogue)
        assert extent(site, version) is Extent.NOTHING

    assert look(site).failed == ()
    assert look(site) == LevelledAccess()
    wanted = Extent.FILES if way == "ends" else Extent.NOTHING
    assert (shown(site, version).extent, extent(site, version)) == (wanted, wanted)


def test_a_kill_and_a_change_of_mind_leave_the_bucket_as_access_says(site: Site) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)
    until_end(site)
    site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
    look(site)
    assert shown(site, version).files

    set_project(site, access=Access.RESTRICTED)
    look(site)

    assert (shown(site, version).extent, shown(site, version).files) == (Extent.NOTHING, ())


@pytest.mark.parametrize("when", ["shown in part", "not shown"])
def test_a_withdrawal_in_between_stays_a_withdrawal(site: Site, when: str) -> None:
    set_project(site, shows=True)
    version = lay_embargoed(site)
    site.publish(version, consent=None)
    if when == "not shown":
        set_project(site, human_data=HumanData.YES)
        look(site)
    site.withdraw(site.now(version), reason="wrong stain")
    set_project(site, human_data=HumanData.NO)
    until_end(site)

    assert look(site) == LevelledAccess()

    record = shown(site, version)
    assert (record.tombstone, record.files) == ("wrong stain", ())
    assert (SECRET in in_bucket(site)) == (when == "shown in part")


def test_a_change_that_left_no_mark_is_found_by_the_walk_through_all_that_is_public(site: Site) -> None:
    versions = [site.lay_published(f"plate-{number}") for number in range(3)]
    set_project(site, access=Access.RESTRICTED)
    forget_marks(site)

    changed, after, rounds = set(), None, 0
    while len(changed) < 3 and rounds < 5:
        found = look(site, after=after, most=1)
        forget_marks(site)
        changed |= set(found.changed)
        after, rounds = found.after, rounds + 1

    assert (changed, rounds) == ({one.version_id for one in versions}, 3)
    assert look(site, after=after, most=1).after is None


def forget_marks(site: Site) -> None:
    with site.catalogue.begin() as tx:
        while tx.access.spread(now=site.clock.now()):
            pass
        tx.access.settle([(one, None) for one in tx.access.due(now=site.clock.now(), limit=100)])


def test_a_store_that_is_away_for_one_keeps_no_other_waiting(site: Site) -> None:
    set_project(site, shows=True)
    first, second = lay_embargoed(site, "plate-1"), lay_embargoed(site, "plate-2")
    for one in (first, second):
        site.publish(one, consent=None)
    until_end(site)
    site.public.fail_on("put")  # type: ignore[attr-defined]

    found = look(site)

    assert (len(found.failed), len(found.changed)) == (1, 1)
    assert look(site).changed == tuple(one for one, _ in found.failed)


def test_nothing_of_another_dataset_is_told_that_is_not_public_now(site: Site) -> None:
    source = site.lay_published("plate-7", title="Told once")
    pid = site.dataset(source).pid
    relation = {"kind": "IsDerivedFrom", "pid": pid, "version": "v1"}
    relations = {"relations": [{**relation, "title": "Told once"}]}
    derived = site.decide(site.lay_version("masks", title="Masks", source=source, said=relations))
    strange = {"relations": [{**relation, "title": f"{SECRET} never told"}]}
    misnamed = site.decide(site.lay_version("other", title="Other", source=source, said=strange))

    with pytest.raises(PublicationRefused, match="by a title that never was public"):
        site.publish(misnamed)
    site.publish(derived)
    assert "Told once" in shown(site, derived).model_dump_json()
    site.withdraw(source)
    again = site.decide(site.lay_version("masks2", title="Masks 2", source=source, said=relations))
    site.publish(again)

    record = shown(site, again)
    assert pid in record.model_dump_json()
    assert "Told once" not in record.model_dump_json(exclude={"files"})


def test_access_that_becomes_stricter_while_a_record_is_read_is_seen(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", title=SECRET))
    site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        site.publish(version)
    assert SECRET in in_bucket(site)  # of a killed run, which nobody repeats once this one is refused
    reads = site.tables.load

    def closing(body: bytes) -> Any:
        set_project(site, access=Access.RESTRICTED)
        return reads(body)

    site.tables.load = closing  # type: ignore[method-assign]

    with pytest.raises(PublicationRefused):
        site.publish(version)

    assert SECRET not in in_bucket(site)
