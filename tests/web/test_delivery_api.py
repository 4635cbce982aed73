"""Deliveries and usage by the API and on the page: who may ask, what is refused, and that the sums are exact."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from httpx import Response

from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.dataset import Relation, Stage, Version
from cisterna.domain.delivery import ALL_OF_MONTH, Delivery, DeliveryUse
from cisterna.domain.errors import Forbidden, InvalidInput, NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.month import Month, month_of, months, read_month
from cisterna.domain.project import HumanData
from cisterna.services.delivery_use import fold_uses
from cisterna.services.usage import Usage, usage_csv, usage_of
from cisterna.testing.clock import START
from cisterna.testing.factory import make_dataset, make_id, make_receipt, make_version
from tests.web.client import Browser
from tests.web.site import Site

Call = Callable[..., Response]
Visit = Callable[..., Browser]
ADMIN = Account(name="root", grants=(Grant(role=Role.ADMIN),), created_at=START)
LINK = {"with_link": True}
NO_DELIVERIES: tuple[tuple[dict[str, Any], int], ...] = (
    ({"to": "nobody"}, 404),
    ({"to": "otto"}, 409),
    ({"to": "x@y"}, 422),
    ({"to": "guest@example.org\r\nBcc: thief@example.org"}, 422),
    ({"to": ""}, 422),
    ({"to": "ve\x00ra"}, 422),
    ({"days": 0}, 422),
    ({"days": 91}, 422),
    ({"days": 10**30}, 422),
    ({"reason": "r" * 10_001}, 422),
    ({"copy_to": "/etc"}, 422),
    ({"with_link": False}, 422),  # no mail server is set
)


@pytest.fixture
def version(site: Site) -> Version:
    return site.decide(site.lay_version("plate-1"))


def ask(call: Call, version: Version, name: str = "stina", **body: Any) -> Response:
    return call(name, "POST", f"/versions/{version.version_id}/deliveries", {"to": "vera", **LINK, **body})


def test_a_steward_delivers_sees_what_was_taken_and_revokes(
    call: Call, visit: Visit, version: Version, site: Site
) -> None:
    made = ask(call, version).json()
    address = made["address"].removeprefix(site.base_url)
    size = len(visit().get(f"{address}/files/data/acquisition.yaml").content)

    (row,) = call("stina", "GET", "/deliveries?uses=true").json()

    assert (row["state"], row["delivery"]["person"], row["title"]) == ("open", "vera", "plate-1")
    assert [(use["path"], use["bytes_sent"]) for use in row["uses"]] == [("data/acquisition.yaml", size)]
    assert "address" not in row
    revoked = call("stina", "POST", f"/deliveries/{row['delivery']['delivery_id']}/revocation")
    assert (revoked.status_code, revoked.json()["revoked_by"]) == (201, "stina")
    assert visit().get(address).status_code == 404
    assert call("stina", "GET", "/deliveries").json() == []
    assert [one["state"] for one in call("stina", "GET", "/deliveries?ended=true").json()] == ["revoked"]
    names = [event.name for event in _history(site, version) if event.name.startswith("delivery.")]
    assert names == ["delivery.made", "delivery.revoked"]


def test_the_owner_and_stewards_deliver_and_strangers_do_not_learn_of_it(call: Call, version: Version) -> None:
    asked = {"ada": 201, "stina": 201, "root": 201, "rita": 403, "vera": 403, "otto": 404}

    assert {name: ask(call, version, name).status_code for name in asked} == asked


def test_nobody_else_sees_or_revokes_a_delivery(call: Call, version: Version) -> None:
    made = ask(call, version).json()["delivery"]

    for name in ("rita", "vera", "otto"):
        assert call(name, "GET", "/deliveries?ended=true").json() == []
        assert call(name, "GET", f"/deliveries?version_id={version.version_id}").json() == []
        assert call(name, "POST", f"/deliveries/{made['delivery_id']}/revocation").status_code in {403, 404}
    (row,) = call("ada", "GET", f"/deliveries?version_id={version.version_id}").json()
    assert row["state"] == "open"


def test_what_is_no_delivery_is_refused_in_words(call: Call, version: Version) -> None:
    for body, status in NO_DELIVERIES:
        answer = ask(call, version, **body)
        assert answer.status_code == status, (body, answer.text)

    assert call("ada", "GET", "/deliveries").json() == []


def test_a_guest_gets_data_of_patients_from_the_owner_alone_and_the_reason_stays(call: Call, site: Site) -> None:
    closed = site.lay_version("biopsy", project="patients", human=HumanData.YES)

    by_admin_without = ask(call, closed, "root", to="guest@example.org")
    by_owner = ask(call, closed, "ada", to="guest@example.org", reason="Agreement 7 of May.")

    assert by_admin_without.status_code == 409
    assert "takes a reason" in by_admin_without.text
    assert by_owner.json()["delivery"]["lets_guest_in"] is True
    event = next(one for one in _history(site, closed) if one.name == "delivery.made")
    assert event.restricted
    assert event.data["reason"] == "Agreement 7 of May."
    assert "guest@example.org" not in event.model_dump_json()


def test_quarantined_data_take_a_reason(call: Call, site: Site) -> None:
    bad = site.lay_version("blurred", verdict=Verdict.QUARANTINED)

    assert "its verdict is quarantined" in ask(call, bad).json()["detail"]
    assert ask(call, bad, reason="They asked what went wrong.").status_code == 201


def _history(site: Site, version: Version) -> Any:
    with site.catalogue.begin() as tx:
        return tx.outbox.history([version.version_id])


def lay(
    site: Site,
    name: str,
    *,
    project: str | None = "atlas",
    size: int,
    at: dict[str, str],
    number: int = 1,
    revision: int = 0,
    model: str | None = None,
    part_of: str | None = None,
) -> Version:
    """Put a version there that each store proved to hold at a moment."""
    relations = (Relation(kind="IsPartOf", dataset_id=part_of, version="v1"),) if part_of else ()
    dataset = make_dataset(name, project=project, model=model, relations=relations)
    version = make_version(
        dataset, number=number, revision=revision, stage=Stage.VERIFIED, file_count=2, total_bytes=size, ocfl_version=1
    )
    with site.catalogue.begin() as tx:
        tx.copies.register(["archive", "second"])
        tx.datasets.add(dataset)
        version = tx.datasets.add_version(version)
        for store, moment in at.items():
            when = datetime.fromisoformat(moment)
            tx.datasets.add_receipt(make_receipt(version, f"{store} {moment}", store=store, verified_at=when))
    return version


def usage(site: Site, first: str, last: str | None = None, **more: Any) -> Usage:
    return usage_of(
        first=read_month(first),
        last=read_month(last or first),
        catalogue=site.catalogue,
        **{"account": ADMIN, **more},
    )


@pytest.fixture
def used(site: Site) -> Site:
    """Known data at known moments, some a second from a month's end, some said in another zone."""
    lay(site, "one", size=100, at={"archive": "2026-09-30T23:59:59+00:00", "second": "2026-10-02T00:00:00+00:00"})
    lay(site, "two", size=20, at={"archive": "2026-10-01T00:30:00+02:00"})  # still September in UTC
    lay(site, "three", size=3, at={"archive": "2026-10-01T00:00:00+00:00"})
    lay(site, "three", size=7, number=2, at={"archive": "2026-11-05T00:00:00+00:00"})
    lay(site, "three", size=7, number=2, revision=1, at={"archive": "2026-11-06T00:00:00+00:00"})
    lay(site, "one", size=100, revision=1, at={"archive": "2026-11-06T00:00:00+00:00"})
    lay(site, "labels", size=1, model="nuclei@1", at={"archive": "2026-10-09T00:00:00+00:00"})
    whole = lay(site, "whole", project=None, size=5000, at={"archive": "2026-10-09T00:00:00+00:00"})
    lay(site, "part", size=5000, part_of=whole.dataset_id, at={"archive": "2026-10-08T00:00:00+00:00"})
    lay(site, "unproven", size=10**15, at={})
    return site


