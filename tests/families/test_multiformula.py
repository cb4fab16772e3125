import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthgen
from synthgen.compose import diamond_square, to_gray
from synthgen.errors import UsageError
from synthgen.families import multiformula
from synthgen.recipe import Recipe, load_recipe


def recipe(**changes) -> Recipe:
    values = {"family": "multiformula", "classes": 4, "per_class": 5, "size": "72x64", "points": 500}
    return Recipe.from_dict({**values, "source_classes": 22, **changes})


@settings(max_examples=30)
@given(
    st.integers(0, 2**40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["black", "diamond-square"]),
)
def test_masks_ids_and_facts_agree(seed, blur, transforms, gray, background):
    made = recipe(seed=seed, blur=blur, transforms=transforms, gray=gray, background=background)
    sample = synthgen.render(made, 1, 2)
    ids, objects = sample.fields["instances"], sample.params["objects"]
    assert np.array_equal(sample.fields["mask"] == 255, ids > 0)
    assert [thing["id"] for thing in objects] == list(range(1, len(objects) + 1))
    assert 4 <= len(objects) <= 10
    for thing in objects:
        assert thing["visible_area"] == (ids == thing["id"]).sum() <= thing["area"]
        top, left, bottom, right = thing["box"]
        assert 0 <= top <= bottom <= 64
        assert 0 <= left <= right <= 72
        assert (bottom - top) * (right - left) >= thing["area"]
        rows, columns = np.nonzero(ids == thing["id"])
        assert ((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)).all()


@pytest.mark.parametrize("blur", [False, True])
def test_outside_the_objects_lies_the_background(blur):
    for index in range(5):
        sample = synthgen.render(recipe(background="diamond-square", blur=blur), 0, index)
        outside = sample.fields["mask"] == 0
        assert outside.any()
        behind = diamond_square(sample.params["background"], (64, 72))
        assert np.array_equal(sample.image[outside], behind[outside])


@pytest.mark.parametrize("grouping", ["random", "similar", "distinct"])
def test_objects_come_from_the_group_of_their_class(grouping):
    made = recipe(grouping=grouping, groups=4)
    groups = [multiformula.describe_class(made.options, 0, label)["source_classes"] for label in range(4)]
    assert sorted(number for group in groups for number in group) == list(range(22))
    assert sorted(map(len, groups)) == [5, 5, 6, 6]
    for label, group in enumerate(groups):
        images = [synthgen.render(made, label, i) for i in range(5)]
        seen = {thing["params"]["source_class"] for image in images for thing in image.params["objects"]}
        assert seen <= set(group)
        assert len(seen) > 1


def test_fewer_classes_are_the_first_of_the_same_groups():
    few, many = recipe(classes=2, per_class=1), recipe(classes=4, per_class=9)
    assert few.options.groups == many.options.groups == 4
    assert synthgen.render(few, 1, 0).params == synthgen.render(many, 1, 0).params


def test_an_option_does_not_shift_the_chance_of_another():
    plain, rich = (
        synthgen.render(made, 0, 0).params["objects"] for made in (recipe(), recipe(blur=True, gray=True))
    )
    for a, b in zip(plain, rich, strict=True):
        for key in ("source_class", "scale", "at"):
            assert a["params"][key] == b["params"][key]
        assert a["params"]["drawn"]["maps"] == b["params"]["drawn"]["maps"]


def test_points_grow_with_the_area():
    images = [synthgen.render(recipe(points=1000), 0, i) for i in range(5)]
    things = [thing["params"] for image in images for thing in image.params["objects"]]
    assert all(abs(t["drawn"]["points"] - 1000 * (2 * t["scale"]) ** 2) <= 0.5 for t in things)
    assert {t["scale"] for t in things} != {0.5}


