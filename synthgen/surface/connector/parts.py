"""The parts by their names: how each is drawn at random, breaks a rule, and becomes a picture."""

import numpy as np

from synthgen.surface.connector import plan, tray
from synthgen.surface.connector.cloth import sample_cloth
from synthgen.surface.connector.findings import Finding


def sample_part(rng: np.random.Generator, part: str, holes: int) -> dict:
    """Draw a normal part: see `plan.sample_plate` and `tray.sample_tray`."""
    return plan.sample_plate(rng, holes) if part == "connector" else tray.sample_tray(rng)


def break_rule(rng: np.random.Generator, part: str, meant: dict, kind: str) -> tuple[dict, dict]:
    """Draw an anomaly of a normal part: see `plan.break_rule` and `tray.break_rule`."""
    breaks = plan.break_rule if part == "connector" else tray.break_rule
    return breaks(rng, meant, kind)


def sample_background(rng: np.random.Generator, part: str) -> dict:
    """Draw what a part lies on: see `sample_cloth` and `items.sample_plastic`."""
    if part == "connector":
        return sample_cloth(rng)
    from synthgen.surface.connector.items import sample_plastic

    return sample_plastic(rng)


def draw_part(params: dict, size: tuple[int, int]) -> Finding:
    """Draw a part, of which the parameters know the name."""
    from synthgen.surface.connector.draw import draw_connector, draw_tray

    painter = draw_connector if params["product"] == "connector" else draw_tray
    return painter(params, size)
