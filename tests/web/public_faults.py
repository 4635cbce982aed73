"""Looks at what is public as a harvester does, and names what is wrong with it; for what F-UJI lets pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from httplink import parse_link_header

from cisterna.domain.dataset import Stage
from cisterna.metadata.licence import licence_url, spdx_identifier
from cisterna.metadata.listing import media_type
from cisterna.ports.publisher import PublicRecord
from cisterna.services.public_record import standing
from tests.web.client import Browser
from tests.web.site import BASE_URL, Site


def faults_of(site: Site, browser: Browser) -> list[str]:
    """Look at every public record of a site."""
    return [fault for record in public_records(site) for fault in _faults(site, browser, record)]


def public_records(site: Site) -> list[PublicRecord]:
    """Read what lies in the public bucket."""
    return [PublicRecord.model_validate_json(site.public.get(one.key)[0]) for one in site.public.list("")]


def _faults(site: Site, browser: Browser, record: PublicRecord) -> Iterator[str]:
    yield from _unpublished(site, record)
    if record.tombstone is not None:
        return
    address = f"/{record.pid}/{record.version}"
    links = parse_link_header(browser.client.head(address).headers["link"]).links
    described = browser.get(f"{address}?format=json-ld").json()
    yield from _licence(links, described)
    yield from _media_types(browser, links, described)
    yield from _provenance(described, record)


def _unpublished(site: Site, record: PublicRecord) -> Iterator[str]:
    with site.catalogue.begin() as tx:
        version = tx.datasets.get_version(f"{record.dataset_id}:{record.version}")
        stands = standing(tx.datasets.publications(version.version_id))
    is_public = version.stage is Stage.PUBLISHED and stands is not None
    if record.tombstone is None and not is_public:
        yield f"draft: {record.pid} is {version.stage.value}, and public"


def _licence(links: Any, described: dict[str, Any]) -> Iterator[str]:
    led_to = [one.target for one in links if "license" in one.rel]
    named = str(described.get("license", "")).rpartition("/")[2]
    try:
        known = licence_url(spdx_identifier(named))
    except ValueError as refusal:
        yield f"licence: {refusal}"
        return
    if led_to != [known] or described["license"] != known:
        yield f"licence: {led_to} is led to, and {known} is described"


def _media_types(browser: Browser, links: Any, described: dict[str, Any]) -> Iterator[str]:
    said = {one["contentUrl"].rpartition("/files/")[2]: one["encodingFormat"] for one in described["distribution"]}
    items = [one for one in links if "item" in one.rel]
    if len(items) != len(said):
        yield f"media type: {len(items)} files are led to, and {len(said)} described"
    for item in items:
        path = item.target.rpartition("/files/")[2]
        sent = browser.client.head(item.target.removeprefix(BASE_URL)).headers["content-type"]
        types = {item["type"], sent.partition(";")[0], said.get(path), media_type(path)}
        if len(types) > 1:
            yield f"media type: {path} is said to be {sorted(map(str, types))}"


def _provenance(described: dict[str, Any], record: PublicRecord) -> Iterator[str]:
    measured = {one["name"] for one in described.get("variableMeasured", [])}
    is_acquired = "instrument" in measured and described.get("temporalCoverage")
    if not (is_acquired or described.get("isBasedOn")):
        yield f"provenance: of {record.pid} neither instrument and time nor a source is told"
