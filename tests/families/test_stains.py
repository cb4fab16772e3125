import json
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from msgspec.structs import fields

import synthgen
from synthgen import families
from synthgen.errors import UsageError
from synthgen.families import _inspection, connectors, stains
from synthgen.families.stains import Options
from synthgen.recipe import Recipe, load_recipe
from synthgen.run import make_plan
from synthgen.run.draw import draw_sample
from synthgen.run.shard import encode_sample
from synthgen.surface.optics.camera import grown
from synthgen.threads import drawing_threads

LARGE = {"radius": "4:8", "ring": 1, "heterogeneity": 0.9}
ALL = {
    "layout": "test",
    "impurities": "fingerprint,sticker",
    "fields": "clean",
    "classes": 4,
    "cell_size": 18,
    **LARGE,
}


def small(**changes):
    # drops that a pixel of 0.7 mm shows
    seen = {} if "radius" in changes or "water" in changes or "mesh" in changes else {"radius": "1:4"}
    values = {"family": "stains", "size": "160x128", "per_class": 4, "cell_size": 8, **seen}
    return Recipe.from_dict({**values, **changes})


@cache
def drawn(label=0, index=0, **changes):
    """Draw a plate; what it returns is shared by the tests."""
    recipe = small(**changes)
    params = stains.sample(recipe.options, recipe.seed, label, index)
    pixels, fields, more = stains.draw(params, recipe.size)
    return pixels, fields, more


CAMERAS = {
    "plain": {},
    "blurred": {"blur": 1.5},
    "noisy": {"noise": 6},
    "blurred, noisy and bright": {"blur": 2, "noise": 4, "exposure": "1.1:1.2"},
}


# what a plate may have on it -> all steps of its drawing that threads share
SHARED = {
    "dried water": {"noise": 2, "blur": 0.8},
    "water paper": {"water": "paper", "cells": "solid", "blur": 1.6, "radius": "4:8"},
    "a plate with all on it": {**ALL, "blur": 1.2, "noise": 3},
}


@pytest.mark.parametrize("what", SHARED)
def test_threads_change_no_byte(what, monkeypatch):
    recipe = small(**SHARED[what], size="233x190")
    fields = make_plan(recipe).run.fields
    monkeypatch.setattr("synthgen.threads._LEAST_PIXELS", 0)

    encoded = []
    for count in (1, 2, 3):
        with drawing_threads(count):
            encoded.append(encode_sample(draw_sample(recipe, recipe.classes - 1, 1), fields))
    assert encoded[0] == encoded[1] == encoded[2]


@pytest.mark.parametrize(("size", "mesh", "shared"), [
    ((511, 512), None, False), ((512, 512), None, True), ((512, 512), "bolt", False),
])  # fmt: skip
def test_threads_share_large_plates_alone(size, mesh, shared):
    share = families.shared_of(stains, Options(mesh=mesh), size)
    assert (0 < share < 1) == shared
    assert share == 0 or shared


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("label", range(4))
def test_pixels_outside_the_mask_equal_the_clean_twin(camera, label):
    pixels, fields, _ = drawn(label, **ALL, **CAMERAS[camera])
    outside = fields["mask"] == 0
    assert 0.1 < outside.mean() < 0.95
    assert np.array_equal(pixels[outside], fields["clean"][outside])
    assert (pixels != fields["clean"])[~outside].mean() > 0.3


