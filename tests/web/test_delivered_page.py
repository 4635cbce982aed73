"""What a recipient gets by the address of a delivery: the files of one version, and nothing else, until it ends."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.domain.account import Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.delivery import Delivery, DeliveryRules, DeliveryUse
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import DeliveryRefused, Forbidden, NotFound, StoreUnavailable
from cisterna.domain.project import Access, HumanData
from cisterna.services.delivery import deliver_version, revoke_delivery
from cisterna.services.erase_plan import plan_erasure
from cisterna.services.sign_in import digest_secret
from cisterna.testing.factory import make_account
from tests.web.client import Browser
from tests.web.site import Site

Visit = Callable[..., Browser]
GUEST = "guest@example.org"
HOSTILE = (
    "a b/50% off?.csv",
    "back\\slash.txt",
    "-rf.txt",
    "'quote\".txt",
    "$(id).txt",
    "<b>ö 日本.tiff",
    "l" * 150 + "/" + "m" * 150 + ".txt",
)

ELSEWHERE = (
    "/files/data/none.tiff",
    "/files/../../../etc/passwd",
    "/files/..%2f..%2f..%2fetc%2fpasswd",
    "/files/data/..%2facquisition.yaml",
    "/files/data%2f%2e%2e%2fREADME.md",
    "/files//etc/passwd",
    "/files/%2fetc%2fpasswd",
    "/files/data/acquisition.yaml%00",
    "/files/data/acquisition.yaml/",
    "/files/%ff",
    "/files/",
    "/all.zip",
    "?page=99",
)


def deliver(
    site: Site, version: Version, *, to: str = GUEST, person: str = "ada", **more: object
) -> tuple[Delivery, str]:
    delivery, path = deliver_version(
        version.version_id,
        to=to,
        person=person,
        rules=DeliveryRules(),
        with_link=True,
        catalogue=site.catalogue,
        clock=site.clock,
        passwords=site.passwords,
        **more,  # type: ignore[arg-type]
    )
    assert path is not None
    return delivery, path


def uses(site: Site, delivery: Delivery) -> dict[str, DeliveryUse]:
    with site.catalogue.begin() as tx:
        return {use.path: use for use in tx.deliveries.uses(delivery.delivery_id, limit=100)}


@pytest.fixture
def version(site: Site) -> Version:
    return site.decide(site.lay_version("plate-1"))


def test_an_address_gives_one_version_s_files_and_the_list_that_proves_them(
    site: Site, visit: Visit, version: Version, tmp_path: Path
) -> None:
    hostile = site.decide(site.lay_version("hostile", files=HOSTILE))
    _, path = deliver(site, hostile)
    browser = visit()

    page = browser.get(path)
    listed = browser.get(f"{path}/sha512sum.txt")

    assert page.status_code == 200
    assert "50% off" in page.text
    assert "<b>ö" not in page.text
    links = re.findall(rf'href="({re.escape(path)}/files/[^"]+)"', page.text)
    assert len(links) == len(listed.text.splitlines()) == len(HOSTILE) + 5
    (tmp_path / "sha512sum.txt").write_bytes(listed.content)
    for link in links:
        answer = browser.get(link)
        assert answer.status_code == 200
        name = tmp_path / answer.request.url.path.removeprefix(f"{path}/files/")
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(answer.content)
    checked = subprocess.run(
        ["sha512sum", "-c", "--strict", "sha512sum.txt"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_whole_comes_as_one_tar_that_unpacks_into_a_folder_of_its_own_and_checks(
    site: Site, visit: Visit, tmp_path: Path
) -> None:
    hostile = site.decide(site.lay_version("hostile", files=(*HOSTILE, "empty.txt")))
    delivery, path = deliver(site, hostile)

    first, again = (visit().get(f"{path}/all.tar") for _ in range(2))

    assert first.content == again.content
    assert first.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(first.content)) as tar:
        tops = {name.split("/")[0] for name in tar.getnames()}
        tar.extractall(tmp_path, filter="data")
    (top,) = tops
    checked = subprocess.run(
        ["sha512sum", "-c", "--strict", "--quiet", "sha512sum.txt"],
        cwd=tmp_path / top,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert uses(site, delivery)["all.tar"].bytes_sent == 2 * len(first.content)


def test_a_file_comes_whole_by_ranges_and_by_its_head(site: Site, visit: Visit, version: Version) -> None:
    delivery, path = deliver(site, version)
    file = f"{path}/files/data/acquisition.yaml"
    browser = visit()

    whole = browser.get(file)
    part = browser.get(file, range="bytes=5-9")
    beyond = browser.get(file, range=f"bytes={len(whole.content)}-")
    huge = browser.get(file, range="bytes=0-" + "9" * 19)
    malformed = browser.get(file, range="bytes=0-1,5-6," + "7-8," * 5000)

    assert part.status_code == 206
    assert part.content == whole.content[5:10]
    assert beyond.status_code == 416
    assert (huge.status_code, huge.content) == (206, whole.content)
    assert malformed.status_code in {200, 431}
    assert browser.client.head(file).headers["content-length"] == str(len(whole.content))
    assert "content-length" not in browser.client.head(f"{path}/all.tar").headers  # nobody knows it before
    assert whole.headers["repr-digest"].startswith("sha-512=:")
    assert sha512_of(whole.content) in browser.get(f"{path}/sha512sum.txt").text
    noted = uses(site, delivery)["data/acquisition.yaml"]
    assert noted.bytes_sent == (3 if malformed.status_code == 200 else 2) * len(whole.content) + 5


def test_nothing_but_the_version_s_own_files_is_there(site: Site, visit: Visit, version: Version) -> None:
    _, path = deliver(site, version)
    browser = visit()

    for tail in ELSEWHERE:
        assert browser.get(f"{path}{tail}").status_code == 404, tail


def test_a_file_of_another_dataset_or_version_is_not_there(site: Site, visit: Visit, version: Version) -> None:
    site.decide(site.lay_version("plate-2", files=("secret.csv",)))
    _, path = deliver(site, version)
    browser = visit()

    assert browser.get(f"{path}/files/data/secret.csv").status_code == 404
    assert browser.get(f"/datasets/{version.dataset_id}").status_code in {303, 401}
    assert browser.get("/api/v1/datasets").status_code == 401


def test_a_wrong_a_cut_or_a_changed_secret_opens_nothing(site: Site, visit: Visit, version: Version) -> None:
    delivery, path = deliver(site, version)
    secret = path.rpartition("/")[2]
    browser = visit()
    with site.catalogue.begin() as tx:
        assert tx.deliveries.by_key(digest_secret(secret)) == delivery
    wrong = [
        secret[:-1],
        secret + "x",
        secret.swapcase(),
        digest_secret(secret),
        delivery.delivery_id,
        "cistd_",
        "x" * 300,
    ]

    for one in wrong:
        for tail in ("", "/sha512sum.txt", "/all.tar", "/files/data/acquisition.yaml"):
            answer = browser.get(f"/delivered/{one}{tail}")
            assert answer.status_code == 404, one
            assert "plate-1" not in answer.text


def test_the_catalogue_and_its_events_hold_the_digest_of_the_secret_and_never_the_secret(
    site: Site, version: Version
) -> None:
    _, path = deliver(site, version)
    secret = path.rpartition("/")[2]

    with site.catalogue._engine.connect() as connection:
        tables = [
            row[0] for row in connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        ]
        rows = [str(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()) for name in tables]  # noqa: S608

    assert not any(secret in row for row in rows)
    assert any(digest_secret(secret) in row for row in rows)
    assert not any(GUEST in str(row) for name, row in zip(tables, rows, strict=True) if name == "events")


def test_an_address_ends_at_its_hour_when_it_is_revoked_and_when_the_recipient_may_not_any_more(
    site: Site, visit: Visit, version: Version
) -> None:
    first, path = deliver(site, version, days=2)
    _, to_vera = deliver(site, version, to="vera", days=30)
    browser = visit()

    site.clock.advance(timedelta(days=2) - timedelta(seconds=1))
    assert browser.get(f"{path}/files/data/acquisition.yaml").status_code == 200
    site.clock.advance(timedelta(seconds=1))
    expired = browser.get(f"{path}/files/data/acquisition.yaml")
    assert expired.status_code == 404
    assert browser.get(path).status_code == 404

    assert browser.get(to_vera).status_code == 200
    with site.catalogue.begin() as tx:
        vera = tx.accounts.find("vera")
        assert vera is not None
        tx.accounts.save(vera.model_copy(update={"active": False}))
    assert browser.get(to_vera).status_code == 404

    again, other = deliver(site, version)
    assert again.delivery_id != first.delivery_id
    revoke_delivery(again.delivery_id, person="stina", catalogue=site.catalogue, clock=site.clock)
    assert browser.get(other).status_code == 404


def test_a_guest_s_address_ends_when_the_project_closes_and_when_the_data_are_discarded(
    site: Site, visit: Visit, version: Version
) -> None:
    _, path = deliver(site, version)
    given_up = site.lay_version("blank")
    _, other = deliver(site, given_up, reason="They asked to see it.")
    site.discard(given_up)
    assert visit().get(other).status_code == 404

    with site.catalogue.begin() as tx:
        atlas = tx.projects.get("atlas")
        closed = atlas.defaults.model_copy(update={"access": Access.RESTRICTED, "human_data": HumanData.YES})
        tx.projects.save(atlas.model_copy(update={"defaults": closed}))

    assert visit().get(path).status_code == 404


def test_what_data_were_made_from_closes_them_to_guests_as_it_does_to_the_public(site: Site, visit: Visit) -> None:
    source = site.decide(site.lay_version("patients"))
    derived = site.decide(site.lay_version("counted", source=source))
    delivery, path = deliver(site, derived)
    assert not delivery.lets_guest_in
    assert visit().get(path).status_code == 200

    with site.catalogue.begin() as tx:
        found = tx.datasets.get_version(source.version_id)
        tx.datasets.save_version(found.model_copy(update={"metadata": {**(found.metadata or {}), "human_data": "yes"}}))

    assert visit().get(path).status_code == 404
    with pytest.raises(DeliveryRefused, match="only its owner ada"):
        deliver(site, derived, person="stina", reason="They asked.")


def test_the_owner_lets_a_guest_in_again_after_the_data_were_closed(site: Site, visit: Visit, version: Version) -> None:
    first, path = deliver(site, version)
    with site.catalogue.begin() as tx:
        atlas = tx.projects.get("atlas")
        closed = atlas.defaults.model_copy(update={"access": Access.RESTRICTED})
        tx.projects.save(atlas.model_copy(update={"defaults": closed}))
    assert visit().get(path).status_code == 404

    again, other = deliver(site, version, reason="Agreement 7 of May.")

    assert again.delivery_id == first.delivery_id
    assert (again.reason, again.lets_guest_in) == ("Agreement 7 of May.", True)
    assert [visit().get(one).status_code for one in (path, other)] == [200, 200]


def test_deliveries_of_data_that_no_project_claims_any_more_end_and_viewers_cannot_touch_them(
    site: Site, visit: Visit, version: Version
) -> None:
    delivery, path = deliver(site, version)
    with site.catalogue.begin() as tx:
        tx.datasets.save(tx.datasets.get(version.dataset_id).model_copy(update={"project": None}))
        tx.accounts.add(make_account("wide", Role.VIEWER))

    assert visit().get(path).status_code == 404
    for name, refusal in (("wide", Forbidden), ("stina", NotFound)):
        with pytest.raises(refusal):
            revoke_delivery(delivery.delivery_id, person=name, catalogue=site.catalogue, clock=site.clock)
    assert revoke_delivery(delivery.delivery_id, person="sten", catalogue=site.catalogue, clock=site.clock).revoked_by


def test_nothing_of_an_address_is_kept_by_caches_told_to_other_pages_or_logged(
    site: Site, visit: Visit, version: Version, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = deliver(site, version)
    secret = path.rpartition("/")[2]
    browser = visit()
    for tail in ("", "/sha512sum.txt", "/aria2.txt", "/all.tar", "/files/data/acquisition.yaml"):
        headers = browser.get(f"{path}{tail}").headers
        assert headers["referrer-policy"] == "no-referrer", tail
        assert "no-store" in headers["cache-control"], tail
        assert "noindex" in headers["x-robots-tag"], tail

    def away(*_args: object, **_more: object) -> None:
        raise StoreUnavailable("the store is away", store="archive")

    monkeypatch.setattr(site.store, "stream", away)
    with caplog.at_level(logging.DEBUG, logger="cisterna"):
        answer = browser.get(f"{path}/files/data/acquisition.yaml")

    assert answer.status_code == 503
    assert "the store is away" in caplog.text
    assert secret not in caplog.text


def test_the_recipient_says_that_it_is_checked_once_and_by_a_form_of_their_own(
    site: Site, visit: Visit, version: Version
) -> None:
    delivery, path = deliver(site, version)
    browser = visit()

    assert visit().client.post(f"{path}/acknowledgement", data={"csrf": "forged"}).status_code == 403
    headers = {"origin": "null", "sec-fetch-site": "same-origin"}  # as browsers send it from a page without a referrer
    csrf = browser.csrf(path)
    answer = browser.client.post(f"{path}/acknowledgement", data={"csrf": csrf}, headers=headers)
    said = site.clock.now()
    site.clock.advance(timedelta(hours=1))
    browser.client.post(f"{path}/acknowledgement", data={"csrf": csrf}, headers=headers)

    assert answer.status_code == 303
    assert "you have checked what you got" in browser.get(answer.headers["location"]).text
    with site.catalogue.begin() as tx:
        assert tx.deliveries.get(delivery.delivery_id).acknowledged_at == said
        names = [event.name for event in tx.outbox.history([version.version_id])]
    assert names.count("delivery.acknowledged") == 1
    foreign = {"origin": "null", "sec-fetch-site": "cross-site"}
    assert browser.client.post(f"{path}/acknowledgement", data={"csrf": csrf}, headers=foreign).status_code == 403
    assert (
        browser.client.post(f"{path}/acknowledgement", data={"csrf": csrf}, headers={"origin": "null"}).status_code
        == 403
    )


def test_what_is_taken_is_counted_by_file_and_day(site: Site, visit: Visit, version: Version) -> None:
    delivery, path = deliver(site, version)
    browser = visit()
    size = len(browser.get(f"{path}/files/data/acquisition.yaml").content)
    browser.get(f"{path}/files/data/acquisition.yaml", range="bytes=0-0")
    browser.get(path)
    site.clock.advance(timedelta(days=1))
    browser.get(f"{path}/files/data/acquisition.yaml")

    with site.catalogue.begin() as tx:
        found = tx.deliveries.uses(delivery.delivery_id, limit=100)
    told = {(use.day, use.path): (use.requests, use.bytes_sent) for use in found}
    first, second = sorted({use.day for use in found})
    assert told == {
        (first, "data/acquisition.yaml"): (2, size + 1),
        (first, ""): (1, 0),
        (second, "data/acquisition.yaml"): (1, size),
    }


def test_asking_again_is_the_same_delivery_with_another_address(site: Site, visit: Visit, version: Version) -> None:
    first, path = deliver(site, version)
    site.clock.advance(timedelta(days=3))
    second, other = deliver(site, version, days=60)

    assert second == first
    assert path != other
    assert [visit().get(one).status_code for one in (path, other)] == [200, 200]


def test_aria2_is_told_every_file_s_address_name_and_digest(site: Site, visit: Visit) -> None:
    hostile = site.decide(site.lay_version("hostile", files=HOSTILE))
    _, path = deliver(site, hostile)
    browser = visit()

    lines = browser.get(f"{path}/aria2.txt").text.splitlines()

    assert len(lines) == 3 * (len(HOSTILE) + 5)
    for address, name, digest in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert not address.startswith(" ")
        body = browser.get(address.removeprefix(site.base_url)).content
        assert digest == f" checksum=sha-512={sha512_of(body)}"
        assert name.startswith(" out=")


def test_what_was_published_and_withdrawn_is_still_the_project_s_to_deliver(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-9")
    site.withdraw(version)
    assert site.now(version).stage is Stage.WITHDRAWN

    _, path = deliver(site, site.now(version))

    assert visit().get(path).status_code == 200


def test_an_erasure_takes_deliveries_with_all_that_they_tell(site: Site, visit: Visit, version: Version) -> None:
    _, path = deliver(site, version)
    visit().get(f"{path}/files/data/acquisition.yaml")
    plan = plan_erasure(version.dataset_id, person="root", site=site.parts.survey)
    assert [one.where for one in plan.remains if one.what.startswith("delivery of")] == [GUEST]

    site.lay_erasure(version)

    assert visit().get(path).status_code == 404
    with site.catalogue._engine.connect() as connection:
        for table in ("data_deliveries", "delivery_keys", "delivery_uses"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0, table  # noqa: S608
