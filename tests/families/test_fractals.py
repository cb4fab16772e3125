import numpy as np
import pytest

import synthgen
from synthgen.families import fractals
from synthgen.families.fractals import Options

SIZE = (40, 56)


def draw(seed=0, label=2, index=1, **options):
    return fractals.draw(fractals.sample(Options(points=4000, **options), seed, label, index), SIZE)[:2]


def rgb(pixels):
    return pixels.to_rgb() if hasattr(pixels, "to_rgb") else pixels


@pytest.mark.parametrize("options", [{}, {"gray": True}, {"window": True}, {"patch": False, "flips": False}])
def test_the_mask_is_every_pixel_that_is_not_background(options):
    for index in range(10):
        pixels, fields = draw(index=index, **options)
        image = rgb(pixels)
        lit = image > 0 if image.ndim == 2 else image.any(axis=2)
        assert np.array_equal(fields["mask"] == 255, lit)


@pytest.mark.parametrize("blur", [False, True])
def test_outside_the_mask_lies_the_background(blur):
    from synthgen.compose import diamond_square

    for index in range(8):
        params = fractals.sample(Options(points=4000, background="diamond-square", blur=blur), 0, 1, index)
        pixels, fields, _ = fractals.draw(params, SIZE)
        outside = fields["mask"] == 0
        assert outside.any()
        assert np.array_equal(pixels[outside], diamond_square(params["background"], SIZE)[outside])


def test_a_blur_grows_the_mask_with_it():
    blurred = [fractals.sample(Options(points=4000, blur=True), 0, 0, i) for i in range(20)]
    assert 3 < sum(p["blur"] is not None for p in blurred) < 17
    params = next(p for p in blurred if p["blur"])
    pixels, fields, _ = fractals.draw(params, SIZE)
    _, sharp, _ = fractals.draw({**params, "blur": None}, SIZE)
    assert fields["mask"].sum() > sharp["mask"].sum()
    assert not pixels[fields["mask"] == 0].any()


def test_more_classes_images_and_systems_leave_samples_as_they_were():
    one = synthgen.recipe.Recipe.from_dict(
        {"family": "fractals", "classes": 5, "per_class": 5, "size": 32, "points": 500}
    )
    more = synthgen.recipe.Recipe.from_dict(
        {"family": "fractals", "classes": 9, "per_class": 50, "size": 32, "points": 500}
    )
    for label, index in ((0, 0), (4, 4), (2, 3)):
        a, b = synthgen.render(one, label, index), synthgen.render(more, label, index)
        assert np.array_equal(a.image, b.image)
        assert a.params == b.params
    few, many = (fractals.sample(Options(systems=s), 0, 1, 2) for s in (3, 100))
    assert few == many


def test_options_do_not_shift_each_others_chance():
    plain = fractals.sample(Options(), 3, 1, 4)
    other = fractals.sample(Options(flips=False, background="diamond-square", window=True), 3, 1, 4)
    for key in ("maps", "seed", "patch", "hue", "saturation", "value"):
        assert plain[key] == other[key]


def test_images_of_a_class_take_its_systems_in_turn():
    params = [fractals.sample(Options(systems=3, augment=False), 0, 4, i) for i in range(6)]
    assert [p["system"] for p in params] == [0, 1, 2, 0, 1, 2]
    assert params[0]["maps"] == params[3]["maps"] != params[1]["maps"]
    assert params[0]["seed"] != params[3]["seed"]


def test_fractaldb_gives_a_class_one_system():
    options = Options(scheme="fractaldb")
    maps = [np.array(fractals.sample(options, 0, 4, i)["maps"]) for i in range(30)]
    system = np.array(fractals.describe_class(options, 0, 4)["maps"])
    changed = [np.argwhere(~np.isclose(m, system).all(axis=0)) for m in maps]
    assert all(len(c) <= 1 for c in changed)
    assert len({m.tobytes() for m in maps}) > 8


def test_systems_are_of_the_sizes_asked_for():
    sizes = {len(fractals.sample(Options(maps=(2, 8)), 0, c, 0)["maps"]) for c in range(60)}
    assert sizes == set(range(2, 9))


def test_images_can_be_drawn_at_another_size():
    params = fractals.sample(Options(points=20_000), 0, 0, 0)
    small, large = (rgb(fractals.draw(params, (s, s))[0]) for s in (32, 256))
    covered = [(i.any(axis=2)).mean() for i in (small, large)]
    assert covered[0] >= covered[1] > 0


@pytest.mark.parametrize("size", [16, 4096])
def test_the_smallest_and_the_largest_size_work(size):
    pixels, fields, _ = fractals.draw(fractals.sample(Options(points=1000), 0, 0, 0), (size, size))
    assert pixels.indices.shape == fields["mask"].shape == (size, size)