# Every kind of thing and every option that changes what is drawn, on 30 mm of a plate.
KINDS = {
    "dried": {},
    "dense": {"cell_size": 1.2},
    "even radii": {"size_law": "even", "radius": "0.1:3"},
    "none older": {"older": 0},
    "all older": {"older": 1},
    "no rings": {"ring": 0},
    "nothing inside": {"heterogeneity": 0},
    "wide rings": {"ring_width": "0.3:0.9"},
    "paper, a layer": {"water": "paper"},
    "paper, solid": {"water": "paper", "cells": "solid"},
    "paper, plain": {
        "water": "paper", "cells": "solid", "radius": "1.75", "frequency": 0.4, "amplitude": 0.4, "decay": 3,
        "intensity": "-0.25", "ring": 0, "heterogeneity": 0,
    },
    "turned light": {"light": "ring-rotated"},
    "large light": {"light": "ring-large"},
    "large light of the same power": {"light": "ring-large", "light_output": "power"},
    "random light": {"light": "random"},
    "fingerprint": {"stains": False, "impurities": "fingerprint"},
    "sticker": {"stains": False, "impurities": "sticker"},
    "the edge of the plate": {"field_of_view": None, "places": "2x2"},
    "a wide view": {"field_of_view": 200},
}  # fmt: skip


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("camera", [{}, {"blur": 0.8, "noise": 2}], ids=["sharp", "blurred"])
@pytest.mark.parametrize("label", [0, 1])
def test_no_option_changes_a_pixel_outside_the_masks(options, camera, label):
    view = {"size": "100x84", "field_of_view": 30, "cell_size": 4, "radius": None}
    values = {
        **ALL,
        "impurities": "",
        "ring": None,
        "heterogeneity": None,
        **view,
        **KINDS[options],
        **camera,
        "objects": "1:2",
    }
    pixels, fields, params = drawn(label, 0, **values)
    outside = fields["mask"] == 0
    assert np.array_equal(pixels[outside], fields["clean"][outside])
    assert np.array_equal(fields["instances"] > 0, ~outside)
    assert fields["mask"].any() or not params["objects"]


def test_the_region_leaves_the_edge_of_the_plate_out():
    values = {"places": "2x2", "fields": "clean,region", "stains": False, "blur": 1.5}
    for index in range(4):
        pixels, fields, params = drawn(0, index, **values)
        inside = fields["region"] > 0
        assert 0.6 < inside.mean() < 0.98
        row, column = params["camera"]["place"]
        assert not inside[0 if row == 0 else -1].any()
        assert not inside[:, 0 if column == 0 else -1].any()
        # beside the plate all is dark, and nothing of it is mixed into the region
        assert pixels[inside].min() > pixels[~inside].min() + 5
    assert (drawn(fields="region")[1]["region"] == 255).all()


def test_nothing_lies_beside_the_plate():
    pixels, fields, _ = drawn(2, **ALL, field_of_view=240, blur=0.5)
    assert len(np.unique(pixels[:20])) == 1
    assert not fields["mask"][:20].any()
    outside = fields["mask"] == 0
    assert np.array_equal(pixels[outside], fields["clean"][outside])


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("label", range(4))
def test_masks_of_the_kinds_and_instances_together_are_the_mask(camera, label):
    fields = drawn(label, **ALL, **CAMERAS[camera])[1]
    kinds = stains.kinds(small(**ALL).options)
    assert kinds == ("stain", "fingerprint", "sticker", "scratch", "dent", "bump")
    union = np.max([fields[kind] for kind in kinds], axis=0)
    assert np.array_equal(union, fields["mask"])
    assert np.array_equal(fields["instances"] > 0, fields["mask"] == 255)
    assert {kind for kind in kinds[3:] if fields[kind].any()} == ({kinds[2 + label]} if label else set())


def test_each_kind_alone_changes_only_its_own_mask():
    recipe = small(**ALL)
    params = stains.sample(recipe.options, 0, 1, 0)
    whole, fields, _ = stains.draw(params, recipe.size)
    for kind, without in (
        ("stain", {"stains": None}),
        ("scratch", {"defects": []}),
        ("sticker", {"impurities": [p for p in params["impurities"] if p["kind"] != "sticker"]}),
    ):
        pixels = stains.draw({**params, **without}, recipe.size)[0]
        changed = pixels != whole
        assert changed.any()
        assert (fields[kind][changed] == 255).all()


@pytest.mark.parametrize("camera", ["plain", "blurred"])
@pytest.mark.parametrize("label", range(4))
def test_objects_describe_the_instances(camera, label):
    _, fields, params = drawn(label, **ALL, **CAMERAS[camera])
    ids = fields["instances"]
    objects = params["objects"]
    assert [o["id"] for o in objects] == list(range(1, len(objects) + 1))
    assert {int(k) for k in np.unique(ids)} - {0} <= {o["id"] for o in objects}
    for entry in objects:
        seen = ids == entry["id"]
        assert seen.sum() == entry["visible_area"] <= entry["area"]
        assert (fields[entry["kind"]][seen] == 255).all()
        top, left, bottom, right = entry["box"]
        rows, columns = np.nonzero(seen)
        if len(rows):
            assert top <= rows.min() <= rows.max() < bottom
            assert left <= columns.min() <= columns.max() < right
            if entry["visible_area"] == entry["area"]:
                assert [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] == entry["box"]
    wanted = params["impurities"] + params["defects"]
    assert [o["kind"] for o in objects if o["kind"] != "stain"] == [p["kind"] for p in wanted]
    drawn_from = [o["params"] for o in objects if o["kind"] != "stain"]
    assert [params[p["drawn_from"]][p["entry"]] for p in drawn_from] == wanted


