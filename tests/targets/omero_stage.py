"""An OMERO as a target and what it speaks to, for its tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from cisterna.adapters.omero_list import OmeroLists
from cisterna.adapters.omero_session import omero_http
from cisterna.adapters.target_omero import OmeroTarget
from cisterna.adapters.target_place import FolderPlace
from cisterna.adapters.target_setting import Omero
from cisterna.domain.deposit import Deposit
from cisterna.domain.errors import ReviewPending
from cisterna.domain.identifier import ark
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport
from cisterna.testing.clock import SettableClock
from cisterna.testing.omero_server import OmeroOperator, OmeroStandIn
from tests.targets.proxied_stage import ProxiedStage

PASSWORD = "correct horse & staple"
ZARR: Mapping[str, bytes] = dict.fromkeys(
    (
        "data/view.ome.zarr/zarr.json",
        "data/view.ome.zarr/A/1/zarr.json",
        "data/view.ome.zarr/A/1/0/zarr.json",
        "data/view.ome.zarr/A/1/0/0/zarr.json",
        "data/view.ome.zarr/A/1/0/0/c/0/0/0/0/0",
        "data/view.ome.zarr/A/1/0/1/zarr.json",
        "data/view.ome.zarr/A/1/1/zarr.json",
        "data/view.ome.zarr/A/1/1/0/zarr.json",
    ),
    b"{}",
)
SHOWN = ["data/view.ome.zarr/A/1/0", "data/view.ome.zarr/A/1/1"]


def label(request: ReserveRequest) -> str:
    """Give what the names of a version's images say that they are of."""
    return request.key.partition("@")[0].replace(":", "-")


def called(path: str, request: ReserveRequest) -> str:
    """Give what OMERO calls an image of a version."""
    return f"{path} ({label(request)})"


class AskedAgain:
    """The target as the driver asks it: once more when who runs OMERO has worked on what is listed."""

    def __init__(self, target: OmeroTarget, operator: OmeroOperator) -> None:
        self.name, self.title, self.reserves, self.narrows = target.name, target.title, target.reserves, target.narrows
        self._target = target
        self._operator = operator

    def reserve(self, request: ReserveRequest) -> Deposit | None:
        self._target.reserve(request)
        return None

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        try:
            return self._target.deposit(request, known=known, files=files)
        except ReviewPending:
            self._operator()
            return self._target.deposit(request, known=known, files=files)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        try:
            return self._target.withdraw(request, known=known, reason=reason)
        except ReviewPending:
            self._operator()
            return self._target.withdraw(request, known=known, reason=reason)

    def test(self) -> TargetReport:
        return self._target.test()


class OmeroStage(ProxiedStage):
    secret = PASSWORD

    def __init__(self, stack: ExitStack, lists: Path, **setting: object) -> None:
        self.server = stack.enter_context(OmeroStandIn(username="cisterna", password=PASSWORD))
        self.stand_before(self.server, stack)
        self.lists = lists
        self.operator = OmeroOperator(self.server, lists)
        named = {"name": "omero", "title": "OMERO", "url": self.proxy.url, "username": "cisterna", "project": 3}
        made = Omero.model_validate({**named, "password": PASSWORD, "lists": lists, **setting})
        self.setting = made
        self.plain = self.with_group(made.group)
        self.target = AskedAgain(self.plain, self.operator)

    def with_group(self, group: int | None) -> OmeroTarget:
        """Give the target once more, for another group."""
        made = self.setting.model_copy(update={"group": group})
        clock = SettableClock()
        place = OmeroLists(FolderPlace(self.lists, target="omero"))
        return OmeroTarget(partial(omero_http, made, clock=clock), place, made, clock=clock)

    def standing(self, key: str) -> Sequence[str]:
        return [one for one in self.made(key) if not self.server.datasets[int(one)]["Name"].startswith("Withdrawn")]

    def made(self, key: str) -> Sequence[str]:
        dataset, _, version = key.partition("@")[0].partition(":")
        mark = f"{ark(dataset, naan='12345')}/{version}"
        return [f"{one}" for one, held in self.server.datasets.items() if held["Description"].endswith(mark)]

    def told(self, key: str) -> str:
        return json.dumps([self.server.datasets[int(one)] for one in self.made(key)], ensure_ascii=False, default=str)

    def writes(self) -> int:
        return sum(one.method != "GET" and not one.path.endswith(("/login/", "/logout/")) for one in self.server.seen)
