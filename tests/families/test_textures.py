import numpy as np
import pytest

import synthgen
from synthgen.errors import UsageError
from synthgen.families import textures
from synthgen.families.textures import Options
from synthgen.layouts import open_normal, open_test_set
from synthgen.recipe import Recipe
from synthgen.sample import semantic_map

SIZE = (40, 56)


def sampled(label=2, index=1, classes=50, seed=0, **options):
    options = textures.resolve(Options(**options), classes)
    return textures.sample(options, seed, label, index)


def drawn(*args, **options):
    return textures.draw(sampled(*args, **options), SIZE)


def test_instances_and_semantic_say_which_texture_each_pixel_shows():
    seen = set()
    for index in range(12):
        _, fields, params = drawn(3, index, regions=(1, 4))
        objects = params["objects"]
        seen.add(len(objects))
        np.testing.assert_array_equal(fields["semantic"], semantic_map(fields["instances"], objects) + 1)
        assert fields["mask"].min() == 255
        for thing in objects:
            own = fields["instances"] == thing["id"]
            assert thing["visible_area"] == np.count_nonzero(own)
            if own.any():
                rows, columns = np.nonzero(own)
                top, left, bottom, right = thing["box"]
                assert top <= rows.min() <= rows.max() < bottom
                assert left <= columns.min() <= columns.max() < right
    assert seen == {1, 2, 3, 4}


def test_the_first_region_is_the_class_and_no_texture_comes_twice():
    for index in range(30):
        objects = sampled(7, index, regions=(4, 4), textures=20)["objects"]
        sources = [thing["params"]["source_class"] for thing in objects]
        assert sources[0] == 7
        assert len(set(sources)) == 4
        assert max(sources) < 20


@pytest.mark.parametrize(("label", "block"), [(3, range(8)), (13, range(8, 16)), (18, range(12, 20))])
def test_images_of_a_block_share_its_textures(label, block):
    sources = set()
    for index in range(40):
        objects = sampled(label, index, regions=(3, 3), textures=20, block=8)["objects"]
        sources |= {thing["params"]["source_class"] for thing in objects}
    assert sources == set(block)


def test_windows_of_a_class_show_one_texture_and_differ():
    params = [sampled(5, index) for index in range(4)]
    shown = [p["objects"][0]["params"] for p in params]
    assert all(own["texture"] == shown[0]["texture"] for own in shown)
    assert len({tuple(own["view"]["center"]) for own in shown}) == 4


def test_more_classes_images_and_regions_leave_samples_as_they_were():
    common = {"family": "textures", "size": 32, "textures": 60, "regions": "1:3"}
    one = Recipe.from_dict({**common, "classes": 5, "per_class": 5})
    more = Recipe.from_dict({**common, "classes": 60, "per_class": 50})
    for label, index in ((0, 0), (4, 4), (2, 3)):
        first, second = (synthgen.render(recipe, label, index) for recipe in (one, more))
        assert np.array_equal(first.image, second.image)
        assert first.params == second.params


def test_height_and_normal_come_on_request():
    _, fields, _ = drawn(2, regions=(2, 2), fields=("height", "normal"))
    assert fields["height"].dtype == fields["normal"].dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fields["normal"], axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("label", range(6))
def test_the_mask_of_defects_is_every_pixel_that_differs_from_the_clean_image(label):
    for index in range(3):
        pixels, fields, params = drawn(label, index, layout="test", fields=("clean",), objects=(1, 3))
        changed = (pixels != fields["clean"]).any(axis=2)
        np.testing.assert_array_equal(fields["mask"] == 255, changed)
        np.testing.assert_array_equal(fields["instances"] > 0, changed)
        assert changed.any() == (label > 0)
        assert all(thing["kind"] == textures.DEFECTS[label - 1] for thing in params["objects"])


def test_a_test_set_and_its_normal_images_are_read_like_those_of_other_families(tmp_path):
    common = {"family": "textures", "texture": 4, "size": 32}
    normal = Recipe.from_dict({**common, "classes": 1, "per_class": 3})
    test = Recipe.from_dict({**common, "layout": "test", "per_class": 2})
    for recipe, folder in ((normal, "normal"), (test, "test")):
        synthgen.generate(recipe, tmp_path / folder, workers=1)

    images = open_normal(tmp_path / "normal")
    assert len(images) == 3
    entries = open_test_set(tmp_path / "test")
    assert {entry.kind for entry in entries} == {"good", *textures.DEFECTS}
    assert entries.labels.sum() == 10
    assert all(entry.mask.any() == (entry.label == 1) for entry in entries)

    shown = [synthgen.render(recipe, 0, 0).params for recipe in (normal, test)]
    assert shown[0]["objects"][0]["params"]["texture"] == shown[1]["base"]["texture"]


def test_a_missing_element_takes_a_whole_one_of_a_periodic_texture():
    from synthgen.texture import periodic

    found = 0
    for number in range(120):
        _, fields, params = drawn(
            1, 0, layout="test", defects=("missing",), objects=(1, 1), kinds=("periodic",),
            mixtures=0.0, warps=0.0, texture=number, scale=(1.0, 1.0),
        )  # fmt: skip
        main = params["base"]["texture"]["fields"][0]
        if main["variant"] == "dots":
            found += 1
            whole = main["scale"] ** 2
            assert params["objects"][0]["area"] <= 1.3 * whole
            assert fields["mask"].any()
    assert found > 2
    assert "dots" in periodic.WITH_ELEMENTS


BAD = [
    ({"kinds": ""}, "kinds must name at least one, got none"),
    ({"kinds": "marble"}, "kinds must be one of spectral, periodic"),
    ({"kinds": "wood,wood"}, "kinds must not repeat, got wood,wood"),
    ({"regions": "4:2"}, "regions must be LOW:HIGH"),
    ({"regions": "0:2"}, "regions must be"),
    ({"regions": "1:4", "textures": 3, "classes": 3}, "textures must be >= 4, the textures of an image, got 3"),
    ({"regions": "1:4", "block": 2}, "block must be >= 4, the textures of an image, got 2"),
    ({"classes": 30, "textures": 20}, "classes must be <= 20, got 30"),
    ({"texture": 20, "textures": 20}, "textures must be > 20, the first texture, got 20"),
    ({"scale": "2:1"}, "scale must be LOW:HIGH"),
    ({"rotation": 200}, "rotation must be"),
    ({"defects": "tear"}, "defects must be left out for --layout train, got tear"),
    ({"fields": "clean"}, "fields must not have clean for --layout train"),
    ({"layout": "test", "regions": "1:2"}, "regions must be 1 for --layout test, got 1:2"),
    ({"layout": "test", "fields": "height"}, "fields must be clean or none for --layout test, got height"),
    ({"layout": "test", "defects": ""}, "defects must name at least one, got none"),
    ({"layout": "test", "classes": 9}, "classes must be <= 6, got 9"),
    ({"storage": {"codec": "jpeg"}}, "storage.codec must be lossless for textures"),
]


@pytest.mark.parametrize(("values", "message"), BAD)
def test_a_mistake_is_one_sentence(values, message):
    with pytest.raises(UsageError) as caught:
        Recipe.from_dict({"family": "textures", **values}, "")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