def test_a_defect_lies_over_stains_and_stickers_in_the_instances():
    for index in range(2):
        _, fields, params = drawn(2, index, **ALL)
        assert (fields["dent"] > 0).sum() == sum(
            o["visible_area"] for o in params["objects"] if o["kind"] == "dent"
        )


def test_every_object_has_an_id_of_its_own_however_many_there_are():
    _, fields, params = drawn(size="400x320", cell_size=2, radius="0.4:1", older=0, fields="clean")
    objects = params["objects"]
    assert len(objects) > 255 + 100
    assert fields["instances"].dtype == np.uint16
    assert [o["id"] for o in objects] == list(range(1, len(objects) + 1))
    assert [o["area"] for o in objects] == sorted((o["area"] for o in objects), reverse=True)
    assert sum(o["area"] for o in objects) == (fields["mask"] > 0).sum()
    assert np.array_equal(fields["instances"] > 0, fields["mask"] > 0)


@pytest.mark.parametrize(
    "options",
    [
        {"cell_size": 30},
        {"cell_size": 12, "radius": "0.5:12"},
        {"cell_size": 12, "radius": "11:11.9"},
        {"cell_size": 6, "field_of_view": 24},
        {"stains": False, "layout": "test", "classes": 4, "impurities": "sticker", "objects": "40:40"},
        {"cell_size": 25, "layout": "test", "classes": 4, "objects": "30:40", "impurities": "fingerprint"},
        {"cell_size": 25, "impurity_objects": "40:40", "impurities": "fingerprint,sticker"},
    ],
)
@pytest.mark.filterwarnings("ignore:radius")
def test_no_plate_has_more_objects_than_its_options_allow(options):
    recipe = small(**options, size="80x64")
    most = stains.most_objects(recipe.options)
    spec = stains.fields(recipe.options, recipe.size)["instances"]
    assert spec.dtype == ("uint8" if most <= 255 else "uint16")
    for index in range(2):
        params = stains.sample(recipe.options, 0, recipe.classes - 1, index)
        _, fields, more = stains.draw(params, recipe.size)
        assert len(more["objects"]) <= most
        assert fields["instances"].dtype == spec.dtype


def test_all_samples_of_a_data_set_have_the_same_keys():
    found = [drawn(label, index, **ALL)[2] for label in range(4) for index in range(2)]
    assert all(params.keys() == found[0].keys() for params in found)
    for name in ("impurities", "defects", "objects"):
        entries = [entry for params in found for entry in params[name]]
        assert len({entry["kind"] for entry in entries}) > 1
        assert all(list(entry) == list(entries[0]) for entry in entries)
    assert all(o["params"].keys() == found[0]["objects"][0]["params"].keys() for p in found for o in p["objects"])
    plate = stains.sample(small().options, 0, 0, 0)
    assert plate.keys() == found[0].keys()


def test_no_key_of_an_entry_is_lost():
    from synthgen.seeding import generator
    from synthgen.surface.marks.defects import DEFECTS, sample_surface_defect
    from synthgen.surface.marks.impurities import sample_fingerprint, sample_sticker

    rng = generator(0, 0, 0, "test")
    impurities = [sample(rng, (0, 0, 0, 0)) for sample in (sample_fingerprint, sample_sticker)]
    defects = [sample_surface_defect(rng, kind) for kind in DEFECTS]
    assert {key for entry in impurities for key in entry} == set(stains.IMPURITY_KEYS) - {"at"}
    assert {key for entry in defects for key in entry} == set(stains.DEFECT_KEYS) - {
        "at", "angle", "center", "normal",
    }  # fmt: skip