def test_an_object_is_drawn_at_the_size_in_which_it_is_pasted():
    made = recipe(objects="1:1", scale="0.5", flips=False)
    sample = synthgen.render(made, 0, 0)
    (thing,) = sample.params["objects"]
    pixels, fields, _ = synthgen.families.fractals.draw(thing["params"]["drawn"], (32, 32))
    top, left = (round(c * n - 16) for c, n in zip(thing["params"]["at"], (64, 72), strict=True))
    assert thing["center"] == [top + 15.5, left + 15.5]
    inside = fields["mask"][max(0, -top) : 64 - top, max(0, -left) : 72 - left] > 0
    assert thing["area"] == inside.sum()
    shown = sample.image[max(0, top) : top + 32, max(0, left) : left + 32]
    own = pixels.to_rgb()[max(0, -top) : 64 - top, max(0, -left) : 72 - left]
    assert np.array_equal(shown[inside], own[inside])


@pytest.mark.parametrize("source", ["mandelbulb", "hybrid"])
def test_mandelbulbs_are_objects_too(source):
    made = recipe(source=source, objects="2:3", per_class=2, classes=2, size=48)
    names = multiformula.describe_class(made.options, 0, 0)["source_names"]
    sample = synthgen.render(made, 0, 0)
    assert {thing["params"]["drawn"]["formula"] for thing in sample.params["objects"]} <= set(names)
    assert sample.fields["mask"].any()


@pytest.mark.parametrize("gray", [False, True])
def test_mandelbulbs_are_laid_over_the_background_by_their_coverage(gray):
    changes = {"source": "mandelbulb", "objects": "1:1", "flips": False, "background": "diamond-square", "size": 80}
    sample = synthgen.render(recipe(**changes, gray=gray), 0, 0)
    (thing,) = sample.params["objects"]
    side = round(80 * thing["params"]["scale"])
    drawn, fields, _ = synthgen.families.mandelbulb.draw(thing["params"]["drawn"], (side, side))
    top, left = (round(c * 80 - side / 2) for c in thing["params"]["at"])
    under = slice(max(0, top), top + side), slice(max(0, left), left + side)
    inner = slice(max(0, -top), 80 - top), slice(max(0, -left), 80 - left)

    behind = diamond_square(sample.params["background"], (80, 80))
    if gray:
        behind, drawn = to_gray(behind), to_gray(drawn)
    share = fields["coverage"][inner] / 255
    assert np.array_equal(sample.fields["mask"][under] == 255, share > 0)
    share = share if gray else share[..., None]
    expected = behind[under] * (1 - share) + drawn[inner]
    assert ((share > 0) & (share < 1)).any()
    assert np.abs(sample.image[under] - np.clip(expected, 0, 255)).max() <= 1


@pytest.mark.parametrize("gray", [False, True])
def test_objects_of_a_stored_data_set_are_cut_out_by_their_masks(data_set, gray):
    made = recipe(
        source=str(data_set), source_classes=5, objects="1:1", scale="1.0", flips=False, gray=gray, size=32
    )
    stored = synthgen.open(data_set)
    for index in range(5):
        sample = synthgen.render(made, 0, index)
        (thing,) = sample.params["objects"]
        own = stored[stored.find(thing["params"]["source_class"], thing["params"]["drawn"]["index"])]
        top, left = (round(c * 32 - 16) for c in thing["params"]["at"])
        under = slice(max(0, top), 32 + top), slice(max(0, left), 32 + left)
        inner = slice(max(0, -top), 32 - top), slice(max(0, -left), 32 - left)
        assert np.array_equal(sample.fields["mask"][under], own.fields["mask"][inner])
        if not gray:
            assert np.array_equal(sample.image[under], own.image[inner])


def test_a_source_may_move_but_not_change(data_set, copy_of, tmp_path, make_recipe):
    moved, other = copy_of(data_set), tmp_path / "other"
    synthgen.generate(make_recipe(seed=3), other, workers=0, progress=False)
    here, there, changed = (recipe(source=str(path), source_classes=5) for path in (data_set, moved, other))
    assert here.data_fingerprint == there.data_fingerprint != changed.data_fingerprint


