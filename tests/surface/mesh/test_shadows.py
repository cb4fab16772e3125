from types import SimpleNamespace

import numpy as np
import pytest

from synthgen.seeding import generator
from synthgen.surface.mesh.shadows import cast_shadows, lit_share
from synthgen.surface.optics.light import sample_light

STRAIGHT = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}


def box(low, high):
    """Return the vertices and triangles of a box."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    faces = [
        *((0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)),
        *((2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)),
    ]
    return low + corners * np.subtract(high, low), np.array(faces)


def step():
    """Return a slab with a wall of 20 mm on it."""
    slab, faces = box((-30, -30, -2), (30, 30, 0))
    wall, more = box((0, -30, 0), (4, 30, 20))
    return SimpleNamespace(vertices=np.concatenate([slab, wall]), faces=np.concatenate([faces, more + 8]))


@pytest.mark.parametrize("turned", [False, True])
def test_a_wall_throws_a_shadow_that_ends_where_all_of_the_light_is_seen(turned):
    light = sample_light(generator(0, 0, 0, "light"), "ring")
    half = 0.5**0.5
    pose = {**STRAIGHT, "rotation": [half, 0, 0, half]} if turned else STRAIGHT
    shadows = cast_shadows(step(), pose, light)

    def share(x, z):
        return lit_share(shadows, (0.0, x, z) if turned else (x, 0.0, z))

    # the ring is 50 mm wide on the whole and 300 mm away: the wall's shadow is some 3 mm long
    assert share(-0.5, 0.0) < 0.7
    assert share(-0.5, 0.0) <= share(-1.5, 0.0) <= share(-10.0, 0.0)
    assert share(-10.0, 0.0) == share(20.0, 0.0) == share(2.0, 20.0) == 1.0