def test_objects_lie_around_their_centers():
    for label in range(4):
        _, _, params = drawn(label, **ALL)
        whole = [o for o in params["objects"] if o["kind"] in ("fingerprint", "sticker", "dent", "bump")]
        assert whole or label == 1
        for entry in whole:
            (row, column), (top, left, bottom, right) = entry["center"], entry["box"]
            assert -1 <= row <= 128
            assert -1 <= column <= 160
            if top > 0 and bottom < 128:
                assert (top + bottom - 1) / 2 == pytest.approx(row, abs=3)
            if left > 0 and right < 160:
                assert (left + right - 1) / 2 == pytest.approx(column, abs=3)


def test_the_same_seed_gives_the_same_plate_with_and_without_stains():
    for index in range(3):
        stained, fields, with_stains = drawn(0, index)
        clean, nothing, without = drawn(0, index, stains=False)
        assert not nothing["mask"].any()
        assert without["objects"] == []
        outside = fields["mask"] == 0
        assert np.array_equal(stained[outside], clean[outside])
        assert (stained != clean).any()
        assert all(with_stains[name] == without[name] for name in ("texture", "light", "camera"))


def test_no_option_moves_the_chance_of_another_part():
    base = stains.sample(small(**ALL).options, 0, 1, 0)
    for change, parts in (
        ({"stains": False}, {"stains"}),
        ({"light": "random"}, {"light"}),
        ({"impurities": "sticker"}, {"impurities"}),
        ({"defects": "scratch"}, set()),
        ({"noise": 5, "exposure": "0.5:2"}, {"camera"}),
        ({"cell_size": 20}, {"stains"}),
    ):
        other = stains.sample(small(**{**ALL, "classes": 2, **change}).options, 0, 1, 0)
        assert {name for name in base if base[name] != other[name]} - {"kinds", "ids"} == parts
    stickers = [p for p in base["impurities"] if p["kind"] == "sticker"]
    assert stickers == stains.sample(small(**{**ALL, "impurities": "sticker"}).options, 0, 1, 0)["impurities"]


def test_noise_and_exposure_come_from_the_camera_alone():
    noisy = drawn(noise=8, stains=False)[0]
    plain = drawn(stains=False)[0]
    difference = noisy.astype(int) - plain
    assert 1 < difference.std() < 9
    bright = drawn(exposure="1.5", stains=False)[0]
    assert (bright >= plain).all()
    drawn_exposures = {
        stains.sample(small(exposure="0.5:2").options, 0, 0, k)["camera"]["exposure"] for k in range(9)
    }
    assert len(drawn_exposures) == 9
    assert all(0.5 <= x <= 2 for x in drawn_exposures)


def test_the_images_of_a_plate_have_its_defects_whatever_their_exposures():
    values = {"layout": "test", "defects": "bump", "places": "2x2", "exposure": "0.05:4", "stains": False}
    plates = [stains.sample(small(**values).options, 0, 1, index) for index in range(8)]
    for first in (0, 4):
        shared = [plate["defects"] for plate in plates[first : first + 4]]
        assert shared == [shared[0]] * 4
    assert plates[0]["defects"] != plates[4]["defects"]


def test_blur_grows_every_mask_by_its_reach():
    sharp, blurred = drawn(1, **ALL)[1], drawn(1, **ALL, blur=1.5)[1]
    for kind in ("stain", "scratch", "sticker", "mask"):
        assert np.array_equal(blurred[kind], grown(sharp[kind], 1.5))


def test_plates_can_be_drawn_again_from_their_parameters_alone():
    pixels, fields, params = drawn(3, 1, **ALL, noise=3)
    again = stains.draw(json.loads(json.dumps(params)), (128, 160))
    assert np.array_equal(again[0], pixels)
    assert all(np.array_equal(again[1][name], fields[name]) for name in fields)
    assert again[2] == params


def test_a_larger_picture_shows_the_same_objects():
    params = stains.sample(small(**ALL).options, 0, 1, 0)
    little, large = (stains.draw(params, size)[1] for size in ((128, 160), (256, 320)))
    for kind in ("stain", "sticker"):
        shrunk = large[kind].reshape(128, 2, 160, 2).mean(axis=(1, 3)) > 127
        assert ((little[kind] > 0) != shrunk).mean() < 0.05


