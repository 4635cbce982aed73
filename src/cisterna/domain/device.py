"""The device behind an instrument, as its declaration tells it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput
from cisterna.domain.outside_identifier import DevicePid
from cisterna.domain.text import Line


class Device(Value):
    """What a declaration says of a device, each by a setting of the same name.

    Attributes:
        pid: Its own identifier: a DOI or Handle (PIDINST), an RRID or an address.
        manufacturer: Who made it.
        model: As the maker names it.
        serial: Of this one.
    """

    pid: DevicePid | None = None
    manufacturer: Line | None = None
    model: Line | None = None
    serial: Line | None = None


def device_of(settings: Mapping[str, str]) -> Device:
    """Read what an instrument's settings say of the device. Raises `InvalidInput` that names the setting."""
    try:
        return Device.model_validate({name: settings[name] for name in Device.model_fields if name in settings})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name, why = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"the setting {name} cannot be used: {why}", setting=name) from error