def test_months_are_utc_and_every_byte_is_counted_once(used: Site) -> None:
    rows = {(row.project, row.month): row for row in usage(used, "2026-09", "2026-11").rows}

    september, october, november = (rows["atlas", f"2026-{month}"] for month in ("09", "10", "11"))
    assert (september.bytes_added, september.total_bytes, september.datasets) == (120, 120, 2)
    assert (october.bytes_added, october.total_bytes, october.datasets_added, october.derived_added) == (4, 124, 2, 1)
    assert (november.bytes_added, november.total_bytes, november.versions_added) == (7, 131, 1)
    assert (november.datasets, november.versions, november.files) == (4, 5, 10)
    assert (september.stores["second"].total_bytes, october.stores["second"].bytes_added) == (0, 100)
    assert november.stores["second"].total_bytes == 100
    assert rows[None, "2026-10"].total_bytes == 5000
    assert (None, "2026-09") not in rows


def test_what_was_delivered_is_counted_in_the_month_in_which_it_was_taken(used: Site) -> None:
    version = lay(used, "one", size=100, revision=2, at={})
    at = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
    delivery = Delivery(
        delivery_id=make_id("d"),
        version_id=version.version_id,
        person="vera",
        by="ada",
        delivered_at=at,
        expires_at=datetime(2026, 11, 30, tzinfo=UTC),
    )
    with used.catalogue.begin() as tx:
        tx.deliveries.put(delivery)
        for day, sent in ((31, 5), (31, 6)):
            taken = datetime(2026, 10, day, 23, 0, tzinfo=UTC)
            tx.deliveries.note_use(DeliveryUse.of(delivery, "data/x", bytes_sent=sent, at=taken))
        later = datetime(2026, 11, 1, tzinfo=UTC)
        tx.deliveries.note_use(DeliveryUse.of(delivery, "data/x", bytes_sent=2**40, at=later))

    october, november = usage(used, "2026-10", "2026-11", project="atlas").rows

    assert (october.deliveries, october.delivered_requests, october.delivered_bytes) == (1, 2, 11)
    assert (november.deliveries, november.delivered_requests, november.delivered_bytes) == (0, 1, 2**40)


