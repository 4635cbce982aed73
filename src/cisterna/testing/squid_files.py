"""The texts that Squid writes beside its images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import yaml

Position = tuple[float, float, float]
"""x, y, z in mm."""


@dataclass(frozen=True)
class Plan:
    """What a run will do."""

    experiment_id: str
    started: datetime
    fovs: Mapping[str, Sequence[Position]]
    channels: tuple[str, ...]
    z_levels: int
    time_points: int
    interval_seconds: float


def channels_yaml(plan: Plan) -> str:
    """Write `acquisition_channels.yaml`."""
    content = {
        "version": 1,
        "objective": "20x",
        "confocal_mode": False,
        "channels": [_channel(name) for name in plan.channels],
    }
    return _dump(content)


def parameters_json(plan: Plan) -> str:
    """Write `acquisition parameters.json`."""
    content = {
        "dx(mm)": 0.9,
        "Nx": 1,
        "dy(mm)": 0.9,
        "Ny": 1,
        "dz(um)": 1.5,
        "Nz": plan.z_levels,
        "dt(s)": plan.interval_seconds,
        "Nt": plan.time_points,
        "with AF": False,
        "with reflection AF": False,
        "with manual focus map": False,
        "objective": {"magnification": 20.0, "NA": 0.8, "tube_lens_f_mm": 180.0, "name": "20x"},
        "sensor_pixel_size_um": 6.5,
        "tube_lens_mm": 180,
        "confocal_mode": False,
    }
    return json.dumps(content)


def planned_csv(plan: Plan) -> str:
    """Write the top `coordinates.csv`: one row a field of view, in the order in which Squid visits them."""
    rows = [f"{well},{x},{y},{z}" for well, positions in plan.fovs.items() for x, y, z in positions]
    return "\n".join(["region,x (mm),y (mm),z (mm)", *rows, ""])


def actual_csv(plan: Plan, taken: Sequence[tuple[str, int, int]], *, time_point: int = 0) -> str:
    """Write a time point's `coordinates.csv`: where the stage really was, a second for each place."""
    rows = []
    begun = plan.started + timedelta(seconds=time_point * max(plan.interval_seconds, len(taken)))
    for number, (well, fov, level) in enumerate(taken):
        x, y, z = plan.fovs[well][fov]
        moment = (begun + timedelta(seconds=number)).strftime("%Y-%m-%d_%H-%M-%S.%f")
        rows.append(f"{well},{fov},{level},{x},{y},{z * 1000 + 1.5 * level},{moment}")
    return "\n".join(["region,fov,z_level,x (mm),y (mm),z (um),time", *rows, ""])


def acquisition_yaml(plan: Plan) -> str:
    """Write `acquisition.yaml`, the summary."""
    content = {
        "acquisition": {
            "experiment_id": plan.experiment_id,
            "start_time": plan.started.timestamp(),
            "widget_type": "wellplate",
            "xy_mode": "Select Wells",
            "skip_saving": False,
        },
        "objective": {
            "name": "20x",
            "magnification": 20.0,
            "NA": 0.8,
            "pixel_size_um": 0.325,
            "camera_binning": [1, 1],
            "sensor_pixel_size_um": 6.5,
        },
        "sample": {"wellplate_format": "96 well plate"},
        "z_stack": {
            "nz": plan.z_levels,
            "delta_z_mm": 0.0015,
            "config": "FROM BOTTOM",
            "z_range_mm": None,
            "use_piezo": False,
        },
        "time_series": {"nt": plan.time_points, "delta_t_s": plan.interval_seconds},
        "autofocus": {"contrast_af": False, "laser_af": False},
        "channels": [_channel(name) for name in plan.channels],
        "wellplate_scan": {
            "scan_size_mm": 0.33,
            "overlap_percent": 0.0,
            "regions": [
                {"name": well, "center_mm": list(positions[0]), "shape": "Square"}
                for well, positions in plan.fovs.items()
            ],
        },
        "plate": {"num_rows": 8, "num_cols": 12},
        "fluidics": {"enabled": False},
    }
    return f"# Acquisition Parameters - {plan.experiment_id}\n\n{_dump(content)}"


def _channel(name: str) -> dict[str, object]:
    return {
        "name": name,
        "enabled": True,
        "display_color": "#FFFFFF" if name.startswith("BF") else "#1FFF00",
        "camera_settings": {"exposure_time_ms": 20.0, "gain_mode": 0.0},
        "z_offset_um": 0.0,
        "illumination_settings": {"illumination_channel": name, "intensity": 20.0},
    }


def _dump(content: Mapping[str, object]) -> str:
    return yaml.dump(dict(content), default_flow_style=False, sort_keys=False, allow_unicode=True)