def test_layouts_have_their_classes():
    assert stains.defaults(Options()) == {"classes": 1, "per_class": 80, "size": [2050, 2448]}
    test = Options(layout="test")
    assert stains.defaults(test) == {"classes": 4, "per_class": 20, "size": [2050, 2448]}
    names = [stains.describe_class(test, 0, k)["name"] for k in range(4)]
    assert names == ["good", "scratch", "dent", "bump"]
    two = Options(layout="test", defects=("bump", "dent"))
    assert [stains.describe_class(two, 0, k)["name"] for k in range(3)] == ["good", "bump", "dent"]
    for label, kind in enumerate(["good", "bump", "dent"]):
        for index in range(4):
            params = stains.sample(two, 0, label, index)
            assert {d["kind"] for d in params["defects"]} == ({kind} - {"good"})
            assert 1 <= len(params["defects"]) <= 3 or label == 0


def test_impurities_have_a_number_of_their_own_that_leaves_the_defects():
    usual = {"layout": "test", "classes": 4, "impurities": "fingerprint,sticker", "objects": "3"}
    for label in range(4):
        params = stains.sample(small(**usual).options, 0, label, 0)
        for number in (0, 1, 5):
            options = small(**usual, impurity_objects=number).options
            other = stains.sample(options, 0, label, 0)
            assert other["defects"] == params["defects"]
            assert len(params["impurities"]) == 6
            assert len(other["impurities"]) == 2 * number


def test_every_defective_plate_shows_its_defect():
    for label, kind in enumerate(["scratch", "dent", "bump"], 1):
        for index in range(3):
            pixels, fields, _ = drawn(
                label, index, layout="test", classes=4, fields="clean", stains=False, objects="1"
            )
            assert (pixels != fields["clean"]).any()
            assert np.array_equal(fields["mask"], fields[kind])


def test_good_plates_have_impurities_but_no_defects():
    _, fields, params = drawn(0, **ALL)
    assert params["defects"] == []
    assert fields["sticker"].any()
    assert fields["stain"].any()
    assert not any(fields[kind].any() for kind in ("scratch", "dent", "bump"))


@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
def test_all_fields_come_back_from_shards(tmp_path, fmt):
    recipe = small(**{**ALL, "per_class": 1, "impurities": "sticker"}, storage={"format": fmt})
    assert synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False).finished
    assert synthgen.verify(tmp_path / "d", pixels=True).ok
    for sample in synthgen.open(tmp_path / "d"):
        again = synthgen.render(recipe, sample.label, sample.params["index"])
        assert np.array_equal(sample.image, again.image)
        assert sample.params == json.loads(json.dumps(again.params))
        for name, value in again.fields.items():
            assert np.array_equal(sample.fields[name], value)


def test_recipes_hold_the_same_plates_with_and_without_stains():
    clean, stained = load_recipe("plates"), load_recipe("plates-stained")
    assert clean.count == stained.count == 80
    assert clean.size == stained.size == (2050, 2448)
    for index in (0, 79):
        a, b = (stains.sample(r.options, r.seed, 0, index) for r in (clean, stained))
        assert all(a[name] == b[name] for name in ("texture", "light", "camera"))
    assert load_recipe("plates-dr").options.light == "random"
    assert load_recipe("plates-test").options.impurities == ("fingerprint", "sticker")


