"""Plate readers that write a folder a plate: `plate.json` first, a table a well, `finished.txt` last."""

from __future__ import annotations

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.untrusted import json_object, plain_text
from cisterna.ports.profile import Described, Look, Plane


class PlateReader:
    """Implements `ports.profile.Profile`."""

    name = "plate-reader"
    quiet_seconds = 60.0
    stalled_seconds = 3600.0

    def claims(self, look: Look) -> bool:
        return "plate.json" in look.listing.paths

    def inspect(self, look: Look) -> Evidence:
        paths = look.listing.paths
        markers = () if "finished.txt" in paths else ("finished.txt",)
        try:
            tables = [f"{well}.csv" for well in _wells(look)]
        except (InvalidInput, NotFound) as fault:
            return Evidence(markers_missing=markers, plan_fault=str(fault)[:1000])
        missing = [table for table in tables if table not in paths]
        return Evidence(
            markers_missing=markers,
            expects=True,
            expected_files=len(tables),
            missing=tuple(missing[:20]),
            missing_files=len(missing),
            faults=tuple(
                f"{one.path} is empty" for one in look.listing.files if one.path in tables and not one.size_bytes
            ),
        )

    def describe(self, look: Look) -> Described:
        try:
            said = json_object(look.read("plate.json"), "plate.json")
        except (InvalidInput, NotFound):
            said = {}
        barcode = plain_text(said.get("barcode"))
        title = barcode or plain_text(look.folder) or "Plate"
        return Described(title=title, data_type="table", fields={"barcode": barcode} if barcode else {})

    def delivered(self, look: Look) -> DeliveredDigests:
        del look
        return {}

    def is_image(self, path: str) -> bool:
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        del path
        return None


def _wells(look: Look) -> list[str]:
    wells = json_object(look.read("plate.json"), "plate.json").get("wells")
    names = [plain_text(well, longest=8) for well in wells] if isinstance(wells, list) and len(wells) <= 1536 else []
    told = [name for name in names if name is not None and "/" not in name]
    if not told or len(told) < len(names):
        raise InvalidInput("plate.json does not name its wells; look at the file", path="plate.json")
    return told
