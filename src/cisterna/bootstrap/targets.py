"""The places outside to which public versions go, as the settings name them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cisterna.domain.errors import SettingsInvalid
from cisterna.ports.clock import Clock
from cisterna.ports.target import Target
from cisterna.settings import Settings

if TYPE_CHECKING:
    from cisterna.adapters.target_place import Place
    from cisterna.adapters.target_setting import DataCite, Figshare, Hypha, Invenio, Omero, PlaceSetting, SciCat


def open_targets(settings: Settings, *, stack: contextlib.ExitStack, clock: Clock) -> dict[str, Target]:
    """Make every target, by its name; nothing is asked of any.

    Args:
        settings: Name them.
        stack: Closes what was opened.
        clock: Dates what they say.

    Raises:
        SettingsInvalid: One is a bucket of Cisterna's own, writes where another does, or would be led to an
            address of this machine's.
    """
    return {one.name: one for one in _targets(settings, stack=stack, clock=clock)}


def _targets(settings: Settings, *, stack: contextlib.ExitStack, clock: Clock) -> Iterator[Target]:
    named = settings.targets
    _require_own_buckets(settings)
    _require_own_places(settings)
    for site in named.static:
        from cisterna.adapters.target_static import StaticSiteTarget

        yield StaticSiteTarget(
            _place(site, stack),
            name=site.name,
            title=site.shown,
            url=site.url,
            site=settings.web.site_name,
            clock=clock,
        )
    for repository in named.invenio:
        yield _invenio(repository, stack=stack, clock=clock)
    for registrar in named.datacite:
        yield _datacite(registrar, stack=stack, clock=clock)
    for account in named.figshare:
        yield _figshare(account, stack=stack, clock=clock)
    for server in named.hypha:
        yield _hypha(server, stack=stack, clock=clock)
    for images in named.omero:
        yield _omero(images, settings, clock=clock)
    for catalogue in named.scicat:
        yield _scicat(catalogue, stack=stack, clock=clock)
    for package in named.bia:
        from cisterna.adapters.target_bia import BiaTarget

        yield BiaTarget(_place(package, stack), name=package.name, title=package.shown, clock=clock)


def _require_own_buckets(settings: Settings) -> None:
    """Refuse to write pages and packages beside what is archived: what is withdrawn at a target is removed there."""
    store = settings.store
    ours = {((store.endpoint or "").rstrip("/"), name) for name in (store.archive_bucket, store.public_bucket)}
    ours |= {(copy.endpoint.rstrip("/"), copy.bucket) for copy in store.copies}
    for one in (*settings.targets.static, *settings.targets.bia):
        if ((one.endpoint or "").rstrip("/"), one.bucket) in ours:
            msg = f"the target '{one.name}' names the bucket {one.bucket}, which is Cisterna's own; give it another"
            raise SettingsInvalid(msg, target=one.name)


def _require_own_places(settings: Settings) -> None:
    """Refuse one place for two targets: what the one does not know below the name of a version it removes."""
    named = settings.targets
    places: list[tuple[str, tuple[object, ...]]] = [
        (one.name, (one.folder, (one.endpoint or "").rstrip("/"), one.bucket, one.prefix))
        for one in (*named.static, *named.bia)
    ]
    places += [(one.name, (one.lists, "", None, "")) for one in named.omero if one.lists is not None]
    seen: set[tuple[object, ...]] = set()
    for name, place in places:
        if place in seen:
            msg = f"the target '{name}' writes where another target does; give it a folder or a prefix of its own"
            raise SettingsInvalid(msg, target=name)
        seen.add(place)


def _invenio(one: Invenio, *, stack: contextlib.ExitStack, clock: Clock) -> Target:
    from cisterna.adapters.target_http import Credential, TargetHttp
    from cisterna.adapters.target_invenio import InvenioTarget, answer_bytes

    credential, most = Credential("Bearer", one.token), answer_bytes(one)
    http = TargetHttp(one.url, target=one.name, credential=credential, clock=clock, answer_bytes=most)
    stack.callback(http.close)
    return InvenioTarget(http, one, clock=clock)


def _datacite(one: DataCite, *, stack: contextlib.ExitStack, clock: Clock) -> Target:
    from cisterna.adapters.datacite_service import DataCiteService
    from cisterna.adapters.target_datacite import DataCiteTarget

    service = DataCiteService(one.url, repository=one.repository, password=one.password, clock=clock)
    stack.callback(service.close)
    return DataCiteTarget(service, prefix=one.prefix, clock=clock, name=one.name, title=one.shown)


def _figshare(one: Figshare, *, stack: contextlib.ExitStack, clock: Clock) -> Target:
    from cisterna.adapters.target_figshare import FigshareTarget
    from cisterna.adapters.target_http import Credential, TargetHttp

    credential = Credential("token", one.token)
    http = TargetHttp(one.url, target=one.name, credential=credential, clock=clock, domain=one.upload_domain)
    stack.callback(http.close)
    return FigshareTarget(http, one, clock=clock)


def _hypha(one: Hypha, *, stack: contextlib.ExitStack, clock: Clock) -> Target:
    from cisterna.adapters.target_http import Credential, TargetHttp
    from cisterna.adapters.target_hypha import HyphaTarget

    http = TargetHttp(one.url, target=one.name, credential=Credential("Bearer", one.token), clock=clock)
    stack.callback(http.close)
    store = TargetHttp(one.files_url or one.url, target=one.name, credential=None, clock=clock)
    stack.callback(store.close)
    return HyphaTarget(http, store, one, clock=clock)


def _omero(one: Omero, settings: Settings, *, clock: Clock) -> Target:
    from functools import partial

    from cisterna.adapters.omero_list import OmeroLists
    from cisterna.adapters.omero_session import omero_http
    from cisterna.adapters.target_omero import OmeroTarget
    from cisterna.adapters.target_place import FolderPlace
    from cisterna.adapters.target_setting import OmeroImages

    if one.images is OmeroImages.URL and settings.web.public_url is None:
        msg = f"the target '{one.name}' shows images by address and web.public_url is not set; set that, or `images`"
        raise SettingsInvalid(msg, target=one.name)
    lists = OmeroLists(FolderPlace(one.lists, target=one.name)) if one.lists is not None else None
    return OmeroTarget(partial(omero_http, one, clock=clock), lists, one, clock=clock)


def _scicat(one: SciCat, *, stack: contextlib.ExitStack, clock: Clock) -> Target:
    from cisterna.adapters.scicat_service import ScicatService
    from cisterna.adapters.target_scicat import ScicatTarget

    service = ScicatService(one.url, target=one.name, username=one.username, password=one.password, clock=clock)
    stack.callback(service.close)
    return ScicatTarget(service, one, clock=clock)


def _place(setting: PlaceSetting, stack: contextlib.ExitStack) -> Place:
    from cisterna.adapters.s3_access import S3Access
    from cisterna.adapters.s3_obstore import S3Store
    from cisterna.adapters.target_place import BucketPlace, FolderPlace

    if setting.folder is not None:
        return FolderPlace(setting.folder, target=setting.name)
    access = S3Access(
        endpoint=setting.endpoint or "",
        region=setting.region,
        access_key_id=setting.access_key_id or "",
        secret_access_key=setting.secret_access_key or SecretStr(""),
    )
    store = S3Store(access, bucket=setting.bucket or "", name=setting.name)
    stack.callback(store.close)
    return BucketPlace(store, prefix=setting.prefix)