def test_months_that_are_long_over_are_one_sum_a_delivery_and_usage_tells_the_same_numbers(used: Site) -> None:
    version = lay(used, "one", size=100, revision=2, at={})
    at = datetime(2026, 8, 1, tzinfo=UTC)
    made = {"version_id": version.version_id, "by": "ada", "delivered_at": at, "expires_at": at + timedelta(days=99)}
    deliveries = [Delivery(delivery_id=make_id(name), person="vera", **made) for name in "de"]
    moments = [datetime(2026, month, day, 23, tzinfo=UTC) for month, day in ((8, 1), (8, 31), (9, 1), (9, 30), (10, 1))]
    with used.catalogue.begin() as tx:
        for one in deliveries:
            tx.deliveries.put(one)
            for number, (moment, path) in enumerate(product(moments, ("", "data/x", "data/y"))):
                tx.deliveries.note_use(DeliveryUse.of(one, path, bytes_sent=2**40 + number, at=moment))
    before = usage_csv(usage(used, "2026-08", "2026-10"))
    used.clock.advance(datetime(2026, 12, 2, 1, tzinfo=UTC) - used.clock.now())  # 62 days after 1 October
    with used.catalogue.begin() as tx:
        some = tx.deliveries.fold_uses(before=date(2026, 9, 1), limit=5)  # as a killed run leaves it

    counts = [fold_uses(catalogue=used.catalogue, clock=used.clock) for _ in range(2)]

    assert (some, counts) == (5, [2 * 12 - 5, 0])
    assert usage_csv(usage(used, "2026-08", "2026-10")) == before
    with used.catalogue.begin() as tx:
        left = tx.deliveries.uses(deliveries[0].delivery_id, limit=100)
    assert [(one.day.isoformat(), one.path, one.requests) for one in left] == [
        *(("2026-10-01", path, 1) for path in ("", "data/x", "data/y")),
        *((f"2026-0{month}-01", ALL_OF_MONTH, 6) for month in (9, 8)),
    ]
    assert (left[-1].first_at, left[-1].last_at) == (moments[0], moments[1])


