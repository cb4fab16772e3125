"""The camera and the colors of a picture of a Mandelbulb."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from synthgen.errors import UsageError

CAMERA_DISTANCE = 2.5

Color = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """Camera angles and the three colors of a picture.

    Parameters
    ----------
    latitude, longitude : float
        Angles in radians. The camera stands 2.5 from the origin, which it looks at.
    colors : sequence of three RGB triples
        In [0, 1]: the colors of the three orbit traps, which are ``min |z|^0.1``, ``min (|x| + |y| + |z|) / 1.5``
        and ``min r``.

    Raises
    ------
    UsageError
        If an angle is not finite, or the colors are not three triples in [0, 1].
    """

    latitude: float
    longitude: float
    colors: tuple[Color, Color, Color]

    def __post_init__(self):
        for name in ("latitude", "longitude"):
            object.__setattr__(self, name, _finite_angle(name, getattr(self, name)))
        object.__setattr__(self, "colors", _three_colors(self.colors))

    def scene(self) -> np.ndarray:
        """Return the numbers that the kernels take.

        Returns
        -------
        ndarray of float32, shape (21,)
            Camera position, forward, side, up, and the three colors.
        """
        sin_lat = math.sin(self.latitude)
        cos_lat = math.cos(self.latitude)
        sin_lng = math.sin(self.longitude)
        cos_lng = math.cos(self.longitude)

        forward = np.array([cos_lat * sin_lng, -cos_lat * cos_lng, -sin_lat])
        up = np.array([sin_lat * sin_lng, -sin_lat * cos_lng, cos_lat])
        parts = (
            -CAMERA_DISTANCE * forward,
            forward,
            np.cross(forward, up),
            up,
            np.ravel(self.colors),
        )
        numbers = np.concatenate(parts)
        return numbers.astype(np.float32)


def _finite_angle(name: str, value) -> float:
    try:
        angle = float(value)
    except (TypeError, ValueError):
        angle = math.nan

    if not math.isfinite(angle):
        raise UsageError(f"{name} must be a finite angle in radians, got {value!r}")
    return angle


def _three_colors(value) -> tuple[Color, Color, Color]:
    try:
        colors = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        colors = np.empty(0)

    within = (colors >= 0) & (colors <= 1)
    if colors.shape != (3, 3) or not within.all():
        raise UsageError(f"colors must be three RGB triples in [0, 1], got {value!r}")
    triples = [tuple(color) for color in colors.tolist()]
    return cast(tuple[Color, Color, Color], tuple(triples))