@pytest.mark.parametrize("storage", ["hdf5", "webdataset"])
def test_ids_go_through_files_and_readers(storage, tmp_path):
    made = recipe(storage={"format": storage})
    synthgen.generate(made, tmp_path / "out", workers=0, progress=False)
    stored = synthgen.open(tmp_path / "out")
    assert synthgen.shards.verify(tmp_path / "out", pixels=True).ok
    for sample in stored:
        drawn = synthgen.render(made, sample.label, sample.params["index"])
        assert np.array_equal(sample.fields["instances"], drawn.fields["instances"])
        assert sample.params == json.loads(json.dumps(drawn.params))
    assert [row["source_classes"] for row in stored.classes] == multiformula.members(made.options, 0)[:4]


def test_readers_make_a_semantic_map_on_request(tmp_path):
    pytest.importorskip("torch")
    import synthgen.torch as torch_data

    made = recipe()
    synthgen.generate(made, tmp_path / "out", workers=0, progress=False)
    wanted = ("instances", "semantic")
    shards, live = (
        torch_data.ShardDataset(tmp_path / "out", fields=wanted),
        torch_data.LiveDataset(made, fields=wanted),
    )
    for i in range(len(shards)):
        _, label, ids, semantic = shards[i]
        assert (semantic == live[i][3]).all()
        assert ((semantic == -1) == (ids == 0)).all()
        assert set(semantic.unique().tolist()) - {-1} <= set(multiformula.members(made.options, 0)[label])


def test_the_recipe_of_a_finished_data_set_draws_it_again(data_set, tmp_path):
    made = recipe(source=str(data_set), source_classes=5)
    synthgen.generate(made, tmp_path / "out", workers=0, progress=False)
    again = load_recipe(tmp_path / "out")
    assert (
        again.data_fingerprint
        == made.data_fingerprint
        == synthgen.open(tmp_path / "out").manifest.fingerprints.data
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 23, "source_classes": 22}, r"classes must be <= 22, got 23"),
        ({"classes": 7, "groups": 6}, r"classes must be <= 6, got 7"),
        ({"groups": 23}, r"groups must be <= 22, the source's classes, got 23"),
        ({"source_classes": 1001}, r"source_classes must be <= 1,000, the source's classes, got 1,001"),
        ({"objects": "5:4"}, r"objects must be LOW:HIGH with LOW <= HIGH, got 5:4"),
        ({"objects": "0:4"}, r"objects must be int >= 1"),
        ({"objects": "4:65536"}, r"objects must be int <= 65535"),
        ({"scale": "0.2:1.4"}, r"scale must be float <= 1"),
        ({"scale": "0:0.5"}, r"scale must be float > 0"),
        ({"background": "snow"}, r"background must be one of black, diamond-square, got 'snow'"),
        ({"source": "nowhere"}, r"source must be fractals, mandelbulb, hybrid or the folder of a data set"),
        ({"grouping": "best"}, r"grouping must be one of random, similar, distinct"),
    ],
)
def test_bad_options_are_one_line(changes, message):
    with pytest.raises(UsageError, match=rf"^recipe: {message}") as error:
        recipe(**changes)
    assert "\n" not in str(error.value)


def test_a_source_without_masks_or_unfinished_is_refused(tmp_path, data_set, copy_of):
    folder = copy_of(data_set)
    manifest = json.loads((folder / "dataset.json").read_text())
    del manifest["fields"]["mask"]
    (folder / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="source must be a data set with masks"):
        recipe(source=str(folder), source_classes=5)
    with pytest.raises(UsageError, match=r"source must be .* or the folder of a data set"):
        recipe(source=str(tmp_path))
    with pytest.raises(UsageError, match="source_classes must be <= 5"):
        recipe(source=str(data_set), source_classes=6)


@pytest.mark.parametrize(("most", "kind"), [(255, "uint8"), (256, "uint16")])
def test_ids_take_16_bits_where_an_image_may_hold_more_than_255_objects(most, kind):
    made = recipe(objects=f"1:{most}", scale="0.05", points=50)
    spec = multiformula.fields(made.options, made.size)["instances"]
    assert (spec.dtype, spec.kind) == (kind, "ids")
    few = synthgen.render(made, 0, 0)
    assert few.fields["instances"].dtype == kind


