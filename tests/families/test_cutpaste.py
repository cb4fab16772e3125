"""Defects in the user's own images: exact masks, and data sets that know which files they were made of."""

import numpy as np
import pytest
from PIL import Image

import synthgen
from synthgen.errors import UsageError
from synthgen.families import cutpaste
from synthgen.recipe import Recipe
from synthgen.run import make_plan

SIZE = (40, 56)


def picture(seed: int, size=SIZE) -> np.ndarray:
    """Return a smooth colored pattern with some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(rows * rng.uniform(0, 0.3) + columns * rng.uniform(0, 0.3)) for _ in range(3)]
    return (np.stack(waves, axis=2) * 60 + rng.uniform(80, 170) + rng.normal(size=(*size, 3)) * 4).astype(np.uint8)


def save(folder, count: int, first=0, gray=False):
    folder.mkdir(exist_ok=True)
    for i in range(count):
        pixels = picture(first + i)
        Image.fromarray(pixels[..., 0] if gray else pixels).save(folder / f"part{i}.png")
    return str(folder)


@pytest.fixture(scope="module")
def normal(tmp_path_factory):
    return save(tmp_path_factory.mktemp("cutpaste") / "good", 4)


def small(normal, **changes):
    values = {"family": "cutpaste", "normal": normal, "per_class": 3, "size": "56x40", "fields": "clean"}
    return Recipe.from_dict({**values, **changes})


def changed(sample):
    differs = sample.image != sample.fields["clean"]
    return differs.any(axis=2) if differs.ndim == 3 else differs


@pytest.mark.parametrize("soft", [False, True])
def test_masks_are_what_differs_from_the_normal_image(normal, soft):
    recipe = small(normal, anomalies="color,image,piece,structural", soft=soft)
    assert recipe.classes == 20
    for label in range(recipe.classes):
        sample = synthgen.render(recipe, label, 1)
        mask = sample.fields["mask"]
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(mask == 255, changed(sample))
        assert np.array_equal(sample.fields["instances"] > 0, mask == 255)
        name = sample.params["image"]["name"]
        assert np.array_equal(sample.fields["clean"], picture(int(name[4])))


def test_hard_defects_differ_by_the_contrast_everywhere(normal):
    recipe = small(normal, contrast=25, severity="0.1:0.2")
    for label in range(recipe.classes):
        sample = synthgen.render(recipe, label, 0)
        difference = np.abs(sample.image.astype(int) - sample.fields["clean"]).max(axis=2)
        assert difference[changed(sample)].min() >= 25


def test_objects_say_what_and_where(normal):
    sample = synthgen.render(small(normal, objects="3:3", masks="blobs", anomalies="image"), 0, 0)
    assert [o["id"] for o in sample.params["objects"]] == [1, 2, 3]
    for drawn in sample.params["objects"]:
        own = sample.fields["instances"] == drawn["id"]
        assert drawn["kind"] == "blob"
        assert drawn["visible_area"] == own.sum() <= drawn["area"]
        top, left, bottom, right = drawn["box"]
        assert own[top:bottom, left:right].sum() == own.sum()
        assert drawn["params"]["anomaly"]["name"] != sample.params["image"]["name"]


def test_the_measured_parameters_draw_the_same_image(normal):
    sample = synthgen.render(small(normal, soft=True), 7, 2)
    pixels, fields, params = cutpaste.draw(sample.params, SIZE)
    assert np.array_equal(pixels, sample.image)
    assert np.array_equal(fields["instances"], sample.fields["instances"])
    assert params == sample.params


def test_images_can_be_drawn_at_another_size(normal):
    sample = synthgen.render(small(normal, masks="blobs", anomalies="color", area="0.05:0.05"), 0, 0)
    pixels, fields, _ = cutpaste.draw(sample.params, (160, 224))
    assert pixels.shape == (160, 224, 3)
    shares = [(f["mask"] == 255).mean() for f in (sample.fields, fields)]
    assert shares[0] == pytest.approx(shares[1], rel=0.2)


def test_more_classes_images_and_defects_leave_samples_as_they_were(normal):
    few = small(normal, classes=3, per_class=2)
    more = small(normal, classes=15, per_class=50)
    assert synthgen.render(few, 2, 1).params == synthgen.render(more, 2, 1).params
    one = synthgen.render(small(normal, objects="1:1"), 2, 1)
    three = synthgen.render(small(normal, objects="3:3"), 2, 1)
    assert three.params["objects"][0] == one.params["objects"][0]
    assert np.array_equal(three.image[one.fields["mask"] == 255], one.image[one.fields["mask"] == 255])


def test_all_normal_images_and_counts_are_used(normal):
    options = cutpaste.Options(normal=normal, objects=(1, 3))
    drawn = [cutpaste.sample(options, 0, 0, i) for i in range(60)]
    assert {p["image"]["name"] for p in drawn} == {f"part{i}.png" for i in range(4)}
    assert {len(p["objects"]) for p in drawn} == {1, 2, 3}


def test_good_images_are_class_0_and_as_they_were(normal):
    recipe = small(normal, good=True, masks="scars", anomalies="piece")
    assert [cutpaste.describe_class(recipe.options, 0, label)["name"] for label in (0, 1)] == [
        "good",
        "scars-piece",
    ]
    sample = synthgen.render(recipe, 0, 2)
    assert np.array_equal(sample.image, sample.fields["clean"])
    assert not sample.fields["mask"].any()
    assert synthgen.render(recipe, 1, 2).fields["mask"].any()


def test_nothing_changes_outside_the_region(normal, tmp_path):
    region = np.zeros(SIZE, np.uint8)
    region[10:30, 5:20] = 255
    Image.fromarray(region).save(tmp_path / "region.png")
    recipe = small(normal, region=str(tmp_path / "region.png"), soft=True)
    for label in range(recipe.classes):
        sample = synthgen.render(recipe, label, 0)
        assert 0 < changed(sample).sum() == changed(sample)[10:30, 5:20].sum()


def test_masks_of_the_user_of_any_size_keep_their_form(normal, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    form = np.zeros((90, 200), np.uint8)
    form[20:40, 30:150] = 1
    Image.fromarray(form).save(folder / "bar.png")
    recipe = small(normal, mask_dir=str(folder), anomalies="color", area="0.03:0.03", objects="1:1")
    assert recipe.classes == 1
    for index in range(3):
        sample = synthgen.render(recipe, 0, index)
        top, left, bottom, right = sample.params["objects"][0]["box"]
        assert changed(sample)[top:bottom, left:right].all()
        assert max(bottom - top, right - left) >= 4 * min(bottom - top, right - left)
        assert changed(sample).mean() == pytest.approx(0.03, rel=0.25)


def test_pieces_of_other_images_come_from_the_source_folder(normal, tmp_path):
    white = tmp_path / "white"
    white.mkdir()
    Image.new("RGB", (50, 50), "white").save(white / "a.png")
    options = {"masks": "rectangles", "anomalies": "image", "source_dir": str(white), "severity": 1}
    options["brightness"] = "0:0"
    sample = synthgen.render(small(normal, **options), 0, 0)
    assert (sample.image[changed(sample)] > 180).all()


@pytest.mark.parametrize("shape", ["blobs", "rectangles"])
def test_pieces_are_brighter_or_darker_by_the_share_that_was_asked_for(normal, shape):
    recipe = small(normal, masks=shape, anomalies="piece", brightness="0.3:0.4", objects="8:8")
    drawn = synthgen.render(recipe, 0, 0).params["objects"]
    gains = np.array([entry["params"]["anomaly"]["gain"] for entry in drawn])
    away = np.abs(gains - 1)
    assert away.min() > 0.2 - 1e-6
    assert away.max() < 0.5 + 1e-6
    assert {True, False} == set((gains.mean(axis=1) > 1).tolist())


def test_gray_folders_give_gray_images_unless_told(tmp_path):
    folder = save(tmp_path / "gray", 2, gray=True)
    sample = synthgen.render(small(folder), 0, 0)
    assert sample.image.shape == sample.fields["clean"].shape == SIZE
    assert np.array_equal(sample.fields["mask"] == 255, changed(sample))
    assert synthgen.render(small(folder, channels="color"), 0, 0).image.shape == (*SIZE, 3)
    Image.fromarray(picture(9)).save(tmp_path / "gray" / "z.png")
    assert make_plan(small(folder)).run.fields["image"].shape == [*SIZE, 3]


def test_deep_images_are_read_with_the_bits_that_are_used(tmp_path):
    values = np.linspace(0, 4095, SIZE[0] * SIZE[1]).reshape(SIZE)
    tmp_path.joinpath("deep").mkdir()
    Image.fromarray(values.astype(np.uint16)).save(tmp_path / "deep/part0.png")

    recipe = small(str(tmp_path / "deep"), anomalies="color", bits=12)
    clean = synthgen.render(recipe, 0, 0).fields["clean"]
    assert np.abs(clean - values / 16).max() <= 1


@pytest.mark.parametrize("fmt", ["hdf5", "webdataset"])
def test_masks_survive_every_format(normal, tmp_path, fmt):
    recipe = small(normal, classes=4, good=True, storage={"format": fmt, "shard_size": 5})
    assert synthgen.generate(recipe, tmp_path / "d", workers=0, progress=False).finished
    assert synthgen.verify(tmp_path / "d", pixels=True).ok
    for stored in synthgen.open(tmp_path / "d"):
        drawn = synthgen.render(recipe, stored.label, stored.params["index"])
        assert np.array_equal(stored.image, drawn.image)
        assert stored.params == drawn.params
        for name in ("mask", "instances", "clean"):
            assert np.array_equal(stored.fields[name], drawn.fields[name])


def test_workers_give_the_same_files(normal, tmp_path):
    for workers in (0, 2):
        recipe = small(normal, classes=4, storage={"shard_size": 4})
        synthgen.generate(recipe, tmp_path / str(workers), workers=workers, progress=False)
    a, b = ([p.read_bytes() for p in sorted((tmp_path / w / "shards").glob("*.h5"))] for w in ("0", "2"))
    assert len(a) == 3
    assert a == b


def test_the_fingerprint_is_of_the_contents_not_of_the_place(tmp_path):
    first = small(save(tmp_path / "a", 3)).data_fingerprint
    assert small(save(tmp_path / "b", 3)).data_fingerprint == first
    Image.fromarray(picture(77)).save(tmp_path / "b" / "part2.png")
    assert small(str(tmp_path / "b")).data_fingerprint != first
    assert small(save(tmp_path / "a", 4)).data_fingerprint != first


@pytest.mark.parametrize("option", ["source_dir", "mask_dir", "region", "defects"])
def test_the_fingerprint_covers_all_files(normal, tmp_path, option):
    folder = tmp_path / "other"
    folder.mkdir()
    seen = set()
    for pixel in (1, 2):
        mask = np.zeros(SIZE, np.uint8)
        mask[:9, :pixel] = 255
        image = Image.fromarray(mask)
        if option == "defects":
            image = Image.merge("LA", (image, image))
        image.save(folder / "a.png")
        given = folder / "a.png" if option == "region" else folder
        seen.add(small(normal, **{option: str(given)}).data_fingerprint)
    assert len(seen) == 2


def test_an_image_that_changes_between_planning_and_drawing_is_refused(tmp_path):
    folder = save(tmp_path / "a", 2, first=50)
    options = cutpaste.Options(normal=folder)
    cutpaste.inputs(options)
    params = cutpaste.sample(options, 0, 0, 0)
    for i in range(2):
        Image.fromarray(picture(60 + i)).save(tmp_path / "a" / f"part{i}.png")
    with pytest.raises(UsageError, match=r"part\d.png: must stay as it was when it was listed"):
        cutpaste.draw(params, SIZE)


def test_a_relative_folder_is_found_again_from_anywhere(normal, tmp_path, monkeypatch):
    save(tmp_path / "parts", 4)
    monkeypatch.chdir(tmp_path)
    synthgen.generate(small("parts", per_class=1), "out", workers=0, progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = synthgen.load_recipe("../out")
    assert again.data_fingerprint == small("../parts", per_class=1).data_fingerprint
    assert synthgen.generate(again, "../out", workers=0, progress=False).drawn == 0


def test_a_recipe_without_images_can_be_loaded_but_not_drawn():
    recipe = synthgen.load_recipe("tiny-cutpaste")
    with pytest.raises(UsageError, match=r"normal must name a folder of images"):
        synthgen.render(recipe, 0, 0)


@pytest.mark.parametrize("name", ["cutpaste-f2pad", "cutpaste-rectangles", "cutpaste-structural", "tiny-cutpaste"])
def test_installed_recipes_draw_every_class(normal, name):
    recipe = synthgen.load_recipe(name, {"normal": normal})
    assert recipe.classes == cutpaste.most_classes(recipe.options)
    for label in range(recipe.classes):
        mask = synthgen.render(recipe, label, 0).fields["mask"]
        assert mask.any() == (not recipe.options.good or label > 0)


def part_on_table(folder, count=4):
    """Write pictures of a light square on a dark table, each at another place; return where they lie."""
    folder.mkdir()
    places = []
    for number in range(count):
        pixels = np.full((*SIZE, 3), 40, np.uint8)
        place = slice(8 + 2 * number, 26 + 2 * number), slice(10 + 3 * number, 36 + 3 * number)
        pixels[place] = (200, 190, 170)
        Image.fromarray(pixels).save(folder / f"part{number}.png")
        places.append(place)
    return places


@pytest.mark.parametrize("region", ["auto", "folder"])
def test_the_region_follows_the_part_of_each_image(tmp_path, region):
    places = part_on_table(tmp_path / "good")
    given = region
    if region == "folder":
        given = str(tmp_path / "masks")
        (tmp_path / "masks").mkdir()
        for number, place in enumerate(places):
            mask = np.zeros(SIZE, np.uint8)
            mask[place] = 255
            Image.fromarray(mask).save(tmp_path / "masks" / f"part{number}{'_mask' if number else ''}.png")

    recipe = small(str(tmp_path / "good"), region=given, masks="blobs,scratches", per_class=8)
    seen = set()
    for label in range(recipe.classes):
        for index in range(8):
            sample = synthgen.render(recipe, label, index)
            number = int(sample.params["image"]["name"][4])
            inside = np.zeros(SIZE, bool)
            inside[places[number]] = True
            assert changed(sample).any()
            assert not changed(sample)[~inside].any()
            seen.add(number)
    assert seen == {0, 1, 2, 3}


def test_images_without_a_part_get_no_defects(tmp_path):
    places = part_on_table(tmp_path / "good")
    Image.fromarray(np.full((*SIZE, 3), 40, np.uint8)).save(tmp_path / "good" / "part2.png")
    recipe = small(str(tmp_path / "good"), region="auto", masks="blobs", anomalies="color", good=True, per_class=20)
    names: dict[int, set] = {0: set(), 1: set()}
    for label, found in names.items():
        for index in range(20):
            sample = synthgen.render(recipe, label, index)
            number = int(sample.params["image"]["name"][4])
            inside = np.zeros(SIZE, bool)
            inside[places[number]] = True
            assert changed(sample).any() == (label == 1)
            assert not changed(sample)[~inside].any()
            found.add(number)
    assert names == {0: {0, 1, 2, 3}, 1: {0, 1, 3}}


def test_a_part_that_noise_hides_is_found_in_the_smaller_picture(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.normal(60, 20, (512, 512))
    pixels[160:352, 160:352] += 120
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / "part.png")
    recipe = small(str(tmp_path), region="auto", masks="blobs", anomalies="color", size=512)
    around = np.zeros((512, 512), bool)
    around[140:372, 140:372] = True
    for index in range(3):
        sample = synthgen.render(recipe, 0, index)
        assert changed(sample).any()
        assert not changed(sample)[~around].any()

    empty = {**sample.params, "background": {"spread": [200.0]}}
    with pytest.raises(UsageError, match=r"^part\.png: must show a part that stands out"):
        cutpaste.draw(empty, (512, 512))


def test_a_region_that_cannot_be_found_is_refused(normal, tmp_path):
    part_on_table(tmp_path / "good")
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "good" / f"part{number}.png")
    with pytest.raises(UsageError, match=r"region auto needs parts that stand out .*, got 0 of 4"):
        synthgen.render(small(str(tmp_path / "good"), region="auto"), 0, 0)
    (tmp_path / "masks").mkdir()
    Image.new("L", (8, 8), 255).save(tmp_path / "masks" / "part1.png")
    with pytest.raises(UsageError, match="mask for each of the 4 normal images, got none for part0 and 3 in all"):
        make_plan(small(normal, region=str(tmp_path / "masks")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "masks/part1_mask.png",
            "region must hold one mask for each normal image, got part1.png and part1_m",
        ),
        ("good/part1.bmp", "normal must hold images of different names, .* got part1.bmp and part1.png"),
    ],
)
def test_masks_by_name_have_one_image_each(tmp_path, name, message):
    save(tmp_path / "good", 2)
    save(tmp_path / "masks", 2)
    Image.new("L", SIZE, 255).save(tmp_path / name)
    with pytest.raises(UsageError, match=message):
        make_plan(small(str(tmp_path / "good"), region=str(tmp_path / "masks")))


def test_defects_are_seen_on_average_and_only_then_moved(normal):
    recipe = small(normal, visibility=25, per_class=6)
    raised = 0
    for label in range(recipe.classes):
        for index in range(6):
            sample = synthgen.render(recipe, label, index)
            difference = np.abs(sample.image.astype(int) - sample.fields["clean"]).max(axis=2)
            for thing in sample.params["objects"]:
                raised += thing["params"]["raised"]
                own = difference[sample.fields["instances"] == thing["id"]]
                assert own.size < thing["area"] or own.mean() >= 15
    assert raised < 0.1 * 6 * recipe.classes


def cut_outs(folder) -> str:
    folder.mkdir()
    rows, columns = np.mgrid[:60, :40]
    alpha = np.clip((18 - np.hypot(rows - 30, columns - 20)) * 200, 0, 255)
    pixels = np.dstack([np.full((60, 40, 3), (20, 250, 30)), alpha]).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "dot.png")
    return str(folder)


def test_cut_outs_are_a_class_of_their_own(normal, tmp_path):
    folder = cut_outs(tmp_path / "defects")
    alone = small(normal, defects=folder, area="0.05:0.05", severity=1, objects="1:1")
    assert (alone.classes, cutpaste.describe_class(alone.options, 0, 0)["name"]) == (1, "cutouts")
    sample = synthgen.render(alone, 0, 0)
    (thing,) = sample.params["objects"]
    assert (thing["kind"], thing["params"]["mask"]["name"]) == ("cutout", "dot.png")
    own = sample.image[sample.fields["instances"] == 1].astype(int)
    assert (np.abs(own - (20, 250, 30)).max(axis=1) <= 2).mean() > 0.4
    assert np.array_equal(sample.fields["mask"] == 255, changed(sample))
    both = small(normal, defects=folder, masks="blobs", anomalies="color", good=True)
    names = [cutpaste.describe_class(both.options, 0, label)["name"] for label in range(both.classes)]
    assert names == ["good", "blobs-color", "cutouts"]
    assert synthgen.render(small(normal, defects=folder, channels="gray"), 0, 0).image.shape == SIZE


def test_an_opaque_cut_out_is_refused(normal, tmp_path):
    save(tmp_path / "defects", 1)
    with pytest.raises(UsageError, match=r"part0.png: must be transparent around the defect .*, got all opaque"):
        make_plan(small(normal, defects=str(tmp_path / "defects")))


MISTAKES = [
    ({"area": "0.2:0.1"}, "area must be LOW:HIGH with LOW <= HIGH, got 0.2:0.1"),
    ({"area": "0:0.1"}, r"area must be float >= 1e-05, got"),
    ({"objects": "0:3"}, r"objects must be int >= 1, got '0:3'"),
    ({"severity": "0.5:1.5"}, r"severity must be float <= 1.0, got"),
    ({"contrast": 128}, "contrast must be int <= 127, got 128"),
    ({"masks": "blobs,blobs"}, "masks must not repeat, got blobs,blobs"),
    ({"masks": "holes"}, "masks must be one of blobs, scratches"),
    ({"masks": ""}, "masks must name at least one, got none"),
    ({"masks": "files"}, "masks must have files if and only if there is a mask_dir"),
    ({"anomalies": "colour"}, "anomalies must be one of color, image, piece, structural"),
    ({"brightness": "0.5:0.2"}, "brightness must be LOW:HIGH with LOW <= HIGH, got 0.5:0.2"),
    ({"normal": ""}, "normal must be a path, got ''"),
    ({"normal": "no\udcff"}, r"normal must be UTF-8, got '.*no\\udcff'"),
    ({"classes": 16}, "classes must be <= 15, got 16"),
    ({"fields": "dirty"}, "fields must be one of clean"),
    ({"storage": {"codec": "jpeg"}}, "codec must be lossless for cutpaste"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_wrong_options_are_named(normal, change, message):
    with pytest.raises(UsageError, match=message):
        small(**{"normal": normal, **change})


def test_wrong_files_are_named(normal, tmp_path):
    (tmp_path / "empty").mkdir()
    one = save(tmp_path / "one", 1)
    for change, message in (
        ({"normal": str(tmp_path / "empty")}, r"normal must hold images \(.*\), got none"),
        ({"normal": str(tmp_path / "nowhere")}, "normal must be a folder of images"),
        ({"normal": one}, "normal must hold at least 2 images for anomalies image, got 1"),
        ({"normal": one, "anomalies": "structural"}, "at least 2 images for anomalies structural, got 1"),
        ({"source_dir": str(tmp_path / "empty")}, "source_dir must hold images"),
        ({"mask_dir": str(tmp_path / "empty")}, "mask_dir must hold images"),
        ({"region": str(tmp_path / "empty")}, "region must hold images"),
    ):
        with pytest.raises(UsageError, match=message):
            make_plan(small(**{"normal": normal, **change}))
    assert make_plan(small(one, anomalies="color,piece"))
