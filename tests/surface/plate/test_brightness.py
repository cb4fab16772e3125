import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.optics.brushed import ACROSS, ALONG, sample_brushed, streaks
from synthgen.surface.optics.light import CAMERA_DISTANCE, LIGHT_HEIGHT, reflection_map, sample_light
from synthgen.surface.plate.brightness import _AMBIENT, _BRIGHT, prepare, radiance
from synthgen.surface.plate.view import view_of

SIZE = (96, 120)


def texture(index=0):
    return sample_brushed(generator(0, 0, index, "texture"))


def light(kind="ring", index=0):
    return sample_light(generator(0, 0, index, "light"), kind)


def at(values, row, column):
    """Look a table up by linear interpolation, point by point."""
    r, c = int(row), int(column)
    y, x = row - r, column - c
    top = values[r, c] * (1 - x) + values[r, c + 1] * x
    return top * (1 - y) + (values[r + 1, c] * (1 - x) + values[r + 1, c + 1] * x) * y


def test_brightness_equals_a_plain_look_up_point_by_point():
    brushed, view = texture(), view_of(SIZE)
    plate = prepare(brushed, light(), view)
    drawn = radiance(plate, view)
    table = streaks(brushed, view.pitch).astype(np.float64)
    mirrored = reflection_map(light(), brushed["direction"], brushed["roughness"])
    turn = np.deg2rad(brushed["direction"])
    cosine, sine = np.cos(turn), np.sin(turn)
    middle = [(n - 1) / 2 for n in table.shape[:2]]
    for r, c in [(0, 0), (10, 100), (48, 60), (95, 119), (70, 3)]:
        y, x = (a + n * view.pitch for a, n in zip(view.corner, (r, c), strict=True))
        u, v = cosine * x + sine * y, cosine * y - sine * x
        # where the row of pixels crosses the two columns of the table around the point
        column = u / ALONG + middle[1]
        nodes = []
        for k in (int(column), int(column) + 1):
            node_x = ((k - middle[1]) * ALONG - sine * y) / cosine
            nodes.append(at(table, (cosine * y - sine * node_x) / ACROSS + middle[0], k))
        slope, change = nodes[0] + (column - int(column)) * (nodes[1] - nodes[0])
        seen = np.array([v, u]) * (1 + LIGHT_HEIGHT / CAMERA_DISTANCE) - 2 * LIGHT_HEIGHT * np.array([slope, 0])
        shine = at(mirrored.values.astype(np.float64), *((seen - mirrored.start) / mirrored.step))
        assert drawn[r, c] == pytest.approx(
            brushed["reflectance"] * (1 + change) * (_AMBIENT + _BRIGHT * shine), rel=1e-3
        )