def test_more_than_255_objects_keep_their_ids():
    made = recipe(objects="400:400", scale="0.02", points=20, size=256, source_classes=20)
    sample = synthgen.render(made, 0, 0)
    ids = sample.fields["instances"]
    objects = sample.params["objects"]
    assert [thing["id"] for thing in objects] == list(range(1, 401))
    assert [thing["visible_area"] for thing in objects] == np.bincount(ids.ravel(), minlength=401)[1:].tolist()
    assert ids.max() > 255


def test_objects_can_be_as_many_as_the_group_has_classes_at_most():
    made = recipe(capped=True, groups=4, source_classes=20, per_class=40)
    counts = {len(synthgen.render(made, 0, index).params["objects"]) for index in range(40)}
    assert counts == {4, 5}
    first = synthgen.render(recipe(groups=4, source_classes=20, per_class=40), 0, 0).params["objects"]
    assert synthgen.render(made, 0, 0).params["objects"][0]["params"] == first[0]["params"]


def test_half_of_the_images_are_blurred_as_a_whole():
    made = recipe(blur=True, per_class=40)
    seen = []
    for index in range(40):
        widths = {thing["params"]["blur"] for thing in synthgen.render(made, 0, index).params["objects"]}
        assert len(widths) == 1
        seen += widths
    assert 8 < sum(width is not None for width in seen) < 32
    assert len(set(seen)) > 8


@pytest.mark.parametrize("source", ["fractals", "mandelbulb"])
def test_gray_is_the_luma_of_the_colors_whatever_the_source(source):
    options = {"source": source, "objects": "1:2", "size": 48, "background": "black"}
    for index in range(3):
        color, gray = (synthgen.render(recipe(**options, gray=gray), 0, index) for gray in (False, True))
        assert np.array_equal(color.fields["instances"], gray.fields["instances"])
        assert np.abs(to_gray(color.image).astype(int) - gray.image).max() <= 1


def laid_over_black(stored, made, index):
    """Return the edge of an object of a stored data set on black, and what the coverage would have made of it."""
    sample = synthgen.render(made, 0, index)
    (thing,) = sample.params["objects"]
    own = thing["params"]["drawn"]
    drawn = stored[stored.find(own["class"], own["index"])]
    full = {**drawn.params, "background": "black", "filter": "box", "fields": ["coverage"]}
    truth, fields, _ = synthgen.families.mandelbulb.draw(full, (64, 64))
    top, left = (round(c * 64 - 32) for c in thing["params"]["at"])
    under = slice(max(0, top), 64 + top), slice(max(0, left), 64 + left)
    inner = slice(max(0, -top), 64 - top), slice(max(0, -left), 64 - left)
    edge = (fields["coverage"][inner] > 0) & (fields["coverage"][inner] < 255)
    return sample.image[under][edge].astype(int), truth[inner][edge], drawn.image[inner][edge]


@pytest.mark.parametrize("filter", ["box", "lanczos"])
def test_objects_stored_on_white_leave_no_light_fringe(tmp_path, filter):
    given = {"family": "mandelbulb", "classes": 4, "per_class": 1, "size": 64, "filter": filter}
    synthgen.generate(Recipe.from_dict(given), tmp_path / "bulbs", workers=0, progress=False)
    stored = synthgen.open(tmp_path / "bulbs")
    options = {"source": str(tmp_path / "bulbs"), "source_classes": 4, "groups": 1, "classes": 1, "scale": "1.0"}
    made = recipe(**options, objects="1:1", flips=False, size=64, per_class=12)
    pairs = [laid_over_black(stored, made, index) for index in range(12)]
    shown, truth, with_white = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    fringe = with_white.astype(int) - truth
    assert fringe.mean() > 60
    assert abs((shown - truth).mean()) < 0.25 * fringe.mean()