MISTAKES = [
    ({"cell_size": 0}, r"cell_size must be float > 0\.0, got 0"),
    ({"radius": "2:9"}, r"radius must be <= 8, the cell size, got 2:9"),
    (
        {"radius": "2:9", "water": "paper"},
        r"radius must be <= 8, the cell size \(the search for stains sees no further\), got 2:9",
    ),
    ({"radius": "3:2"}, "radius must be LOW:HIGH with LOW <= HIGH, got 3:2"),
    ({"defects": "dent"}, "defects must be left out for --layout train, got dent"),
    ({"layout": "test", "defects": "dent,dent"}, "defects must not repeat, got dent,dent"),
    ({"impurities": "rust"}, "impurities must be one of fingerprint, sticker"),
    ({"light": "sun"}, "light must be one of ring, ring-rotated, ring-large, random"),
    ({"classes": 2}, "classes must be <= 1, got 2"),
    ({"objects": "0:3"}, "objects must be int >= 1"),
    ({"impurity_objects": "3:1"}, "impurity_objects must be LOW:HIGH with LOW <= HIGH, got 3:1"),
    ({"exposure": "2:1"}, "exposure must be LOW:HIGH with LOW <= HIGH, got 2:1"),
    ({"field_of_view": 0}, "field_of_view must be float >= 1"),
    ({"cell_size": 0.3, "radius": "0.1"}, r"cell_size must be >= 0\.45 for a plate 120 mm wide, got 0\.3"),
    ({"frequency": "0.4"}, r"frequency must be left out for water dried, got 0\.4:0\.4"),
    ({"cells": "solid"}, "cells must be left out for water dried, got solid"),
    ({"water": "paper", "older": 0.5}, r"older must be left out for water paper, got 0\.5"),
    ({"water": "paper", "size_law": "even"}, "size_law must be left out for water paper, got even"),
    (
        {"water": "paper", "radius": "7", "amplitude": "2"},
        r"cell_size must be >= 9\.073, radius and amplitude together, got 8",
    ),
    ({"ring": "0.4:0.2"}, r"ring must be LOW:HIGH with LOW <= HIGH, got 0\.4:0\.2"),
    ({"ring": "2"}, "ring must be float <= 1"),
    ({"places": "3"}, "places must be ROWSxCOLUMNS, 1 to 40 each, got 3"),
    ({"places": "0x4"}, "places must be ROWSxCOLUMNS, 1 to 40 each, got 0x4"),
    ({"places": "3x41"}, "places must be ROWSxCOLUMNS, 1 to 40 each, got 3x41"),
    ({"storage": {"codec": "jpeg"}}, "codec must be lossless"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_wrong_options_are_named(change, message):
    with pytest.raises(UsageError, match=message):
        small(**change)


def test_stains_that_leave_no_metal_are_warned_of_once_and_in_one_line(tmp_path):
    with pytest.warns(UserWarning, match=r"^radius 4\.9:5 at cell_size 5 makes nearly all of the surface stain"):
        small(cell_size=5, radius="4.9:5")
    small(cell_size=5, radius="4.9:5", stains=False)
    given = ["--cell-size", "5", "--radius", "4.9:5", "--size", "32", "--per-class", "4", "--shard-size", "2"]
    command = [sys.executable, "-m", "synthgen", "stains", *given, "--workers", "2", "--progress", "none"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=True)
    assert done.stderr.splitlines() == [
        "synthgen: warning: radius 4.9:5 at cell_size 5 makes nearly all of the surface stain; take larger cells "
        "or smaller stains"
    ]


def test_the_camera_of_all_inspected_things_is_declared_once():
    types = {
        family: {field.name: field.type for field in fields(family.Options)} for family in (stains, connectors)
    }
    for name, declared in (("blur", _inspection.Blur), ("noise", _inspection.SensorNoise)):
        assert [of_family[name] for of_family in types.values()] == [declared, declared]
    for name, declared in (("layout", _inspection.Layout), ("light", _inspection.Light)):
        assert [get_args(of_family[name])[0] for of_family in types.values()] == [declared, declared]


def test_the_page_shows_each_option_as_a_picture():
    script = (Path(__file__).parents[2] / "docs" / "pictures.py").read_text()
    lacking = []
    for field in fields(Options):
        flag = field.name.replace("_", "-")
        if f"--{flag}" not in script and f"--no-{flag}" not in script:
            lacking.append(flag)
    assert lacking == [], "draw them in docs/pictures.py, for docs/families/stains.md"


@pytest.mark.parametrize("mesh", ["plate", "bolt"])
def test_parts_with_a_shape_keep_the_promises_of_plates(mesh):
    pytest.importorskip("trimesh", reason="trimesh is not installed")
    recipe = Recipe.from_dict(
        {"family": "stains", "mesh": mesh, "layout": "test", "fields": "clean", "size": "96x80"}
    )
    sample = synthgen.render(recipe, 2, 0)
    mask = sample.fields["mask"] > 0
    assert mask.any()
    assert np.array_equal(sample.image[~mask], sample.fields["clean"][~mask])
    assert np.array_equal(sample.fields["instances"] > 0, mask)
    assert {thing["kind"] for thing in sample.params["objects"]} <= {"stain", "dent"}


# SHA-256 of the parameters of the first three samples of each class, as they were before parts were judged.
KEPT = {
    ("train", 0): "1538a1f0099071e3",
    ("test", 0): "63635375c10295c8",
    ("test", 1): "6a1817d6926afd45",
    ("test", 2): "6976c7f8b6a74ae4",
    ("test", 3): "1ffaf256830626b0",
    ("places", 0): "45ae85187364cd4f",
    ("places", 1): "e3510dea9dc69ab7",
    ("places", 2): "a6ee0647ef7099ab",
    ("places", 3): "3162c6c2512491ab",
    ("bolt", 0): "91c8e3532a052a49",
    ("ring", 0): "0f15777e2fc66902",
    ("paper", 0): "eb7ef18d1baa342d",
}
OF_KEPT = {
    "train": Options(),
    "test": Options(layout="test", impurities=("fingerprint", "sticker")),
    "places": Options(layout="test", places="3x4", light="random"),
    "bolt": Options(mesh="bolt"),
    "ring": Options(layout="test", mesh="ring"),
    "paper": Options(mesh="plate", water="paper"),
}


@pytest.mark.parametrize(("name", "label"), KEPT)
def test_plates_and_good_parts_are_those_of_the_version_before(name, label):
    if OF_KEPT[name].mesh is not None:
        pytest.importorskip("trimesh", reason="trimesh is not installed")
    drawn = [stains.sample(OF_KEPT[name], 5, label, index) for index in range(3)]
    assert sha256(json.dumps(drawn).encode()).hexdigest()[:16] == KEPT[name, label]


@pytest.mark.parametrize("label", [1, 2, 3])
def test_a_part_that_shows_nothing_has_no_defects(tmp_path, label):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    # one triangle, which looks away
    path = tmp_path / "away.stl"
    trimesh.Trimesh([[0, 0, 0], [0, 50, 0], [50, 0, 0]], [[0, 1, 2]]).export(path)
    options = Options(layout="test", mesh=str(path), stains=False)
    params = stains.sample(options, 0, label, 0)
    assert params["defects"] == []
    assert stains.draw(params, (48, 60))[2]["objects"] == []


def test_a_mesh_file_may_move_but_not_change(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    prints = []
    for name, side in (("a.stl", 40), ("b.stl", 40), ("c.stl", 41)):
        trimesh.creation.box((side, 30, 20)).export(tmp_path / name)
        recipe = Recipe.from_dict({"family": "stains", "mesh": str(tmp_path / name), "size": 64})
        assert recipe.options.mesh == str(tmp_path / name)
        prints.append(recipe.data_fingerprint)
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("content", [None, b"", b"solid nothing"])
def test_a_mesh_that_does_not_load_is_one_line(tmp_path, content):
    pytest.importorskip("trimesh", reason="trimesh is not installed")
    path = tmp_path / "broken.stl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"^recipe: mesh must be plate, ring, bolt or a mesh file") as error:
        Recipe.from_dict({"family": "stains", "mesh": str(path)})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("side", "scale", "share"), [(60, "mm", 0.25), (0.03, "m", 0.06), (60, "fit", 0.44)])
def test_a_part_from_a_file_is_as_large_as_its_scale_says(tmp_path, side, scale, share):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    trimesh.creation.box((side, side, side / 8)).export(tmp_path / "part.stl")
    options = Options(mesh=str(tmp_path / "part.stl"), mesh_scale=scale)
    params = stains.sample(options, 0, 0, 0)
    straight = {"rotation": [1, 0, 0, 0], "translation": [0, 0, 0]}
    pixels, _, _ = stains.draw({**params, "stains": None, "pose": straight}, (96, 96))
    table = pixels[0, 0]
    assert (np.abs(pixels.astype(int) - table) > 8).mean() == pytest.approx(share, rel=0.15)


@pytest.mark.parametrize(("side", "scale"), [(0.06, "mm"), (60, "m")])
def test_a_part_in_the_wrong_unit_is_refused(tmp_path, side, scale):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is not installed")
    trimesh.creation.box((side, side, side)).export(tmp_path / "part.stl")
    given = {"family": "stains", "mesh": str(tmp_path / "part.stl"), "mesh_scale": scale}
    with pytest.raises(UsageError, match=r"mesh_scale must make the part 1 to 300 mm large, or be fit, got m"):
        Recipe.from_dict(given)
