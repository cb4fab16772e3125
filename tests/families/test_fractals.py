import json

import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.families import fractals
from synthgen.families.fractals import Options
from synthgen.recipe import Recipe, load_recipe

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


def test_classes_of_1p_frac_are_perturbations_of_one_fractal():
    options = Options(scheme="1p-frac", maps=(2, 2), sigma_factor=(5.8, 6.2))
    one = fractals._own_system(options, 7, 0, 0).maps
    for label in range(40):
        maps = np.array(fractals.describe_class(options, 7, label)["maps"])
        ratios = maps / one
        assert (np.abs(ratios - 1) <= 0.1 + 1e-6).all()
        assert len(np.unique(ratios.round(4))) > 6
        for index in range(2):
            assert fractals.sample(options, 7, label, index)["maps"] == maps.tolist()
    assert 3.8 < fractals._own_system(options, 7, 0, 0).sigma_factor < 4.2


@pytest.mark.parametrize("name", ["ofdb-1k", "ofdb-21k", "1p-frac"])
def test_recipes_of_one_image_a_class_say_so(name):
    recipe = load_recipe(name)
    assert recipe.per_class == 1
    assert recipe.count == recipe.classes >= 1000


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


def test_gray_fractals_are_never_nearly_black():
    dark = 0
    for label in range(60):
        params = fractals.sample(Options(points=20_000, gray=True), 0, label, 0)
        pixels, fields, _ = fractals.draw(params, (64, 64))
        own = pixels[fields["mask"] == 255]
        assert np.quantile(own, 0.5, method="lower") >= 63
        plain, _, _ = fractals.draw({**params, "density": True}, (64, 64))
        assert np.array_equal(plain > 0, pixels > 0)
        dark += plain[plain > 0].mean() < 12
    assert dark > 0


def test_density_stays_in_proportion_to_the_points():
    from synthgen import ifs

    params = fractals.sample(Options(points=20_000, gray=True, density=True), 0, 3, 1)
    pixels, _, _ = fractals.draw(params, (64, 64))
    counts = ifs.density(
        ifs.System(params["maps"]),
        64,
        20_000,
        params["seed"],
        params["patch"],
        None,
        (1, 1, 0, 0),
        params["orientation"],
    )
    assert np.abs(pixels - 255 * counts / counts.max()).max() <= 1


SYSTEMS = [
    [[[0.5, 0, 0], [0, 0.5, 0]], [[0.5, 0, 0.5], [0, 0.5, 0]], [[0.5, 0, 0], [0, 0.5, number / 10]]][
        : 2 + number % 2
    ]
    for number in range(7)
]


def write_systems(path):
    if path.suffix == ".json":
        path.write_text(json.dumps(SYSTEMS))
    else:
        flat = [affine for system in SYSTEMS for affine in system]
        np.savez(path, maps=flat, counts=[len(system) for system in SYSTEMS])
    return str(path)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_systems_of_a_file_are_taken_in_its_order(tmp_path, suffix):
    path = write_systems(tmp_path / f"mine{suffix}")
    grouped = Options(systems_file=path, systems=3, augment=False)
    assert fractals.most_classes(grouped) == 2
    for label in range(2):
        found = [fractals.sample(grouped, 0, label, index)["maps"] for index in range(4)]
        assert found == [*SYSTEMS[3 * label : 3 * label + 3], SYSTEMS[3 * label]]
    single = Options(systems_file=path, scheme="fractaldb", augment=False)
    assert fractals.most_classes(single) == 7
    assert fractals.describe_class(single, 0, 6)["maps"] == SYSTEMS[6]
    recipe = Recipe.from_dict(
        {"family": "fractals", "systems_file": path, "systems": 2, "per_class": 2, "size": 32}
    )
    assert recipe.classes == 3


def test_a_file_of_systems_may_move_but_not_change(tmp_path):
    def fingerprint(name):
        given = {"family": "fractals", "systems_file": write_systems(tmp_path / name), "systems": 2}
        return Recipe.from_dict(given).data_fingerprint

    assert fingerprint("a.json") == fingerprint("b.json") != fingerprint("a.npz")


WRONG_FILES = {
    "pickle.npz": (lambda path: np.savez(path, maps=np.array([{}], object)), "must be readable"),
    "other.npz": (lambda path: np.savez(path, systems=np.zeros((1, 2, 3))), "must have an array maps"),
    "counts.npz": (lambda path: np.savez(path, maps=np.zeros((5, 2, 3)), counts=[2, 2]), "add up to 5 maps, got 4"),
    "few.npz": (lambda path: np.savez(path, maps=np.zeros((1, 2, 2, 3))), "systems must be <= 1"),
    "a.pkl": (lambda path: path.write_bytes(b"x"), "from an .npz or .json file, got .pkl"),
    "cut.json": (lambda path: path.write_text("[[["), "must be readable"),
    "none.json": (lambda path: path.write_text("[]"), "must be at least one"),
    "shape.json": (lambda path: path.write_text("[[[[1, 2], [3, 4]]]]"), "system 0 must be 1 to 8 maps of 2 x 3"),
    "nan.json": (lambda path: path.write_text("[[[[NaN, 0, 0], [0, 0, 0]]]]"), "system 0 must be"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_without_systems_is_one_line(tmp_path, name):
    write, message = WRONG_FILES[name]
    write(tmp_path / name)
    with pytest.raises(UsageError, match=message) as error:
        Recipe.from_dict({"family": "fractals", "systems_file": str(tmp_path / name), "systems": 2})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [{"sigma_factor": "5:11"}, {"sigma_factor": "-3:6"}, {"sigma_factor": "6:5"}])
def test_a_sigma_factor_that_cannot_be_is_refused(change):
    with pytest.raises(UsageError, match="sigma_factor must"):
        Recipe.from_dict({"family": "fractals", **change})
    assert Options(sigma_factor=(0.0, 14.0), maps=(3, 4))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gray": True},
        {"window": True, "blur": True},
        {"background": "diamond-square"},
        {"scheme": "fractaldb"},
        {"scheme": "1p-frac", "patch": False},
        {"augment": False, "flips": False, "systems": 3},
    ],
)
def test_many_images_in_one_call_are_those_drawn_one_by_one(options):
    chosen = Options(points=700, **options)
    labels = np.repeat(np.arange(6), 4)
    indices = np.tile(np.arange(4), 6)
    together = fractals.draw_many(chosen, 3, labels, indices, SIZE)
    for (pixels, fields, params), label, index in zip(together, labels.tolist(), indices.tolist(), strict=True):
        one, its_fields, its_params = fractals.draw(fractals.sample(chosen, 3, label, index), SIZE)
        assert json.dumps(params) == json.dumps(its_params)
        assert np.array_equal(rgb(pixels), rgb(one))
        assert np.array_equal(fields["mask"], its_fields["mask"])


def test_points_grow_with_the_image_on_request():
    of_sides = {16: 391, 32: 1562, 64: 6250, 256: 100_000, 512: 400_000}
    for side, points in of_sides.items():
        recipe = Recipe.from_dict({"family": "fractals", "points": "auto", "size": side, "classes": 1})
        if side <= 64:
            assert synthgen.render(recipe, 0, 3).params["points"] == points
        assert fractals.points_of(recipe.options.points, recipe.size) == points
    with pytest.raises(UsageError, match="points must be"):
        Recipe.from_dict({"family": "fractals", "points": "many"}, "")
