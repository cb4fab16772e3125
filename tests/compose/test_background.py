import numpy as np
import pytest

from synthgen.compose import diamond_square, sample_diamond_square
from synthgen.seeding import noise_generator

f32 = np.float32


def noise(rng, shape, amplitude):
    return (rng.random(shape, dtype=f32) * f32(2) - f32(1)) * amplitude


def midpoints(field, centers):
    """Between each corner and the one below it; centers beyond the border are those at it."""
    around = np.pad(centers, ((0, 0), (1, 1)), mode="edge")
    corners = field[:-1] + field[1:]
    return (corners + around[:, :-1] + around[:, 1:]) * f32(0.25)


def plain_heights(params, levels):
    """Midpoint displacement in NumPy."""
    rng = noise_generator(params["seed"])
    field = rng.random((2, 2), dtype=f32)
    amplitude = f32(0.5)
    for _ in range(levels):
        sides = field[:, :-1] + field[:, 1:]
        centers = (sides[:-1] + sides[1:]) * f32(0.25)
        centers += noise(rng, centers.shape, amplitude)
        rows = midpoints(field.T, centers.T).T
        rows = rows + noise(rng, rows.shape, amplitude)
        columns = midpoints(field, centers)
        columns += noise(rng, columns.shape, amplitude)

        side = 2 * len(field) - 1
        fine = np.empty((side, side), f32)
        fine[::2, ::2], fine[1::2, 1::2], fine[::2, 1::2], fine[1::2, ::2] = field, centers, rows, columns
        field = fine
        amplitude *= f32(round(float(np.exp(-params["decay"])), 6))
    return field


def plain_picture(params, size):
    """The same colors by the textbook's formula for HSV, a channel at a time."""
    heights = plain_heights(params, (max(size) - 1).bit_length())[: size[0], : size[1]]
    lines = [heights * f32(params[name][0]) + f32(params[name][1]) for name in ("hue", "saturation", "value")]
    sixths = lines[0] % f32(256) * f32(6 / 256)
    share = np.clip(lines[1], 0, 255) * f32(1 / 255)
    value = np.clip(lines[2], 0, 255)

    channels = []
    for offset in (5, 3, 1):
        place = (sixths + f32(offset)) % f32(6)
        part = np.clip(np.minimum(place, 4 - place), 0, 1)
        channels.append(np.rint(value * (1 - share * part)))
    return np.stack(channels, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("hue", [None, [900.0, -400.0]])
@pytest.mark.parametrize("size", [(2, 2), (16, 90), (65, 64), (224, 224)])
def test_compiled_backgrounds_are_those_of_numpy(size, hue):
    params = sample_diamond_square(np.random.default_rng(5))
    params["hue"] = hue or params["hue"]
    assert np.array_equal(diamond_square(params, size), plain_picture(params, size))


@pytest.mark.parametrize("size", [(16, 16), (17, 64), (100, 33)])
def test_backgrounds_have_any_size_and_are_functions_of_their_parameters(size):
    params = sample_diamond_square(np.random.default_rng(3))
    image = diamond_square(params, size)
    assert image.shape == (*size, 3)
    assert np.array_equal(image, diamond_square(params, size))
    other = {**params, "seed": params["seed"] + 1}
    assert not np.array_equal(image, diamond_square(other, size))


def test_backgrounds_are_smooth_and_varied():
    image = diamond_square(sample_diamond_square(np.random.default_rng(1)), (128, 128)).astype(int)
    assert np.abs(np.diff(image, axis=0)).mean() < 12
    assert image.std(axis=(0, 1)).max() > 10