def test_csv_is_that_of_rfc_4180_and_no_cell_is_a_formula(used: Site) -> None:
    found = usage(used, "2026-10")
    odd = found.model_copy(update={"stores": ("archive", "=cmd|' /C calc'!A0", 'a"b,c')})

    text = usage_csv(odd)

    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == len(found.rows) + 1
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert {len(row) for row in rows} == {len(head)}
    assert dict(zip(head, rows[0], strict=True))["archive_total_bytes"] == "124"
    assert [row[0] for row in rows] == ["atlas", "(unclaimed)"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in (head, *rows) for cell in row)


def test_usage_is_for_administrators_of_all_or_of_their_project(used: Site, call: Call, visit: Visit) -> None:
    of_atlas = Account(name="al", grants=(Grant(role=Role.ADMIN, project="atlas"),), created_at=START)
    assert {row.project for row in usage(used, "2026-10", account=of_atlas, project="atlas").rows} == {"atlas"}
    for project in (None, "other"):
        with pytest.raises(Forbidden):
            usage(used, "2026-10", account=of_atlas, project=project)
    with pytest.raises(NotFound):
        usage(used, "2026-10", project="none")

    assert [call(name, "GET", "/usage").status_code for name in ("root", "olga", "ada")] == [200, 403, 403]
    answer = call("root", "GET", "/usage.csv?from=2026-09&to=2026-11")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines()[1].startswith("atlas,2026-09,2,2,2,2,0,4,4,120,120,")
    assert visit("ada").get("/usage").status_code == 404
    page = visit("root").get("/usage?from=2026-09&to=2026-11")
    assert "(unclaimed)" in page.text
    assert visit("root").get("/usage?from=2026-09&to=2026-11&format=csv").text == answer.text


@pytest.mark.parametrize(
    "text", ["2026", "2026-13", "2026-00", "26-01", "2026-1", "2026-01-01", "٢٠٢٦-01", " 2026-01", "9999-01"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no month"):
        read_month(text)


def test_months_go_on_across_years_and_are_bounded() -> None:
    assert [str(one) for one in months(Month(2026, 11), Month(2027, 2))] == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert month_of(datetime.fromisoformat("2027-01-01T00:30:00+01:00")) == Month(2026, 12)
    for first, last in ((Month(2026, 2), Month(2026, 1)), (Month(2000, 1), Month(2026, 1))):
        with pytest.raises(InvalidInput, match="ask for 1 to 120"):
            list(months(first, last))


def test_a_steward_delivers_on_the_page_sees_the_address_once_and_revokes(
    site: Site, visit: Visit, version: Version
) -> None:
    here = f"/datasets/{version.dataset_id}/deliveries"
    steward = visit("stina")
    assert f'href="{here}?version=v1"' in steward.get(f"/datasets/{version.dataset_id}").text

    refused = steward.submit(here, version="v1", to="otto", way="link")
    made = steward.submit(here, version="v1", to="guest@example.org", way="link", days="3", reason="<b>why</b>")

    assert refused.status_code == 422
    assert "otto may not see the data" in refused.text
    (secret,) = re.findall(r"/delivered/(cistd_[\w-]+)", made.text)
    listed = steward.get(f"{here}?version=v1").text
    assert secret not in listed
    assert "<b>why" not in listed
    assert "guest@example.org" in listed
    assert visit().get(f"/delivered/{secret}").status_code == 200
    (path,) = re.findall(r'action="(/deliveries/[^"]+/revocation)"', listed)
    assert visit("stina").submit(path, csrf="forged").status_code == 403
    assert steward.submit(path).status_code == 303
    assert visit().get(f"/delivered/{secret}").status_code == 404
    shown = steward.get(f"/datasets/{version.dataset_id}").text
    assert "Delivered to a guest by stina" in shown
    assert "Delivery to a guest revoked by stina" in shown


def test_the_page_of_deliveries_is_not_there_for_others(visit: Visit, version: Version) -> None:
    here = f"/datasets/{version.dataset_id}/deliveries"
    asked = {"vera": 404, "rita": 404, "otto": 404, "ada": 200}

    assert {name: visit(name).get(f"{here}?version=v1").status_code for name in asked} == asked
    assert visit("ada").get(f"{here}?version=v9").status_code == 404
